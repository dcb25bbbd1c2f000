"""The time of a cycle: the database's clock with the cycle's offset, and never later than the worker says."""

from datetime import datetime, timedelta

from services.reviews.domain.errors import ClockSkew
from services.reviews.domain.model import Cycle
from services.reviews.usecases.ports import Unit

LARGEST_LEAD = timedelta(seconds=60)


async def cycle_now(work: Unit, cycle: Cycle, effective_at: datetime | None = None) -> datetime:
    """The earlier of the caller's instant and our own; ClockSkew when the caller is more than a minute ahead.

    Read after the locks are taken (architecture.md §4.6, §4.11). Without an offset this is the database's clock.
    """
    own = await work.now() + cycle.clock_offset
    if effective_at is None:
        return own
    if effective_at - own > LARGEST_LEAD:
        lead = (effective_at - own).total_seconds()
        raise ClockSkew("the caller's clock is ahead of ours", meta={"seconds": f"{lead:.0f}"})
    return min(own, effective_at)
