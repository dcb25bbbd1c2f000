"""Nonsense of every kind: a finding or a usable template, never an exception."""

import copy
import json
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert.cycle_definition import create_cycle
from services.reviews.convert.template_source import read_source
from services.reviews.convert.template_text import read_template_text
from services.reviews.domain.errors import CycleDefinitionInvalid
from services.reviews.domain.form_body import canonical_json, form_body, storable
from services.reviews.domain.messages import render
from services.reviews.domain.template_reader import read_template
from tests.reviews.test_template_text import GOOD

WORDS = ("120%", "-5", "1e400", "0.1e-30", "ratio", "goal", "bonus", "interval", "5 days", "0 days", "manager", "A", "")
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
SLOW = settings(max_examples=300)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a document."""
    found = [path] if path else []
    entries = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, inner in entries:
        found += places(inner, (*path, key))
    return found


DOCUMENT: Any = storable(read_source(GOOD)[0].document)
PLACES = places(DOCUMENT)


def changed(path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(DOCUMENT)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return document


def survives(text: str) -> None:
    read = read_template_text(text)
    for finding in read.findings:
        assert render(finding).message
        assert render(finding, "zh-CN").message
    if read.body is None:
        assert read.findings
    elif read.usable:
        stored = storable(read.body.document)
        assert canonical_json(form_body(read.body)) == canonical_json(form_body(read_template(stored)))


@SLOW
@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place(path: tuple[Any, ...], value: Any) -> None:
    survives(json.dumps(changed(path, value), ensure_ascii=False))


@SLOW
@given(values)
def test_any_document(document: Any) -> None:
    survives(json.dumps(document, ensure_ascii=True))


@SLOW
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    survives(text)


@SLOW
@given(st.integers(0, len(GOOD) - 1), st.text(max_size=3))
def test_any_slip_of_the_pen(place: int, slip: str) -> None:
    survives(GOOD[:place] + slip + GOOD[place + 1 :])


@SLOW
@given(
    values | st.dictionaries(st.sampled_from(["self_review", "x"]), values), st.text(max_size=10), st.text(max_size=10)
)
def test_any_request_for_a_cycle(overrides: Any, kind: str, day: str) -> None:
    request = cycles_pb2.CreateCycleRequest(
        name="x", kind=kind or "month", period_start=day or "2026-01-01", period_end="2026-01-31", template="x"
    )
    request.overrides_json = json.dumps(overrides)
    with suppress(CycleDefinitionInvalid):
        create_cycle(request)


def test_half_characters_and_nul_are_refused() -> None:
    for text in ('name: "\\ud800"', 'name: "\\0"', '"\\ud800": 1', 'name: [{"\\0": 1}]'):
        assert not read_template_text(text).usable
