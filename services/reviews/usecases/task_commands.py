"""What managers and HR do with other people's tasks: return, reassign, extend, remind."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain import task_rules
from services.reviews.domain.answers import require_valid, text_problems
from services.reviews.domain.cycle_definition import References
from services.reviews.domain.errors import AssigneeInvalid, Invalid, TaskNotFound
from services.reviews.domain.model import TaskKind
from services.reviews.policy import can, require
from services.reviews.usecases.task_ports import NeedsTasks, require_reason, tell_of_task
from services.reviews.usecases.task_view import TaskView, shown_to
from services.runtime.identity import Principal

MOST_TASKS = 500
MOST_CODE = 200
NO_TENANT = UUID(int=0)


@dataclass(frozen=True, slots=True)
class ReturnTask:
    task_id: UUID
    reason: str
    due_at: datetime | None = None
    to: str = ""  # stage key; empty is the task's own


@dataclass(frozen=True, slots=True)
class ReassignTask:
    task_id: UUID
    assignee: str  # employee id or code
    reason: str
    assignee_id: UUID | None = None  # filled in by `Assignees`


@dataclass(frozen=True, slots=True)
class ExtendTask:
    task_id: UUID
    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class RemindTasks:
    task_ids: tuple[UUID, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a batch; `code` is OK or a reason."""

    task_id: UUID
    code: str = "OK"
    message: str = ""


class People(Protocol):
    async def resolve(
        self, tenant_id: UUID, employees: Sequence[str], departments: Sequence[str], groups: Sequence[str]
    ) -> References: ...
    async def employed(self, tenant_id: UUID, employee_ids: Iterable[UUID]) -> Mapping[UUID, bool]: ...


class Assignees:
    """Finds out who is meant by an id or a code, and that they work here; asked before the transaction."""

    def __init__(self, people: People) -> None:
        self._people = people

    async def prepare(self, principal: Principal, command: ReassignTask) -> ReassignTask:
        """The command with the id of its assignee; AssigneeInvalid for somebody unknown or gone."""
        require_valid(text_problems("assignee", command.assignee, MOST_CODE))
        found = await self.find(principal, command.assignee, "assignee")
        return replace(command, assignee_id=found)

    async def find(self, principal: Principal, written: str, field: str) -> UUID:
        tenant_id = principal.tenant_id or NO_TENANT
        identifier = _as_id(written)
        if identifier is None:
            identifier = (await self._people.resolve(tenant_id, [written], [], [])).employees.get(written)
        if identifier is None or not (await self._people.employed(tenant_id, [identifier])).get(identifier):
            raise AssigneeInvalid("nobody who works here has this id or code", field=field)
        return identifier


async def return_task(work: NeedsTasks, command: ReturnTask) -> TaskView:
    """Send a submission back to its author with a reason; its answers become the draft again."""
    reason = _checked_reason(command.reason)
    seen = await _visible(work, command.task_id)
    if command.to and command.to != seen.stage_key:
        seen = await _task_at(work, seen, command.to)
    require(work.principal, "task.return", seen.facts)
    await work.stages.share(seen.task.stage_id)
    view = await work.tasks.lock(seen.id)
    extended = view.extended or (command.due_at is not None and command.due_at > view.at)
    task_rules.require_stage_takes(view.stage_state, extended=extended, paused=view.stage_paused)
    changed = task_rules.give_back(view.task, work.principal.employee_id, reason, view.at, command.due_at)
    returned = await work.tasks.save(changed, view.task)
    await work.tasks.restore_draft(returned.id)
    await tell_of_task(work, "returned", returned, note=reason)
    return shown_to(work.principal, await work.tasks.find(returned.id))


async def reassign_task(work: NeedsTasks, command: ReassignTask) -> TaskView:
    """Give an owed task and its draft to somebody else."""
    reason = _checked_reason(command.reason)
    seen = await _visible(work, command.task_id)
    require(work.principal, "task.administer", seen.facts)
    if command.assignee_id is None:
        raise AssigneeInvalid("nobody who works here has this id or code", field="assignee")
    await work.stages.share(seen.task.stage_id)
    view = await work.tasks.lock(command.task_id)
    reassigned = await work.tasks.save(task_rules.reassign(view.task, command.assignee_id), view.task)
    before = view.task.assignee_id
    if view.task.kind is TaskKind.DATA_ENTRY and before is not None:
        await work.tasks.hand_over_sheets([view.task.cycle_id], before, command.assignee_id)
    facts = {"from_id": str(before) if before else None}
    await tell_of_task(work, "reassigned", reassigned, note=reason, **facts)
    return shown_to(work.principal, await work.tasks.find(command.task_id))


async def extend_task(work: NeedsTasks, command: ExtendTask) -> TaskView:
    """Move the deadline of one task; while its stage closes this keeps the stage waiting for it."""
    reason = _checked_reason(command.reason)
    seen = await _visible(work, command.task_id)
    require(work.principal, "task.administer", seen.facts)
    await work.stages.share(seen.task.stage_id)
    view = await work.tasks.lock(command.task_id)
    task_rules.require_stage_takes(view.stage_state, extended=True)
    extended = await work.tasks.save(task_rules.extend(view.task, command.until, view.at, view.due_at), view.task)
    await tell_of_task(work, "extended", extended, note=reason, until=command.until.isoformat())
    return shown_to(work.principal, await work.tasks.find(command.task_id))


async def remind_tasks(work: NeedsTasks, command: RemindTasks) -> list[Outcome]:
    """Remind the assignees of these tasks, each at most once an hour; one outcome for each id, in order."""
    require_valid(text_problems("reason", command.reason))
    if not 0 < len(command.task_ids) <= MOST_TASKS:
        raise Invalid(f"between 1 and {MOST_TASKS} tasks", field="task_ids")
    views = await work.tasks.lock_many(sorted(set(command.task_ids)))
    outcomes = {task_id: _reminder_outcome(work, task_id, views.get(task_id)) for task_id in command.task_ids}
    reminded = [views[task_id] for task_id, outcome in outcomes.items() if outcome.code == "OK"]
    if reminded:
        await work.tasks.save_reminded([view.id for view in reminded], await work.now())
    for view in reminded:
        due_at = view.due_at.isoformat() if view.due_at else None
        await tell_of_task(work, "reminded", view.task, note=command.reason, due_at=due_at)
    return [outcomes[task_id] for task_id in command.task_ids]


def _reminder_outcome(work: NeedsTasks, task_id: UUID, view: TaskView | None) -> Outcome:
    if view is None or not can(work.principal, "task.see", view.facts):
        return Outcome(task_id, "TASK_NOT_FOUND", "there is no such task")
    if not can(work.principal, "task.administer", view.facts):
        return Outcome(task_id, "PERMISSION_DENIED", "this person is not within your scope")
    problem = task_rules.reminder_problem(view.task, view.at)
    return Outcome(task_id, *problem) if problem else Outcome(task_id)


async def _visible(work: NeedsTasks, task_id: UUID) -> TaskView:
    view = await work.tasks.find(task_id)
    if not can(work.principal, "task.see", view.facts):
        raise TaskNotFound("there is no such task")
    return view


async def _task_at(work: NeedsTasks, seen: TaskView, stage_key: str) -> TaskView:
    """The participant's task at an earlier stage, the one that was submitted last."""
    found: Sequence[TaskView] = ()
    if seen.task.participant_id is not None:
        for kind in sorted(task_rules.ANSWERED_KINDS):
            found = [*found, *await work.tasks.of_participant(seen.task.participant_id, kind, stage_key)]
    allowed = [view for view in found if can(work.principal, "task.return", view.facts)]
    if not allowed:
        raise TaskNotFound("the participant has no task at that stage that you may return", field="to")
    return allowed[0]


def _as_id(written: str) -> UUID | None:
    try:
        return UUID(written)
    except ValueError:
        return None


def _checked_reason(reason: str) -> str:
    require_valid(text_problems("reason", reason))
    return require_reason(reason)
