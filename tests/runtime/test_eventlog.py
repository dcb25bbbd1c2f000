"""The event log between two services: nothing skipped, each effect once, one tenant's trouble its own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from sqlalchemy import Row, text
from structlog.testing import capture_logs

from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from services.runtime.database import Database, Work
from services.runtime.eventlog import (
    PARTITIONS,
    Backlog,
    Consumer,
    Event,
    EventLogServicer,
    Wake,
    bump_epoch,
    partition_of,
)
from services.runtime.serve import Service, build_server
from tests.identity import Keyring
from tests.postgres import PostgresServer, open_database, urls_of
from tests.runtime.conftest import beyond_the_horizon, make_runtime_tables, work_in
from tests.waiting import until

NIL = str(UUID(int=0))


@dataclass
class Recorder:
    """A consumer's effects: a row in its own tables for each event, and failures where they are wanted."""

    failing: set[UUID] = field(default_factory=set)
    calls: int = 0

    async def record(self, work: Work, event: Event) -> None:
        self.calls += 1
        await work.audit("seen", "event", event.id, detail={"number": event.payload["number"]})
        if event.tenant_id in self.failing:
            raise RuntimeError("no effect for this tenant")


@dataclass
class Pair:
    """people writes events, reviews follows them."""

    people: Database
    reviews: Database
    stub: Any
    keyring: Keyring
    recorder: Recorder = field(default_factory=Recorder)

    def consumer(self, **options: Any) -> Consumer[Work]:
        handlers = {"people.employee_moved": self.recorder.record}
        signer, wake = self.keyring.signer("reviews"), Wake("", "reviews")
        stubs = {"people": self.stub}
        return Consumer("reviews", self.reviews, stubs, handlers, Work, signer=signer, wake=wake, **options)

    def backlog(self) -> Backlog:
        """What reviews has not taken, asked with patience: a slow machine answers, too."""
        return Backlog("reviews", self.reviews, {"people": self.stub}, self.keyring.signer("reviews"), patience=20)

    async def emit(self, tenant_id: UUID, *numbers: int, kind: str = "people.employee_moved") -> None:
        async with self.people.transaction(tenant_id) as connection:
            for number in numbers:
                payload = {"number": number, "half": 0.5}
                await work_in(connection, tenant_id).emit(kind, "employee", uuid4(), number, payload)

    async def catch_up(self, **options: Any) -> None:
        await beyond_the_horizon(self.people, "event")
        await self.consumer(**options).catch_up()

    async def effects(self, tenant_id: UUID) -> list[int]:
        async with self.reviews.transaction(tenant_id) as connection:
            rows = await connection.execute(text("SELECT (detail->>'number')::int FROM audit_entry ORDER BY id"))
            return list(rows.scalars())

    async def parked(self) -> int:
        async with self.reviews.system_transaction() as connection:
            return int(await connection.scalar(text("SELECT count(*) FROM parked_event")) or 0)

    async def now(self) -> datetime:
        async with self.reviews.system_transaction() as connection:
            return (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()  # type: ignore[no-any-return]

    async def set_aside(self, tenant_id: UUID) -> Sequence[Row[Any]]:
        query = text("SELECT attempts, error, retry_at FROM parked_event ORDER BY xid, id")
        async with self.reviews.transaction(tenant_id) as connection:
            return (await connection.execute(query)).all()

    async def retry_now(self, tenant_id: UUID) -> None:
        async with self.reviews.transaction(tenant_id) as connection:
            await connection.execute(text("UPDATE parked_event SET retry_at = clock_timestamp()"))

    async def read(self, tenant_id: UUID, limit: int = 0) -> list[eventlog_pb2.Event]:
        place = eventlog_pb2.Position(partition=partition_of(tenant_id))
        request = eventlog_pb2.ReadRequest(consumer="reviews", positions=[place], limit=limit)
        reply = await self.stub.Read(request, timeout=20, metadata=self.keyring.as_service("reviews"))
        return [event for event in reply.events if event.tenant_id == str(tenant_id)]


@pytest.fixture
async def pair(postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Pair]:
    name = postgres.create_database()
    for service in ("people", "reviews"):
        make_runtime_tables(postgres, name, service)
    people, reviews = (open_database(service, urls_of(postgres, service, name)) for service in ("people", "reviews"))
    keyring = Keyring(tmp_path)
    for issuer in ("reviews", "bridge"):
        keyring.signer(issuer)
    register = eventlog_pb2_grpc.add_EventLogServiceServicer_to_server
    followed = Service([(register, EventLogServicer(people))], {}, followers=frozenset({"reviews", "bridge"}))
    server, _ = build_server(followed, keyring.verifier())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Pair(people, reviews, eventlog_pb2_grpc.EventLogServiceStub(channel), keyring)
    await server.stop(0)
    await people.dispose()
    await reviews.dispose()


async def test_each_event_has_its_effect_once_and_in_order(pair: Pair) -> None:
    tenants = [uuid4() for _ in range(5)]
    for number in range(4):
        for tenant_id in tenants:
            await pair.emit(tenant_id, number * 2, number * 2 + 1)
    await pair.catch_up()
    for tenant_id in tenants:
        assert await pair.effects(tenant_id) == list(range(8))
    await pair.catch_up()
    assert pair.recorder.calls == 40


async def test_payload_numbers_come_back_as_they_were(pair: Pair) -> None:
    tenant_id, seen = uuid4(), []

    async def keep(work: Work, event: Event) -> None:
        seen.append(event)

    await pair.emit(tenant_id, 7)
    signer = pair.keyring.signer("reviews")
    handlers = {"people.employee_moved": keep}
    consumer = Consumer(
        "reviews", pair.reviews, {"people": pair.stub}, handlers, Work, signer=signer, wake=Wake("", "reviews")
    )
    await beyond_the_horizon(pair.people, "event")
    await consumer.catch_up()
    assert seen[0].payload == {"number": 7, "half": 0.5}
    assert isinstance(seen[0].payload["number"], int)
    assert (seen[0].tenant_id, seen[0].version, seen[0].create_time.tzinfo is not None) == (tenant_id, 7, True)
    assert seen[0].is_newer_than(6)
    assert not seen[0].is_newer_than(7)


async def test_an_event_of_an_earlier_transaction_that_commits_later_is_not_skipped(pair: Pair) -> None:
    """The horizon: as long as the earlier one may still commit, the later one is not shown either."""
    tenant_id = uuid4()
    async with pair.people.transaction(tenant_id) as earlier:
        await work_in(earlier, tenant_id).emit("people.employee_moved", "employee", uuid4(), 1, {"number": 1})
        await pair.emit(tenant_id, 2)
        await pair.consumer().catch_up()
        assert await pair.effects(tenant_id) == []
    await pair.catch_up()
    assert await pair.effects(tenant_id) == [1, 2]


async def test_an_event_that_was_rolled_back_is_never_seen(pair: Pair) -> None:
    tenant_id = uuid4()
    async with pair.people.transaction(tenant_id) as connection:
        await work_in(connection, tenant_id).emit("people.employee_moved", "employee", uuid4(), 1, {"number": 1})
        await connection.rollback()
    await pair.catch_up()
    assert pair.recorder.calls == 0


async def test_a_failing_tenant_is_set_aside_and_the_others_go_on(pair: Pair) -> None:
    bad = uuid4()
    good = next(tenant for tenant in iter(uuid4, None) if partition_of(tenant) == partition_of(bad))
    pair.recorder.failing.add(bad)
    await pair.emit(bad, 1, 2)
    await pair.emit(good, 1)
    consumer = pair.consumer(max_failures=2)
    await beyond_the_horizon(pair.people, "event")
    await consumer.catch_up()
    await pair.emit(bad, 3)
    await beyond_the_horizon(pair.people, "event")
    await consumer.catch_up()
    assert (await pair.effects(good), await pair.effects(bad), await pair.parked()) == ([1], [], 3)
    pair.recorder.failing.clear()
    await pair.retry_now(bad)
    await pair.catch_up()
    assert (await pair.effects(bad), await pair.parked()) == ([1, 2, 3], 0)


async def test_a_parked_event_that_fails_again_waits_longer_and_nothing_overtakes_it(pair: Pair) -> None:
    bad, attempts = uuid4(), 0
    pair.recorder.failing.add(bad)
    await pair.emit(bad, 1, 2)
    await pair.catch_up(max_failures=1)
    for _ in range(4):
        before = await pair.now()
        await pair.retry_now(bad)
        await pair.catch_up()
        oldest, after = (await pair.set_aside(bad))[0], await pair.now()
        assert oldest.attempts > attempts  # a slow machine may try once more
        attempts = oldest.attempts
        pause = timedelta(seconds=2 ** (attempts - 1))  # from when it failed, between the two
        assert oldest.retry_at - after <= pause <= oldest.retry_at - before
    assert [each.error for each in await pair.set_aside(bad)] == ["RuntimeError", "BEHIND"]
    assert [each.attempts for each in await pair.set_aside(bad)] == [attempts, 0]
    assert await pair.effects(bad) == []


async def test_one_failing_event_of_a_batch_does_not_undo_the_others(pair: Pair) -> None:
    tenant_id, failing = uuid4(), {2}

    async def record(work: Work, event: Event) -> None:
        await pair.recorder.record(work, event)
        if event.payload["number"] in failing:
            raise RuntimeError("this one")

    signer, handlers = pair.keyring.signer("reviews"), {"people.employee_moved": record}
    consumer = Consumer(
        "reviews",
        pair.reviews,
        {"people": pair.stub},
        handlers,
        Work,
        signer=signer,
        wake=Wake("", "reviews"),
        max_failures=1,
    )
    await pair.emit(tenant_id, 1, 2, 3)
    await beyond_the_horizon(pair.people, "event")
    await consumer.catch_up()
    assert (await pair.effects(tenant_id), await pair.parked()) == ([1], 2)


async def test_two_consumers_of_one_name_share_the_work_and_double_none(pair: Pair) -> None:
    tenants = [uuid4() for _ in range(6)]
    for tenant_id in tenants:
        await pair.emit(tenant_id, *range(20))
    await beyond_the_horizon(pair.people, "event")
    await asyncio.gather(pair.consumer().catch_up(), pair.consumer().catch_up(), pair.consumer().catch_up())
    for tenant_id in tenants:
        assert await pair.effects(tenant_id) == list(range(20))


async def test_kinds_nobody_handles_are_passed_over_for_good(pair: Pair) -> None:
    tenant_id = uuid4()
    await pair.emit(tenant_id, 1, kind="people.group_created")
    await pair.catch_up()
    async with pair.reviews.system_transaction() as connection:
        assert await connection.scalar(text("SELECT count(*) FROM event_cursor WHERE event_id IS NOT NULL")) == 1


async def test_a_consumer_runs_until_it_is_cancelled_and_gives_up_its_lease(pair: Pair) -> None:
    tenant_id = uuid4()
    running = asyncio.ensure_future(pair.consumer(poll_seconds=0.02).run())
    await pair.emit(tenant_id, 1)

    async def seen() -> bool:
        return await pair.effects(tenant_id) == [1]

    await until(seen)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    async with pair.reviews.system_transaction() as connection:
        held = await connection.scalar(text("SELECT count(*) FROM event_cursor WHERE lease_until IS NOT NULL"))
    assert held == 0


class Interrupted:
    """A producer's log that can be away."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub
        self.away = False
        self.vain = 0

    async def Read(self, request: Any, **options: Any) -> Any:
        if self.away:
            self.vain += 1
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata())
        return await self._stub.Read(request, **options)


async def test_a_consumer_outlives_an_outage_tells_it_once_and_trusts_nothing_that_it_remembers(pair: Pair) -> None:
    tenant_id = uuid4()
    pair.stub = log = Interrupted(pair.stub)

    async def seen(*numbers: int) -> bool:
        return await pair.effects(tenant_id) == [*numbers]

    with capture_logs() as told:
        running = asyncio.ensure_future(pair.consumer(poll_seconds=0.02).run())
        await pair.emit(tenant_id, 1)
        await until(lambda: seen(1))
        log.away = True
        await until(lambda: log.vain > 1)
        async with pair.reviews.system_transaction() as connection:
            await connection.execute(text("DELETE FROM event_cursor"))
        vain = log.vain
        await until(lambda: log.vain > vain)  # a round fails after that, whatever it had leased before
        log.away = False
        await until(lambda: seen(1, 1), what="it reads from where it stands now")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    failed = [(each["event"], each["reason"]) for each in told if each["log_level"] == "warning"]
    assert failed == [("following people failed", "DEPENDENCY_UNAVAILABLE")]


async def test_after_a_restore_who_stood_beyond_it_goes_back_and_who_stood_behind_misses_nothing(pair: Pair) -> None:
    tenant_id = uuid4()
    await pair.emit(tenant_id, 1)
    consumer = pair.consumer()
    await beyond_the_horizon(pair.people, "event")
    await consumer.catch_up()
    async with pair.reviews.system_transaction() as connection:  # as if it had seen what the restore took back
        await connection.execute(text("UPDATE event_cursor SET xid = '999999999' WHERE event_id IS NOT NULL"))
        await connection.execute(text("UPDATE event_cursor SET lease_until = NULL"))
    async with pair.people.system_transaction() as connection:
        assert await bump_epoch(connection) == 2
    await pair.emit(tenant_id, 2)
    await pair.catch_up()
    assert await pair.effects(tenant_id) == [1, 2]


async def test_read_keeps_its_limit_and_refuses_another_name(pair: Pair) -> None:
    tenant_id = uuid4()
    await pair.emit(tenant_id, *range(5))
    await beyond_the_horizon(pair.people, "event")
    assert [event.payload["number"] for event in await pair.read(tenant_id, limit=3)] == [0, 1, 2]
    request = eventlog_pb2.ReadRequest(consumer="notify", positions=[eventlog_pb2.Position()])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await pair.stub.Read(request, timeout=20, metadata=pair.keyring.as_service("reviews"))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_producer_keeps_the_place_of_the_bridge_and_never_moves_it_back(pair: Pair) -> None:
    metadata = pair.keyring.as_service("bridge")

    async def position() -> tuple[int, int, str]:
        request = eventlog_pb2.GetPositionRequest(consumer="bridge", partitions=[3])
        reply = await pair.stub.GetPosition(request, timeout=20, metadata=metadata)
        return reply.log_epoch, reply.positions[0].transaction_id, reply.positions[0].event_id

    async def acknowledge(xid: int, event_id: UUID, epoch: int = 1) -> None:
        place = eventlog_pb2.Position(partition=3, transaction_id=xid, event_id=str(event_id))
        request = eventlog_pb2.AcknowledgeRequest(consumer="bridge", log_epoch=epoch, positions=[place])
        await pair.stub.Acknowledge(request, timeout=20, metadata=metadata)

    assert await position() == (1, 0, "")
    ahead, behind = uuid4(), uuid4()
    await acknowledge(10**9, ahead)
    await acknowledge(100, behind)
    assert await position() == (1, 10**9, str(ahead))
    async with pair.people.system_transaction() as connection:
        await bump_epoch(connection)
    epoch, xid, event_id = await position()
    assert (epoch, event_id) == (2, NIL)
    assert xid < 10**9
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await acknowledge(10**9, ahead, epoch=1)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_the_partition_is_the_same_in_sql_and_here(pair: Pair) -> None:
    tenants = [uuid4() for _ in range(20)]
    for tenant_id in tenants:
        await pair.emit(tenant_id, 1)
    async with pair.people.system_transaction() as connection:
        rows = (await connection.execute(text("SELECT tenant_id, partition FROM event"))).all()
    assert {(row.tenant_id, row.partition) for row in rows} == {(t, partition_of(t)) for t in tenants}
    assert all(0 <= row.partition < PARTITIONS for row in rows)


async def test_a_backlog_tells_what_a_follower_has_not_taken(pair: Pair) -> None:
    tenant_id = uuid4()
    backlog = pair.backlog()
    await pair.emit(tenant_id, 1)
    await beyond_the_horizon(pair.people, "event")
    (before,) = await backlog.of(tenant_id)
    assert (before.producer, before.reachable, before.HasField("oldest_unread_time")) == ("people", True, True)
    await pair.catch_up()
    (after,) = await backlog.of(tenant_id)
    assert (after.reachable, after.HasField("oldest_unread_time"), after.parked) == (True, False, 0)


async def test_a_backlog_tells_what_was_set_aside_of_a_tenant_and_of_no_other(pair: Pair) -> None:
    sick, well = uuid4(), uuid4()
    backlog = pair.backlog()
    pair.recorder.failing.add(sick)
    await pair.emit(sick, 1, 2)
    await pair.catch_up(max_failures=1)
    assert [(each.parked, each.parked_error) for each in await backlog.of(sick)] == [(2, "RuntimeError")]
    assert [each.parked for each in await backlog.of(well)] == [0]


async def test_a_backlog_says_that_a_log_cannot_be_read(pair: Pair) -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:9") as channel:
        nobody = eventlog_pb2_grpc.EventLogServiceStub(channel)
        backlog = Backlog("reviews", pair.reviews, {"people": nobody}, pair.keyring.signer("reviews"))
        assert [each.reachable for each in await backlog.of(uuid4())] == [False]
