"""Events set aside because their effect keeps failing, with all later events of the same tenant behind them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, Text, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.eventlog.cursor import CursorDatabase
from services.runtime.eventlog.log import Event, partition_of

LONGEST_RETRY_SECONDS = 300
FACTS = (
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("xid", Text),
    Column("event", JSONB),
    Column("attempts", Integer),
    Column("retry_at", DateTime(timezone=True)),
)
PARK = text(
    "INSERT INTO parked_event (tenant_id, consumer, producer, xid, id, event, error)"
    " VALUES (:tenant_id, :consumer, :producer, CAST(CAST(:xid AS text) AS xid8), :id, :event, :error)"
    " ON CONFLICT DO NOTHING"
).bindparams(bindparam("event", type_=JSONB))
DUE = text(
    "SELECT tenant_id FROM (SELECT DISTINCT ON (tenant_id) tenant_id, retry_at FROM parked_event"
    " WHERE consumer = :consumer AND producer = :producer ORDER BY tenant_id, xid, id) AS oldest"
    " WHERE retry_at <= clock_timestamp()"
)
OLDEST = text(
    "SELECT tenant_id, id, xid::text AS xid, event, attempts, retry_at FROM parked_event"
    " WHERE tenant_id = :tenant_id AND consumer = :consumer AND producer = :producer"
    " ORDER BY parked_event.xid, id LIMIT 1 FOR UPDATE"
).columns(*FACTS)
UNPARK = text(
    "DELETE FROM parked_event WHERE tenant_id = :tenant_id AND consumer = :consumer AND producer = :producer"
    " AND id = :id"
)
POSTPONE = text(
    "UPDATE parked_event SET attempts = attempts + 1, error = :error, retry_at = clock_timestamp()"
    " + make_interval(secs => least(power(2, least(attempts, 20)), :longest))"
    " WHERE tenant_id = :tenant_id AND consumer = :consumer AND producer = :producer AND id = :id"
)


class Parking:
    """The parked events of one consumer and one producer."""

    def __init__(self, database: CursorDatabase, consumer: str, producer: str) -> None:
        self._database = database
        self._names = {"consumer": consumer, "producer": producer}

    async def park(self, connection: AsyncConnection, events: Sequence[Event], error: str) -> None:
        """Set events aside, in the transaction that moves the cursor past them; `error` names the cause, no content."""
        for event in events:
            row = {"tenant_id": event.tenant_id, "xid": str(event.xid), "id": event.id, "error": error}
            await connection.execute(PARK, {**self._names, **row, "event": _facts(event)})

    async def due_tenants(self, partitions: set[int]) -> list[UUID]:
        """Return the tenants of these partitions whose oldest parked event may be tried again."""
        async with self._database.system_transaction() as connection:
            tenants = (await connection.execute(DUE, self._names)).scalars().all()
        return [tenant for tenant in tenants if partition_of(tenant) in partitions]

    async def oldest(self, connection: AsyncConnection, tenant_id: UUID) -> Event | None:
        """Lock and return the tenant's oldest parked event; None when nothing is left."""
        row = (await connection.execute(OLDEST, {**self._names, "tenant_id": tenant_id})).one_or_none()
        return _event(row) if row else None

    async def unpark(self, connection: AsyncConnection, event: Event) -> None:
        """Remove the event, in the transaction of its effect."""
        await connection.execute(UNPARK, {**self._names, "tenant_id": event.tenant_id, "id": event.id})

    async def postpone(self, event: Event, error: str) -> None:
        """Try the event again later: after 1, 2, 4 … seconds, at most five minutes."""
        row = {"tenant_id": event.tenant_id, "id": event.id, "error": error, "longest": LONGEST_RETRY_SECONDS}
        async with self._database.transaction(event.tenant_id) as connection:
            await connection.execute(POSTPONE, {**self._names, **row})


def _facts(event: Event) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "aggregate_type": event.aggregate_type,
        "aggregate_id": str(event.aggregate_id),
        "version": event.version,
        "payload": dict(event.payload),
        "trace_id": event.trace_id,
        "create_time": event.create_time.isoformat(),
    }


def _event(row: Any) -> Event:
    facts = row.event
    return Event(
        id=row.id,
        tenant_id=row.tenant_id,
        kind=facts["kind"],
        aggregate_type=facts["aggregate_type"],
        aggregate_id=UUID(facts["aggregate_id"]),
        version=facts["version"],
        payload=facts["payload"],
        trace_id=facts["trace_id"],
        create_time=datetime.fromisoformat(facts["create_time"]),
        xid=int(row.xid),
    )
