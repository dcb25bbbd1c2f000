"""Scores: known answers, the rules for what is missing, and an independent oracle over random forms."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.scoring.domain.documents import (
    read_explanation,
    read_inputs,
    write_explanation,
    write_inputs,
)
from services.scoring.domain.exact import apportion, in_places, rounded_units, split_by_days
from services.scoring.domain.explanation import Explanation, for_participant
from services.scoring.domain.form import Answer, Inputs
from services.scoring.domain.form_reader import read_form
from services.scoring.domain.goals import Goal, GoalMeasure, Mode
from services.scoring.domain.score import Score, Unscored, score
from tests.scoring.oracle import oracle, rounded

AT_MOST_120 = "=IF(完成值/目标值>120%, 120, 完成值/目标值*100)"
BELOW_AND_FROM_TEN = [{"below": "10", "points": "60"}, {"from": "10", "points": "90"}]
FIVE_POINTS = {"points": [{"value": str(value), "label": str(value)} for value in range(1, 6)]}


def form_of(*indicators: dict[str, Any], **rules: Any) -> dict[str, Any]:
    section = {"key": "s", "name": "S", "weight": "100", "counts": "score", "indicators": list(indicators)}
    return {
        "sections": [section],
        "raters": {"self": "0", "manager": "70", "peer": "30"},
        "missing_relation": "renormalise",
        "ceiling": "120",
        "rounding": {"places": 2, "mode": "half_up"},
        **rules,
    }


def item(key: str, weight: int = 100, kind: str = "quantitative", **facts: Any) -> dict[str, Any]:
    return {"key": key, "name": key.upper(), "kind": kind, "weight": str(weight), **facts}


def rated(key: str = "q", weight: int = 100, **facts: Any) -> dict[str, Any]:
    return item(key, weight, "qualitative", question="number", **facts)


def answers(**by_relation: list[int]) -> tuple[Answer, ...]:
    return tuple(
        Answer("s/q", relation, f"{relation}{index}", Fraction(value))
        for relation, values in by_relation.items()
        for index, value in enumerate(values)
    )


def scored(form: dict[str, Any], inputs: Inputs) -> Score:
    outcome = score(read_form(form), inputs)
    assert isinstance(outcome, Score), outcome
    assert_adds_up(outcome.explanation)
    return outcome


def refused(form: dict[str, Any], inputs: Inputs) -> Unscored:
    outcome = score(read_form(form), inputs)
    assert isinstance(outcome, Unscored)
    return outcome


def assert_adds_up(explanation: Explanation) -> None:
    """Lines of depth 0 add up to the total, and those below a line to that line."""
    totals: dict[int, Decimal] = {}
    sums: dict[int, Decimal] = {}
    for line in [*explanation.lines, None]:
        depth = line.depth if line else 0
        for level in sorted((each for each in sums if each > depth), reverse=True):
            assert sums.pop(level) == totals[level - 1]
        if line is not None:
            assert line.contribution is not None
            totals[depth] = line.contribution
            sums[depth] = sums.get(depth, Decimal(0)) + line.contribution
    assert sums.get(0, Decimal(0)) == explanation.total


def test_manager_seventy_and_peers_thirty() -> None:
    outcome = scored(form_of(rated()), Inputs(answers(manager=[90], peer=[75, 85])))
    assert outcome.weighted == Decimal("87.00")
    assert str(outcome.weighted) == "87.00"


def test_ratings_of_five_points() -> None:
    ratings = (
        Answer("s/a", "manager", "m", Fraction(5)),
        Answer("s/b", "manager", "m", Fraction(3)),
    )
    form = form_of(
        item("a", 30, "qualitative", question="rating", scale=FIVE_POINTS),
        item("b", 70, "qualitative", question="rating", scale=FIVE_POINTS),
    )
    assert scored(form, Inputs(ratings)).weighted == Decimal("72.00")


def test_points_formula_is_not_weighted_again() -> None:
    formula = {"method": "formula", "formula": "完成值/目标值*权重", "basis": "points"}
    form = form_of(item("a", 40, target="100", **formula), item("b", 60, target="50", **formula))
    outcome = scored(form, Inputs(actuals={"s/a": Fraction(110), "s/b": Fraction(45)}))
    assert outcome.weighted == Decimal("98.00")
    assert [str(line.contribution) for line in outcome.explanation.lines] == ["98.00", "44.00", "54.00"]


@pytest.mark.parametrize(
    ("facts", "actual", "expected"),
    [
        ({"method": "ratio", "target": "100"}, 110, "110.00"),
        ({"method": "ratio", "target": "100", "cap": "1.2"}, 150, "120.00"),
        ({"method": "ratio", "target": "100", "cap": "120%"}, 150, "120.00"),
        ({"method": "ratio", "target": "3"}, 1, "33.33"),
        ({"method": "lower_is_better", "target": "50"}, 40, "120.00"),
        ({"method": "lower_is_better", "target": "50"}, 60, "80.00"),
        ({"method": "lower_is_better", "target": "50"}, 200, "0.00"),
        ({"method": "interval", "intervals": BELOW_AND_FROM_TEN}, 10, "90.00"),
        ({"method": "interval", "intervals": BELOW_AND_FROM_TEN}, 9, "60.00"),
        ({"method": "interval", "target": "5", "intervals": BELOW_AND_FROM_TEN}, 49, "60.00"),
        ({"method": "linear", "threshold": "80", "target": "100", "stretch": "120"}, 90, "80.00"),
        ({"method": "linear", "threshold": "80", "target": "100", "stretch": "120"}, 79, "0.00"),
        ({"method": "linear", "threshold": "80", "target": "100", "stretch": "120"}, 200, "120.00"),
        ({"method": "linear", "threshold": "10", "target": "5", "stretch": "1"}, 3, "110.00"),
        ({"method": "occurrence", "per_occurrence": "-5"}, 3, "85.00"),
        ({"method": "occurrence", "per_occurrence": "-5"}, 30, "0.00"),
        ({"method": "yes_no"}, 1, "100.00"),
        ({"method": "yes_no"}, 0, "0.00"),
        ({"method": "formula", "target": "100", "formula": AT_MOST_120}, 130, "120.00"),
    ],
)
def test_methods(facts: dict[str, Any], actual: int, expected: str) -> None:
    assert str(scored(form_of(item("a", **facts)), Inputs(actuals={"s/a": Fraction(actual)})).weighted) == expected


@pytest.mark.parametrize(
    ("facts", "actuals", "code"),
    [
        ({"method": "ratio", "target": "0"}, {"s/a": Fraction(1)}, "TARGET_ZERO"),
        ({"method": "ratio", "target": "10"}, {}, "ACTUAL_MISSING"),
        ({"method": "formula", "formula": "100/完成值"}, {"s/a": Fraction(0)}, "FORMULA_ERROR"),
        ({"method": "formula", "formula": "100/完成值"}, {}, "ACTUAL_MISSING"),
        ({"method": "interval", "intervals": [{"from": "1", "points": "1"}]}, {"s/a": Fraction(0)}, "NO_INTERVAL"),
    ],
)
def test_what_cannot_be_measured_leaves_the_person_unscored(
    facts: dict[str, Any], actuals: dict[str, Fraction], code: str
) -> None:
    assert refused(form_of(item("a", **facts)), Inputs(actuals=actuals)).code == code


def test_a_relation_without_answers_is_renormalised_blocks_or_counts_zero() -> None:
    inputs = Inputs(answers(manager=[90]))
    renormalised = scored(form_of(rated()), inputs)
    assert str(renormalised.weighted) == "90.00"
    assert "RELATION_RENORMALISED peer s/q" in renormalised.explanation.notes
    zero = scored(form_of(rated(), missing_relation="zero"), inputs)
    assert str(zero.weighted) == "63.00"
    assert "RELATION_COUNTED_ZERO peer s/q" in zero.explanation.notes
    blocked = refused(form_of(rated(), missing_relation="block"), inputs)
    assert (blocked.code, blocked.details) == ("ANSWERS_MISSING", ("s/q:peer",))


def test_an_anonymous_relation_below_k_is_excluded_or_hidden() -> None:
    rule = {"mode": "anonymous_to_employee", "minimum": 3, "below_minimum": "exclude"}
    inputs = Inputs(answers(manager=[86], peer=[80]))
    excluded = scored(form_of(rated(), anonymity={"peer": rule}), inputs)
    assert str(excluded.weighted) == "86.00"
    counted = scored(form_of(rated(), anonymity={"peer": {**rule, "below_minimum": "count"}}), inputs)
    assert str(counted.weighted) == "84.20"
    seen = for_participant(counted.explanation)
    assert [(line.depth, line.relation, line.weight, line.raw) for line in seen.lines] == [
        (0, "", None, None),
        (1, "", None, None),
        (0, "", None, None),
    ]
    assert seen.lines[-1].hidden


def test_bonus_deduction_ceiling_and_veto() -> None:
    form = form_of(
        rated(),
        item("b", 0, "bonus", method="occurrence", per_occurrence="3"),
        item("d", 0, "deduction", method="occurrence", per_occurrence="-2"),
        item("v", 0, "veto", method="yes_no", per_occurrence="1"),
        bonus_cap="5",
        deduction_cap="10",
    )
    base = Inputs(answers(manager=[90]), {"s/b": Fraction(4), "s/d": Fraction(1)})
    outcome = scored(form, base)
    assert str(outcome.weighted) == "93.00"
    assert "CAPPED bonus bonus" in outcome.explanation.notes
    high = Inputs(answers(manager=[119]), {"s/b": Fraction(4)})
    assert str(scored(form, high).weighted) == "120.00"
    vetoed = Inputs(base.answers, {**base.actuals, "s/v": Fraction(1)})
    assert str(scored(form, vetoed).weighted) == "0.00"
    form["sections"][0]["indicators"][3]["veto_grade"] = "C"
    limited = scored(form, vetoed)
    assert (str(limited.weighted), limited.veto_grade) == ("93.00", "C")


@pytest.mark.parametrize(("count", "total"), [(2, "94.00"), (3, "96.00"), (4, "96.00")])
def test_a_small_cap_of_a_bonus_is_points(count: int, total: str) -> None:
    form = form_of(rated(), item("b", 0, "bonus", method="occurrence", per_occurrence="2", cap="6"))
    assert str(scored(form, Inputs(answers(manager=[90]), {"s/b": Fraction(count)})).weighted) == total


def test_reference_sections_are_shown_and_do_not_count() -> None:
    form = form_of(rated())
    form["sections"].append(
        {"key": "r", "name": "R", "weight": "50", "counts": "reference", "indicators": [item("a", method="ratio")]}
    )
    outcome = scored(form, Inputs(answers(manager=[90])))
    assert str(outcome.weighted) == "90.00"
    assert [line.path for line in outcome.explanation.lines if line.depth == 0] == ["s", "r"]


def test_goals_by_weight_with_the_cancelled_renormalised() -> None:
    goals = (
        Goal("1", Mode.OKR, Fraction(50), (GoalMeasure(Fraction(100), Fraction(5), Fraction(0), Fraction(10)),)),
        Goal("2", Mode.KPI, Fraction(30), (GoalMeasure(Fraction(100), Fraction(9), target=Fraction(10)),)),
        Goal("3", Mode.MBO, Fraction(20), (), cancelled=True),
    )
    outcome = scored(form_of(item("g", 100, "goal")), Inputs(goals=goals))
    assert str(outcome.weighted) == "83.75"  # (50 · 80 + 30 · 90) / 80


def test_split_by_days() -> None:
    assert rounded(split_by_days([(62, Fraction(80)), (30, Fraction(90))]), 2) == Decimal("83.26")


def test_what_is_stored_scores_the_same_again() -> None:
    goals = (Goal("1", Mode.OKR, Fraction(1), (GoalMeasure(Fraction(1), Fraction(1, 3), target=Fraction(1)),)),)
    inputs = Inputs(answers(manager=[87, 91], peer=[70]), {"s/x": Fraction(1, 3)}, goals)
    again = read_inputs(write_inputs(inputs))
    assert write_inputs(again) == write_inputs(inputs)
    outcome = scored(form_of(rated()), inputs)
    assert scored(form_of(rated()), again) == outcome
    assert read_explanation(write_explanation(outcome.explanation)) == outcome.explanation


numbers = st.fractions(min_value=0, max_value=150, max_denominator=1000)


@st.composite
def forms(draw: st.DrawFn) -> tuple[dict[str, Any], Inputs]:
    """A form of several sections with rated and measured items, bonus and deduction, and some of the answers."""
    ratings: list[Answer] = []
    actuals: dict[str, Fraction] = {}
    sections = []
    for number in range(draw(st.integers(1, 3))):
        indicators = [
            draw(indicator_at(index, f"s{number}", ratings, actuals)) for index in range(draw(st.integers(1, 4)))
        ]
        weight = str(draw(st.integers(1, 100)))
        sections.append(
            {"key": f"s{number}", "name": "S", "weight": weight, "counts": "score", "indicators": indicators}
        )
    form = {
        **form_of(),
        "sections": sections,
        "missing_relation": draw(st.sampled_from(["renormalise", "block", "zero"])),
        "rounding": {"places": draw(st.integers(0, 4)), "mode": "half_up"},
    }
    if draw(st.booleans()):
        form |= {"bonus_cap": str(draw(st.integers(0, 20))), "deduction_cap": str(draw(st.integers(0, 20)))}
    return form, Inputs(tuple(ratings), actuals)


@st.composite
def indicator_at(
    draw: st.DrawFn, index: int, section: str, ratings: list[Answer], actuals: dict[str, Fraction]
) -> dict[str, Any]:
    """One item; its answers or its actual are added to what the participant got."""
    key = f"{section}/i{index}"
    kind = draw(st.sampled_from(["qualitative", "quantitative", "quantitative", "bonus", "deduction"]))
    if kind == "qualitative":
        for relation in ("self", "manager", "peer"):
            values = draw(st.lists(numbers, max_size=3))
            ratings.extend(Answer(key, relation, f"{relation}{rater}", value) for rater, value in enumerate(values))
        return item(f"i{index}", draw(st.integers(1, 100)), kind, question="number")
    if draw(st.integers(0, 9)) or kind == "quantitative":
        actuals[key] = draw(numbers)
    if kind != "quantitative":
        return item(f"i{index}", 0, kind, method="occurrence", per_occurrence=str(draw(st.integers(1, 9))))
    method = draw(st.sampled_from(["ratio", "lower_is_better", "occurrence", "yes_no"]))
    facts = {"target": str(draw(st.integers(1, 50))), "per_occurrence": str(draw(st.integers(-9, 0)))}
    cap = {"cap": str(draw(st.integers(50, 130)))} if draw(st.booleans()) else {}
    return item(f"i{index}", draw(st.integers(1, 100)), kind, method=method, **facts, **cap)


@settings(max_examples=300)
@given(forms())
def test_every_score_is_the_oracles_and_adds_up(case: tuple[dict[str, Any], Inputs]) -> None:
    form, inputs = case
    expected = oracle(
        form,
        [(each.item, each.relation, each.value) for each in inputs.answers if each.value is not None],
        inputs.actuals,
    )
    outcome = score(read_form(form), inputs)
    if expected is None:
        assert isinstance(outcome, Unscored)
        return
    assert isinstance(outcome, Score)
    assert outcome.weighted == expected
    assert_adds_up(outcome.explanation)


@given(st.lists(st.fractions(max_denominator=10_000, min_value=-1000, max_value=1000), max_size=20), st.integers(0, 4))
def test_shares_add_up_to_the_rounded_total(shares: list[Fraction], places: int) -> None:
    units = rounded_units(sum(shares, Fraction(0)), places)
    parts = apportion(shares, units, places)
    assert sum(parts, Decimal(0)) == in_places(units, places)
    assert all(abs(Fraction(part) - share) < Fraction(1, 10**places) for part, share in zip(parts, shares, strict=True))
