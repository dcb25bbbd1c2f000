"""Goals from a file: what is sound loads, and each broken row is reported by line, column as written, and reason."""

import asyncio
import io
from collections.abc import Sequence
from datetime import date
from uuid import uuid4

import grpc
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text

from protos.goals.v1 import goals_pb2 as pb
from services.goals.domain.model import Owner
from services.goals.usecases.import_goals import MAX_ERRORS, ImportGoals, read_file
from services.runtime.database import Database
from services.runtime.identity import Grant
from tests.goals.conftest import Company, refusal

HEADER = "owner_code,name,mode,weight,period_start,period_end,measure,measure_weight,baseline,target,unit,direction"
GOOD = "E1,Revenue,KPI,40,2026-01-01,2026-12-31,Revenue,100,,200,M,higher"


def row(**cells: str) -> str:
    values = (
        dict(zip(HEADER.split(","), GOOD.split(","), strict=True)) | {"name": "Growth", "measure": "Growth"} | cells
    )
    return ",".join(values.values())


def okr(result: str, share: str, **cells: str) -> str:
    return row(**{"mode": "okr", "measure": result, "measure_weight": share, **cells})


BROKEN: list[tuple[str, str, Sequence[str]]] = [
    ("VALUE_MISSING", "owner_code", [row(owner_code="")]),
    ("OWNER_UNKNOWN", "owner_code", [row(owner_code="Z9")]),
    ("OWNER_DEPARTED", "owner_code", [row(owner_code="L1")]),
    ("VALUE_MISSING", "name", [row(name="  ")]),
    ("VALUE_TOO_LONG", "name", [row(name="n" * 201)]),
    ("CONTROL_CHARACTER", "name", [row(name="Gro\x07wth")]),
    ("CONTROL_CHARACTER", "name", [row(name='"Gro\nwth"')]),
    ("VALUE_TOO_LONG", "measure", [row(measure="m" * 201)]),
    ("CONTROL_CHARACTER", "measure", [row(measure="m\x00")]),
    ("VALUE_TOO_LONG", "unit", [row(unit="u" * 51)]),
    ("MODE_UNKNOWN", "mode", [row(mode="BSC")]),
    ("VALUE_MISSING", "mode", [row(mode="")]),
    ("VALUE_MISSING", "weight", [row(weight="")]),
    ("NUMBER_MALFORMED", "weight", [row(weight="forty")]),
    ("NUMBER_MALFORMED", "weight", [row(weight="4_0")]),
    ("WEIGHT_OUT_OF_RANGE", "weight", [row(weight="0")]),
    ("WEIGHT_OUT_OF_RANGE", "weight", [row(weight="101%")]),
    ("DATE_MALFORMED", "period_start", [row(period_start="2026-02-30")]),
    ("DATE_MALFORMED", "period_start", [row(period_start="01/02/2026")]),
    ("DATE_MALFORMED", "period_end", [row(period_end="0026-01-01")]),
    ("VALUE_MISSING", "period_end", [row(period_end="")]),
    ("PERIOD_REVERSED", "period_end", [row(period_end="2025-12-31")]),
    ("NUMBER_MALFORMED", "target", [row(target="=1+1")]),
    ("NUMBER_MALFORMED", "target", [row(target='"1,000"')]),
    ("NUMBER_MALFORMED", "target", [row(target="1e15")]),
    ("NUMBER_MALFORMED", "target", [row(target="0.0000000000001")]),
    ("NUMBER_MALFORMED", "baseline", [row(baseline="NaN")]),
    ("TARGET_MISSING", "target", [row(target="")]),
    ("TARGET_ZERO", "target", [row(target="0")]),
    ("TARGET_NEGATIVE", "target", [row(target="-1")]),
    ("TARGET_IS_BASELINE", "target", [okr("a", "100", baseline="200")]),
    ("DIRECTION_UNKNOWN", "direction", [row(direction="sideways")]),
    ("NUMBER_MALFORMED", "measure_weight", [row(measure_weight="half")]),
    ("WEIGHTS_NOT_100", "measure_weight", [okr("a", "50"), okr("b", "49")]),
    ("WEIGHT_OUT_OF_RANGE", "measure_weight", [okr("a", "150"), okr("b", "-50")]),
    ("MEASURES_COUNT", "measure", [row(measure="a", measure_weight="50"), row(measure="b", measure_weight="50")]),
    ("GOAL_CONTRADICTED", "weight", [okr("a", "50"), okr("b", "50", weight="41")]),
    ("GOAL_CONTRADICTED", "mode", [okr("a", "50"), okr("b", "50", mode="MBO")]),
    ("MEASURE_TWICE", "measure", [row(), row()]),
    ("GOAL_INCOMPLETE", "", [okr("a", "100"), okr("b", "x")]),
    ("GOAL_EXISTS", "name", [row(name="Standing")]),
    ("CELL_COUNT", "", [row() + ",more"]),
]
BROKEN_FILES = [
    ("FILE_EMPTY", b""),
    ("FILE_EMPTY", HEADER.encode() + b"\n\n"),
    ("NOT_XLSX", b"PK\x03\x04 and then nothing of the kind"),
    ("NOT_XLSX", b"\xd0\xcf\x11\xe0 an old workbook"),
    ("FILE_ENCODING", f"{HEADER}\n{GOOD}\n".encode("utf-16")),
    ("HEADER_MISSING", HEADER.replace("weight,period", "wt,period").encode() + b"\n" + GOOD.encode()),
    ("HEADER_UNKNOWN", HEADER.replace("direction", "taget").encode() + b"\n" + GOOD.encode()),
    ("HEADER_TWICE", HEADER.replace("unit", "目标值").encode() + b"\n" + GOOD.encode()),
    ("HEADER_EMPTY", HEADER.replace("unit", "").encode() + b"\n" + GOOD.encode()),
]


def workbook(rows: Sequence[Sequence[object]], formulas: Sequence[tuple[str, str, object]] = ()) -> bytes:
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"default_date_format": "yyyy-mm-dd"}) as book:
        sheet = book.add_worksheet()
        for number, cells in enumerate(rows):
            sheet.write_row(number, 0, cells)
        for cell, formula, value in formulas:
            sheet.write_formula(cell, formula, None, value)
    return buffer.getvalue()


async def goals_of(company: Company) -> dict[str, pb.Goal]:
    listed = await company.goals.ListGoals(pb.ListGoalsRequest(all=True, page_size=500), **company.by_hr)
    return {goal.name: goal for goal in listed.goals}


@pytest.fixture
async def with_standing_goal(company: Company) -> Company:
    """A company with somebody who left, and a goal that stands already."""
    company.people.owners["L1"] = Owner(uuid4(), (), (), departed=True)
    await company.load(f"{HEADER}\n{row(name='Standing')}\n")
    return company


@pytest.mark.parametrize(("code", "column", "lines"), BROKEN)
async def test_a_broken_row_is_named_and_the_good_one_loads(
    with_standing_goal: Company, code: str, column: str, lines: Sequence[str]
) -> None:
    report = await with_standing_goal.load("\n".join([HEADER, GOOD, *lines]))
    assert (code, column) in {(error.code, error.column) for error in report.errors}
    assert (report.total, report.created, report.rejected) == (1 + len(lines), 1, len(lines))
    assert all(error.line >= 3 and error.message for error in report.errors)
    assert set(await goals_of(with_standing_goal)) == {"Standing", "Revenue"}


@pytest.mark.parametrize(("code", "content"), BROKEN_FILES)
async def test_a_broken_file_loads_nothing(company: Company, code: str, content: bytes) -> None:
    report = await company.load(content)
    assert code in {error.code for error in report.errors}
    assert (report.created, report.rejected) == (0, report.total)
    assert await goals_of(company) == {}


async def test_all_errors_of_a_file_come_at_once_under_headers_as_written(company: Company) -> None:
    header = "工号,目标,类型,权重,开始日期,结束日期,指标,指标权重,基线,目标值,单位,方向"
    lines = [
        "E1,销售额,kpi,60,2026-01-01,2026-12-31,,,,5000,万元,越高越好",
        "E1,,bsc,x,2026/13/1,,,,,1e99,,向上",
        "E2,客诉,okr,40,2026-01-01,2026-12-31,投诉数,50,20,10,件,越低越好",
        "E2,客诉,okr,40,2026-01-01,2026-12-31,处理时长,40,8,4,小时,越低越好",
    ]
    report = await company.load("\n".join([header, *lines]))
    assert [(error.line, error.column, error.code) for error in report.errors] == [
        (3, "目标", "VALUE_MISSING"),
        (3, "类型", "MODE_UNKNOWN"),
        (3, "权重", "NUMBER_MALFORMED"),
        (3, "开始日期", "DATE_MALFORMED"),
        (3, "结束日期", "VALUE_MISSING"),
        (3, "目标值", "NUMBER_MALFORMED"),
        (3, "方向", "DIRECTION_UNKNOWN"),
        (4, "指标权重", "WEIGHTS_NOT_100"),
    ]
    assert (report.total, report.created, report.rejected) == (4, 1, 3)
    goal = (await goals_of(company))["销售额"]
    assert [(each.name, each.weight, each.target, each.unit) for each in goal.measures] == [
        ("销售额", "100", "5000", "万元")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
async def test_encodings(company: Company, encoding: str) -> None:
    content = f"{HEADER}\n{row(name='提升　服务', measure='满意度')}\n".encode(encoding)
    report = await company.load(content)
    assert (report.created, list(report.errors)) == (1, [])
    assert set(await goals_of(company)) == {"提升　服务"}


async def test_damaged_text_is_an_error_of_its_cell(company: Company) -> None:
    content = f"{HEADER}\n{row(name='提升服务质量')}\n{row(measure='满意')}\n".encode()
    report = await company.load(content.replace("意".encode(), b"\xe6"))
    assert [(error.line, error.column, error.code) for error in report.errors] == [(3, "measure", "BAD_ENCODING")]
    assert report.created == 1


async def test_a_workbook_reads_like_the_same_text(company: Company) -> None:
    cells = ["E1", "Revenue", "kpi", 40, date(2026, 1, 1), date(2026, 12, 31), "Revenue", 100, 0.5, 200.25, "M", ""]
    report = await company.load(workbook([HEADER.split(","), cells]), format=pb.FILE_FORMAT_XLSX)
    assert (report.created, list(report.errors)) == (1, [])
    goal = (await goals_of(company))["Revenue"]
    assert (goal.weight, goal.period_start, goal.period_end) == ("40", "2026-01-01", "2026-12-31")
    assert (goal.measures[0].baseline, goal.measures[0].target) == ("0.5", "200.25")


async def test_formulas_count_by_their_values_in_a_workbook_and_are_text_in_a_csv(company: Company) -> None:
    cells = ["E1", "Revenue", "kpi", 40, "2026-01-01", "2026-12-31", "Revenue", 100, 0, None, "M", "higher"]
    content = workbook([HEADER.split(","), cells], [("J2", "=100*2", 200)])
    assert (await company.load(content, format=pb.FILE_FORMAT_XLSX)).created == 1
    assert (await goals_of(company))["Revenue"].measures[0].target == "200"
    report = await company.load(f"{HEADER}\n{row(name='=1+1', measure='@SUM(A1)')}\n")
    assert report.created == 1
    goal = (await goals_of(company))["=1+1"]
    assert (goal.measures[0].name, goal.progress) == ("@SUM(A1)", "0.0000")


async def test_a_failed_formula_is_an_error_of_its_cell(company: Company) -> None:
    cells = ["E1", "Revenue", "kpi", 40, "2026-01-01", "2026-12-31", "Revenue", 100, 0, None, "M", "higher"]
    content = workbook([HEADER.split(","), cells], [("J2", "=1/0", "#DIV/0!")])
    report = await company.load(content, format=pb.FILE_FORMAT_XLSX)
    assert [(error.line, error.column) for error in report.errors] == [(2, "target")]


async def test_per_cent_signs(company: Company) -> None:
    """A weight is in per cent anyway; of a value 120 % is 1.2."""
    lines = [row(weight="40%", measure_weight="100 %", target="95%"), row(name="Other", weight="40", target="120％")]
    assert (await company.load("\n".join([HEADER, *lines]))).created == 2
    found = await goals_of(company)
    assert (found["Growth"].weight, found["Growth"].measures[0].weight) == ("40", "100")
    assert [found[name].measures[0].target for name in ("Growth", "Other")] == ["0.95", "1.20"]


@pytest.mark.parametrize("day", ["2026-3-1", "2026/3/1", "2026/03/01", "2026.3.1", "2026年3月1日"])
async def test_dates_as_spreadsheets_write_them(company: Company, day: str) -> None:
    assert (await company.load(f"{HEADER}\n{row(period_start=day)}\n")).created == 1
    assert (await goals_of(company))["Growth"].period_start == "2026-03-01"


async def test_rows_of_one_goal_need_not_stand_together(company: Company) -> None:
    lines = [okr("a", "60", target="1"), GOOD, okr("b", "40", target="5")]
    report = await company.load("\n".join([HEADER, *lines]))
    assert (report.total, report.created, report.rejected) == (3, 2, 0)
    assert [each.name for each in (await goals_of(company))["Growth"].measures] == ["a", "b"]


async def test_the_same_name_in_another_period_is_another_goal(company: Company) -> None:
    lines = [row(period_end="2026-03-31"), row(period_start="2026-04-01", period_end="2026-06-30", weight="50")]
    assert (await company.load("\n".join([HEADER, *lines]))).created == 2


async def test_a_broken_row_keeps_its_whole_goal_out(company: Company) -> None:
    lines = [okr("a", "100"), okr("b", "x"), okr("c", "0", period_end="")]
    report = await company.load("\n".join([HEADER, GOOD, *lines]))
    assert [(error.line, error.code) for error in report.errors] == [
        (3, "GOAL_INCOMPLETE"),
        (4, "NUMBER_MALFORMED"),
        (5, "VALUE_MISSING"),
    ]
    assert "line 4" in report.errors[0].message
    assert set(await goals_of(company)) == {"Revenue"}


async def test_the_same_file_twice_makes_nothing_twice(company: Company) -> None:
    content = "\n".join([HEADER, GOOD, row(owner_code="E2")])
    assert (await company.load(content)).created == 2
    again = await company.load(content)
    assert (again.created, again.rejected) == (0, 2)
    assert {error.code for error in again.errors} == {"GOAL_EXISTS"}
    # Sent at once under two request ids, it is still made once.
    other = "\n".join([HEADER, *(row(name=f"G{number}", weight="1") for number in range(20))])
    reports = await asyncio.gather(company.load(other), company.load(other))
    assert sorted(report.created for report in reports) == [0, 20]
    assert len(await goals_of(company)) == 22


async def test_a_cancelled_goal_may_be_imported_again(company: Company) -> None:
    await company.load(f"{HEADER}\n{GOOD}\n")
    goal = (await goals_of(company))["Revenue"]
    request = pb.CancelGoalRequest(request_id="c", goal_id=goal.id, reason="wrong")
    await company.goals.CancelGoal(request, **company.by_hr)
    assert (await company.load(f"{HEADER}\n{GOOD}\n")).created == 1


async def test_a_repeated_request_is_answered_with_the_first_report(company: Company) -> None:
    request = pb.ImportGoalsRequest(request_id="i", content=f"{HEADER}\n{GOOD}\n{row(target='')}".encode())
    first = await company.goals.ImportGoals(request, **company.by_hr)
    assert await company.goals.ImportGoals(request, **company.by_hr) == first
    assert (first.created, len(await goals_of(company))) == (1, 1)
    request.confirm = True
    assert (await refusal(company.goals.ImportGoals(request, **company.by_hr))).reason == "IDEMPOTENCY_KEY_REUSED"


async def test_dry_run_says_what_would_happen_and_does_nothing(company: Company, database: Database) -> None:
    report = await company.load("\n".join([HEADER, GOOD, row(target="")]), dry_run=True)
    assert (report.total, report.created, report.rejected) == (2, 1, 1)
    assert await goals_of(company) == {}
    async with database.transaction(company.tenant_id) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM event")) == 0


async def test_confirmed_at_once_but_never_ones_own(company: Company) -> None:
    lines = [GOOD, row(period_start="2090-01-01", period_end="2090-12-31"), row(owner_code="HR")]
    report = await company.load("\n".join([HEADER, *lines]), confirm=True)
    assert [(error.line, error.column, error.code) for error in report.errors] == [(4, "owner_code", "OWN_GOAL")]
    states = {name: goal.state for name, goal in (await goals_of(company)).items()}
    assert states == {"Revenue": pb.GOAL_STATE_ACTIVE, "Growth": pb.GOAL_STATE_CONFIRMED}


async def test_only_within_ones_scope(company: Company) -> None:
    content = "\n".join([HEADER, GOOD, row(owner_code="M2")])
    caller = company.by(company.hr, Grant("hr_admin", "department", str(company.sales)))
    report = await company.load(content, call=caller)
    assert [(error.line, error.code) for error in report.errors] == [(3, "OUT_OF_SCOPE")]
    assert report.created == 1
    denied = await refusal(company.load(content, call=company.by(company.manager)))
    assert denied.code is grpc.StatusCode.PERMISSION_DENIED


async def test_statements_do_not_grow_with_the_file(company: Company, database: Database) -> None:
    executed: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        executed.append(statement)

    counts = []
    for size in (3, 900):
        lines = [row(name=f"{size}-{number}", weight="1") for number in range(size)]
        event.listen(database.app.sync_engine, "before_cursor_execute", count)
        executed.clear()
        report = await company.load("\n".join([HEADER, *lines]))
        event.remove(database.app.sync_engine, "before_cursor_execute", count)
        assert report.created == size
        counts.append(len(executed))
    assert counts[0] == counts[1]


async def test_a_report_stays_within_what_an_answer_can_hold(company: Company) -> None:
    lines = [f"E1,g{number},x,y,z," for number in range(3_000)]
    report = await company.load("\n".join([HEADER, *lines]))
    assert (report.total, report.rejected, len(report.errors)) == (3_000, 3_000, MAX_ERRORS + 1)
    assert (report.errors[-1].code, report.errors[-1].message[:5]) == ("MORE_ERRORS", "2000 ")


@given(st.binary(max_size=300))
def test_any_bytes_give_a_report(content: bytes) -> None:
    file = read_file(ImportGoals(content, False, False, False))
    assert file.goals or file.errors


CELLS = st.sampled_from(
    ["", "E1", "G", "kpi", "okr", "50", "100", "-1", "2026-01-01", "2026-12-31", "x", '"', "=1", "\x00"]
)


@given(st.lists(st.lists(CELLS, min_size=1, max_size=13), max_size=6))
def test_every_row_is_in_a_goal_or_in_the_report(rows: list[list[str]]) -> None:
    file = read_file(ImportGoals("\n".join([HEADER, *(",".join(each) for each in rows)]).encode(), False, False, False))
    loaded = {measure.line for goal in file.goals for measure in goal.measures}
    named = {error.line for error in file.errors}
    assert not loaded & named
    assert file.total == len(loaded | {line for line in named if line > 1}) or any(
        e.code == "BAD_QUOTING" for e in file.errors
    )
