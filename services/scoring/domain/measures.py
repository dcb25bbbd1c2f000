"""How one indicator becomes points: each method a pure function, exact (product.md §7)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.scoring.domain.exact import HUNDRED, interpolate
from services.scoring.domain.form import Answer, Basis, Indicator, Kind, Method
from services.scoring.domain.formula import Failure, evaluate


@dataclass(frozen=True, slots=True)
class Unmeasured:
    """Why an indicator has no points: `code` is stable, `detail` names the value or the goal."""

    code: str
    detail: str = ""


Measured = Fraction | Unmeasured


def answer_points(indicator: Indicator, answer: Answer) -> Fraction | None:
    """The points of one rater's answer before the mean; None for an answer that gives none ("not applicable")."""
    measure = indicator.measure
    if measure.method is Method.CHOICE:
        known = [measure.choices[choice] for choice in answer.choices if choice in measure.choices]
        return sum(known, Fraction(0)) if known else None
    if answer.value is None:
        return None
    if measure.method is Method.NUMBER:
        return answer.value
    return measure.scale.get(answer.value, answer.value)


def measure_actual(indicator: Indicator, actual: Fraction | None, rating: Fraction | None = None) -> Measured:
    """The points of an actual by the indicator's method, uncapped; in percent, or points where the basis says so."""
    if indicator.measure.method is Method.FORMULA:
        return _by_formula(indicator, actual, rating)
    if actual is None:
        return Unmeasured("ACTUAL_MISSING", indicator.key)
    method = METHODS.get(indicator.measure.method)
    return method(indicator, actual) if method else Unmeasured("NO_METHOD", indicator.key)


def _by_formula(indicator: Indicator, actual: Fraction | None, rating: Fraction | None) -> Measured:
    formula = indicator.measure.formula
    if formula is None:
        return Unmeasured("FORMULA_ERROR", "NO_FORMULA")
    values: Mapping[str, Fraction | str | None] = {
        "actual": actual,
        "target": indicator.target,
        "weight": indicator.weight,
        "threshold": indicator.threshold,
        "stretch": indicator.stretch,
        "baseline": indicator.baseline,
        "rating": rating,
        "unit": indicator.unit or None,
    }
    outcome = evaluate(formula.tree, values)
    if isinstance(outcome, Failure):
        return _formula_failure(outcome)
    return Fraction(outcome) if not isinstance(outcome, str) else Unmeasured("FORMULA_ERROR", "NOT_A_NUMBER")


def _formula_failure(failure: Failure) -> Unmeasured:
    if failure.code == "MISSING_VALUE" and failure.name == "actual":
        return Unmeasured("ACTUAL_MISSING", failure.name)
    if failure.code == "MISSING_VALUE" and failure.name == "rating":
        return Unmeasured("ANSWERS_MISSING", failure.name)
    return Unmeasured("FORMULA_ERROR", f"{failure.code}:{failure.name}" if failure.name else failure.code)


def _of_target(indicator: Indicator, actual: Fraction) -> Measured:
    if not indicator.target:
        return Unmeasured("TARGET_ZERO" if indicator.target == 0 else "TARGET_MISSING", indicator.key)
    return actual / indicator.target


def _ratio(indicator: Indicator, actual: Fraction) -> Measured:
    ratio = _of_target(indicator, actual)
    return ratio if isinstance(ratio, Unmeasured) else max(ratio, Fraction(0)) * HUNDRED


def _lower_is_better(indicator: Indicator, actual: Fraction) -> Measured:
    """2 − actual/target, never below 0."""
    ratio = _of_target(indicator, actual)
    return ratio if isinstance(ratio, Unmeasured) else max(2 - ratio, Fraction(0)) * HUNDRED


def _interval(indicator: Indicator, actual: Fraction) -> Measured:
    """Intervals are of actual/target, or of the actual where there is no target."""
    value = actual / indicator.target if indicator.target else actual
    for interval in indicator.measure.intervals:
        above = interval.low is None or value >= interval.low
        if above and (interval.high is None or value < interval.high):
            return interval.points
    return Unmeasured("NO_INTERVAL", indicator.key)


def _linear(indicator: Indicator, actual: Fraction) -> Measured:
    """Straight lines between threshold, target and stretch; nothing below the first, no more beyond the last."""
    marks = (indicator.threshold, indicator.target, indicator.stretch)
    if marks[0] is None or marks[1] is None or marks[2] is None:
        return Unmeasured("TARGET_MISSING", indicator.key)
    sign = 1 if marks[2] >= marks[0] else -1
    points = indicator.measure.linear_points
    known = [(sign * mark, each) for mark, each in zip(marks, points, strict=True) if mark is not None]
    return Fraction(0) if sign * actual < known[0][0] else interpolate(known, sign * actual)


def _occurrences(indicator: Indicator, count: Fraction) -> Fraction:
    """start + count · per_occurrence, never below 0; a deduction counts its points whatever their sign."""
    start = indicator.measure.start
    if start is None:
        full = indicator.weight if indicator.basis is Basis.POINTS else HUNDRED
        start = Fraction(0) if indicator.beside_weights else full
    points = start + count * indicator.measure.per_occurrence
    return abs(points) if indicator.kind is Kind.DEDUCTION else max(points, Fraction(0))


def _yes_no(indicator: Indicator, actual: Fraction) -> Measured:
    """All points for anything but zero; a bonus or deduction gives the points of one occurrence."""
    if not actual:
        return Fraction(0)
    return abs(indicator.measure.per_occurrence) if indicator.beside_weights else HUNDRED


METHODS: Mapping[Method, Callable[[Indicator, Fraction], Measured]] = {
    Method.RATIO: _ratio,
    Method.LOWER_IS_BETTER: _lower_is_better,
    Method.INTERVAL: _interval,
    Method.LINEAR: _linear,
    Method.OCCURRENCE: _occurrences,
    Method.YES_NO: _yes_no,
}
NATIVE_POINTS = frozenset({Method.FORMULA, Method.NUMBER, Method.OCCURRENCE})
"""Methods that yield points by themselves when the basis is `points`; the others yield percent of the weight."""


def in_percent(indicator: Indicator, measured: Fraction, cap: Fraction | None) -> Fraction:
    """The measured value as a percentage of the indicator's weight, with the cap (percent) applied."""
    native = indicator.basis is Basis.POINTS and indicator.measure.method in NATIVE_POINTS
    percent = measured * HUNDRED / indicator.weight if native and indicator.weight else measured
    return percent if cap is None else min(percent, cap)
