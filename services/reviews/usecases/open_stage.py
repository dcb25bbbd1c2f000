"""Open a stage chunk by chunk: participants whose predecessors are settled get their tasks."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.reviews.domain import stages as step
from services.reviews.domain.bulk import NOBODY, Admission, Admitted
from services.reviews.domain.errors import CyclePaused
from services.reviews.domain.model import Cycle, ReleaseMode, Stage, StageKind, StageState
from services.reviews.domain.process import descendants
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsAdmissions
from services.reviews.usecases.telling import tell_of_stage, tell_of_tasks

ADMITTING = frozenset({StageState.OPENING, StageState.OPEN, StageState.CLOSING})


@dataclass(frozen=True, slots=True)
class Session:
    """A calibration session and who leads it; nobody, if nobody could be found."""

    id: UUID
    facilitator_id: UUID | None


@dataclass(frozen=True, slots=True)
class OpenStage:
    stage_id: UUID
    epoch: int
    after: UUID | None = None
    sessions: tuple[Session, ...] = ()
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    last_participant_id: UUID = NOBODY
    last: bool = True
    opened: int = 0
    superseded: bool = False


async def open_stage(work: NeedsAdmissions, command: OpenStage) -> Opened:
    """One chunk; the last one of the first pass opens the stage. Repeating a chunk gives nobody a second task."""
    stage = await _hold(work, command.stage_id)
    if stage.epoch != command.epoch or stage.state not in ADMITTING:
        return Opened(superseded=True)
    if stage.paused:
        raise CyclePaused("the cycle is paused")
    cycle = await work.cycles.get(stage.cycle_id)
    now = await cycle_now(work, cycle)
    admission = await _admission(work, cycle, stage, command, now)
    admitted = await work.admissions.admit_chunk(admission, command.after)
    if admitted.opened:
        ends = (admitted.first_task_id, admitted.last_task_id)
        await tell_of_tasks(work, "tasks_opened", stage, *ends, admitted.opened)
    if admitted.last and stage.state is StageState.OPENING:
        opened = step.finish_opening(stage)
        await work.stages.save(opened)
        await tell_of_stage(work, "stage_opened", opened, reopened=stage.epoch > 1)
    return _outcome(admitted)


async def _hold(work: NeedsAdmissions, stage_id: UUID) -> Stage:
    """While opening nobody submits, so the lock is exclusive; later passes leave submissions alone."""
    seen = await work.stages.get(stage_id)
    return await (work.stages.lock(stage_id) if seen.state is StageState.OPENING else work.stages.share(stage_id))


async def _admission(work: NeedsAdmissions, cycle: Cycle, stage: Stage, command: OpenStage, now: datetime) -> Admission:
    stages = await work.stages.of_cycle(cycle.id)
    later = descendants(stage.key, stages) if stage.epoch > 1 else set()
    first_pass = stage.state is StageState.OPENING
    admission = Admission(
        stage=stage,
        at=stage.opened_at if first_pass and stage.opened_at else now,
        opened_at=now,
        due_override=None if first_pass else await _late_comers_due(work, cycle, stage, now),
        before=tuple(other.id for other in stages if other.key in stage.after),
        later=tuple(other.id for other in stages if other.key in later),
        trace_id=command.trace_id or work.trace_id,
    )
    if stage.kind is StageKind.CALIBRATION:
        leaders = tuple(session.facilitator_id for session in command.sessions)
        return replace(admission, assignees=leaders, references=tuple(session.id for session in command.sessions))
    if stage.kind is StageKind.RELEASE and cycle.release_mode is ReleaseMode.MANUAL:
        return replace(admission, assignees=(cycle.owner_id,), references=(None,))
    return admission


async def _late_comers_due(work: NeedsAdmissions, cycle: Cycle, stage: Stage, now: datetime) -> datetime | None:
    """Whoever is admitted when the window has begun to run keeps its length, as the stage itself would."""
    calendar = await work.cycles.calendar(cycle)
    due_at = calendar.add(now, stage.definition.length)
    return due_at if stage.due_at is None or due_at > stage.due_at else None


def _outcome(admitted: Admitted) -> Opened:
    return Opened(admitted.last_participant_id, admitted.last, admitted.opened)
