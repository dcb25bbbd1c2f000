"""What people are shown of tasks: the list of what is owed, and one task with its form, answers and figures."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.reviews.domain.errors import TaskNotFound
from services.reviews.domain.model import Actual, Relation, Submission, TaskKind
from services.reviews.domain.sharing import SEES_SELF_REVIEW, self_review_is_shown
from services.reviews.policy import acting_for, can
from services.reviews.usecases.task_ports import NeedsTasks
from services.reviews.usecases.task_view import TaskFilter, TaskView, shown_to

REVIEWS = frozenset({TaskKind.SELF_REVIEW, TaskKind.PEER_REVIEW, TaskKind.MANAGER_REVIEW})
SHOWN_ACTUALS = frozenset({TaskKind.SELF_REVIEW, TaskKind.MANAGER_REVIEW, TaskKind.INTERVIEW})


@dataclass(frozen=True, slots=True)
class GetTask:
    task_id: UUID


@dataclass(frozen=True, slots=True)
class TaskSheet:
    """A task as one reader sees it; parts that they may not see are absent."""

    view: TaskView
    form: dict[str, Any] | None = None
    submission: Submission | None = None
    drafted: bool = False
    references: tuple[Submission, ...] = ()
    actuals: tuple[Actual, ...] = ()


async def list_tasks(work: NeedsTasks, wanted: TaskFilter) -> list[TaskView]:
    """Tasks that the caller may see, most urgent first."""
    return [shown_to(work.principal, view) for view in await work.tasks.page(work.principal, wanted)]


async def get_task(work: NeedsTasks, command: GetTask) -> TaskSheet:
    """One task; who may see that it exists but not its content gets its state alone."""
    view = await work.tasks.find(command.task_id)
    if not can(work.principal, "task.see", view.facts) and not can(work.principal, "task.read", view.facts):
        raise TaskNotFound("there is no such task")
    if not can(work.principal, "task.read", view.facts):
        return TaskSheet(shown_to(work.principal, view))
    mine = view.task.assignee_id is not None and view.task.assignee_id == acting_for(work.principal)
    if mine and view.task.owed:
        await work.tasks.mark_seen(view.id)
    form = await work.tasks.form_body(view.task.form_id) if view.task.kind in REVIEWS else None
    draft = _draft(view) if mine else None
    return TaskSheet(
        view=view,
        form=form,
        submission=draft or await work.tasks.latest_submission(view.id),
        drafted=draft is not None,
        references=await _references(work, view, form),
        actuals=await _actuals(work, view),
    )


def _draft(view: TaskView) -> Submission | None:
    task = view.task
    if not task.owed or not (task.draft or task.draft_comment):
        return None
    return Submission(
        task_id=task.id,
        version=task.submission_version,
        cycle_id=task.cycle_id,
        stage_id=task.stage_id,
        participant_id=task.participant_id,
        epoch=task.epoch,
        late=False,
        answers=task.draft,
        submitted_by=task.assignee_id,
        on_behalf_of=None,
        create_time=task.draft_saved_at or view.at,
        relation=task.relation,
        comment=task.draft_comment,
    )


async def _references(work: NeedsTasks, view: TaskView, form: dict[str, Any] | None) -> tuple[Submission, ...]:
    """The self review for those who judge with it; peers' answers are never shown here."""
    participant_id = view.task.participant_id
    if participant_id is None or view.task.kind not in SEES_SELF_REVIEW:
        return ()
    reviews = await work.tasks.of_participant(participant_id, TaskKind.SELF_REVIEW)
    if not reviews:
        return ()
    stage = reviews[0].stage_state
    if not self_review_is_shown(form, view.task.kind, stage, released=view.cycle_released):
        return ()
    return tuple(await work.tasks.submissions_about(participant_id, Relation.SELF))


async def _actuals(work: NeedsTasks, view: TaskView) -> tuple[Actual, ...]:
    if view.task.participant_id is None or view.task.kind not in SHOWN_ACTUALS:
        return ()
    return tuple(await work.tasks.actuals_of(view.task.participant_id))
