"""Audit entries: append-only rows written in the transaction of the change they tell of."""

import hashlib
from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    bindparam,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import UserDefinedType

from services.runtime.clock import new_id

WRITE = text(
    "INSERT INTO audit_entry (tenant_id, id, action, subject_type, subject_id, actor_kind, actor, on_behalf_of,"
    " request_id, trace_id, detail, note_hash, content_hash)"
    " VALUES (:tenant_id, :id, :action, :subject_type, :subject_id, :actor_kind, :actor, :on_behalf_of,"
    " :request_id, :trace_id, :detail, :note_hash, :content_hash)"
).bindparams(bindparam("detail", type_=JSONB))
WRITE_NOTE = text("INSERT INTO audit_note (tenant_id, entry_id, note) VALUES (:tenant_id, :entry_id, :note)")


class TransactionId(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id, xid8."""

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        """Return the type's name in SQL."""
        return "xid8"


ischema_names["xid8"] = TransactionId  # so that Alembic recognises the type when it compares


class Actor(Protocol):
    """Who changed something: a person by id, or a service by name."""

    @property
    def kind(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def on_behalf_of(self) -> UUID | None: ...


def tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """Declare entries, the notes kept beside them (so that erasing one leaves the chain whole) and the seals."""
    entry = Table(
        "audit_entry",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("id", Uuid, nullable=False),
        Column("xid", TransactionId, nullable=False, server_default=func.pg_current_xact_id()),
        Column("action", Text, nullable=False),
        Column("subject_type", Text, nullable=False),
        Column("subject_id", Uuid, nullable=False),
        Column("actor_kind", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("on_behalf_of", Uuid),
        Column("request_id", Text, nullable=False),
        Column("trace_id", Text, nullable=False),
        Column("detail", JSONB, nullable=False),
        Column("note_hash", LargeBinary),
        Column("content_hash", LargeBinary),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        PrimaryKeyConstraint("tenant_id", "id"),
        Index("ix_audit_entry_order", "tenant_id", "xid", "id"),
        Index("ix_audit_entry_subject", "tenant_id", "subject_type", "subject_id"),
        Index("ix_audit_entry_xid", "xid"),
    )
    note = Table(
        "audit_note",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("entry_id", Uuid, nullable=False),
        Column("note", Text, nullable=False),
        PrimaryKeyConstraint("tenant_id", "entry_id"),
    )
    seal = Table(
        "audit_seal",
        metadata,
        Column("tenant_id", Uuid, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("entry_id", Uuid, nullable=False),
        Column("hash", LargeBinary, nullable=False),
        Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        PrimaryKeyConstraint("tenant_id", "sequence"),
        UniqueConstraint("tenant_id", "entry_id"),
    )
    return entry, note, seal


async def write_each(
    connection: AsyncConnection,
    tenant_id: UUID,
    actor: Actor,
    action: str,
    subject_type: str,
    details: Mapping[UUID, dict[str, Any]],
    *,
    request_id: str = "",
    trace_id: str = "",
) -> None:
    """Write one entry a subject, without notes, in one trip."""
    if details:
        traced = {"request_id": request_id, "trace_id": trace_id}
        rows = [
            {**_row(tenant_id, actor, action, (subject_type, subject_id)), **traced, "detail": detail}
            for subject_id, detail in details.items()
        ]
        await connection.execute(WRITE, rows)


async def write(
    connection: AsyncConnection,
    tenant_id: UUID,
    actor: Actor,
    action: str,
    subject: tuple[str, UUID],
    *,
    detail: dict[str, Any],
    note: str = "",
    content_hash: bytes | None = None,
    on_behalf_of: UUID | None = None,
    request_id: str = "",
    trace_id: str = "",
) -> UUID:
    """Write one entry and return its id; `detail` holds ids and numbers only, what a person wrote goes into `note`.

    Only the sha256 of the note is part of the entry. `content_hash` is the sha256 of what was signed.
    """
    row = {
        **_row(tenant_id, actor, action, subject),
        "on_behalf_of": on_behalf_of or actor.on_behalf_of,
        "request_id": request_id,
        "trace_id": trace_id,
        "detail": detail,
        "note_hash": hashlib.sha256(note.encode()).digest() if note else None,
        "content_hash": content_hash,
    }
    entry_id: UUID = row["id"]
    await connection.execute(WRITE, row)
    if note:
        await connection.execute(WRITE_NOTE, {"tenant_id": tenant_id, "entry_id": entry_id, "note": note})
    return entry_id


def _row(tenant_id: UUID, actor: Actor, action: str, subject: tuple[str, UUID]) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "id": new_id(),
        "action": action,
        "subject_type": subject[0],
        "subject_id": subject[1],
        "actor_kind": actor.kind,
        "actor": actor.actor,
        "on_behalf_of": actor.on_behalf_of,
        "note_hash": None,
        "content_hash": None,
    }
