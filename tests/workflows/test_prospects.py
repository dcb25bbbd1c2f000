"""Who hands in answers wakes the workflow only where something came of it; it never sleeps past an instant."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from services.runtime.serve import open_channel
from tests.identity import Keyring
from tests.waiting import until
from tests.workflows.test_bridge import INTERVAL, Cycles, running
from workflows.bridge import Follower
from workflows.calls import Caller
from workflows.hints import FINISHED, HINTED, Hints
from workflows.probe import free_port
from workflows.prospects import AT_ONCE, JITTER, PATIENCE, Prospects
from workflows.throttle import Cycle, Throttle

CYCLE = ("tenant", "cycle")
DAY = 86_400.0


def away() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())


class Rows:
    """What the owner of the rows would answer, by a clock turned by hand."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.now = 0.0
        self.due = False
        self.next_at: float | None = 3 * DAY
        self.away = False
        self.slow = False
        self.asked = 0
        self.prospects = Prospects(self.peek, lambda: self.now, patience)

    async def peek(self, cycle: Cycle) -> tuple[bool, float | None]:
        self.asked += 1
        if self.away:
            raise away()
        if self.slow:
            await asyncio.Event().wait()
        return self.due, None if self.next_at is None else self.next_at - self.now

    async def wakes(self) -> bool:
        return await self.prospects.have_changed(CYCLE)


async def test_a_thousand_submissions_of_a_stage_wake_it_once() -> None:
    rows = Rows()
    woken = []
    for _ in range(1_000):
        woken.append(await rows.wakes())
        rows.now += 2 * DAY / 1_000
    assert woken == [True] + [False] * 999
    rows.due = True  # the last one ends the stage
    assert await rows.wakes()


async def test_what_comes_sooner_than_it_wakes_by_itself_wakes_it() -> None:
    rows = Rows()
    assert [await rows.wakes(), await rows.wakes()] == [True, False]
    rows.next_at = 2 * DAY  # somebody may go on into a stage that opens then
    assert [await rows.wakes(), await rows.wakes()] == [True, False]


async def test_once_it_has_woken_by_itself_nothing_is_known_of_its_sleep() -> None:
    rows = Rows()
    await rows.wakes()
    rows.now, rows.next_at = 3 * DAY + 1, 9 * DAY
    assert [await rows.wakes(), await rows.wakes()] == [True, False]


async def test_what_is_known_is_forgotten_when_it_is_woken_for_another_reason() -> None:
    rows = Rows()
    await rows.wakes()
    rows.prospects.forget(CYCLE)
    assert await rows.wakes()


async def test_what_cannot_be_asked_or_has_no_instant_is_woken() -> None:
    rows = Rows()
    await rows.wakes()
    rows.away = True
    assert await rows.wakes()
    rows.away, rows.next_at = False, None
    assert [await rows.wakes(), await rows.wakes()] == [True, True]


@example(
    steps=[(0.0, 3.0, 0.0, True, False, False), (0.0, 9.0, 0.0, True, True, False), (0.0, 5.0, 0.0, True, False, False)]
)
@given(
    steps=st.lists(
        st.tuples(st.floats(0, 5), st.floats(0.1, 10), st.floats(-1.5 * JITTER, JITTER), *[st.booleans()] * 3),
        max_size=40,
    )
)
async def test_it_never_sleeps_past_an_instant(
    steps: list[tuple[float, float, float, bool, bool, bool]],
) -> None:
    """Against a workflow that looks when it is woken, when the instant comes that it saw last, and once in a while."""
    rows = Rows()
    rows.next_at = sleeps_until = 10.0
    for passed, ahead, creep, far, looks, by_hand in steps:
        rows.now += passed
        if rows.now >= sleeps_until:
            sleeps_until = rows.next_at if rows.next_at > rows.now else rows.now
        # This work, or a command, moved what comes next.
        rows.next_at = rows.now + ahead if far else max(rows.next_at + creep, rows.now)
        if looks:  # between the change and the peek
            sleeps_until = rows.next_at
        if by_hand:
            rows.prospects.forget(CYCLE)
        if by_hand or await rows.wakes():
            sleeps_until = rows.next_at
        # One jitter of what it was woken for, one of what it saw since.
        assert sleeps_until <= rows.next_at + 2 * JITTER + 1e-6


async def test_what_creeps_nearer_wakes_it_in_time() -> None:
    rows = Rows()
    await rows.wakes()
    rows.next_at = 3 * DAY - 0.4
    assert not await rows.wakes()
    rows.next_at = 3 * DAY - 0.8
    assert await rows.wakes(), "by more than the jitter before the instant that it was woken for"


async def test_what_is_not_answered_holds_back_nobody() -> None:
    rows, cycles, other = Rows(patience=600.0), Cycles(), ("tenant", "other")
    async with unanswered(rows, cycles) as (hints, _):
        hints.note(other)
        await until(lambda: cycles.hinted == [other])


async def test_what_is_not_answered_soon_is_woken() -> None:
    rows, cycles = Rows(), Cycles()
    async with unanswered(rows, cycles) as (_, asked_about):
        await until(lambda: set(cycles.hinted) == set(asked_about))


@asynccontextmanager
async def unanswered(rows: Rows, cycles: Cycles) -> AsyncIterator[tuple[Hints, list[Cycle]]]:
    """Hints while more cycles are asked about than may be at once, one of them known, and nobody answers."""
    await rows.wakes()
    rows.slow = True
    hints = Hints(cycles, Throttle(INTERVAL, time.monotonic), rows.prospects)  # type: ignore[arg-type]
    async with running(hints.run):
        asked_about = [CYCLE, *(("tenant", str(number)) for number in range(3 * AT_ONCE))]
        for cycle in asked_about:
            hints.note(cycle, certain=False)
        await until(lambda: hints.throttle.seconds_to_next() is None)
        yield hints, asked_about


async def test_a_producer_that_hangs_delays_nobody_by_the_number_of_those_who_are_asked_about() -> None:
    rows, cycles = Rows(), Cycles()
    rows.slow = True
    hints = Hints(cycles, Throttle(INTERVAL, time.monotonic), rows.prospects)  # type: ignore[arg-type]
    many = [("tenant", str(number)) for number in range(20 * AT_ONCE)]
    async with running(hints.run):
        for cycle in many:
            hints.note(cycle, certain=False)
        await until(lambda: set(cycles.hinted) == set(many))
    assert AT_ONCE <= rows.asked < len(many) / 2, "patience ends while they wait for their turn, too"


class Log:
    """The log of a producer that can be away, or answer where a follower stands and no more."""

    def __init__(self) -> None:
        self.epoch = 1
        self.away = self.unreadable = False
        self.asked = self.read = 0

    async def GetPosition(self, request: Any, **options: Any) -> eventlog_pb2.GetPositionResponse:
        self.asked += 1
        if self.away:
            raise away()
        return eventlog_pb2.GetPositionResponse(log_epoch=self.epoch)

    async def Read(self, request: Any, **options: Any) -> eventlog_pb2.ReadResponse:
        if self.away or self.unreadable:
            raise away()
        self.read += 1
        return eventlog_pb2.ReadResponse(log_epoch=self.epoch)

    async def tried(self) -> None:
        """Wait for some attempts, be they in vain."""
        before = self.asked + self.read
        await until(lambda: self.asked + self.read > before + 5)


def follower_of(log: Any, rows: Rows, folder: Path, producer: str = "reviews") -> Follower:
    hints = Hints(Cycles(), Throttle(INTERVAL, time.monotonic), rows.prospects)  # type: ignore[arg-type]
    return Follower(producer, log, Caller(Keyring(folder).signer("bridge")), hints, retry_seconds=0.01)


async def a_moment(_: str) -> None:
    await asyncio.sleep(0.01)


async def test_nothing_is_known_of_sleeps_after_a_log_could_not_be_read(tmp_path: Path) -> None:
    rows = Rows()
    await rows.wakes()
    channel = open_channel(f"127.0.0.1:{free_port()}")
    follower = follower_of(eventlog_pb2_grpc.EventLogServiceStub(channel), rows, tmp_path)
    async with running(lambda: follower.run(a_moment)):
        await until(rows.wakes)
    await channel.close()


@pytest.mark.parametrize("silence", ["away", "unreadable"])
async def test_an_outage_wakes_once_when_it_begins_and_once_when_it_ends(tmp_path: Path, silence: str) -> None:
    rows, log = Rows(), Log()
    follower = follower_of(log, rows, tmp_path)
    async with running(lambda: follower.run(a_moment)):
        await log.tried()
        assert [await rows.wakes(), await rows.wakes()] == [True, False]
        await log.tried()
        assert not await rows.wakes(), "the log is read"
        setattr(log, silence, True)
        await log.tried()
        assert [await rows.wakes(), await rows.wakes()] == [True, False]
        for _ in range(3):
            await log.tried()
            assert not await rows.wakes(), "it is the same outage"
        setattr(log, silence, False)
        await log.tried()
        assert [await rows.wakes(), await rows.wakes()] == [True, False]
        await log.tried()
        assert not await rows.wakes()


async def test_a_restored_log_wakes_once(tmp_path: Path) -> None:
    rows, log = Rows(), Log()
    follower = follower_of(log, rows, tmp_path)
    async with running(lambda: follower.run(a_moment)):
        await log.tried()
        await rows.wakes()
        log.epoch += 1
        await log.tried()
        assert [await rows.wakes(), await rows.wakes()] == [True, False]


async def test_a_log_that_hints_nobody_wakes_nobody_while_it_is_away(tmp_path: Path) -> None:
    [silent] = [producer for producer, kinds in HINTED.items() if not kinds]
    rows, log = Rows(), Log()
    follower = follower_of(log, rows, tmp_path, silent)
    async with running(lambda: follower.run(a_moment)):
        await log.tried()
        await rows.wakes()
        log.away = True
        await log.tried()
        assert not await rows.wakes()
        log.away = False
        await log.tried()
        assert not await rows.wakes()


async def test_what_is_forgotten_while_it_is_asked_about_is_woken() -> None:
    rows = Rows()

    async def outage(cycle: Cycle) -> tuple[bool, float | None]:
        prospects.forget_all()
        return await rows.peek(cycle)

    prospects = Prospects(outage, lambda: rows.now)
    assert [await prospects.have_changed(CYCLE), await prospects.have_changed(CYCLE)] == [True, True]


async def test_submissions_are_asked_about_and_commands_are_not() -> None:
    assert {"reviews.task_submitted", "reviews.result_acknowledged"} <= FINISHED
    assert HINTED["reviews"] >= FINISHED
    assert not {"reviews.stage_extended", "reviews.stage_rescheduled", "reviews.task_recalled"} & FINISHED
    rows, cycles = Rows(), Cycles()
    hints = Hints(cycles, Throttle(INTERVAL, lambda: 0.0), rows.prospects)  # type: ignore[arg-type]
    await rows.wakes()
    async with running(hints.run):
        hints.note(CYCLE, certain=False)
        await until(lambda: hints.throttle.settled == hints.throttle.noted)
    assert cycles.hinted == []
    hints = Hints(cycles, Throttle(INTERVAL, lambda: 0.0), rows.prospects)  # type: ignore[arg-type]
    async with running(hints.run):
        hints.note(CYCLE)
        await until(lambda: cycles.hinted == [CYCLE])
