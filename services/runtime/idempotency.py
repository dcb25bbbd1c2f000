"""Remembers the replies to people's commands, so that a request repeated with the same id does nothing twice."""

import hashlib
from typing import cast
from uuid import UUID

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from sqlalchemy import (
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    bindparam,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.errors import BusyError, InvalidRequestError, KeyReusedError

MAX_REQUEST_ID = 200
RETENTION_DAYS = 400  # longer than any cycle

CLAIM = text(
    "INSERT INTO idempotency (tenant_id, actor, method, request_id, request_hash)"
    " VALUES (:tenant_id, :actor, :method, :request_id, :request_hash) ON CONFLICT DO NOTHING"
)
KEEP = text(
    "UPDATE idempotency SET reply_type = :reply_type, reply = :reply"
    " WHERE tenant_id = :tenant_id AND actor = :actor AND method = :method AND request_id = :request_id"
).bindparams(bindparam("reply", type_=JSONB))
FIND = text(
    "SELECT request_hash, reply_type, reply FROM idempotency"
    " WHERE tenant_id = :tenant_id AND actor = :actor AND method = :method AND request_id = :request_id"
).columns(Column("request_hash", LargeBinary), Column("reply_type", Text), Column("reply", JSONB))
SWEEP = text("DELETE FROM idempotency WHERE create_time < clock_timestamp() - make_interval(days => :days)")


def tables(metadata: MetaData) -> Table:
    """Declare the table of remembered replies in a service's metadata."""
    return Table(
        "idempotency",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("actor", Text, nullable=False),
        Column("method", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("request_hash", LargeBinary, nullable=False),
        Column("reply_type", Text),
        Column("reply", JSONB),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        PrimaryKeyConstraint("tenant_id", "actor", "method", "request_id"),
    )


class Key:
    """The identity of one command: who asked for what under which id, and the hash of what was asked."""

    def __init__(self, tenant_id: UUID, actor: str, method: str, request_id: str, request: Message) -> None:
        if not request_id:
            raise InvalidRequestError(
                "request_id is required",
                reason="REQUEST_ID_REQUIRED",
                violations=[("request_id", "REQUIRED", "name the request, so that it can be repeated safely")],
            )
        if len(request_id) > MAX_REQUEST_ID:
            raise InvalidRequestError(
                "request_id is too long",
                violations=[("request_id", "TOO_LONG", f"at most {MAX_REQUEST_ID} characters")],
            )
        self.request_hash = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        self.row = {"tenant_id": tenant_id, "actor": actor, "method": method, "request_id": request_id}


async def claim(connection: AsyncConnection, key: Key) -> Message | None:
    """Take the key for this transaction, or return the reply kept under it.

    A concurrent request with the same key waits here until the first one has ended. Raises KeyReusedError when the key
    was used for another body.
    """
    taken = await connection.execute(CLAIM, {**key.row, "request_hash": key.request_hash})
    if taken.rowcount == 1:
        return None
    reply = await find(connection, key)
    if reply is None:
        raise BusyError("a request with the same id has not been answered")
    return reply


async def find(connection: AsyncConnection, key: Key) -> Message | None:
    """Return the reply kept under the key, None when there is none; raises KeyReusedError for another body."""
    row = (await connection.execute(FIND, key.row)).one_or_none()
    if row is None:
        return None
    if row.request_hash != key.request_hash:
        raise KeyReusedError("the request_id was used for another request")
    return _from_row(row.reply_type, row.reply) if row.reply_type else None


async def keep(connection: AsyncConnection, key: Key, reply: Message) -> None:
    """Store the reply under the key that this transaction has claimed."""
    facts = MessageToDict(reply, preserving_proto_field_name=True)
    await connection.execute(KEEP, {**key.row, "reply_type": reply.DESCRIPTOR.full_name, "reply": facts})


async def sweep(connection: AsyncConnection, days: int = RETENTION_DAYS) -> int:
    """Forget replies older than so many days, across tenants (system role); return how many."""
    return (await connection.execute(SWEEP, {"days": days})).rowcount


def _from_row(reply_type: str, facts: object) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(reply_type)
    reply = message_factory.GetMessageClass(descriptor)()
    return ParseDict(cast(dict[str, object], facts), reply, ignore_unknown_fields=True)
