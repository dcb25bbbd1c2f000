"""A task with what surrounds it: its stage and cycle at one moment, and what decides who may see it."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.reviews.domain.model import StageState, Task
from services.reviews.policy import Facts, can
from services.runtime.identity import Principal


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as it stood at `at`, the cycle's time."""

    task: Task
    facts: Facts
    stage_key: str
    stage_state: StageState
    stage_due_at: datetime | None
    stage_paused: bool
    stage_strict: bool
    stage_signature: str
    cycle_name: str
    cycle_released: bool
    at: datetime

    @property
    def id(self) -> UUID:
        return self.task.id

    @property
    def due_at(self) -> datetime | None:
        return self.task.due_at(self.stage_due_at)

    @property
    def past_due(self) -> bool:
        return self.due_at is not None and self.due_at < self.at

    @property
    def overdue(self) -> bool:
        return self.task.owed and self.past_due

    @property
    def extended(self) -> bool:
        """Whether this task may be done while its stage closes."""
        return self.task.due_override is not None and self.task.due_override > self.at


def shown_to(actor: Principal, view: TaskView) -> TaskView:
    """The view without what people wrote, for who may see the state of the task but not its content."""
    if can(actor, "task.read", view.facts):
        return view
    return replace(view, task=replace(view.task, returned_reason="", draft={}, draft_comment=""))


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """What to list; `mine` limits to the caller's own duties."""

    mine: bool = True
    assignee_id: UUID | None = None
    cycle_id: UUID | None = None
    participant_id: UUID | None = None
    stage_key: str = ""
    state: str = ""
    overdue: bool = False
    owed: bool = False
    after: tuple[datetime | None, UUID] | None = None
    size: int = 50
