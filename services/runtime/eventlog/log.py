"""The tables of the event log and the one statement that appends to it."""

import hashlib
from collections.abc import Mapping
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

BUMP = text("UPDATE event_epoch SET log_epoch = log_epoch + 1, xid = pg_current_xact_id() RETURNING log_epoch")
RESTAMPS = tuple(
    text(f"UPDATE {table} SET xid = pg_current_xact_id() WHERE xid >= pg_current_xact_id()")  # noqa: S608  # constants
    for table in ("event", "parked_event")
)


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
    event_id = new_id()
    row = {
        "tenant_id": tenant_id,
        "id": event_id,
        "kind": kind,
        "aggregate_type": aggregate[0],
        "aggregate_id": aggregate[1],
        "version": version,
        "payload": dict(payload),
        "trace_id": trace_id,
    }
    await connection.execute(EMIT, row)
    return event_id


async def bump_epoch(connection: AsyncConnection) -> int:
    """Begin a new epoch after a restore (system role) and return it.

    Followers that stand beyond this moment come back to it. A restore into a new cluster starts transaction ids anew:
    events that seem to be of the future are given the present one, so that they are neither hidden nor out of order.
    """
    for statement in RESTAMPS:
        await connection.execute(statement)
    return (await connection.execute(BUMP)).scalar_one()  # type: ignore[no-any-return]


def tables(metadata: MetaData) -> tuple[Table, Table, Table, Table]:
    """Declare the log, its epoch, the cursors of followers, and the events that were set aside."""
    return _event(metadata), _event_epoch(metadata), _event_cursor(metadata), _parked_event(metadata)


def _event(metadata: MetaData) -> Table:
    return Table(
        "event",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("xid", TransactionId, nullable=False, server_default=func.pg_current_xact_id()),
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
