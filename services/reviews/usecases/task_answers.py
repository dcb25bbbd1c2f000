"""What assignees do with their answers before and after they submit: save a draft, recall a submission."""

from dataclasses import dataclass
from uuid import UUID

from services.reviews.domain import task_rules
from services.reviews.domain.answers import Answer, answers_document, malformed, require_valid, text_problems, unfitting
from services.reviews.domain.errors import TaskNotYours
from services.reviews.policy import can
from services.reviews.usecases.task_ports import NeedsTasks, tell_of_task
from services.reviews.usecases.task_view import TaskView


@dataclass(frozen=True, slots=True)
class SaveTask:
    task_id: UUID
    version: int
    answers: tuple[Answer, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class RecallTask:
    task_id: UUID
    reason: str = ""


async def save_task(work: NeedsTasks, command: SaveTask) -> TaskView:
    """Keep a draft, also while the cycle is paused; it may be incomplete, but what is there must fit the form."""
    problems = malformed(command.answers, command.comment)
    view = await work.tasks.lock(command.task_id)
    _require_own(work, view)
    task_rules.require_stage_takes(view.stage_state, extended=view.extended)
    form = await work.tasks.form_body(view.task.form_id)
    require_valid([*problems, *unfitting(form, command.answers, complete=False)])
    document = answers_document(command.answers)
    changed = task_rules.save_draft(view.task, command.version, document, command.comment, view.at)
    saved = await work.tasks.save(changed, view.task)
    if saved.state is not view.task.state:
        await work.audit("task.start", "task", saved.id, detail={"state": saved.state.value})
    return await work.tasks.find(command.task_id)


async def recall_task(work: NeedsTasks, command: RecallTask) -> TaskView:
    """Take one's own submission back while the stage takes answers; it becomes the draft."""
    require_valid(text_problems("reason", command.reason))
    seen = await work.tasks.find(command.task_id)
    _require_own(work, seen)
    await work.stages.share(seen.task.stage_id)
    view = await work.tasks.lock(command.task_id)
    _require_own(work, view)
    task_rules.require_stage_takes(view.stage_state, extended=view.extended, paused=view.stage_paused)
    recalled = await work.tasks.save(task_rules.recall(view.task), view.task)
    await work.tasks.restore_draft(recalled.id)
    await tell_of_task(work, "recalled", recalled, note=command.reason)
    return await work.tasks.find(command.task_id)


def _require_own(work: NeedsTasks, view: TaskView) -> None:
    if not can(work.principal, "task.edit", view.facts):
        raise TaskNotYours("only the assignee answers a task")
    if view.task.kind in task_rules.OWN_KINDS and work.principal.on_behalf_of is not None:
        raise TaskNotYours("this task cannot be delegated")
