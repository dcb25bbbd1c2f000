"""What a person's goals attained: KPI by actual over target, MBO by milestones done, key results through the curve."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from services.scoring.domain.exact import HUNDRED, interpolate, mean, weighted_mean

Curve = Sequence[tuple[Fraction, Fraction]]


class Mode(Enum):
    """How a goal is managed."""

    KPI = "kpi"
    OKR = "okr"
    MBO = "mbo"


@dataclass(frozen=True, slots=True)
class GoalMeasure:
    """A KPI's number, a key result or a milestone; `value` is None when it was never reported."""

    weight: Fraction
    value: Fraction | None = None
    baseline: Fraction = Fraction(0)
    target: Fraction | None = None
    lower_is_better: bool = False
    done: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """One frozen goal of the participant."""

    id: str
    mode: Mode
    weight: Fraction
    measures: tuple[GoalMeasure, ...]
    cancelled: bool = False


def goals_attainment(goals: Sequence[Goal], curve: Curve) -> Fraction | None:
    """Attainment in percent by goal weight, exact; cancelled goals are left out, None without any goal.

    Weights that are all zero count equally. Source: product.md §7.
    """
    kept = [goal for goal in goals if not goal.cancelled and goal.measures]
    return _by_weight([(goal.weight, _goal(goal, curve)) for goal in kept]) if kept else None


def _goal(goal: Goal, curve: Curve) -> Fraction:
    return _by_weight([(measure.weight, _measure(goal.mode, measure, curve)) for measure in goal.measures])


def _by_weight(pairs: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    weighted = weighted_mean(pairs)
    return mean([value for _, value in pairs]) if weighted is None else weighted


def _measure(mode: Mode, measure: GoalMeasure, curve: Curve) -> Fraction:
    """Percent; what was never reported has attained nothing."""
    if mode is Mode.MBO:
        return HUNDRED if measure.done else Fraction(0)
    if measure.value is None or measure.target is None:
        return Fraction(0)
    if mode is Mode.OKR:
        span = measure.target - measure.baseline
        return interpolate(curve, (measure.value - measure.baseline) / span) if span else Fraction(0)
    if measure.target == 0:
        return Fraction(0)
    ratio = measure.value / measure.target
    return max(2 - ratio if measure.lower_is_better else ratio, Fraction(0)) * HUNDRED
