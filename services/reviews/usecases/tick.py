"""Look at a cycle: do what is reviews' own and small, and answer what is due elsewhere and when to look again."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.due import FOR_THE_WORKER, Action, ActionKind, Facts, due_actions
from services.reviews.domain.errors import ReviewsError
from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    TASKED_PARTICIPANT_STATES,
    Cycle,
    CycleState,
    ParticipantState,
    Stage,
    StageState,
)
from services.reviews.domain.stages import take_step
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.escalate_appeals import NeedsOverdueAppeals, escalate_appeals
from services.reviews.usecases.ports import NeedsLooks
from services.reviews.usecases.telling import tell_of_cycle, tell_of_stage

MANY_STEPS = 100


class NeedsTick(NeedsLooks, NeedsOverdueAppeals, Protocol):
    """The unit of work, as far as a look at a cycle goes."""

    def note_lateness(self, kind: str, late: timedelta) -> None: ...


@dataclass(frozen=True, slots=True)
class Tick:
    cycle_id: UUID
    effective_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """`next_in` is by our clock, so that skew between machines does not matter; None: nothing is due by time alone."""

    cycle: Cycle
    stages: tuple[Stage, ...]
    due: tuple[Action, ...]
    next_in: timedelta | None
    stage_closed: bool = False

    @property
    def finished(self) -> bool:
        return self.cycle.ended_at is not None


async def tick(work: NeedsTick, command: Tick) -> Look:
    """Idempotent: what is due is decided by the rows, under the locks of the stages that are changed."""
    cycle = await work.cycles.get(command.cycle_id)
    stages = await work.stages.of_cycle(cycle.id)
    now = await cycle_now(work, cycle, command.effective_at)
    facts = await facts_of(work, cycle, stages)
    actions, next_at = due_actions(cycle, stages, facts, now)
    closed = False
    if any(action.kind not in FOR_THE_WORKER for action in actions):
        await work.stages.lock_all(cycle.id, [stage.id for stage in stages if stage.state not in ENDED_STAGE_STATES])
        cycle = await work.cycles.get(command.cycle_id, lock=True)
        now = await cycle_now(work, cycle, command.effective_at)
        cycle, stages, actions, next_at, closed = await _take_steps(work, cycle, now)
    return Look(cycle, tuple(stages), tuple(actions), next_at - now if next_at else None, closed)


async def _take_steps(
    work: NeedsTick, cycle: Cycle, now: datetime
) -> tuple[Cycle, list[Stage], list[Action], datetime | None, bool]:
    """One step may make the next one due: a stage that closed lets its successor open."""
    closed = False
    for _ in range(MANY_STEPS):
        stages = await work.stages.of_cycle(cycle.id)
        facts = await facts_of(work, cycle, stages)
        actions, next_at = due_actions(cycle, stages, facts, now)
        own = [action for action in actions if action.kind not in FOR_THE_WORKER]
        if not own:
            return cycle, stages, actions, next_at, closed
        changed: set[UUID] = set()
        for action in own:
            if action.stage is None:
                cycle = await _finish_cycle(work, cycle, now)
            elif action.kind is ActionKind.ESCALATE_APPEALS:
                await escalate_appeals(work, cycle, now)
            elif action.stage.id not in changed:  # a second step is decided again, by the rows as they then are
                changed.add(action.stage.id)
                stage = take_step(action, now, facts.calendar)
                await work.stages.save(stage)
                await _tell(work, action, stage, cycle)
                closed = closed or stage.state is StageState.CLOSED
    raise ReviewsError("a look at the cycle did not come to an end", meta={"cycle_id": str(cycle.id)})


async def facts_of(work: NeedsLooks, cycle: Cycle, stages: list[Stage]) -> Facts:
    """What the rows say beside the stages themselves."""
    canceled = cycle.state is CycleState.CANCELED
    return Facts(await work.cycles.calendar(cycle), await work.facts.of_stages(stages, all_stages=canceled))


async def _tell(work: NeedsTick, action: Action, stage: Stage, cycle: Cycle) -> None:
    reminder: dict[str, Any] = {"ordinal": action.ordinal, "at": action.at.isoformat() if action.at else None}
    match action.kind:
        case ActionKind.BEGIN_OPENING:
            await tell_of_stage(work, "stage_opening", stage)
        case ActionKind.CLOSE:
            await tell_of_stage(work, "stage_closing", stage, early=action.early)
            await _note_lateness(work, action, stage, cycle)
        case ActionKind.EXTEND_ONCE:
            await tell_of_stage(work, "stage_extended", stage, policy="extend_once", owner_id=str(cycle.owner_id))
        case ActionKind.BEGIN_SETTLING:
            await tell_of_stage(work, "stage_settling", stage)
        case ActionKind.FINISH_STAGE:
            await tell_of_stage(work, "stage_closed", stage)
        case ActionKind.MARK_REMINDER:
            await tell_of_stage(work, "reminder_due", stage, **reminder)
        case _:
            escalation = stage.definition.escalation
            await tell_of_stage(work, "escalation_due", stage, to=escalation.to if escalation else "", **reminder)


async def _note_lateness(work: NeedsTick, action: Action, stage: Stage, cycle: Cycle) -> None:
    """By the clock as it is now: the look may have been decided by an earlier instant of the worker's."""
    if not action.early and stage.due_at is not None:
        work.note_lateness(stage.kind.value, await work.now() + cycle.clock_offset - stage.due_at)


async def _finish_cycle(work: NeedsTick, cycle: Cycle, now: datetime) -> Cycle:
    if cycle.state is CycleState.CANCELED:  # its tasks are withdrawn; it stays canceled
        return await work.cycles.save(replace(cycle, ended_at=now))
    before = tuple(sorted(TASKED_PARTICIPANT_STATES))
    closed = await work.chunks.advance(cycle.id, ParticipantState.CLOSED.value, before)
    saved = await work.cycles.save(replace(cycle, state=CycleState.CLOSED, ended_at=now))
    await tell_of_cycle(work, "cycle_closed", saved, participants=closed)
    return saved
