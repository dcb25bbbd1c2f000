"""Follows the logs of other services: the cursor moves in the transaction of the effect."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Generic, TypeVar
from uuid import UUID

import grpc
from sqlalchemy.ext.asyncio import AsyncConnection

from protos.eventlog.v1 import eventlog_pb2
from services.runtime import telemetry
from services.runtime.background import repeat
from services.runtime.errors import status_of
from services.runtime.eventlog.cursor import LEASE_SECONDS, Cursor, CursorDatabase, CursorLostError, Cursors
from services.runtime.eventlog.log import Event
from services.runtime.eventlog.parking import Parking
from services.runtime.eventlog.reading import event_of
from services.runtime.eventlog.servicer import moved_back
from services.runtime.eventlog.wake import Wake
from services.runtime.identity import Origin, Principal, TokenSigner, call_metadata

CALL_SECONDS = 10.0
READ_LIMIT = 200  # events a partition and read
BATCH = 50  # events of one tenant in one transaction
OUTAGE_SECONDS = 1.0  # between attempts while the producer or the database cannot be reached
FIRST_BACKOFF, LONGEST_BACKOFF = 0.1, 5.0
PARKING_SECONDS = 1.0  # between looks at what was set aside

W = TypeVar("W")
Apply = Callable[[W, Event], Awaitable[None]]
LogStub = Any  # eventlog_pb2_grpc.EventLogServiceAsyncStub, or anything with its Read


class Consumer(Generic[W]):
    """Applies the events of other services, each exactly once, in the order of its tenant.

    `handlers` maps kinds to functions of (work, event); other kinds are passed over. An effect that fails
    `max_failures` times is set aside with all later events of its tenant, and tried again; the rest goes on.
    """

    def __init__(
        self,
        name: str,
        database: CursorDatabase,
        producers: Mapping[str, LogStub],
        handlers: Mapping[str, Apply[W]],
        make_work: Callable[[AsyncConnection, Origin], W],
        *,
        signer: TokenSigner,
        wake: Wake,
        poll_seconds: float = 0.5,
        max_failures: int = 5,
    ) -> None:
        self._name = name
        self._wake = wake
        self._poll = poll_seconds
        self._followed = {
            producer: Following(name, producer, database, stub, handlers, make_work, signer, wake, max_failures)
            for producer, stub in producers.items()
        }

    async def run(self) -> None:
        """Follow all producers for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._wake.listen(self._followed))
            for producer, following in self._followed.items():
                group.create_task(self._follow(producer, following))

    async def catch_up(self) -> None:
        """Read and apply all that can be read now; for tests and for tools that must not wait."""
        for following in self._followed.values():
            try:
                while await following.round():
                    pass
            finally:
                await following.leave()

    async def _follow(self, producer: str, following: "Following[W]") -> None:
        async def round_or_wait() -> bool:
            if not await following.round():
                await self._wake.wait(producer, self._poll)
            return True

        try:
            await repeat(
                round_or_wait,
                named=f"following {producer}",
                every_seconds=OUTAGE_SECONDS,
                eager=True,
                failed=following.forget,
            )
        finally:
            await following.leave()


class Following(Generic[W]):
    """One consumer on one producer's log."""

    def __init__(
        self,
        name: str,
        producer: str,
        database: CursorDatabase,
        stub: LogStub,
        handlers: Mapping[str, Apply[W]],
        make_work: Callable[[AsyncConnection, Origin], W],
        signer: TokenSigner,
        wake: Wake,
        max_failures: int,
    ) -> None:
        self._name, self._producer = name, producer
        self._database, self._stub, self._signer, self._wake = database, stub, signer, wake
        self._handlers, self._make_work, self._max_failures = handlers, make_work, max_failures
        self._store = Cursors(database, name, producer)
        self._parking = Parking(database, name, producer)
        self._cursors: dict[int, Cursor] = {}
        self._leased = self._parking_seen = float("-inf")
        self._lag = telemetry.Age(telemetry.EVENT_LAG.labels(name, producer))
        telemetry.EVENTS_PARKED.labels(name, producer)  # shown as 0, so that the first one is an increase

    def forget(self) -> None:
        """Trust nothing that is remembered; the next round reads the cursors again."""
        self._cursors, self._leased = {}, float("-inf")

    async def leave(self) -> None:
        """Give up the leases, if the database can be reached."""
        self.forget()
        try:
            await self._store.release()
        except Exception as error:
            telemetry.log.info("leases were left to expire", reason=status_of(error).reason)

    async def round(self) -> bool:
        """Read once and apply what came; return whether there was anything."""
        await self._hold_lease()
        await self._retry_parked()
        begun = time.time()
        if not self._cursors:  # others hold all leases: nothing is late because of this process
            self._lag.reached(begun)
            return False
        reply = await self._read()
        if self._begin_epoch(reply):
            return True
        events = [(message.partition, event_of(message)) for message in reply.events]
        self._lag.reached(min((event.create_time.timestamp() for _, event in events), default=begun))
        for partition, group in groupby(events, key=lambda item: item[0]):
            try:
                await self._apply_partition(self._cursors[partition], [event for _, event in group])
            except CursorLostError:
                self.forget()
                return True
        return bool(events)

    async def _hold_lease(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._leased + LEASE_SECONDS / 3:
            return
        held = await self._store.lease()
        self._cursors = {partition: self._cursors.get(partition, cursor) for partition, cursor in held.items()}
        self._leased = now

    async def _read(self) -> eventlog_pb2.ReadResponse:
        request = eventlog_pb2.ReadRequest(consumer=self._name, limit=READ_LIMIT)
        for cursor in self._cursors.values():
            request.positions.add(partition=cursor.partition, transaction_id=cursor.xid, event_id=str(cursor.event_id))
        metadata = call_metadata(self._signer, None)
        reply: eventlog_pb2.ReadResponse = await self._stub.Read(request, timeout=CALL_SECONDS, metadata=metadata)
        return reply

    def _begin_epoch(self, reply: eventlog_pb2.ReadResponse) -> bool:
        moved = False
        for cursor in self._cursors.values():
            if cursor.log_epoch != reply.log_epoch:
                place = moved_back(cursor.log_epoch, cursor.place, reply.log_epoch, reply.epoch_transaction_id)
                moved = moved or place != cursor.place
                cursor.xid, cursor.event_id = place
                cursor.log_epoch = reply.log_epoch
        return moved

    async def _apply_partition(self, cursor: Cursor, events: Sequence[Event]) -> None:
        for batch in _batches([event for event in events if event.kind in self._handlers]):
            if await self._failure(cursor, batch) is not None:
                for event in batch:  # one by one, so that only what fails is held up
                    await self._apply_or_park(cursor, event)
            telemetry.EVENTS_CONSUMED.labels(self._name, self._producer).inc(len(batch))
        if cursor.place != (events[-1].xid, events[-1].id):  # what was passed over last
            async with self._database.system_transaction() as connection:
                await self._store.advance(connection, cursor, events[-1])
            cursor.move(events[-1])

    async def _failure(self, cursor: Cursor, batch: Sequence[Event]) -> Exception | None:
        """Apply events; return what their effect failed by, be it a defect: it is their tenant's alone."""
        try:
            await self._apply(cursor, batch)
        except Exception as error:
            _raise_unless_of_event(error)
            return error
        return None

    async def _apply(self, cursor: Cursor, batch: Sequence[Event]) -> None:
        """Apply events of one tenant and move the cursor, in one transaction."""
        tenant_id = batch[-1].tenant_id
        emitted = 0
        async with self._database.transaction(tenant_id) as connection:
            if await self._store.advance(connection, cursor, batch[-1]):
                await self._parking.park(connection, batch, "BEHIND")
            else:
                for event in batch:
                    emitted += await self._handle(connection, event)
        cursor.move(batch[-1])
        if emitted:
            self._wake.announce()

    async def _apply_or_park(self, cursor: Cursor, event: Event) -> None:
        failures = 0
        while (cause := await self._failure(cursor, [event])) is not None:
            failures += 1
            if failures >= self._max_failures:
                return await self._park(cursor, event, cause)
            await asyncio.sleep(min(FIRST_BACKOFF * 2**failures, LONGEST_BACKOFF))

    async def _park(self, cursor: Cursor, event: Event, cause: Exception) -> None:
        async with self._database.transaction(event.tenant_id) as connection:
            await self._store.advance(connection, cursor, event)
            await self._parking.park(connection, [event], _named(cause))
        cursor.move(event)
        telemetry.EVENTS_PARKED.labels(self._name, self._producer).inc()
        self._report(event, cause)

    async def _retry_parked(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._parking_seen + PARKING_SECONDS:
            return
        self._parking_seen = now
        for tenant_id in await self._parking.due_tenants(set(self._cursors)):
            while await self._retry_oldest(tenant_id):
                pass

    async def _retry_oldest(self, tenant_id: UUID) -> bool:
        event: Event | None = None
        try:
            async with self._database.transaction(tenant_id) as connection:
                event = await self._parking.oldest(connection, tenant_id)
                if event is None:
                    return False
                emitted = await self._handle(connection, event)
                await self._parking.unpark(connection, event)
        except Exception as error:
            _raise_unless_of_event(error)
            if event is None:
                raise
            await self._parking.postpone(event, _named(error))
            return False
        if emitted:
            self._wake.announce()
        return True

    async def _handle(self, connection: AsyncConnection, event: Event) -> int:
        principal = Principal(tenant_id=event.tenant_id, kind="service", name=self._name)
        work = self._make_work(connection, Origin(principal, event.tenant_id, trace_id=event.trace_id))
        if event.kind in self._handlers:
            with telemetry.caused(f"event {event.kind}", telemetry.trace_named(event.trace_id), tenant=event.tenant_id):
                await self._handlers[event.kind](work, event)
        return int(getattr(work, "emitted", 0))

    def _report(self, event: Event, cause: Exception) -> None:
        telemetry.log.error(
            "event parked",
            producer=self._producer,
            tenant=str(event.tenant_id),
            event_id=str(event.id),
            kind=event.kind,
            cause_trace_id=event.trace_id,
            exc_info=cause,
        )


def _batches(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    for _, group in groupby(events, key=lambda event: event.tenant_id):
        run = list(group)
        for begin in range(0, len(run), BATCH):
            yield run[begin : begin + BATCH]


def _raise_unless_of_event(error: Exception) -> None:
    """Let an outage or a lost lease through: it says nothing about the event."""
    if isinstance(error, CursorLostError) or status_of(error).code is grpc.StatusCode.UNAVAILABLE:
        raise error


def _named(error: Exception) -> str:
    status = status_of(error)
    return type(error).__name__ if status.unexpected else status.reason
