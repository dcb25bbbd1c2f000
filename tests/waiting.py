"""Waiting for a condition in asynchronous tests: poll with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PATIENCE = 120.0  # seconds; a machine that is busy with other tests takes its time, and waiting costs nothing else


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = PATIENCE, what: str = "") -> None:
    """Poll until the condition holds. Raises AssertionError when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer if isinstance(answer, bool) else await answer:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'the condition'} did not hold within {seconds:.0f} s")
        await asyncio.sleep(0.02)
