"""The place of a consumer in another service's log, and the lease that lets one process at a time move it."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.clock import new_id
from services.runtime.eventlog.log import PARTITIONS, Event

LEASE_SECONDS = 15
NIL = UUID(int=0)
ENSURE = text(
    "INSERT INTO event_cursor (consumer, producer, partition)"
    " SELECT :consumer, :producer, generate_series(0, :last) ON CONFLICT DO NOTHING"
)
LEASE = text(
    "UPDATE event_cursor SET lease_holder = :holder, lease_until = clock_timestamp() + make_interval(secs => :seconds)"
    " WHERE consumer = :consumer AND producer = :producer"
    " AND (lease_holder = :holder OR lease_until IS NULL OR lease_until < clock_timestamp())"
    " RETURNING partition, log_epoch, xid::text AS xid, event_id"
)
RELEASE = text("UPDATE event_cursor SET lease_until = NULL WHERE consumer = :consumer AND lease_holder = :holder")
ADVANCE = text(
    "UPDATE event_cursor SET log_epoch = :log_epoch, xid = CAST(CAST(:xid AS text) AS xid8), event_id = :event_id"
    " WHERE consumer = :consumer AND producer = :producer AND partition = :partition AND lease_holder = :holder"
    " AND (log_epoch < :log_epoch OR (xid, COALESCE(event_id, :nil)) < (CAST(CAST(:xid AS text) AS xid8), :event_id))"
    " RETURNING EXISTS (SELECT FROM parked_event p"
    " WHERE p.tenant_id = :tenant_id AND p.consumer = :consumer AND p.producer = :producer) AS parked"
)


class CursorLostError(Exception):
    """Another process holds the lease, or the cursor has already moved: look again before going on."""


class CursorDatabase(Protocol):
    """What a consumer needs of its own database."""

    service: str

    def transaction(self, tenant_id: UUID) -> AbstractAsyncContextManager[AsyncConnection]: ...
    def system_transaction(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


@dataclass
class Cursor:
    """Where a consumer stands in one partition of a producer's log."""

    partition: int
    log_epoch: int
    xid: int
    event_id: UUID

    @property
    def place(self) -> tuple[int, UUID]:
        """The last event taken, by transaction and id."""
        return self.xid, self.event_id

    def move(self, event: Event) -> None:
        """Stand at the event."""
        self.xid, self.event_id = event.xid, event.id


class Cursors:
    """The cursors of one consumer on one producer, leased for this process."""

    def __init__(self, database: CursorDatabase, consumer: str, producer: str) -> None:
        self._database = database
        self._names = {"consumer": consumer, "producer": producer, "holder": new_id()}

    async def lease(self) -> dict[int, Cursor]:
        """Take or keep the partitions that nobody else holds; return them with the places that are stored."""
        names = {key: self._names[key] for key in ("consumer", "producer")}
        async with self._database.system_transaction() as connection:
            await connection.execute(ENSURE, {**names, "last": PARTITIONS - 1})
            rows = await connection.execute(LEASE, {**self._names, "seconds": LEASE_SECONDS})
            return {
                row.partition: Cursor(row.partition, row.log_epoch, int(row.xid), row.event_id or NIL) for row in rows
            }

    async def advance(self, connection: AsyncConnection, cursor: Cursor, last: Event) -> bool:
        """Move the stored cursor to the event, in this transaction; return whether its tenant has parked events.

        Raises CursorLostError when the lease is another's or the cursor is there already.
        """
        row: dict[str, Any] = {"partition": cursor.partition, "log_epoch": cursor.log_epoch, "xid": str(last.xid)}
        row |= {"event_id": last.id, "tenant_id": last.tenant_id, "nil": NIL}
        parked = (await connection.execute(ADVANCE, {**self._names, **row})).scalar_one_or_none()
        if parked is None:
            raise CursorLostError
        return bool(parked)

    async def release(self) -> None:
        """Let another process take over at once."""
        async with self._database.system_transaction() as connection:
            await connection.execute(RELEASE, {key: self._names[key] for key in ("consumer", "holder")})
