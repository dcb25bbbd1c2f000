"""What a look at a cycle would find, without taking a step or a lock."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from services.reviews.domain.due import due_actions
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsLooks
from services.reviews.usecases.tick import facts_of


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether anything is due; `next_in` as a look has it."""

    due: bool
    next_in: timedelta | None


async def peek(work: NeedsLooks, cycle_id: UUID) -> Prospect:
    """By our own clock. CycleNotFound for a cycle of nobody or of another tenant."""
    cycle = await work.cycles.get(cycle_id)
    stages = await work.stages.of_cycle(cycle.id)
    now = await cycle_now(work, cycle)
    actions, next_at = due_actions(cycle, stages, await facts_of(work, cycle, stages), now)
    retried = bool(cycle.blocked_reason)  # a look that failed is repeated at a hint, not only after its pause
    return Prospect(bool(actions) or retried, next_at - now if next_at else None)
