"""Actual values: what counts as one, who may enter it, and how files are read."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from protos.reviews.v1 import tasks_pb2
from services.reviews.convert import actuals as convert
from services.reviews.convert.sheets import read_sheet
from services.reviews.domain.actuals import MESSAGES, Entry, Rules, Target, judge, read_value
from services.reviews.domain.errors import ActualsFileInvalid, Invalid
from services.reviews.domain.form_body import form_body
from services.reviews.domain.model import Actual, ActualState, Form
from services.reviews.usecases.actuals import SheetOfActuals, entries_of
from tests.reviews.launches import KPI, body_of

PERSON, PROVIDER, STRANGER, FORM = (UUID(int=number) for number in range(1, 5))
ITEM = "performance/revenue"


def target(**changes: Any) -> Target:
    facts: dict[str, Any] = {
        "participant_id": PERSON,
        "code": "E1",
        "form_id": FORM,
        "takes_part": True,
        "administered": False,
        "providers": {ITEM: PROVIDER},
    }
    return Target(**(facts | changes))


def rules(caller: UUID = PROVIDER, **changes: Any) -> Rules:
    items = {FORM: {ITEM: "ratio", "extra/violation": "yes_no"}}
    facts: dict[str, Any] = {"caller": caller, "items": items, "locked": False}
    return Rules(**(facts | changes))


def refusals(entry: Entry, some: Target, by: Rules) -> list[str]:
    return [failure.code for failure in judge([entry], [some], by)[1]]


@pytest.mark.parametrize(
    ("written", "method", "value"),
    [
        ("110", "ratio", Decimal(110)),
        ("1,100.5", "ratio", Decimal("1100.5")),
        ("120%", "ratio", Decimal("1.2")),
        (" -3 ", "formula", Decimal(-3)),
        ("", "ratio", None),
        ("是", "yes_no", Decimal(1)),
        ("no", "yes_no", Decimal(0)),
        ("maybe", "yes_no", "NOT_YES_OR_NO"),
        ("3", "occurrence", Decimal(3)),
        ("1.5", "occurrence", "NOT_A_COUNT"),
        ("-1", "occurrence", "NOT_A_COUNT"),
        ("many", "ratio", "VALUE_INVALID"),
        ("NaN", "ratio", "VALUE_INVALID"),
        ("1e99", "ratio", "VALUE_INVALID"),
        ("0.0000001", "ratio", "VALUE_INVALID"),
    ],
)
def test_values(written: str, method: str, value: object) -> None:
    assert read_value(written, method) == value


@given(st.text(max_size=60), st.sampled_from(["ratio", "yes_no", "occurrence", "formula"]))
def test_any_text_is_a_value_or_a_known_fault(written: str, method: str) -> None:
    value = read_value(written, method)
    assert value is None or isinstance(value, Decimal) or value in MESSAGES


def test_who_may_enter() -> None:
    entry = Entry(0, ITEM, "1", PERSON)
    assert refusals(entry, target(), rules()) == []
    assert refusals(entry, target(), rules(STRANGER)) == ["NOT_PROVIDER"]
    assert refusals(entry, target(administered=True), rules(STRANGER)) == []
    assert refusals(entry, target(takes_part=False), rules()) == ["TAKES_NO_PART"]
    assert refusals(entry, target(), rules(locked=True)) == ["LOCKED"]
    assert refusals(entry, target(), rules(locked=True, extended={PROVIDER})) == []
    assert refusals(entry, target(administered=True), rules(STRANGER, locked=True)) == ["REASON_REQUIRED"]
    assert refusals(entry, target(administered=True), rules(STRANGER, locked=True, reason="late")) == []


def test_one_bad_value_does_not_stop_the_others() -> None:
    entries = [
        Entry(0, ITEM, "1", PERSON),
        Entry(1, ITEM, "2", PERSON),
        Entry(2, "x/y", "1", PERSON),
        Entry(3, ITEM, "1", code="E9"),
    ]
    accepted, failures, unchanged = judge(entries, [target()], rules())
    assert [(each.item, each.value) for each in accepted] == [(ITEM, Decimal(1))]
    assert [(failure.index, failure.code) for failure in failures] == [
        (1, "TWICE"),
        (2, "ITEM_UNKNOWN"),
        (3, "PARTICIPANT_UNKNOWN"),
    ]
    assert unchanged == 0


def test_an_equal_value_is_no_new_version_and_a_changed_one_builds_on_the_last() -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    last = Actual(UUID(int=9), PERSON, ITEM, 3, Decimal("1.0"), ActualState.ENTERED, "provider", PROVIDER, now)
    some = target(latest={ITEM: last})
    assert judge([Entry(0, ITEM, "1", PERSON)], [some], rules()) == ([], [], 1)
    accepted, _, _ = judge([Entry(0, ITEM, "2", PERSON)], [some], rules())
    assert accepted[0].before == last


def forms() -> list[Form]:
    return [Form(FORM, b"", form_body(body_of(KPI)))]


def test_a_workbook_reads_like_a_text_file() -> None:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for line, row in enumerate([("工号", "销售额", "客户有效投诉"), ("E1", 1100.5, 2), ("E2", 900, "")]):
            sheet.write_row(line, 0, row)
    content = buffer.getvalue()
    read = read_sheet(content, "xlsx")
    assert read.rows == ((2, ("E1", "1100.5", "2")), (3, ("E2", "900", "")))
    assert read == read_sheet("工号,销售额,客户有效投诉\nE1,1100.5,2\nE2,900,\n".encode("gb18030"), "csv")
    entries, failures, total = entries_of(read, forms())
    assert [(entry.index, entry.code, entry.item, entry.value) for entry in entries] == [
        (2, "E1", ITEM, "1100.5"),
        (2, "E1", "performance/complaints", "2"),
        (3, "E2", ITEM, "900"),
    ]
    assert (failures, total) == ([], 2)


def test_a_file_without_codes_is_reported() -> None:
    sheet = SheetOfActuals(("销售额",), ((2, ("1",)),))
    assert [failure.code for failure in entries_of(sheet, forms())[1]] == ["CODE_COLUMN_MISSING"]


@pytest.mark.parametrize(
    ("content", "file_format"),
    [(b"", "csv"), (b"PK\x03\x04", "xlsx"), (b"junk", "xlsx"), (b"\xff\xfe\x00", "csv"), (b"a", "pdf"), (b'"', "csv")],
)
def test_what_is_no_sheet_is_refused(content: bytes, file_format: str) -> None:
    with pytest.raises(ActualsFileInvalid):
        read_sheet(content, file_format)


@given(st.binary(max_size=200), st.sampled_from(["csv", "xlsx"]))
def test_any_bytes_are_a_sheet_or_refused(content: bytes, file_format: str) -> None:
    try:
        read = read_sheet(content, file_format)
    except ActualsFileInvalid:
        return
    entries_of(read, forms())


@pytest.mark.parametrize(
    "actual",
    [
        tasks_pb2.Actual(item=ITEM, value="1"),
        tasks_pb2.Actual(item=ITEM, value="1", participant_id="nobody"),
        tasks_pb2.Actual(item=ITEM, participant_id=str(PERSON), evidence=[tasks_pb2.Evidence(url="javascript:x")]),
    ],
)
def test_malformed_values_name_their_place(actual: tasks_pb2.Actual) -> None:
    request = tasks_pb2.PutActualsRequest(cycle_id=str(UUID(int=1)), actuals=[actual])
    with pytest.raises(Invalid) as caught:
        convert.put_actuals(request)
    assert caught.value.violations[0][0].startswith("/actuals/0/")
