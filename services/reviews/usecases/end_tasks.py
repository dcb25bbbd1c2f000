"""Remind those who owe, and end what is overdue in a closing stage: chunks that may be repeated."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.reviews.domain import stages as step
from services.reviews.domain.bulk import NOBODY
from services.reviews.domain.model import CycleState, StageState
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsChunks
from services.reviews.usecases.telling import tell_of_tasks

REMINDED = frozenset({StageState.OPEN, StageState.CLOSING})


@dataclass(frozen=True, slots=True)
class RemindStage:
    """`reminder` is the name that Tick gave it: ordinal@instant."""

    stage_id: UUID
    epoch: int
    reminder: str
    after: UUID | None = None


@dataclass(frozen=True, slots=True)
class ExpireStage:
    stage_id: UUID
    epoch: int
    after: UUID | None = None
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    last_task_id: UUID = NOBODY
    last: bool = True
    count: int = 0
    superseded: bool = False


async def remind_stage(work: NeedsChunks, command: RemindStage) -> Ended:
    """Everybody who still owes hears a reminder once; when nobody is left, the stage's mark is set.

    Chunks share the stage with submissions; only the mark wants it for itself.
    """
    seen = await work.stages.get(command.stage_id)
    left = await work.chunks.left_to_remind(seen, command.reminder, command.after)
    stage = await (work.stages.share(seen.id) if left else work.stages.lock(seen.id))
    if stage.epoch != command.epoch or stage.state not in REMINDED or stage.paused:
        return Ended(superseded=True)
    if not left:
        await work.stages.save(step.finish_reminder(stage, int(command.reminder.split("@")[0])))
        return Ended(command.after or NOBODY)
    cycle = await work.cycles.get(stage.cycle_id)
    chunk = await work.chunks.remind(stage, command.reminder, command.after, await cycle_now(work, cycle))
    if chunk.count:
        ends = (chunk.first_id, chunk.last_id)
        await tell_of_tasks(work, "tasks_reminded", stage, *ends, chunk.count, reminder=command.reminder)
    return Ended(chunk.last_id, last=False, count=chunk.count)


async def expire_stage(work: NeedsChunks, command: ExpireStage) -> Ended:
    """Accept what was submitted, end by the stage's policy what is overdue; tasks extended into the future stay."""
    stage = await work.stages.share(command.stage_id)
    cycle = await work.cycles.get(stage.cycle_id)
    now = await cycle_now(work, cycle, command.effective_at)
    if stage.epoch != command.epoch:
        return Ended(superseded=True)
    if cycle.state is CycleState.CANCELED:
        chunk = await work.chunks.withdraw(stage, command.after, now)
        missed, kind = chunk.count, "tasks_withdrawn"
    elif stage.state is StageState.CLOSING and not stage.paused:
        grace = (await work.cycles.calendar(cycle)).add(now, step.grace(stage))
        chunk, missed = await work.chunks.end(stage, command.after, now, owner_id=cycle.owner_id, grace=grace)
        kind = "tasks_expired"
    else:
        return Ended(superseded=True)
    if missed:
        policy = stage.definition.on_timeout.value
        await tell_of_tasks(work, kind, stage, chunk.first_id, chunk.last_id, missed, policy=policy)
    return Ended(chunk.last_id, chunk.last, chunk.count)
