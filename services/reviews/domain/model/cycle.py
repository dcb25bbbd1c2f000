"""A cycle, its stages and the days it counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
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
class Population:
    """Who takes part, as ids resolved when the cycle was defined."""

    everyone: bool = False
    department_ids: tuple[UUID, ...] = ()
    group_ids: tuple[UUID, ...] = ()
    employee_ids: tuple[UUID, ...] = ()
    exclude_employee_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class FormRule:
    """The first rule that matches a participant gives the form; a rule without conditions is the fallback.

    Every condition that is given must hold. `providers` says for each item that needs an actual who supplies it:
    `employee`, `manager`, `department_head`, `hr`, or the id of an employee.
    """

    form_id: UUID
    template_id: UUID
    template_version: int
    group_id: UUID | None = None
    department_id: UUID | None = None  # its subtree
    post: str = ""
    employee_ids: tuple[UUID, ...] = ()
    providers: Mapping[str, str] = field(default_factory=dict)


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
    start_at: datetime | None = None  # when the first stage opens; None: at launch
    appeal_owner_id: UUID | None = None  # None: the owner
    forms: tuple[FormRule, ...] = ()
    population: Population = Population()
    overrides: dict[str, Any] = field(default_factory=dict)
    release_mode: ReleaseMode = ReleaseMode.MANUAL
    confidential: bool = False
    clock_offset: timedelta = timedelta(0)
    on_person_findings: OnPersonFindings = OnPersonFindings.REFUSE
    warnings_reason: str = ""
    frozen_total: int | None = None  # people frozen; None until all are enrolled
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
    launch_day: int  # n-th business day of the period after the one that is judged
    launch_time: time  # local
    zone: str
    owner_id: UUID
    definition: Mapping[str, Any]  # template, forms, population as written
    on_person_findings: OnPersonFindings = OnPersonFindings.EXCLUDE
    launched: int = 0  # cycles made so far
    last_nominal_at: datetime | None = None
    launch_times: tuple[datetime, ...] = ()  # the next ones, by the calendar as it was last asked
    version: int = 1
    create_time: datetime | None = None
