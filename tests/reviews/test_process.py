"""Windows in every unit, across clock changes and holidays; what a pause moves; the graph's order."""

from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import ProcessInvalid
from services.reviews.domain.model import Span, Stage, StageDefinition, StageKind, Unit
from services.reviews.domain.process import descendants, in_order, keep_length, plan_stages

BERLIN = Calendar("Europe/Berlin", {})
SHANGHAI = Calendar("Asia/Shanghai", {date(2026, 10, day): False for day in range(1, 8)} | {date(2026, 10, 10): True})
INSTANTS = st.integers(0, 2 * 365 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        ("2026-03-28T18:00+01:00", Span(1, Unit.CALENDAR_DAYS), "2026-03-29T18:00+02:00"),
        ("2026-03-28T18:00+01:00", Span(24, Unit.HOURS), "2026-03-29T19:00+02:00"),
        ("2026-10-24T18:00+02:00", Span(1, Unit.CALENDAR_DAYS), "2026-10-25T18:00+01:00"),
        ("2026-03-28T02:30+01:00", Span(1, Unit.CALENDAR_DAYS), "2026-03-29T03:30+02:00"),
        ("2026-03-27T18:00+01:00", Span(1, Unit.BUSINESS_DAYS), "2026-03-30T18:00+02:00"),
        ("2026-03-30T18:00+02:00", Span(-1, Unit.BUSINESS_DAYS), "2026-03-27T18:00+01:00"),
        ("2026-03-30T18:00+02:00", Span(90, Unit.SECONDS), "2026-03-30T18:01:30+02:00"),
    ],
)
def test_days_keep_the_wall_time_and_hours_do_not(start: str, span: Span, end: str) -> None:
    assert BERLIN.add(at(start), span) == at(end)


def test_holidays_and_make_up_workdays_count_as_the_calendar_says() -> None:
    eve = at("2026-09-30T18:00+08:00")
    assert SHANGHAI.add(eve, Span(1, Unit.BUSINESS_DAYS)) == at("2026-10-08T18:00+08:00")
    assert SHANGHAI.add(eve, Span(3, Unit.BUSINESS_DAYS)) == at("2026-10-10T18:00+08:00"), "a Saturday that is worked"


def test_a_reminder_may_name_its_wall_time() -> None:
    due = at("2026-10-25T18:00+01:00")
    assert BERLIN.add(due, Span(-1, Unit.CALENDAR_DAYS), wall=time(9)) == at("2026-10-24T09:00+02:00")


@given(INSTANTS, st.integers(1, 30), st.sampled_from([Unit.CALENDAR_DAYS, Unit.BUSINESS_DAYS]))
def test_more_days_are_later(start: datetime, days: int, unit: Unit) -> None:
    assert start < BERLIN.add(start, Span(days, unit)) < BERLIN.add(start, Span(days + 1, unit))


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=30)), st.sampled_from(list(Unit)))
def test_a_pause_never_moves_anything_earlier(paused: datetime, length: timedelta, unit: Unit) -> None:
    due = paused + timedelta(days=3)
    assert BERLIN.shift(due, paused_at=paused, resumed_at=paused + length, unit=unit) >= due


def test_a_pause_over_a_weekend_costs_no_business_day() -> None:
    friday, monday = at("2026-03-20T18:00+01:00"), at("2026-03-22T10:00+01:00")
    due = at("2026-03-24T18:00+01:00")
    assert BERLIN.shift(due, paused_at=friday, resumed_at=monday, unit=Unit.BUSINESS_DAYS) == due
    wednesday = at("2026-03-25T10:00+01:00")
    moved = BERLIN.shift(due, paused_at=friday, resumed_at=wednesday, unit=Unit.BUSINESS_DAYS)
    assert moved == at("2026-03-27T18:00+01:00"), "three business days began in the pause"


def stage(key: str, *after: str, **changes: object) -> Stage:
    facts: dict[str, object] = {"length": Span(2, Unit.CALENDAR_DAYS), **changes}
    definition = StageDefinition(key, StageKind.SELF_REVIEW, after, **facts)  # type: ignore[arg-type]
    return Stage(UUID(int=hash(key) & 0xFFFF), UUID(int=1), definition, 0)


def test_a_stage_is_planned_behind_the_latest_of_its_predecessors() -> None:
    start = at("2026-03-02T09:00+01:00")
    stages = [
        stage("a"),
        stage("b", length=Span(5, Unit.CALENDAR_DAYS)),
        stage("c", "a", "b", offset=Span(1, Unit.CALENDAR_DAYS)),
    ]
    planned = {each.key: each for each in plan_stages(stages, start, BERLIN)}
    assert planned["c"].open_at == at("2026-03-08T09:00+01:00")
    assert planned["c"].due_at == at("2026-03-10T09:00+01:00")
    assert planned["c"].planned_due_at == planned["c"].due_at


def test_a_late_stage_keeps_its_length_and_an_early_one_its_deadline() -> None:
    planned = plan_stages([stage("a")], at("2026-03-02T09:00+01:00"), BERLIN)[0]
    assert planned.open_at is not None
    assert keep_length(planned, planned.open_at + timedelta(days=1), BERLIN) == at("2026-03-05T09:00+01:00")
    assert keep_length(planned, planned.open_at + timedelta(seconds=3), BERLIN) == planned.due_at
    assert keep_length(planned, planned.open_at - timedelta(days=1), BERLIN) == planned.due_at


def test_the_order_of_stages_and_what_rests_on_them() -> None:
    stages = [stage("d", "b", "c"), stage("b", "a"), stage("c", "a"), stage("a"), stage("e")]
    order = in_order({each.key: each.after for each in stages})
    assert order.index("a") < order.index("b") < order.index("d")
    assert descendants("a", stages) == {"b", "c", "d"}
    assert descendants("e", stages) == set()
    with pytest.raises(ProcessInvalid):
        in_order({"a": ["b"], "b": ["a"]})
