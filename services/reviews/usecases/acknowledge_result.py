"""Acknowledge one's own released result: it was seen, agreeing or not."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from services.reviews.domain.answers import require_valid, text_problems
from services.reviews.domain.errors import (
    ResultDisputed,
    ResultNotReleased,
    StageClosed,
    TaskNotYours,
    TaskStateInvalid,
)
from services.reviews.domain.form_body import content_hash
from services.reviews.domain.model import ENDED_STAGE_STATES, Opinion, ParticipantState, TaskKind, TaskState
from services.reviews.domain.signatures import MAX_SIGNATURE, require_signature, typed_name
from services.reviews.domain.task_rules import require_stage_takes
from services.reviews.usecases.outcome_ports import Judged, NeedsResults, signed
from services.reviews.usecases.task_ports import tell_of_task
from services.reviews.usecases.task_view import TaskView
from services.runtime.clock import new_id


@dataclass(frozen=True, slots=True)
class AcknowledgeResult:
    participant_id: UUID
    opinion: Opinion
    result_version: int
    comment: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    task_id: UUID
    at: datetime


async def acknowledge_result(work: NeedsResults, command: AcknowledgeResult) -> Acknowledged:
    """Own results only, after their release, never by a delegate; the comment is kept with the signature."""
    require_valid(
        [
            *text_problems("comment", command.comment),
            *text_problems("signature", command.signature, MAX_SIGNATURE),
        ]
    )
    seen = await _own_task(work, command.participant_id)
    stage = await work.stages.share(seen.task.stage_id)
    view = await work.tasks.lock(seen.id)
    judged = await work.participants.lock(command.participant_id)
    _require_open(view, judged, amended_after=_is_after(judged.released_at, stage.closed_at))
    method = require_signature(view.stage_signature, command.signature)
    hashed = content_hash(
        {
            "participant": str(judged.id),
            "result_version": command.result_version,
            "opinion": command.opinion.value,
            "comment": command.comment,
        }
    )
    late = view.past_due
    task = replace(view.task, state=TaskState.ACCEPTED, submitted_at=view.at, ended_at=view.at, late=late)
    accepted = await work.tasks.save(task, view.task)
    state = ParticipantState.CLOSED if judged.state is ParticipantState.CLOSED else ParticipantState.ACKNOWLEDGED
    version = await work.participants.save(judged.id, state, command.opinion)
    row = signed(work, view, method, typed_name(command.signature), hashed)
    await work.tasks.sign(id=new_id(), subject_type="result", subject_id=judged.id, note=command.comment, **row)
    facts: dict[str, Any] = {"opinion": command.opinion.value, "result_version": command.result_version, "late": late}
    await tell_of_task(work, "accepted", accepted, **facts)
    detail = {"participant_id": str(judged.id), "cycle_id": str(judged.cycle_id), "task_id": str(view.id), **facts}
    await work.audit("result.acknowledge", "participant", judged.id, detail=detail, content_hash=hashed)
    await work.emit("reviews.result_acknowledged", "participant", judged.id, version, detail)
    return Acknowledged(view.id, view.at)


async def _own_task(work: NeedsResults, participant_id: UUID) -> TaskView:
    tasks = await work.tasks.of_participant(participant_id, TaskKind.ACKNOWLEDGEMENT)
    if tasks and (tasks[0].task.assignee_id != work.principal.employee_id or work.principal.on_behalf_of is not None):
        raise TaskNotYours("only the employee acknowledges their result")
    if not tasks:
        judged = await work.participants.find(participant_id)
        if judged.employee_id != work.principal.employee_id:
            raise TaskNotYours("only the employee acknowledges their result")
        raise ResultNotReleased("there is nothing to acknowledge yet")
    return tasks[0]


def _require_open(view: TaskView, judged: Judged, *, amended_after: bool) -> None:
    """An amended result may still be acknowledged when the stage has closed: its release came later."""
    if judged.released_at is None:
        raise ResultNotReleased("the result has not been released")
    if judged.state is ParticipantState.DISPUTED:
        raise ResultDisputed("an appeal is under way; its decision comes first")
    if view.stage_state in ENDED_STAGE_STATES and amended_after:
        if judged.opinion is not None:
            raise TaskStateInvalid("the result was acknowledged")
        return
    require_stage_takes(view.stage_state, extended=view.extended, paused=view.stage_paused)
    if not view.task.owed:
        raise TaskStateInvalid("the result was acknowledged", meta={"state": view.task.state.value})
    if view.stage_strict and view.past_due:
        raise StageClosed("the deadline has passed")


def _is_after(released_at: datetime | None, closed_at: datetime | None) -> bool:
    return released_at is not None and closed_at is not None and released_at > closed_at
