"""What a goal must satisfy, which states follow one another, and how far a goal is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import floor

from services.goals.domain.errors import Invalid, WrongState
from services.goals.domain.model import Direction, Goal, GoalState, Measure, Mode

HUNDRED = Decimal(100)
MAX_MEASURES = 50
PROGRESS_UNITS = 10_000  # four places
Fault = tuple[str, str, str]  # field, code, message

BINDING = frozenset({GoalState.CONFIRMED, GoalState.ACTIVE})
TRANSITIONS: dict[str, frozenset[GoalState]] = {
    "propose": frozenset({GoalState.DRAFT, GoalState.REJECTED}),
    "confirm": frozenset({GoalState.PROPOSED}),
    "reject": frozenset({GoalState.PROPOSED}),
    "check_in": BINDING,
    "cancel": frozenset({GoalState.DRAFT, GoalState.PROPOSED, GoalState.REJECTED}) | BINDING,
    "close": BINDING,
}


def require_state(goal: Goal, action: str) -> None:
    """Raise WrongState unless the goal's state permits the action."""
    allowed = TRANSITIONS[action]
    if goal.state not in allowed:
        names = ", ".join(sorted(allowed))
        verb = action.replace("_", " ")
        raise WrongState(
            f"{verb} is for a goal that is {names}; this one is {goal.state}",
            meta={"state": goal.state.value, "allowed": names},
        )


def state_when_confirmed(goal: Goal, today: date) -> GoalState:
    """Return active once the period has begun, confirmed before."""
    return GoalState.ACTIVE if goal.period_start <= today else GoalState.CONFIRMED


def period_is_in_order(goal: Goal) -> Iterable[Fault]:
    if goal.period_end < goal.period_start:
        yield ("goal.period_end", "PERIOD_REVERSED", "the period ends before it begins")


def weight_is_a_percentage(goal: Goal) -> Iterable[Fault]:
    if not 0 < goal.weight <= HUNDRED:
        yield ("goal.weight", "WEIGHT_OUT_OF_RANGE", "a weight is above 0 and at most 100")


def measures_fit_the_mode(goal: Goal) -> Iterable[Fault]:
    if not 1 <= len(goal.measures) <= MAX_MEASURES:
        yield ("goal.measures", "MEASURES_COUNT", f"a goal has 1 to {MAX_MEASURES} measures")
    if goal.mode is Mode.KPI and len(goal.measures) > 1:
        yield ("goal.measures", "MEASURES_COUNT", "a KPI has one measure")


def measure_weights_are_percentages(goal: Goal) -> Iterable[Fault]:
    for index, measure in enumerate(goal.measures):
        if not 0 <= measure.weight <= HUNDRED:
            yield (f"goal.measures[{index}].weight", "WEIGHT_OUT_OF_RANGE", "a measure's weight is 0 to 100")


def measure_weights_sum_to_100(goal: Goal) -> Iterable[Fault]:
    total = sum((measure.weight for measure in goal.measures), Decimal(0))
    if goal.measures and total != HUNDRED:
        yield ("goal.measures", "WEIGHTS_NOT_100", f"the weights of the measures add up to {total}; make it 100")


def numbers_have_targets(goal: Goal) -> Iterable[Fault]:
    for index, measure in enumerate(goal.measures):
        field = f"goal.measures[{index}].target"
        if goal.mode is not Mode.MBO and measure.target is None:
            yield (field, "TARGET_MISSING", "a KPI and a key result need a target")
        elif goal.mode is Mode.KPI and measure.target == 0:
            yield (field, "TARGET_ZERO", "a target of 0 cannot be divided by; use a milestone")
        elif goal.mode is Mode.KPI and measure.target is not None and measure.target < 0:
            yield (field, "TARGET_NEGATIVE", "actual over target needs a target above 0; use a key result instead")
        elif goal.mode is Mode.OKR and measure.target == measure.baseline:
            yield (field, "TARGET_IS_BASELINE", "the target of a key result differs from its baseline")


GOAL_CHECKS: tuple[Callable[[Goal], Iterable[Fault]], ...] = (
    period_is_in_order,
    weight_is_a_percentage,
    measures_fit_the_mode,
    measure_weights_are_percentages,
    measure_weights_sum_to_100,
    numbers_have_targets,
)


def faults_of(goal: Goal) -> tuple[Fault, ...]:
    """Return everything that is wrong with a goal."""
    return tuple(fault for check in GOAL_CHECKS for fault in check(goal))


def require_sound(goal: Goal) -> None:
    """Raise Invalid with every fault of a goal."""
    faults = faults_of(goal)
    if faults:
        raise Invalid(f"{faults[0][0]}: {faults[0][2]}", violations=faults)


def single_weight(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    """Return the measures with weight 100 for a single one that names none."""
    if len(measures) == 1 and measures[0].weight == 0:
        return (replace(measures[0], weight=HUNDRED),)
    return measures


def progress(goal: Goal) -> Decimal:
    """Return how far the goal is: 1 is reached, more is possible; four places, exact until rounded once, half up.

    Milestones by weight; numbers from baseline to target, or actual over target for a KPI; Σ w·p / Σ w (product.md §3).
    """
    units = floor(_reached(goal) * PROGRESS_UNITS + Fraction(1, 2))
    return Decimal(f"{units // PROGRESS_UNITS}.{units % PROGRESS_UNITS:04}")


def _reached(goal: Goal) -> Fraction:
    whole = sum((Fraction(measure.weight) for measure in goal.measures), Fraction(0))
    if not whole:
        return Fraction(0)
    return sum((Fraction(m.weight) * _measured(goal.mode, m) for m in goal.measures), Fraction(0)) / whole


def _measured(mode: Mode, measure: Measure) -> Fraction:
    if mode is Mode.MBO:
        return Fraction(1 if measure.done else 0)
    if measure.value is None or measure.target is None:
        return Fraction(0)
    value, target, baseline = Fraction(measure.value), Fraction(measure.target), Fraction(measure.baseline)
    if mode is Mode.OKR:
        return max((value - baseline) / (target - baseline), Fraction(0)) if target != baseline else Fraction(0)
    ratio = value / target if target else Fraction(0)
    return max(2 - ratio if measure.direction is Direction.LOWER else ratio, Fraction(0))


def settled_state(goal: Goal) -> GoalState:
    """Return achieved when the goal as a whole was reached, else missed; by the exact progress, not the rounded one."""
    return GoalState.ACHIEVED if _reached(goal) >= 1 else GoalState.MISSED
