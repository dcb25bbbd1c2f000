"""What a goal must satisfy, and how far it is: known answers, and what holds for all goals."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.goals.convert.fields import to_decimal
from services.goals.domain.errors import Invalid, WrongState
from services.goals.domain.model import Direction, Goal, GoalState, Measure, Mode, Owner
from services.goals.domain.numbers import parse_number
from services.goals.domain.rules import (
    TRANSITIONS,
    faults_of,
    progress,
    require_sound,
    require_state,
    settled_state,
    single_weight,
    state_when_confirmed,
)


def goal_of(mode: Mode, *measures: Measure, **fields: object) -> Goal:
    whole = Goal(
        id=UUID(int=1),
        owner=Owner(UUID(int=2)),
        name="g",
        description="",
        mode=mode,
        state=GoalState.ACTIVE,
        weight=Decimal(100),
        period_start=date(2026, 1, 1),
        period_end=date(2026, 12, 31),
        measures=measures,
    )
    return replace(whole, **fields)  # type: ignore[arg-type]


def number(value: str | None, target: str, *, weight: str = "100", baseline: str = "0", lower: bool = False) -> Measure:
    return Measure(
        id=uuid4(),
        name="m",
        weight=Decimal(weight),
        baseline=Decimal(baseline),
        target=Decimal(target),
        direction=Direction.LOWER if lower else Direction.HIGHER,
        value=None if value is None else Decimal(value),
    )


def milestone(weight: str, *, done: bool) -> Measure:
    return Measure(id=uuid4(), name="m", weight=Decimal(weight), done=done)


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        (number(None, "200"), "0.0000"),
        (number("0", "200"), "0.0000"),
        (number("100", "200"), "0.5000"),
        (number("200", "200"), "1.0000"),
        (number("250", "200"), "1.2500"),  # more than reached is shown as more
        (number("-10", "200"), "0.0000"),  # never below nothing
        (number("1", "3"), "0.3333"),
        (number("2", "3"), "0.6667"),
        (number("0.00005", "1"), "0.0001"),  # half up
        (number("0.00015", "1"), "0.0002"),
        (number("0.000149999999", "1"), "0.0001"),
        (number("50", "100", lower=True), "1.5000"),  # 2 − actual/target
        (number("100", "100", lower=True), "1.0000"),
        (number("150", "100", lower=True), "0.5000"),
        (number("250", "100", lower=True), "0.0000"),
        (number("0", "100", lower=True), "2.0000"),
        (number("999999999999999", "0.000000000001"), "999999999999999000000000000.0000"),
    ],
)
def test_progress_of_a_kpi(measure: Measure, expected: str) -> None:
    assert str(progress(goal_of(Mode.KPI, measure))) == expected


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ([number("15", "20", baseline="10")], "0.5000"),
        ([number("5", "0", baseline="10")], "0.5000"),  # a falling key result needs no direction
        ([number("9", "20", baseline="10")], "0.0000"),
        ([number("25", "20", baseline="10")], "1.5000"),
        ([number("15", "20", baseline="10", weight="60"), number(None, "1", weight="40")], "0.3000"),
        ([number("1", "3", weight="33.3"), number("1", "3", weight="33.3"), number("1", "3", weight="33.4")], "0.3333"),
        ([number("2", "1", weight="50"), number("0", "1", weight="50")], "1.0000"),
    ],
)
def test_progress_of_key_results(measures: Sequence[Measure], expected: str) -> None:
    assert str(progress(goal_of(Mode.OKR, *measures))) == expected


@pytest.mark.parametrize(
    ("measures", "expected"),
    [
        ([milestone("100", done=False)], "0.0000"),
        ([milestone("100", done=True)], "1.0000"),
        ([milestone("30", done=True), milestone("70", done=False)], "0.3000"),
        ([milestone("33.33", done=True), milestone("33.33", done=True), milestone("33.34", done=False)], "0.6666"),
        ([milestone("0", done=True), milestone("100", done=False)], "0.0000"),
    ],
)
def test_progress_of_milestones(measures: Sequence[Measure], expected: str) -> None:
    assert str(progress(goal_of(Mode.MBO, *measures))) == expected


def test_nearly_reached_is_missed_though_it_is_shown_as_reached() -> None:
    nearly = goal_of(Mode.KPI, number("999.99", "1000"))
    assert settled_state(nearly) is GoalState.MISSED
    rounded_up = goal_of(Mode.KPI, number("99999.99", "100000"))
    assert str(progress(rounded_up)) == "1.0000"
    assert settled_state(rounded_up) is GoalState.MISSED
    assert settled_state(goal_of(Mode.KPI, number("1000", "1000"))) is GoalState.ACHIEVED


DECIMALS = st.decimals(min_value=-1000, max_value=1000, places=3)
WEIGHTS = st.lists(st.integers(1, 1000), min_size=1, max_size=6)


@st.composite
def okr_goals(draw: st.DrawFn) -> Goal:
    measures = []
    for weight in draw(WEIGHTS):
        baseline, target = draw(st.tuples(DECIMALS, DECIMALS).filter(lambda pair: pair[0] != pair[1]))
        value = draw(st.none() | DECIMALS)
        measures.append(Measure(uuid4(), "m", Decimal(weight), baseline, target, value=value, done=draw(st.booleans())))
    return goal_of(Mode.OKR, *measures)


def oracle(goal: Goal) -> Fraction:
    """Progress the slow way: each weight counted on its own."""
    total, whole = Fraction(0), Fraction(0)
    for measure in goal.measures:
        assert measure.target is not None
        span = Fraction(measure.target) - Fraction(measure.baseline)
        reached = (
            Fraction(0) if measure.value is None else (Fraction(measure.value) - Fraction(measure.baseline)) / span
        )
        total += Fraction(measure.weight) * (reached if reached > 0 else 0)
        whole += Fraction(measure.weight)
    return total / whole


@given(okr_goals())
def test_progress_is_the_exact_mean_rounded_once(goal: Goal) -> None:
    shown = progress(goal)
    assert shown.as_tuple().exponent == -4
    assert abs(Fraction(shown) - oracle(goal)) <= Fraction(1, 20_000)
    assert Fraction(shown) * 10_000 == (oracle(goal) * 10_000 + Fraction(1, 2)).__floor__()


@given(okr_goals())
def test_the_order_of_measures_does_not_matter(goal: Goal) -> None:
    assert progress(replace(goal, measures=goal.measures[::-1])) == progress(goal)


@given(okr_goals(), st.integers(2, 50))
def test_weights_count_by_their_ratio(goal: Goal, factor: int) -> None:
    scaled = tuple(replace(each, weight=each.weight * factor) for each in goal.measures)
    assert progress(replace(goal, measures=scaled)) == progress(goal)


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_a_further_milestone_never_takes_away(done: list[bool], data: st.DataObject) -> None:
    goal = goal_of(Mode.MBO, *(milestone(str(data.draw(st.integers(1, 99))), done=each) for each in done))
    index = data.draw(st.integers(0, len(done) - 1))
    further = goal.with_measure(replace(goal.measures[index], done=True))
    assert 0 <= progress(goal) <= progress(further) <= 1


@pytest.mark.parametrize(
    ("goal", "field", "code"),
    [
        (goal_of(Mode.KPI, number("1", "2"), period_end=date(2025, 12, 31)), "goal.period_end", "PERIOD_REVERSED"),
        (goal_of(Mode.KPI, number("1", "2"), weight=Decimal(0)), "goal.weight", "WEIGHT_OUT_OF_RANGE"),
        (goal_of(Mode.KPI, number("1", "2"), weight=Decimal("100.01")), "goal.weight", "WEIGHT_OUT_OF_RANGE"),
        (goal_of(Mode.KPI), "goal.measures", "MEASURES_COUNT"),
        (goal_of(Mode.KPI, *[number("1", "2", weight="50")] * 2), "goal.measures", "MEASURES_COUNT"),
        (goal_of(Mode.MBO, *[milestone("2", done=False)] * 51), "goal.measures", "MEASURES_COUNT"),
        (goal_of(Mode.MBO, *[milestone("49.99", done=False)] * 2), "goal.measures", "WEIGHTS_NOT_100"),
        (
            goal_of(Mode.MBO, milestone("150", done=False), milestone("-50", done=False)),
            "goal.measures[1].weight",
            "WEIGHT_OUT_OF_RANGE",
        ),
        (goal_of(Mode.KPI, replace(number("1", "2"), target=None)), "goal.measures[0].target", "TARGET_MISSING"),
        (goal_of(Mode.OKR, replace(number("1", "2"), target=None)), "goal.measures[0].target", "TARGET_MISSING"),
        (goal_of(Mode.KPI, number("1", "0")), "goal.measures[0].target", "TARGET_ZERO"),
        (goal_of(Mode.KPI, number("1", "-5")), "goal.measures[0].target", "TARGET_NEGATIVE"),
        (goal_of(Mode.OKR, number("1", "7", baseline="7")), "goal.measures[0].target", "TARGET_IS_BASELINE"),
    ],
)
def test_faults_are_named(goal: Goal, field: str, code: str) -> None:
    assert (field, code) in {(at, reason) for at, reason, _ in faults_of(goal)}
    with pytest.raises(Invalid) as refused:
        require_sound(goal)
    assert all(text for _, _, text in refused.value.violations)


def test_sound_goals_have_no_faults() -> None:
    sound = [
        goal_of(Mode.KPI, number(None, "0.5")),
        goal_of(Mode.OKR, number(None, "-3", baseline="4", weight="12.5"), number(None, "1", weight="87.5")),
        goal_of(Mode.MBO, milestone("33.333333333333", done=False), milestone("66.666666666667", done=False)),
    ]
    assert [faults_of(goal) for goal in sound] == [(), (), ()]


def test_a_single_measure_weighs_100_when_it_says_nothing() -> None:
    assert single_weight((number("1", "2", weight="0"),))[0].weight == 100
    assert single_weight((number("1", "2", weight="40"),))[0].weight == 40
    assert [each.weight for each in single_weight((milestone("0", done=True),) * 2)] == [0, 0]


@pytest.mark.parametrize("action", TRANSITIONS)
@pytest.mark.parametrize("state", GoalState)
def test_each_action_is_for_its_states(action: str, state: GoalState) -> None:
    goal = goal_of(Mode.KPI, number("1", "2"), state=state)
    if state in TRANSITIONS[action]:
        require_state(goal, action)
    else:
        with pytest.raises(WrongState, match=f"this one is {state.value}"):
            require_state(goal, action)


def test_a_goal_is_active_from_its_first_day() -> None:
    goal = goal_of(Mode.KPI, number("1", "2"))
    assert state_when_confirmed(goal, date(2025, 12, 31)) is GoalState.CONFIRMED
    assert state_when_confirmed(goal, date(2026, 1, 1)) is GoalState.ACTIVE


@pytest.mark.parametrize("text", ["1", "-1.5", "+0.000000000001", "1e3", "1E-2", "999999999999999.999999999999", "007"])
def test_numbers_are_read_exactly(text: str) -> None:
    assert parse_number(text) == Decimal(text)
    assert int(parse_number(text).as_tuple().exponent) <= 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "1,000",
        "1_000",
        "NaN",
        "Infinity",
        "-inf",
        "1e15",
        "1e99",
        "1e-13",
        "0E+999999999",
        "1.",
        ".5",
        "1 2",
    ],
)
def test_other_texts_are_no_numbers(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        to_decimal(text, "goal.weight")
    assert refused.value.violations[0][0] == "goal.weight"
