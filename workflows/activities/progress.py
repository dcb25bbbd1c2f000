"""How far a chunked step has come: shown by its heartbeat, and taken up again by its next try."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from temporalio import activity

from workflows import policies


class Place:
    """The key of the last row of the last finished chunk; empty at the beginning."""

    def __init__(self) -> None:
        kept = activity.info().heartbeat_details
        self.last = str(kept[0]) if kept else ""

    def reached(self, last: str) -> None:
        """Keep a chunk's last key. Raises RuntimeError when the chunk did not get on, which would never end."""
        if last == self.last:
            raise RuntimeError("a chunk ended where it began")
        self.last = last
        activity.heartbeat(last)

    async def beat(self) -> None:
        """Show life while one chunk takes long."""
        while True:
            activity.heartbeat(self.last)
            await asyncio.sleep(policies.BEAT.total_seconds())


@asynccontextmanager
async def kept_alive() -> AsyncIterator[Place]:
    """The place where the step goes on, with a heartbeat as long as the block runs."""
    place = Place()
    beating = asyncio.create_task(place.beat())
    try:
        yield place
    finally:
        beating.cancel()


async def in_chunks(chunk: Callable[[str], Awaitable[str | None]]) -> None:
    """Do one chunk after the other; each is told where the last ended, and answers where it ends, None at the end."""
    async with kept_alive() as place:
        while (last := await chunk(place.last)) is not None:
            place.reached(last)
