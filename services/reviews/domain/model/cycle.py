"""A cycle, its stages and the days it counts."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.reviews.domain.model.process import StageDefinition
from services.reviews.domain.model.states import (
    CycleKind,
    CycleState,
    OnPersonFindings,
    ReleaseMode,
    ScheduleState,
    StageKind,
    StageState,
)


@dataclass(frozen=True, slots=True)
class Period:
    """First and last day judged, both inclusive."""

    kind: CycleKind
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class FormRule:
    """The first rule that matches a participant gives the form; an empty match is the fallback."""

    template_id: UUID
    template_version: int
    match: dict[str, Any] = field(default_factory=dict)  # {group | post | department | employees: …}


@dataclass(frozen=True, slots=True)
class Cycle:
    """One run of one process over one population in one period."""

    id: UUID
    name: str
    period: Period
    state: CycleState
    owner_id: UUID
    zone: str
    template_id: UUID
    template_version: int
    start_at: datetime
    forms: tuple[FormRule, ...] = ()
    population: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    release_mode: ReleaseMode = ReleaseMode.MANUAL
    confidential: bool = False
    clock_offset: timedelta = timedelta(0)
    on_person_findings: OnPersonFindings = OnPersonFindings.REFUSE
    enrolled_total: int | None = None  # people frozen; None until the population is known
    frozen_as_of: datetime | None = None
    launched_at: datetime | None = None
    enrolled_at: datetime | None = None
    paused_at: datetime | None = None
    released_at: datetime | None = None
    ended_at: datetime | None = None
    schedule_id: UUID | None = None
    nominal_at: datetime | None = None
    blocked_reason: str = ""
    blocked_since: datetime | None = None
    trace_id: str = ""
    version: int = 1
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """That the reminder `ordinal` (or the escalation, -1) became due in `epoch`, and whether everyone was told."""

    ordinal: int
    epoch: int
    due_at: datetime
    finished: bool = False


ESCALATION = -1


@dataclass(frozen=True, slots=True)
class Stage:
    """A timed step of a cycle; `due_at` is the only deadline, `epoch` counts openings and closings."""

    id: UUID
    cycle_id: UUID
    definition: StageDefinition
    position: int
    state: StageState = StageState.PLANNED
    epoch: int = 0
    paused: bool = False
    planned_open_at: datetime | None = None
    planned_due_at: datetime | None = None
    open_at: datetime | None = None
    due_at: datetime | None = None
    opened_at: datetime | None = None
    closing_at: datetime | None = None
    closed_at: datetime | None = None
    closed_early: bool = False
    extended_once: bool = False
    early_close: bool = False
    marks: tuple[Mark, ...] = ()
    blocked_reason: str = ""
    blocked_since: datetime | None = None
    trace_id: str = ""
    version: int = 1

    @property
    def key(self) -> str:
        return self.definition.key

    @property
    def kind(self) -> StageKind:
        return self.definition.kind

    @property
    def after(self) -> tuple[str, ...]:
        return self.definition.after


@dataclass(frozen=True, slots=True)
class CycleDay:
    """One day of the cycle's span, copied from the tenant's calendar at launch."""

    day: date
    business: bool


@dataclass(frozen=True, slots=True)
class CycleSchedule:
    """A rule that creates a cycle for every period."""

    id: UUID
    name: str
    state: ScheduleState
    kind: CycleKind
    launch_day: int  # n-th business day after the period's end
    zone: str
    owner_id: UUID
    definition: dict[str, Any]  # the body of CreateCycle without its period
    copy_policy: dict[str, Any] = field(default_factory=dict)
    launch: bool = True
    last_nominal_at: datetime | None = None
    version: int = 1
    create_time: datetime | None = None
