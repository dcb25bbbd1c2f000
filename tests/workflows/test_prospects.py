"""Who hands in answers wakes the workflow only where something came of it; it never sleeps past an instant."""

import grpc
from hypothesis import given
from hypothesis import strategies as st

from tests.waiting import until
from tests.workflows.test_bridge import INTERVAL, Cycles, running
from workflows.hints import FINISHED, HINTED, Hints
from workflows.prospects import JITTER, Prospects
from workflows.throttle import Cycle, Throttle

CYCLE = ("tenant", "cycle")
DAY = 86_400.0


class Rows:
    """What the owner of the rows would answer, by a clock turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due = False
        self.next_at: float | None = 3 * DAY
        self.away = False
        self.prospects = Prospects(self.peek, lambda: self.now)

    async def peek(self, cycle: Cycle) -> tuple[bool, float | None]:
        if self.away:
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
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


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 10), st.booleans()), max_size=40))
async def test_it_never_sleeps_past_an_instant(steps: list[tuple[float, float, bool]]) -> None:
    """Against a workflow that looks when it is woken, and when the instant comes that it saw last."""
    rows = Rows()
    sleeps_until = 0.0
    for passed, ahead, by_hand in steps:
        rows.now += passed
        if rows.now >= sleeps_until:
            sleeps_until = rows.next_at if rows.next_at is not None and rows.next_at > rows.now else rows.now
        rows.next_at = rows.now + ahead  # this work, or a command, moved what comes next
        if by_hand:
            rows.prospects.forget(CYCLE)
        if by_hand or await rows.wakes():
            sleeps_until = rows.next_at
        assert sleeps_until <= rows.next_at + JITTER


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
