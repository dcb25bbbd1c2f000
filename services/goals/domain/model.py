"""The nouns of goals."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

NOBODY = UUID(int=0)


class Mode(StrEnum):
    """How a goal is managed."""

    KPI = "kpi"
    OKR = "okr"
    MBO = "mbo"


class GoalState(StrEnum):
    """Where a goal stands (product.md §3)."""

    DRAFT = "draft"
    PROPOSED = "proposed"
    CONFIRMED = "confirmed"
    ACTIVE = "active"
    ACHIEVED = "achieved"
    MISSED = "missed"
    CANCELED = "canceled"
    REJECTED = "rejected"


class Direction(StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


@dataclass(frozen=True, slots=True)
class Measure:
    """A KPI's number, a key result or a milestone; weight in per cent of the goal, `value` None until reported."""

    id: UUID
    name: str
    weight: Decimal
    baseline: Decimal = Decimal(0)
    target: Decimal | None = None
    unit: str = ""
    direction: Direction = Direction.HIGHER
    value: Decimal | None = None
    done: bool = False
    confidence: int | None = None  # 0–10


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose goal it is, and where they stand now: departments root first, own manager first."""

    id: UUID
    department_path: tuple[UUID, ...] = ()
    manager_chain: tuple[UUID, ...] = ()
    departed: bool = False


@dataclass(frozen=True, slots=True)
class Goal:
    """What somebody set out to do in a period; both days included; weight in per cent of the owner's period."""

    id: UUID
    owner: Owner
    name: str
    description: str
    mode: Mode
    state: GoalState
    weight: Decimal
    period_start: date
    period_end: date
    measures: tuple[Measure, ...]
    version: int = 1
    reason: str = ""
    create_time: datetime | None = None

    def measure(self, measure_id: UUID) -> Measure | None:
        """Return the measure with this id."""
        return next((each for each in self.measures if each.id == measure_id), None)

    def with_measure(self, changed: Measure) -> "Goal":
        """Return the goal with one measure replaced."""
        return replace(self, measures=tuple(changed if each.id == changed.id else each for each in self.measures))


@dataclass(frozen=True, slots=True)
class CheckIn:
    """One report of progress on one measure."""

    id: UUID
    goal_id: UUID
    measure_id: UUID
    value: Decimal | None
    done: bool
    confidence: int | None
    note: str
    author_id: UUID
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attainment:
    """One goal of one person as it stood at the freeze instant."""

    employee_id: UUID
    goal_id: UUID
    goal_version: int
    name: str
    mode: Mode
    weight: Decimal
    canceled: bool
    measures: tuple[Measure, ...]


@dataclass(frozen=True, slots=True)
class RowError:
    """One cell of an import that could not be taken."""

    line: int
    column: str
    code: str
    message: str
