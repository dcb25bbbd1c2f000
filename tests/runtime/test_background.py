"""Background work goes on whatever happens to one piece of it, and an outage is told once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from services.runtime.background import for_each_tenant, repeat
from services.runtime.errors import RefusedError
from tests.waiting import until


class Away(RefusedError):
    """What it needs does not answer."""

    reason = "AWAY"
    category = "unavailable"


class Busy(RefusedError):
    """Somebody else was in the way."""

    reason = "BUSY"
    category = "conflict"


class Work:
    """Answers or raises what it is told, piece by piece; then has nothing more to do."""

    def __init__(self, *pieces: object) -> None:
        self.pieces = list(pieces)
        self.done = 0
        self.failures = 0

    async def __call__(self) -> object:
        self.done += 1
        piece = self.pieces.pop(0) if self.pieces else 0
        if isinstance(piece, Exception):
            raise piece
        return piece

    def note_failure(self) -> None:
        self.failures += 1


async def repeated(work: Callable[[], Awaitable[object]], times: Callable[[], bool], **given: Any) -> list[Any]:
    """Repeat until the condition holds; what was logged."""
    with capture_logs() as told:
        running = asyncio.ensure_future(repeat(work, named="counting", **given))
        await until(times)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    return [(each["event"], each["reason"]) for each in told]


async def test_what_one_piece_raises_ends_nothing_and_an_outage_is_told_once() -> None:
    defects = (ValueError("a defect"), ValueError("the same"), KeyError("another"))
    work = Work(Away("no"), Away("no"), Away("no"), 1, Away("no"), *defects)
    told = await repeated(work, lambda: work.done > 8, every_seconds=0.001, failed=work.note_failure)
    assert told == [("counting failed", reason) for reason in ("AWAY", "AWAY", "INTERNAL", "INTERNAL")]
    assert work.failures == 7


async def test_eager_work_pauses_only_when_there_is_nothing_to_do() -> None:
    work = Work(3, 2, 1, 0, 1)
    assert await repeated(work, lambda: work.done == 4, every_seconds=60, eager=True) == []
    assert work.pieces == [1], "it waits"


async def test_other_work_pauses_however_much_was_done() -> None:
    work = Work(3, 2, 1)
    assert await repeated(work, lambda: work.done == 1, every_seconds=60) == []
    assert work.pieces == [2, 1]


async def test_one_tenants_failure_keeps_no_other_waiting_and_says_whose_it_is() -> None:
    first, second, _ = tenants = [uuid4() for _ in range(3)]
    raised = {first: ValueError("a defect"), second: Busy("no")}

    async def work(tenant_id: UUID) -> int:
        if tenant_id in raised:
            raise raised[tenant_id]
        return 5

    with capture_logs() as told:
        assert await for_each_tenant(tenants, work, named="counting") == 5
    lines = [(each["event"], each["reason"], each["tenant"]) for each in told]
    assert lines == [("counting failed", "INTERNAL", str(first)), ("counting failed", "BUSY", str(second))]


async def test_an_outage_is_none_of_one_tenants() -> None:
    asked: list[UUID] = []

    async def work(tenant_id: UUID) -> int:
        asked.append(tenant_id)
        raise Away("no")

    with capture_logs() as told, pytest.raises(Away):
        await for_each_tenant([uuid4(), uuid4()], work, named="counting")
    assert (len(asked), told) == (1, [])
