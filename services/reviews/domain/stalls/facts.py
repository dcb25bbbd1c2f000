"""What the checks of stalls know, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.reviews.domain.model import Cycle, CycleState, Stage, Task


@dataclass(frozen=True, slots=True)
class Remedy:
    """What can be done now, by the exact call (method, path, and the fixed part of the body), and the role that may."""

    action: str
    call: str
    role: str = "hr_admin"


@dataclass(frozen=True, slots=True)
class Stall:
    """One thing that waits, for one cause."""

    kind: str  # task | participant | stage | cycle
    cycle_id: UUID
    cause: str
    since: datetime | None
    due_at: datetime | None = None
    stage: str = ""
    task_id: UUID | None = None
    participant_id: UUID | None = None
    assignee_id: UUID | None = None
    overdue_seconds: int = 0
    next_at: datetime | None = None
    next_action: str = ""
    remedies: tuple[Remedy, ...] = ()
    trace_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Assignee:
    """What people and notify told of an assignee, as far as one task is concerned."""

    left_at: datetime | None = None  # their last day; none while they work here
    away_from: datetime | None = None  # of a leave that is under way
    away_until: datetime | None = None
    undelivered_since: datetime | None = None  # a message that asks for the task and did not reach them
    undelivered_error: str = ""


WELL = Assignee()


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """An owed task with its stage, the state of its cycle, and its assignee."""

    task: Task
    stage: Stage
    cycle: Cycle
    now: datetime
    assignee: Assignee = WELL

    @property
    def due_at(self) -> datetime | None:
        return self.task.due_at(self.stage.due_at)

    @property
    def paused(self) -> bool:
        return self.cycle.state is CycleState.PAUSED

    @property
    def late_since(self) -> datetime | None:
        """The deadline that has passed: of an escalated task the one that it was escalated for. None while paused."""
        due_at = self.stage.due_at if self.task.escalated_at else self.due_at
        return due_at if due_at is not None and due_at < self.now and not self.paused else None


@dataclass(frozen=True, slots=True)
class HeldBarrier:
    """Owed tasks of one stage whose own deadline is to come: how many, the latest one, and some of their ids.

    `remindable` are some whose assignees may be reminded now.
    """

    count: int
    until: datetime
    task_ids: tuple[UUID, ...] = ()
    remindable: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Unscored:
    """Participants without a score for one reason of scoring; `participant_id` when it is a single one."""

    code: str
    count: int
    since: datetime
    participant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class MissingActuals:
    """Values that one provider did not enter before their stage closed; `participant_id` when of a single one."""

    provider_id: UUID
    count: int
    participant_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CycleFacts:
    """A live cycle, its stages in order, and what its rows say beyond tasks."""

    cycle: Cycle
    stages: Sequence[Stage]
    now: datetime
    barriers: Mapping[UUID, HeldBarrier] = field(default_factory=dict)  # by stage
    unscored: Sequence[Unscored] = ()
    missing: Sequence[MissingActuals] = ()

    @property
    def by_key(self) -> Mapping[str, Stage]:
        return {stage.key: stage for stage in self.stages}
