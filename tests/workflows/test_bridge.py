"""The bridge on the real log and rows of reviews: hints by the closed list, a place that is kept, what is missing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from temporalio.service import RPCError, RPCStatusCode

from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from protos.reviews.v1 import cycles_pb2
from services.runtime.database import Database
from services.runtime.eventlog import bump_epoch
from services.runtime.serve import open_channel
from tests.reviews.wires import Wire, served
from tests.waiting import until
from tests.workflows.told import Told
from workflows.bridge import Follower, Reconciler
from workflows.calls import Caller
from workflows.hints import HINTED, Hints, hinted_cycle
from workflows.probe import free_port
from workflows.prospects import Prospects
from workflows.throttle import Cycle, Throttle


class Cycles:
    """The workflows as the bridge sees them: what runs, what was hinted, and an engine that can be away."""

    def __init__(self) -> None:
        self.running: set[Cycle] = set()
        self.hinted: list[Cycle] = []
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def hint(self, tenant_id: str, cycle_id: str) -> None:
        await self.open.wait()
        if self.away:
            raise RPCError("no engine", RPCStatusCode.UNAVAILABLE, b"")
        self.hinted.append((tenant_id, cycle_id))
        self.running.add((tenant_id, cycle_id))

    async def runs(self, tenant_id: str, cycle_id: str) -> bool:
        return (tenant_id, cycle_id) in self.running


INTERVAL = 0.1
ENDS = text(
    "SELECT DISTINCT ON (partition) partition, xid::text::bigint AS transaction_id, id::text FROM event"
    " ORDER BY partition, xid DESC, id DESC"
)


def hints_of(cycles: Any) -> Hints:
    return Hints(cycles, Throttle(INTERVAL, time.monotonic), Prospects(changed, time.monotonic))


async def changed(cycle: Cycle) -> tuple[bool, float | None]:
    """Rows in which something is always due."""
    return True, None


@asynccontextmanager
async def running(*tasks: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """What runs for ever, for as long; its errors are the test's."""
    started = [asyncio.ensure_future(task()) for task in tasks]
    try:
        yield
    finally:
        for task in started:
            task.cancel()
        ended = await asyncio.gather(*started, return_exceptions=True)
    assert [each for each in ended if not isinstance(each, asyncio.CancelledError)] == []


@pytest.fixture(scope="module")
def reviews(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture(scope="module")
async def wire(reviews: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    async with served(reviews, tmp_path_factory.mktemp("keys")) as wire:
        yield wire


def caller_of(wire: Wire) -> Caller:
    return Caller(wire.keyring.signer("bridge"))


class Following:
    """A bridge at the log of reviews: one life of it; the place that it keeps outlives it."""

    def __init__(self, wire: Wire, cycles: Cycles) -> None:
        self.log = eventlog_pb2_grpc.EventLogServiceStub(wire.channel)
        self.caller = caller_of(wire)
        self.hints = hints_of(cycles)
        self.follower = Follower("reviews", self.log, self.caller, self.hints)

    async def wait(self, producer: str) -> None:
        await asyncio.sleep(0.02)

    def lives(self) -> Any:
        return running(self.hints.run, lambda: self.follower.run(self.wait))

    async def kept(self) -> list[tuple[int, int, str]]:
        """The place that was kept, where it is not the beginning."""
        request = eventlog_pb2.GetPositionRequest(consumer="bridge")
        reply = await self.log.GetPosition(request, **self.caller.short())
        return [(each.partition, each.transaction_id, each.event_id) for each in reply.positions if each.transaction_id]


async def launch(wire: Wire) -> Cycle:
    """Have a cycle launched: one event that is hinted."""
    cycle_id = (await wire.create()).id
    await wire.cycles.LaunchCycle(wire.launch_request(cycle_id), **wire.hr)
    return str(wire.tenant_id), cycle_id


async def cancel(wire: Wire, cycle: Cycle) -> None:
    request = cycles_pb2.CancelCycleRequest(request_id=str(uuid4()), cycle_id=cycle[1], reason="enough")
    await wire.cycles.CancelCycle(request, **wire.hr)


def event(kind: str, aggregate_type: str = "stage", **payload: Any) -> eventlog_pb2.Event:
    made = eventlog_pb2.Event(tenant_id="t", kind=kind, aggregate_type=aggregate_type, aggregate_id="own id")
    made.payload.update(payload)
    return made


@pytest.mark.parametrize(
    ("told", "cycle"),
    [
        (event("reviews.cycle_launched", "cycle"), "own id"),
        (event("reviews.task_submitted", "task", cycle_id="c"), "c"),
        (event("scoring.session_committed", "session", cycle_id="c"), "c"),
        (event("reviews.stage_closing", cycle_id="c", by_hand=True), "c"),
        (event("reviews.stage_closing", cycle_id="c", early=True), None),
        (event("reviews.stage_extended", cycle_id="c"), "c"),
        (event("reviews.stage_extended", cycle_id="c", policy="extend_once"), None),
        (event("reviews.stage_opened", cycle_id="c"), None),
        (event("reviews.reminder_due", cycle_id="c"), None),
        (event("reviews.cycle_closed", "cycle"), None),
        (event("goals.goal_confirmed", "goal", owner_id="o"), None),
        (event("people.employee_left", "employee"), None),
        (event("reviews.task_submitted", "task"), None),
        (event("", "cycle"), None),
    ],
    ids=lambda value: f"{value.kind or 'nameless'}" if isinstance(value, eventlog_pb2.Event) else None,
)
def test_hints_what_others_caused_and_never_what_the_workflow_did(told: eventlog_pb2.Event, cycle: str | None) -> None:
    assert hinted_cycle(told) == (("t", cycle) if cycle else None)


# What the workflow did itself or had done, what defines a cycle before its launch or a schedule, and what only people
# are told: nothing becomes due by it.
MAKES_NOTHING_DUE = {
    "reviews": {
        *("cycle_created", "cycle_validated", "cycle_enrolled", "cycle_released", "cycle_closed"),
        *("stage_opening", "stage_opened", "stage_settling", "stage_closed", "reminder_due", "escalation_due"),
        *("tasks_opened", "tasks_reminded", "tasks_expired", "tasks_withdrawn", "appeal_escalated"),
        *("task_opened", "task_reminded", "appeal_assigned", "interview_scheduled", "template_published"),
        *("schedule_created", "schedule_paused", "schedule_resumed", "schedule_refused"),
    },
    "scoring": {"results_released", "score_corrected", "session_superseded"},
    "goals": {
        *("goal_created", "goal_proposed", "goal_confirmed", "goal_rejected", "goal_canceled", "goal_closed"),
        *("goal_checked_in", "goals_imported"),
    },
}


@pytest.mark.parametrize("producer", HINTED)
def test_the_closed_list_is_what_its_producer_tells_but_what_makes_nothing_due(producer: str) -> None:
    """A name that nobody uses would be a hint that never comes; a kind that nobody thought of, one that is missed."""
    told = Told(producer).kinds()
    assert HINTED[producer] - told == set()
    assert told - HINTED[producer] == {f"{producer}.{kind}" for kind in MAKES_NOTHING_DUE[producer]}


async def test_many_events_of_a_cycle_are_few_hints_and_the_last_is_heard() -> None:
    cycles = Cycles()
    hints = hints_of(cycles)
    async with running(hints.run):
        for _ in range(200):
            hints.note(("t", "c"))
            await asyncio.sleep(0)
        await until(lambda: hints.throttle.settled == hints.throttle.noted == 200)
        assert 1 <= len(cycles.hinted) < 20
        told = len(cycles.hinted)
        hints.note(("t", "c"))
        await until(lambda: len(cycles.hinted) == told + 1)


async def test_a_hint_that_the_engine_did_not_take_is_repeated() -> None:
    cycles = Cycles()
    cycles.away = True
    hints = hints_of(cycles)
    with capture_logs() as lines:
        async with running(hints.run):
            hints.note(("t", "c"))
            await until(lambda: bool(lines))
    assert (lines[0]["tenant"], lines[0]["cycle"]) == ("t", "c")
    async with running(hints.run):
        await asyncio.sleep(3 * INTERVAL)
        assert hints.throttle.settled == 0
        cycles.away = False
        await until(lambda: cycles.hinted == [("t", "c")])
        await until(lambda: hints.throttle.settled == 1)


async def test_its_place_moves_only_when_the_hints_were_delivered(wire: Wire, reviews: Database) -> None:
    cycles = Cycles()
    life = Following(wire, cycles)
    async with life.lives():
        cycle = await launch(wire)
        await until(lambda: cycle in cycles.hinted)
        before = await at_the_end(life, reviews)
        cycles.open.clear()
        await cancel(wire, cycle)
        await until(lambda: life.hints.throttle.noted > life.hints.throttle.settled)
        await asyncio.sleep(3 * INTERVAL)
        assert sorted(await life.kept()) == before, "the hint is under way"
    cycles.open.set()
    told = len(cycles.hinted)
    next_life = Following(wire, cycles)
    async with next_life.lives():
        await until(lambda: len(cycles.hinted) == told + 1, what="the hint of a killed bridge was repeated")
        assert cycles.hinted[-1] == cycle
        await until(lambda: moved(next_life, before))


async def at_the_end(life: Following, reviews: Database) -> list[Any]:
    """Wait until the kept place is where the log ends, and return it: a place that stands still may only be slow."""
    places: list[Any] = []

    async def arrived() -> bool:
        async with reviews.system_transaction() as connection:
            ends = [(row.partition, row.transaction_id, row.id) for row in await connection.execute(ENDS)]
        places[:] = sorted(await life.kept())
        return places == ends

    await until(arrived, what="the bridge has read the log to its end")
    return places


async def moved(life: Following, before: list[Any]) -> bool:
    return sorted(await life.kept()) != before


async def test_events_that_hint_nobody_are_passed_by(wire: Wire, reviews: Database) -> None:
    cycles = Cycles()
    life = Following(wire, cycles)
    async with life.lives():
        before = await at_the_end(life, reviews)
        told = len(cycles.hinted)
        await wire.create()  # a draft makes nothing due
        await until(lambda: moved(life, before))
        assert len(cycles.hinted) == told


async def test_a_restored_log_is_read_from_where_it_begins_anew(wire: Wire, reviews: Database) -> None:
    cycles = Cycles()
    life = Following(wire, cycles)
    async with life.lives():
        await launch(wire)
        await at_the_end(life, reviews)
        async with reviews.system_transaction() as connection:
            await bump_epoch(connection)
        cycle = await launch(wire)
        await until(lambda: cycle in cycles.hinted)


async def test_a_producer_that_is_away_is_waited_for(wire: Wire) -> None:
    channel = open_channel(f"127.0.0.1:{free_port()}")
    log = eventlog_pb2_grpc.EventLogServiceStub(channel)
    follower = Follower("reviews", log, caller_of(wire), hints_of(Cycles()))
    read_at = follower.read_at
    async with running(lambda: follower.run(lambda _: asyncio.sleep(0))):
        await asyncio.sleep(0.5)
    assert follower.read_at == read_at, "its age tells since when it could not be read"
    await channel.close()


async def test_the_reconciler_starts_what_is_missing_and_nothing_else(wire: Wire) -> None:
    cycles: Any = Cycles()
    nothing: Any = None
    reconciler = Reconciler(wire.clockwork, caller_of(wire), cycles, nothing, 60)
    draft = str((await wire.create()).id)
    live = [await launch(wire) for _ in range(5)]
    cycles.running = {live[1]}
    await reconciler.reconcile()
    started = set(cycles.hinted)
    assert set(live) - {live[1]} <= started
    assert live[1] not in started
    assert draft not in {cycle_id for _, cycle_id in started}
    cycles.hinted.clear()
    await reconciler.reconcile()
    assert cycles.hinted == [], "each has a workflow by now"
    await cancel(wire, live[0])
    assert (await wire.tick(live[0][1])).finished
    cycles.running.clear()
    await reconciler.reconcile()
    assert set(live[1:]) <= set(cycles.hinted)
    assert live[0] not in cycles.hinted, "what has ended needs no workflow"
