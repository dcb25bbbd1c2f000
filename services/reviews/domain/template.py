"""What a template says, once read: sections, indicators, relations, grades, guideline and process."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from services.reviews.domain.model import Relation, ReleaseMode, StageDefinition

HUNDRED = Decimal(100)


class IndicatorKind(StrEnum):
    QUANTITATIVE = "quantitative"
    QUALITATIVE = "qualitative"
    GOAL = "goal"
    BONUS = "bonus"
    DEDUCTION = "deduction"
    VETO = "veto"


class Method(StrEnum):
    RATIO = "ratio"
    LOWER_IS_BETTER = "lower_is_better"
    INTERVAL = "interval"
    LINEAR = "linear"
    OCCURRENCE = "occurrence"
    YES_NO = "yes_no"
    FORMULA = "formula"


WEIGHTED_KINDS = frozenset({IndicatorKind.QUANTITATIVE, IndicatorKind.QUALITATIVE, IndicatorKind.GOAL})
"""Bonus, deduction and veto carry no weight (product.md §7)."""


@dataclass(frozen=True, slots=True)
class ScalePoint:
    """One point of a rating scale; `points` is 0–100+, by default value/max × 100."""

    value: Decimal
    label: str
    points: Decimal | None = None
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Interval:
    """From (inclusive) up to below (exclusive); None is without limit."""

    start: Decimal | None
    below: Decimal | None
    points: Decimal


@dataclass(frozen=True, slots=True)
class Indicator:
    """One line of a form; weights are per cent of its section, ratios such as target 1.2 are not in per cent."""

    key: str
    name: str
    kind: IndicatorKind
    pointer: str
    weight: Decimal | None = None
    scale: tuple[ScalePoint, ...] = ()
    method: Method | None = None
    basis: str = "percent"
    formula: str = ""
    target: Decimal | None = None
    threshold: Decimal | None = None
    stretch: Decimal | None = None
    intervals: tuple[Interval, ...] = ()
    per_occurrence: Decimal | None = None
    data_provider: str = ""
    unit: str = ""
    veto_grade: str = ""
    question: str = ""

    @property
    def needs_actual(self) -> bool:
        """Whether somebody must supply a value: quantitative ones, and others that name a method."""
        return self.kind is IndicatorKind.QUANTITATIVE or self.method is not None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a form; a section that counts as reference stays outside score and pay."""

    key: str
    name: str
    pointer: str
    counts: str = "score"
    weight: Decimal | None = None
    indicators: tuple[Indicator, ...] = ()

    @property
    def weighted(self) -> tuple[Indicator, ...]:
        return tuple(indicator for indicator in self.indicators if indicator.kind in WEIGHTED_KINDS)


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade with its inclusive lower bound."""

    grade: str
    start: Decimal
    coefficient: Decimal


@dataclass(frozen=True, slots=True)
class Guideline:
    """How many per cent of a calibration group should hold each grade."""

    mode: str
    quotas: Mapping[str, Decimal]
    minimum: int = 10


@dataclass(frozen=True, slots=True)
class TemplateBody:
    """A template as read; `document` is what its author wrote, with numbers as text."""

    name: str
    document: Mapping[str, Any] = field(repr=False)
    sections: tuple[Section, ...] = ()
    raters: Mapping[str, Decimal] = field(default_factory=dict)
    missing_relation: str = "renormalise"
    anonymity: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    grades: tuple[Grade, ...] = ()
    guideline: Guideline | None = None
    facilitator: str = "owner"
    release: ReleaseMode = ReleaseMode.MANUAL
    process: tuple[StageDefinition, ...] = ()
    ceiling: Decimal = Decimal(120)
    rounding: Mapping[str, Any] = field(default_factory=dict)

    def indicators(self) -> Iterator[Indicator]:
        """All indicators of all sections, in order."""
        for section in self.sections:
            yield from section.indicators


KNOWN_RELATIONS = tuple(relation.value for relation in Relation)
