"""What a goal must satisfy, which states follow one another, and how far a goal is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

from services.goals.domain.errors import Invalid, WrongState
from services.goals.domain.model import Direction, Goal, GoalState, Measure, Mode

HUNDRED = Decimal(100)
MAX_MEASURES = 50
PROGRESS_PLACES = Decimal("0.0001")
Fault = tuple[str, str, str]  # field, code, message

TRANSITIONS: dict[str, frozenset[GoalState]] = {
    "propose": frozenset({GoalState.DRAFT, GoalState.REJECTED}),
    "confirm": frozenset({GoalState.PROPOSED}),
    "reject": frozenset({GoalState.PROPOSED}),
    "check_in": frozenset({GoalState.CONFIRMED, GoalState.ACTIVE}),
    "cancel": frozenset(
        {GoalState.DRAFT, GoalState.PROPOSED, GoalState.REJECTED, GoalState.CONFIRMED, GoalState.ACTIVE}
    ),
    "close": frozenset({GoalState.CONFIRMED, GoalState.ACTIVE}),
}


def require_state(goal: Goal, action: str) -> None:
    """Raise WrongState unless the goal's state permits the action."""
    allowed = TRANSITIONS[action]
    if goal.state not in allowed:
        names = ", ".join(sorted(allowed))
        raise WrongState(f"a goal that is {goal.state} cannot {action.replace('_', ' ')}; it must be {names}")


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
        elif goal.mode is Mode.OKR and measure.target == measure.baseline:
            yield (field, "TARGET_IS_BASELINE", "the target of a key result differs from its baseline")


GOAL_CHECKS: tuple[Callable[[Goal], Iterable[Fault]], ...] = (
    period_is_in_order,
    weight_is_a_percentage,
    measures_fit_the_mode,
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
        raise Invalid(faults[0][2], violations=faults)


def single_weight(measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
    """Return the measures with weight 100 for a single one that names none."""
    if len(measures) == 1 and measures[0].weight == 0:
        return (replace(measures[0], weight=HUNDRED),)
    return measures


def progress(goal: Goal) -> Decimal:
    """Return how far the goal is: 1 is reached, more is possible; four places, rounded half even.

    Milestones by weight; numbers from baseline to target, or actual over target for a KPI; Σ w·p / Σ w (product.md §3).
    """
    whole = sum((Fraction(measure.weight) for measure in goal.measures), Fraction(0))
    if not whole:
        return Decimal(0)
    exact = sum((Fraction(m.weight) * _measured(goal.mode, m) for m in goal.measures), Fraction(0)) / whole
    return (Decimal(exact.numerator) / Decimal(exact.denominator)).quantize(PROGRESS_PLACES)


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
    """Return achieved when everything was reached, else missed."""
    return GoalState.ACHIEVED if progress(goal) >= 1 else GoalState.MISSED
