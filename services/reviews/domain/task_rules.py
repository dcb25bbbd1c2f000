"""How a task changes in the hands of people: pure steps, each refusing what its state forbids."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.reviews.domain.errors import (
    AlreadySubmitted,
    AssigneeInvalid,
    CyclePaused,
    NotLater,
    SelfDealing,
    StageClosed,
    StageNotOpen,
    TaskKindInvalid,
    TaskStateInvalid,
    VersionConflict,
)
from services.reviews.domain.model import ENDED_STAGE_STATES, StageState, Task, TaskKind, TaskState

ANSWERED_KINDS = frozenset(
    {
        TaskKind.GOAL_SETTING,
        TaskKind.SELF_REVIEW,
        TaskKind.PEER_REVIEW,
        TaskKind.MANAGER_REVIEW,
        TaskKind.DATA_ENTRY,
        TaskKind.CUSTOM,
    }
)
"""Done by submitting answers; the other kinds end by a command of their own."""

OWN_KINDS = frozenset({TaskKind.SELF_REVIEW, TaskKind.GOAL_SETTING, TaskKind.ACKNOWLEDGEMENT})
"""Nobody else may do them."""

REMINDER_INTERVAL = timedelta(hours=1)
MOST_REMINDERS = 20


def require_stage_takes(state: StageState, *, extended: bool, paused: bool = False) -> None:
    """Refuse a change of a task's answers that its stage does not take any more, not yet, or not now."""
    if state in ENDED_STAGE_STATES or state is StageState.SETTLING:
        raise StageClosed("the stage is closed")
    if state is StageState.CLOSING and not extended:
        raise StageClosed("the stage is closing; only an extended task may still be changed")
    if state is StageState.PLANNED:
        raise StageNotOpen("the stage is not open yet")
    if paused:
        raise CyclePaused("the cycle is paused; drafts may be saved")


def require_answered_by_form(task: Task) -> None:
    if task.kind not in ANSWERED_KINDS:
        raise TaskKindInvalid(f"a task of kind {task.kind} is done by another command")


def save_draft(task: Task, version: int, answers: Mapping[str, Any], comment: str, at: datetime) -> Task:
    """Keep answers that build on `version`, the number of saves and submissions so far."""
    require_answered_by_form(task)
    if task.state in {TaskState.SUBMITTED, TaskState.ACCEPTED}:
        raise AlreadySubmitted("the task was submitted; recall it first")
    _require_owed(task, "saved")
    if task.submission_version != version:
        raise VersionConflict("the answers were changed meanwhile; load them again")
    state = TaskState.IN_PROGRESS if task.state is TaskState.OPEN else task.state
    return replace(
        task,
        state=state,
        draft=dict(answers),
        draft_comment=comment,
        draft_saved_at=at,
        submission_version=version + 1,
    )


def recall(task: Task) -> Task:
    """Take a submission back to change it."""
    require_answered_by_form(task)
    _require_state(task, {TaskState.SUBMITTED}, "recalled")
    return replace(task, state=TaskState.RECALLED)


def give_back(task: Task, by: UUID | None, reason: str, at: datetime, due_at: datetime | None) -> Task:
    """Return a submission to its author; `due_at` gives them until then, else the stage's deadline stands."""
    require_answered_by_form(task)
    _require_state(task, {TaskState.SUBMITTED, TaskState.ACCEPTED}, "returned")
    if due_at is not None and due_at <= at:
        raise NotLater("the new deadline has already passed", field="due_at")
    return replace(
        task,
        state=TaskState.RETURNED,
        returned_at=at,
        returned_by=by,
        returned_reason=reason,
        ended_at=None,
        due_override=due_at or task.due_override,
    )


def reassign(task: Task, assignee_id: UUID) -> Task:
    """Give a task that is still owed to somebody else, with its draft; never to whom it judges."""
    if task.kind in OWN_KINDS:
        raise TaskKindInvalid("this task can only be done by the one it is about")
    if task.kind is TaskKind.APPEAL:
        raise TaskKindInvalid("an appeal is given to another owner by assigning the appeal")
    if task.state is not TaskState.PLANNED:
        _require_owed(task, "reassigned")
    if assignee_id == task.subject_id:
        raise SelfDealing("nobody rates themselves")
    if assignee_id == task.assignee_id:
        raise AssigneeInvalid("the task is theirs already", field="assignee")
    return replace(task, assignee_id=assignee_id, on_behalf_of=None, blocked_reason="", blocked_since=None)


def extend(task: Task, until: datetime, at: datetime, due_at: datetime | None) -> Task:
    """Give one task a later deadline than the present, effective one."""
    _require_owed(task, "extended")
    if until <= at:
        raise NotLater("the new deadline has already passed", field="until")
    if due_at is not None and until <= due_at:
        raise NotLater("the new deadline is not later than the present one", field="until")
    return replace(task, due_override=until)


def reminder_problem(task: Task, at: datetime) -> tuple[str, str] | None:
    """(code, message) of why a person may not be reminded of the task now."""
    if not task.owed:
        return "TASK_STATE_INVALID", f"the task is {task.state}"
    if task.assignee_id is None:
        return "NO_ASSIGNEE", "nobody is assigned"
    if task.reminder_count >= MOST_REMINDERS:
        return "REMINDER_LIMIT", f"at most {MOST_REMINDERS} reminders a task"
    if task.reminded_at is not None and at - task.reminded_at < REMINDER_INTERVAL:
        return "REMINDED_RECENTLY", "reminded within the last hour"
    return None


def _require_owed(task: Task, verb: str) -> None:
    if not task.owed:
        raise TaskStateInvalid(f"a task that is {task.state} cannot be {verb}", meta={"state": task.state.value})


def _require_state(task: Task, allowed: set[TaskState], verb: str) -> None:
    if task.state not in allowed:
        raise TaskStateInvalid(f"a task that is {task.state} cannot be {verb}", meta={"state": task.state.value})
