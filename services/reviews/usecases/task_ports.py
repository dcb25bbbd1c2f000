"""What the use cases about people's tasks need of the unit of work and its stores."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.errors import ReasonRequired
from services.reviews.domain.model import Actual, Relation, Submission, Task, TaskKind
from services.reviews.usecases.ports import Cycles, Stages
from services.reviews.usecases.task_view import TaskFilter, TaskView
from services.runtime.identity import Principal


class Tasks(Protocol):
    async def find(self, task_id: UUID) -> TaskView: ...
    async def lock(self, task_id: UUID) -> TaskView: ...
    async def lock_many(self, task_ids: Sequence[UUID]) -> dict[UUID, TaskView]: ...
    async def of_participant(self, participant_id: UUID, kind: TaskKind, stage_key: str = "") -> list[TaskView]: ...
    async def page(self, actor: Principal, wanted: TaskFilter) -> list[TaskView]: ...
    async def save(self, changed: Task, seen: Task) -> Task: ...
    async def add(self, new: Task) -> None: ...
    async def save_reminded(self, task_ids: Sequence[UUID], at: datetime) -> None: ...
    async def mark_seen(self, task_id: UUID) -> None: ...
    async def restore_draft(self, task_id: UUID) -> None: ...
    async def latest_submission(self, task_id: UUID) -> Submission | None: ...
    async def submissions_about(self, participant_id: UUID, relation: Relation) -> list[Submission]: ...
    async def form_body(self, form_id: UUID | None) -> dict[str, Any] | None: ...
    async def actuals_of(self, participant_id: UUID) -> list[Actual]: ...
    async def owed_by(self, employee_id: UUID) -> list[TaskView]: ...
    async def hand_over(self, moves: Mapping[UUID, UUID | None]) -> None: ...
    async def hand_over_raters(self, cycle_ids: Iterable[UUID], of: UUID, to: UUID) -> None: ...
    async def hand_over_sheets(self, cycle_ids: Iterable[UUID], of: UUID, to: UUID) -> None: ...
    async def sign(self, **row: Any) -> None: ...


class Teller(Protocol):
    """The unit of work, as far as every change needs it."""

    principal: Principal
    tenant_id: UUID
    trace_id: str

    async def now(self) -> datetime: ...
    async def emit(
        self, kind: str, aggregate_type: str, aggregate_id: UUID, version: int, payload: Mapping[str, Any]
    ) -> UUID: ...
    async def audit(
        self,
        action: str,
        subject_type: str,
        subject_id: UUID,
        *,
        detail: dict[str, Any],
        note: str = "",
        content_hash: bytes | None = None,
        on_behalf_of: UUID | None = None,
    ) -> UUID: ...


class NeedsTasks(Teller, Protocol):
    @property
    def tasks(self) -> Tasks: ...
    @property
    def stages(self) -> Stages: ...
    @property
    def cycles(self) -> Cycles: ...


async def tell_of_task(work: Teller, kind: str, task: Task, *, note: str = "", **facts: Any) -> None:
    """Audit entry `task.<kind>` and event `reviews.task_<kind>`; the note is what a person wrote."""
    detail = task_facts(task) | facts
    await work.audit(f"task.{kind}", "task", task.id, detail=detail, note=note)
    await work.emit(f"reviews.task_{kind}", "task", task.id, task.version, detail)


def task_facts(task: Task) -> dict[str, Any]:
    """Enough for a follower to act without asking back; ids only."""
    return {
        "task_id": str(task.id),
        "cycle_id": str(task.cycle_id),
        "stage_id": str(task.stage_id),
        "participant_id": _text(task.participant_id),
        "subject_id": _text(task.subject_id),
        "assignee_id": _text(task.assignee_id),
        "kind": task.kind.value,
        "relation": task.relation.value if task.relation else "",
        "state": task.state.value,
    }


def require_reason(reason: str) -> str:
    """The reason without blanks around it; ReasonRequired without one."""
    if not reason.strip():
        raise ReasonRequired("say why", field="reason")
    return reason.strip()


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None
