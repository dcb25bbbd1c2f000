"""What reviews does about scoring: a committed session ends its task, an amended result is open to be acknowledged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain.errors import TaskStateInvalid
from services.reviews.domain.model import LIVE_STAGE_STATES, AppealState, StageState, Task, TaskKind, TaskState
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.outcome_ports import NeedsAppeals
from services.reviews.usecases.task_ports import NeedsTasks, tell_of_task
from services.reviews.usecases.task_view import TaskView


@dataclass(frozen=True, slots=True)
class SessionMoved:
    """A calibration session was committed, or opened again; `version` is the session's."""

    session_id: UUID
    version: int
    committed: bool


@dataclass(frozen=True, slots=True)
class ResultAmended:
    """A new version of a result was made and released."""

    participant_id: UUID
    result_version: int
    appeal_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ScoreCorrected:
    """A score was computed again after actuals changed; a code says why there is none."""

    participant_id: UUID
    unscored_code: str = ""


class Sessions(Protocol):
    async def move_session(self, session_id: UUID, version: int, *, committed: bool) -> Sequence[Task]: ...


class NeedsSessions(NeedsTasks, Protocol):
    @property
    def underway(self) -> Sessions: ...


async def follow_session(work: NeedsSessions, command: SessionMoved) -> int:
    """End or give back the facilitator's task; an older event than the one followed last changes nothing."""
    moved = await work.underway.move_session(command.session_id, command.version, committed=command.committed)
    for task in moved:
        await tell_of_task(work, "accepted" if command.committed else "reopened", task)
    return len(moved)


async def follow_correction(work: NeedsAppeals, command: ScoreCorrected) -> None:
    """Who could not be scored takes part in what follows as soon as they can; repeated it changes nothing."""
    if await work.participants.mark_corrected(command.participant_id, command.unscored_code):
        detail = {"participant_id": str(command.participant_id), "unscored_code": command.unscored_code}
        await work.audit("participant.score_corrected", "participant", command.participant_id, detail=detail)


async def follow_amendment(work: NeedsAppeals, command: ResultAmended) -> None:
    """The appeal is done, and the new version waits to be acknowledged; repeated it changes nothing."""
    acknowledgements = await work.tasks.of_participant(command.participant_id, TaskKind.ACKNOWLEDGEMENT)
    if acknowledgements:
        await work.stages.share(acknowledgements[0].task.stage_id)
    judged = await work.participants.lock(command.participant_id)
    cycle = await work.cycles.get(judged.cycle_id)
    now = await cycle_now(work, cycle)
    if command.appeal_id is not None and not await _finish_appeal(work, command.appeal_id, now):
        return
    version = await work.participants.amend(judged.id, now)
    if acknowledgements:
        await _ask_again(work, acknowledgements[0].id, now)
    detail = {
        "participant_id": str(judged.id),
        "cycle_id": str(judged.cycle_id),
        "employee_id": str(judged.employee_id),
        "appeal_id": str(command.appeal_id) if command.appeal_id else None,
        "result_version": command.result_version,
    }
    await work.audit("appeal.amended", "participant", judged.id, detail=detail)
    await work.emit("reviews.appeal_amended", "participant", judged.id, version, detail)


async def _finish_appeal(work: NeedsAppeals, appeal_id: UUID, now: datetime) -> bool:
    """Whether this is news."""
    appeal = (await work.appeals.lock(appeal_id)).appeal
    if appeal.state is not AppealState.AMENDED:
        raise TaskStateInvalid("an appeal that was not decided so has been amended", meta={"state": appeal.state.value})
    if appeal.amended_at is not None:
        return False
    await work.appeals.save(replace(appeal, amended_at=now))
    return True


async def _ask_again(work: NeedsAppeals, task_id: UUID, now: datetime) -> None:
    """Open the acknowledgement again for the stage's length; once the stage has ended it needs no task."""
    view: TaskView = await work.tasks.lock(task_id)
    if view.stage_state not in LIVE_STAGE_STATES - {StageState.SETTLING}:
        return
    if view.task.state not in {TaskState.ACCEPTED, TaskState.EXPIRED}:
        return
    stage = await work.stages.get(view.task.stage_id)
    calendar = await work.cycles.calendar(await work.cycles.get(stage.cycle_id))
    until = calendar.add(now, stage.definition.length)
    opened = replace(view.task, state=TaskState.OPEN, ended_at=None, due_override=until, input_changed=True)
    await tell_of_task(work, "reopened", await work.tasks.save(opened, view.task))
