"""What one participant is scored by: sections, indicators, relations, and the rules of the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction

from services.scoring.domain.formula import Formula
from services.scoring.domain.goals import Goal


class Kind(Enum):
    """Kind of an indicator."""

    QUANTITATIVE = "quantitative"
    QUALITATIVE = "qualitative"
    GOAL = "goal"
    BONUS = "bonus"
    DEDUCTION = "deduction"
    VETO = "veto"


class Method(Enum):
    """How an indicator becomes a score."""

    RATING = "rating"
    NUMBER = "number"
    RATIO = "ratio"
    LOWER_IS_BETTER = "lower_is_better"
    INTERVAL = "interval"
    LINEAR = "linear"
    OCCURRENCE = "occurrence"
    YES_NO = "yes_no"
    FORMULA = "formula"
    CHOICE = "choice"
    GOALS = "goals"


class Basis(Enum):
    """`percent`: the method yields 0-100+, weighted afterwards; `points`: it yields points out of the weight."""

    PERCENT = "percent"
    POINTS = "points"


class Missing(Enum):
    """What becomes of a part that has no answer."""

    RENORMALISE = "renormalise"
    BLOCK = "block"
    ZERO = "zero"


class BelowK(Enum):
    """What becomes of an anonymous relation with fewer raters than k."""

    EXCLUDE = "exclude"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Interval:
    """Points for a value from `low` (inclusive) up to `high` (exclusive); None is unbounded."""

    low: Fraction | None
    high: Fraction | None
    points: Fraction


@dataclass(frozen=True, slots=True)
class Relation:
    """Weight of a relation in percent, and its anonymity: `least` raters (k) when anonymous, 0 when named."""

    name: str
    weight: Fraction
    least: int = 0
    below: BelowK = BelowK.EXCLUDE
    anonymous: bool = False


DEFAULT_CURVE: tuple[tuple[Fraction, Fraction], ...] = (
    (Fraction(0), Fraction(0)),
    (Fraction(3, 10), Fraction(60)),
    (Fraction(7, 10), Fraction(100)),
    (Fraction(1), Fraction(120)),
)
"""Progress of a key result → points, straight lines between (product.md §7)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """The parameters of an indicator's method; which of them count depends on the method."""

    method: Method
    formula: Formula | None = None
    scale: Mapping[Fraction, Fraction] = field(default_factory=dict)
    choices: Mapping[str, Fraction] = field(default_factory=dict)
    intervals: tuple[Interval, ...] = ()
    linear_points: tuple[Fraction, Fraction, Fraction] = (Fraction(60), Fraction(100), Fraction(120))
    start: Fraction | None = None
    per_occurrence: Fraction = Fraction(0)
    curve: tuple[tuple[Fraction, Fraction], ...] = DEFAULT_CURVE


@dataclass(frozen=True, slots=True)
class Indicator:
    """One item of a form; `key` is section/item, `weight` percent of its section (none for bonus, deduction, veto)."""

    key: str
    kind: Kind
    weight: Fraction
    measure: Measure
    basis: Basis = Basis.PERCENT
    name: str = ""
    cap: Fraction | None = None
    relations: tuple[Relation, ...] = ()
    target: Fraction | None = None
    threshold: Fraction | None = None
    stretch: Fraction | None = None
    baseline: Fraction | None = None
    unit: str = ""
    veto_grade: str = ""

    @property
    def beside_weights(self) -> bool:
        """Whether it is added or taken beside the weighted score."""
        return self.kind in (Kind.BONUS, Kind.DEDUCTION, Kind.VETO)

    @property
    def reads_rating(self) -> bool:
        """Whether its formula reads the raters' mean."""
        return self.measure.formula is not None and "rating" in self.measure.formula.names

    @property
    def rated(self) -> bool:
        """Whether raters answer it, rather than an actual or goals."""
        return self.measure.method in (Method.RATING, Method.NUMBER, Method.CHOICE) or self.reads_rating


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a form; a reference section is shown and never counts."""

    key: str
    weight: Fraction
    indicators: tuple[Indicator, ...]
    reference: bool = False
    name: str = ""


class Rounding(Enum):
    """How the one rounding is done."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Rules:
    """The template's rules; scores in points of 100."""

    ceiling: Fraction = Fraction(120)
    places: int = 2
    rounding: Rounding = Rounding.HALF_UP
    bonus_cap: Fraction | None = None
    deduction_cap: Fraction | None = None
    missing_relation: Missing = Missing.RENORMALISE
    missing_actual: Missing = Missing.BLOCK
    missing_goals: Missing = Missing.RENORMALISE


@dataclass(frozen=True, slots=True)
class Form:
    """Sections and the rules to score them by."""

    sections: tuple[Section, ...]
    rules: Rules = Rules()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rater answered on one item: a point of the scale, a number, a count, 1/0 for yes/no, or choices."""

    item: str
    relation: str
    rater: str
    value: Fraction | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that one participant's score is computed from. Item keys are unique within a form."""

    answers: tuple[Answer, ...] = ()
    actuals: Mapping[str, Fraction] = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()

    def by_item(self) -> "AnswersByItem":
        """The answers of each relation on each item."""
        found: dict[tuple[str, str], list[Answer]] = {}
        for answer in self.answers:
            found.setdefault((answer.item, answer.relation), []).append(answer)
        return found


AnswersByItem = Mapping[tuple[str, str], Sequence[Answer]]
