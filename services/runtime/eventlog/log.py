"""The tables of the event log and the one statement that appends to it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.audit.entries import TransactionId
from services.runtime.clock import new_id

PARTITIONS = 16
PARTITION_SQL = "(get_byte(sha256(uuid_send(tenant_id)), 31) & 15)::smallint"
EMIT = text(
    "INSERT INTO event (tenant_id, id, kind, aggregate_type, aggregate_id, version, payload, trace_id)"
    " VALUES (:tenant_id, :id, :kind, :aggregate_type, :aggregate_id, :version, :payload, :trace_id)"
).bindparams(bindparam("payload", type_=JSONB))

# Transaction ids are counted anew in a new cluster, maybe below those that the log holds: what is appended from now on
# stands beyond all that the log and its followers know. Nothing that was appended, read or set aside changes place.
BUMP = text(
    """
    WITH known AS (SELECT greatest(
            CAST(CAST(:furthest AS text) AS xid8),
            (SELECT max(last.xid) FROM generate_series(0, :last_partition) AS p CROSS JOIN LATERAL (
                SELECT e.xid FROM event e WHERE e.partition = p ORDER BY e.xid DESC LIMIT 1) AS last),
            (SELECT xid FROM event_epoch))::text::bigint AS place,
        pg_current_xact_id()::text::bigint AS now)
    UPDATE event_epoch SET log_epoch = log_epoch + 1,
        log_offset = CASE WHEN place < now + log_offset THEN log_offset ELSE place END,
        xid = (now + CASE WHEN place < now + log_offset THEN log_offset ELSE place END)::text::xid8
    FROM known RETURNING log_epoch
    """
)
FURTHEST = text("SELECT producer, max(xid)::text AS place FROM event_cursor GROUP BY producer")

Told = tuple[UUID, int, Mapping[str, Any]]  # an aggregate, its version, and what is told of it


@dataclass(frozen=True)
class Event:
    """One change that happened in a service, as its followers see it."""

    id: UUID
    tenant_id: UUID
    kind: str
    aggregate_type: str
    aggregate_id: UUID
    version: int
    payload: Mapping[str, Any]
    trace_id: str
    create_time: datetime
    xid: int = 0

    def is_newer_than(self, seen_version: int | None) -> bool:
        """Return whether the event is later than the version seen; events of one aggregate may come inverted."""
        return seen_version is None or self.version > seen_version


def partition_of(tenant_id: UUID) -> int:
    """Return the partition of a tenant: the last four bits of the sha256 of its id's 16 bytes."""
    return hashlib.sha256(tenant_id.bytes).digest()[-1] & 15


async def emit(
    connection: AsyncConnection,
    tenant_id: UUID,
    kind: str,
    aggregate: tuple[str, UUID],
    version: int,
    payload: Mapping[str, Any],
    trace_id: str = "",
) -> UUID:
    """Append one event in the transaction of the change and return its id; the payload holds no personal data."""
    row = _row(tenant_id, kind, aggregate, version, payload, trace_id)
    await connection.execute(EMIT, row)
    return row["id"]  # type: ignore[no-any-return]


async def emit_each(
    connection: AsyncConnection,
    tenant_id: UUID,
    kind: str,
    aggregate_type: str,
    told: Sequence[Told],
    trace_id: str = "",
) -> None:
    """Append one event an aggregate, in this order, in one trip."""
    if told:
        rows = [
            _row(tenant_id, kind, (aggregate_type, each), version, payload, trace_id) for each, version, payload in told
        ]
        await connection.execute(EMIT, rows)


def _row(
    tenant_id: UUID, kind: str, aggregate: tuple[str, UUID], version: int, payload: Mapping[str, Any], trace_id: str
) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": new_id(),
        "kind": kind,
        "aggregate_type": aggregate[0],
        "aggregate_id": aggregate[1],
        "version": version,
        "payload": dict(payload),
        "trace_id": trace_id,
    }


async def furthest_places(connection: AsyncConnection) -> Mapping[str, int]:
    """Return the furthest place in each log at which a follower whose cursors are in this schema stands."""
    return {row.producer: int(row.place) for row in await connection.execute(FURTHEST)}


async def bump_epoch(connection: AsyncConnection, furthest: int = 0) -> int:
    """Begin a new epoch after a restore (system role) and return it; repeatable.

    What is appended from now on stands beyond the log as restored and beyond `furthest`, where followers stand. One
    that stands further still, unknown here, comes back to the beginning of the epoch.
    """
    places = {"furthest": str(furthest), "last_partition": PARTITIONS - 1}
    return (await connection.execute(BUMP, places)).scalar_one()  # type: ignore[no-any-return]


def tables(metadata: MetaData) -> tuple[Table, Table, Table, Table]:
    """Declare the log, its epoch, the cursors of followers, and the events that were set aside."""
    return _event(metadata), _event_epoch(metadata), _event_cursor(metadata), _parked_event(metadata)


def _event(metadata: MetaData) -> Table:
    return Table(
        "event",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("xid", TransactionId, nullable=False, server_default=func.event_xid()),
        Column("partition", SmallInteger, Computed(PARTITION_SQL, persisted=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("aggregate_type", Text, nullable=False),
        Column("aggregate_id", Uuid, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("payload", JSONB, nullable=False),
        Column("trace_id", Text, nullable=False, server_default=""),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        PrimaryKeyConstraint("tenant_id", "id"),
        Index("ix_event_order", "partition", "xid", "id"),
    )


def _event_epoch(metadata: MetaData) -> Table:
    return Table(
        "event_epoch",
        metadata,
        Column("single", Boolean, primary_key=True, server_default=text("true")),
        Column("log_epoch", BigInteger, nullable=False, server_default=text("1")),
        Column("xid", TransactionId, nullable=False, server_default=text("'0'")),
        Column("log_offset", BigInteger, nullable=False, server_default=text("0")),
    )


def _event_cursor(metadata: MetaData) -> Table:
    return Table(
        "event_cursor",
        metadata,
        Column("consumer", Text, nullable=False),
        Column("producer", Text, nullable=False),
        Column("partition", SmallInteger, nullable=False),
        Column("log_epoch", BigInteger, nullable=False, server_default=text("1")),
        Column("xid", TransactionId, nullable=False, server_default=text("'0'")),
        Column("event_id", Uuid),
        Column("lease_holder", Uuid),
        Column("lease_until", DateTime(timezone=True)),
        PrimaryKeyConstraint("consumer", "producer", "partition"),
    )


def _parked_event(metadata: MetaData) -> Table:
    return Table(
        "parked_event",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("consumer", Text, nullable=False),
        Column("producer", Text, nullable=False),
        Column("xid", TransactionId, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("event", JSONB, nullable=False),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("error", Text, nullable=False, server_default=""),
        Column("retry_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        PrimaryKeyConstraint("tenant_id", "consumer", "producer", "xid", "id"),
    )
