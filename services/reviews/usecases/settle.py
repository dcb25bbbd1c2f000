"""Record what other services did for a settling stage, and close it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.reviews.domain import stages as step
from services.reviews.domain.errors import StageEpochStale
from services.reviews.domain.model import ENDED_STAGE_STATES, Cycle, CycleState, ParticipantState, Stage, StageKind
from services.reviews.domain.model import StageState as State
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsChunks
from services.reviews.usecases.telling import tell_of_cycle, tell_of_stage

SCORED = (ParticipantState.SCORED.value, ParticipantState.CALIBRATED.value)


@dataclass(frozen=True, slots=True)
class MarkScored:
    """A page of participants up to `last`; `unscored` says why not, in UPPER_SNAKE."""

    stage_id: UUID
    epoch: int
    after: UUID | None
    last: UUID
    unscored: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class FinishSettling:
    stage_id: UUID
    epoch: int
    release_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReportBlocked:
    """An empty reason clears."""

    cycle_id: UUID
    stage_id: UUID | None
    reason: str


async def mark_scored(work: NeedsChunks, command: MarkScored) -> int:
    """How many of the page are scored now; repeatable."""
    stage = await work.stages.share(command.stage_id)
    if stage.epoch != command.epoch or stage.state is not State.SETTLING:
        raise StageEpochStale("the stage has moved on")
    return await work.chunks.mark_scored(stage.cycle_id, command.after, command.last, command.unscored)


async def finish_settling(work: NeedsChunks, command: FinishSettling) -> Stage:
    """settling → closed, once; the end of calibration and release moves the participants on."""
    stage = await work.stages.lock(command.stage_id)
    if stage.state in ENDED_STAGE_STATES and stage.epoch >= command.epoch:
        return stage
    if stage.epoch != command.epoch or stage.state is not State.SETTLING:
        raise StageEpochStale("the stage has moved on")
    cycle = await work.cycles.get(stage.cycle_id, lock=True)
    now = await cycle_now(work, cycle)
    closed = step.finish(stage, now)
    await work.stages.save(closed)
    if stage.kind is StageKind.CALIBRATION:
        await work.chunks.advance(cycle.id, ParticipantState.CALIBRATED.value, (ParticipantState.SCORED.value,))
    elif stage.kind is StageKind.RELEASE:
        await _release(work, cycle, command.release_time or now)
    await tell_of_stage(work, "stage_closed", closed)
    return closed


async def _release(work: NeedsChunks, cycle: Cycle, at: datetime) -> None:
    released = await work.cycles.save(replace(cycle, state=CycleState.RELEASED, released_at=at))
    await work.chunks.advance(cycle.id, ParticipantState.RELEASED.value, SCORED, at)
    await tell_of_cycle(work, "cycle_released", released, released_at=at.isoformat())


async def report_blocked(work: NeedsChunks, command: ReportBlocked) -> None:
    """Keep why the engine could not do its work; the same reason again keeps the instant it was first reported."""
    now = await work.now()
    if command.stage_id is not None:
        stage = await work.stages.lock(command.stage_id)
        if stage.blocked_reason != command.reason:
            await work.stages.save(step.block(stage, command.reason, now))
        return
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    if cycle.blocked_reason != command.reason:
        since = now if command.reason else None
        await work.cycles.save(replace(cycle, blocked_reason=command.reason, blocked_since=since))
