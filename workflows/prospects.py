"""Whether a workflow that sleeps has to be woken for work that somebody finished."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.runtime.telemetry import log
from workflows.calls import Caller
from workflows.throttle import Cycle

Peek = Callable[[Cycle], Awaitable[tuple[bool, float | None]]]
"""Whether something is due in a cycle, and in how many seconds time alone makes something due, if ever."""

JITTER = 0.5  # seconds by which two answers about the same instant may differ
AT_ONCE = 16  # calls to reviews side by side
PATIENCE = 1.0  # seconds for a turn and an answer; a hint too many costs less than one that comes late


class Prospects:
    """Remembers until when each workflow sleeps, as the rows told when it was last woken.

    It need not be woken while nothing is due and what comes next is what it was woken for. Whatever may have moved
    its sleep otherwise is to be told by `forget`; once the instant has come it has looked by itself, and nothing is
    known. What cannot be asked is woken: a hint too many changes nothing.
    """

    def __init__(self, peek: Peek, clock: Callable[[], float], patience: float = PATIENCE) -> None:
        self._peek, self._clock, self._patience = peek, clock, patience
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._sleeps_until: dict[Cycle, float] = {}  # by our clock

    async def have_changed(self, cycle: Cycle) -> bool:
        """Return whether the workflow has to look."""
        known = self._sleeps_until
        until = known.pop(cycle, None)
        try:
            async with asyncio.timeout(self._patience), self._turns:
                due, next_in = await self._peek(cycle)
        except grpc.aio.AioRpcError as error:
            log.warning("cycle not peeked at", tenant=cycle[0], cycle=cycle[1], code=error.code().name)
            return True
        except TimeoutError:
            log.warning("cycle not peeked at", tenant=cycle[0], cycle=cycle[1], code="TIMEOUT")
            return True
        if due or next_in is None or known is not self._sleeps_until:  # all was forgotten while reviews was asked
            return True
        now = self._clock()
        # Another instant than it was woken for, be it later: it may have looked in between, and sleep past the next.
        if until is None or until <= now or abs(until - (now + next_in)) > JITTER:
            known[cycle] = now + next_in
            return True
        known[cycle] = until
        return False

    def forget(self, cycle: Cycle) -> None:
        """The workflow is woken for another reason."""
        self._sleeps_until.pop(cycle, None)

    def forget_all(self) -> None:
        """What the workflows found when they last looked is not known, or not that they could look."""
        self._sleeps_until = {}


def peeking(reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub", caller: Caller) -> Peek:
    """Ask reviews, which owns the rows."""

    async def peek(cycle: Cycle) -> tuple[bool, float | None]:
        request = clockwork_pb2.PeekCycleRequest(cycle_id=cycle[1])
        reply = await reviews.PeekCycle(request, **caller.short(cycle[0]))
        return reply.due, reply.next_in.ToTimedelta().total_seconds() if reply.HasField("next_in") else None

    return peek
