"""What the use cases about released results need of the unit of work and its stores."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.model import Appeal, AppealState, Interview, Opinion, ParticipantState, TemplateVersion
from services.reviews.policy import Facts
from services.reviews.usecases.task_ports import NeedsTasks, Teller
from services.reviews.usecases.task_view import TaskView
from services.runtime.identity import Principal


@dataclass(frozen=True, slots=True)
class Judged:
    """A participant with what decides about their result's aftermath; `conflicted` may not decide their appeal."""

    id: UUID
    cycle_id: UUID
    employee_id: UUID
    state: ParticipantState
    opinion: Opinion | None
    released_at: datetime | None
    version: int
    conflicted: frozenset[UUID]
    facts: Facts


@dataclass(frozen=True, slots=True)
class AppealView:
    """An appeal and what decides who may see it."""

    appeal: Appeal
    employee_id: UUID
    facts: Facts


@dataclass(frozen=True, slots=True)
class InterviewView:
    """An interview, which may not have been touched yet, and its task."""

    interview: Interview
    task: TaskView


class Participants(Protocol):
    async def find(self, participant_id: UUID) -> Judged: ...
    async def lock(self, participant_id: UUID) -> Judged: ...
    async def save(self, participant_id: UUID, state: ParticipantState, opinion: Opinion | None) -> int: ...
    async def amend(self, participant_id: UUID, released_at: datetime) -> int: ...
    async def mark_corrected(self, participant_id: UUID, code: str) -> bool: ...


class Appeals(Protocol):
    async def find(self, appeal_id: UUID) -> AppealView: ...
    async def lock(self, appeal_id: UUID) -> AppealView: ...
    async def since(self, participant_id: UUID, released_at: datetime, result_version: int) -> bool: ...
    async def add(self, appeal: Appeal) -> None: ...
    async def save(self, appeal: Appeal) -> Appeal: ...
    async def page(
        self, actor: Principal, cycle_id: UUID | None, state: str, after: UUID | None, size: int
    ) -> list[AppealView]: ...
    async def count_undecided(self, cycle_id: UUID) -> int: ...


class Interviews(Protocol):
    async def of_task(self, view: TaskView) -> Interview: ...
    async def save(self, interview: Interview) -> Interview: ...
    async def page(
        self, actor: Principal, cycle_id: UUID | None, after: UUID | None, size: int
    ) -> list[InterviewView]: ...


class TemplateVersions(Protocol):
    async def version(self, template_id: UUID, number: int) -> TemplateVersion | None: ...


class NeedsResults(NeedsTasks, Protocol):
    @property
    def participants(self) -> Participants: ...


class NeedsAppeals(NeedsResults, Protocol):
    @property
    def appeals(self) -> Appeals: ...
    @property
    def templates(self) -> TemplateVersions: ...


class NeedsInterviews(NeedsTasks, Protocol):
    @property
    def interviews(self) -> Interviews: ...


async def tell_of_appeal(
    work: Teller, kind: str, appeal: Appeal, employee_id: UUID, *, note: str = "", **facts: Any
) -> None:
    """Audit entry `appeal.<kind>` and event `reviews.appeal_<kind>`; what was written stays in the note."""
    detail: dict[str, Any] = {
        "appeal_id": str(appeal.id),
        "cycle_id": str(appeal.cycle_id),
        "participant_id": str(appeal.participant_id),
        "employee_id": str(employee_id),
        "owner_id": str(appeal.owner_id) if appeal.owner_id else None,
        "task_id": str(appeal.task_id) if appeal.task_id else None,
        "result_version": appeal.result_version,
        "state": appeal.state.value,
        **facts,
    }
    if kind == "decided":
        amended = appeal.state is AppealState.AMENDED
        detail["outcome"] = "amended" if amended else "kept"
        detail |= {"score": None if appeal.score is None else str(appeal.score), "grade": appeal.grade}
    await work.audit(f"appeal.{kind}", "appeal", appeal.id, detail=detail, note=note)
    await work.emit(f"reviews.appeal_{kind}", "appeal", appeal.id, appeal.version, detail)


def signed(work: NeedsTasks, view: TaskView, method: str, name: str, content_hash: bytes) -> dict[str, Any]:
    """The row of a signature under what a task is about."""
    return {
        "cycle_id": view.task.cycle_id,
        "participant_id": view.task.participant_id,
        "task_id": view.task.id,
        "signer_id": work.principal.employee_id,
        "on_behalf_of": work.principal.on_behalf_of,
        "method": method,
        "typed_name": name,
        "content_hash": content_hash,
        "create_time": view.at,
    }
