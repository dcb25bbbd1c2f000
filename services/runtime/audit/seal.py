"""The seal of the audit trail: a gap-free sequence and a chain of hashes per tenant, made behind the writers."""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import telemetry
from services.runtime.background import for_each_tenant, repeat

BATCH = 1_000
GENESIS = bytes(32)
HORIZON = "pg_snapshot_xmin(pg_current_snapshot())"  # below it no transaction can add anything any more
FACTS = (
    "e.id, e.action, e.subject_type, e.subject_id, e.actor_kind, e.actor, e.on_behalf_of, e.request_id, e.trace_id,"
    " e.detail::text AS detail, e.note_hash, e.content_hash, e.create_time"
)
WAITING = text(
    f"SELECT {HORIZON}::text AS horizon, array(SELECT DISTINCT tenant_id FROM audit_entry"  # noqa: S608  # constants
    f" WHERE xid >= CAST(CAST(:watermark AS text) AS xid8) AND xid < {HORIZON}) AS tenants,"
    f" (SELECT min(create_time) FROM audit_entry WHERE xid >= {HORIZON}) AS beyond"
)
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('audit.seal/' || :tenant, 0))")
HEAD = text(
    "SELECT sequence, entry_id, hash FROM audit_seal WHERE tenant_id = :tenant_id ORDER BY sequence DESC LIMIT 1"
)
NEXT = text(
    f"SELECT {FACTS} FROM audit_entry e WHERE e.tenant_id = :tenant_id AND e.xid < {HORIZON}"  # noqa: S608  # constants
    " AND (CAST(:head AS uuid) IS NULL OR (e.xid, e.id) >"
    " (SELECT h.xid, h.id FROM audit_entry h WHERE h.tenant_id = :tenant_id AND h.id = :head))"
    " ORDER BY e.xid, e.id LIMIT :batch"
)
SEAL = text(
    "INSERT INTO audit_seal (tenant_id, sequence, entry_id, hash) SELECT :tenant_id, * FROM"
    " unnest(CAST(:sequences AS bigint[]), CAST(:entries AS uuid[]), CAST(:hashes AS bytea[]))"
)
CHAIN = text(
    f"SELECT s.sequence, s.entry_id, s.hash, n.note, {FACTS} FROM audit_seal s"  # noqa: S608  # constants
    " LEFT JOIN audit_entry e ON e.tenant_id = s.tenant_id AND e.id = s.entry_id"
    " LEFT JOIN audit_note n ON n.tenant_id = s.tenant_id AND n.entry_id = s.entry_id"
    " WHERE s.tenant_id = :tenant_id AND s.sequence > :after ORDER BY s.sequence LIMIT :batch"
)
UNSEALED = text(
    "SELECT e.id FROM audit_entry e WHERE e.tenant_id = :tenant_id AND (e.xid, e.id) <="
    " (SELECT h.xid, h.id FROM audit_entry h WHERE h.tenant_id = :tenant_id AND h.id = :head)"
    " AND NOT EXISTS (SELECT FROM audit_seal s WHERE s.tenant_id = e.tenant_id AND s.entry_id = e.id)"
    " ORDER BY e.xid, e.id LIMIT 1"
)

BEYOND = text("SELECT DISTINCT tenant_id FROM audit_entry WHERE xid >= pg_current_xact_id()")
REPLACE_SEALED = text(
    "UPDATE audit_entry e SET xid = CAST(CAST(s.sequence = :last AS integer)::text AS xid8) FROM audit_seal s"
    " WHERE e.tenant_id = :tenant_id AND s.tenant_id = e.tenant_id AND s.entry_id = e.id AND EXISTS"
    " (SELECT FROM audit_entry h WHERE h.tenant_id = :tenant_id AND h.id = :head AND h.xid >= pg_current_xact_id())"
)
REPLACE_UNSEALED = text(
    "UPDATE audit_entry SET xid = pg_current_xact_id() WHERE tenant_id = :tenant_id AND xid >= pg_current_xact_id()"
)


class SystemTransactions(Protocol):
    """What the sealer needs of a database: transactions that see the audit of all tenants."""

    @property
    def service(self) -> str: ...
    def system_transaction(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


@dataclass(frozen=True)
class Alteration:
    """The first place where the trail is not what was sealed."""

    sequence: int
    entry_id: UUID
    reason: str  # gap | missing | altered | note_altered | inserted


class Sealer:
    """Seals what has been written, again and again; several may run, one at a time seals a tenant."""

    def __init__(self, database: SystemTransactions, *, every_seconds: float = 2.0) -> None:
        self._database = database
        self._every = every_seconds
        self._watermark = "0"
        self._unsealed = telemetry.Age(telemetry.AUDIT_UNSEALED.labels(database.service))

    async def run(self) -> None:
        """Seal for ever; an outage of the database is waited out."""
        await repeat(self.seal_all, named="sealing", every_seconds=self._every)

    async def seal_all(self) -> int:
        """Seal all entries that no running transaction can precede any more; return how many."""
        begun = time.time()
        async with self._database.system_transaction() as connection:
            waiting = (await connection.execute(WAITING, {"watermark": self._watermark})).one()
        complete: list[UUID] = []

        async def seal(tenant_id: UUID) -> int:
            sealed = 0
            while (batch := await self._seal_batch(tenant_id)) > 0:
                sealed += batch
            complete.append(tenant_id)
            return sealed

        sealed = await for_each_tenant(waiting.tenants, seal, named="sealing")
        if len(complete) == len(waiting.tenants):  # else whoever could not be sealed would be passed over
            self._watermark = waiting.horizon
            self._unsealed.reached(waiting.beyond.timestamp() if waiting.beyond else begun)
        telemetry.AUDIT_SEALED.labels(self._database.service).inc(sealed)
        return sealed

    async def _seal_batch(self, tenant_id: UUID) -> int:
        async with self._database.system_transaction() as connection:
            await connection.execute(LOCK, {"tenant": str(tenant_id)})
            head = (await connection.execute(HEAD, {"tenant_id": tenant_id})).one_or_none()
            following = {"tenant_id": tenant_id, "head": head.entry_id if head else None, "batch": BATCH}
            entries = (await connection.execute(NEXT, following)).all()
            if entries:
                await connection.execute(SEAL, _seals(tenant_id, head, entries))
        return len(entries)


async def root(connection: AsyncConnection, tenant_id: UUID) -> tuple[int, bytes]:
    """Return the last sequence number and its hash, to be kept outside of the database; (0, zeros) before any seal."""
    head = (await connection.execute(HEAD, {"tenant_id": tenant_id})).one_or_none()
    return (head.sequence, head.hash) if head else (0, GENESIS)


async def verify(connection: AsyncConnection, tenant_id: UUID) -> Alteration | None:
    """Walk the tenant's whole chain and return the first alteration; None when all is as it was sealed.

    An erased note is no alteration. Entries written after the last seal are not judged.
    """
    after, hash_before, last = 0, GENESIS, None
    while True:
        page = {"tenant_id": tenant_id, "after": after, "batch": BATCH}
        rows = (await connection.execute(CHAIN, page)).all()
        for row in rows:
            reason = _fault(tenant_id, hash_before, after + 1, row)
            if reason:
                return Alteration(after + 1, row.entry_id, reason)
            after, hash_before, last = row.sequence, row.hash, row.entry_id
        if not rows:
            break
    inserted = await connection.scalar(UNSEALED, {"tenant_id": tenant_id, "head": last})
    return Alteration(after, inserted, "inserted") if inserted else None


async def tenants_beyond(connection: AsyncConnection) -> Sequence[UUID]:
    """Return the tenants with entries of transactions that are yet to come, as after a restore into a new cluster."""
    return (await connection.execute(BEYOND)).scalars().all()


async def replace_beyond(connection: AsyncConnection, tenant_id: UUID) -> None:
    """Have a tenant's entries precede those that will be written (role of the owner, as the tenant).

    A new cluster counts transactions anew, and entries are sealed in their order. What is sealed goes before all
    transactions, its last entry last; what is not keeps to the order of its ids. The chain holds no transaction ids.
    """
    head = (await connection.execute(HEAD, {"tenant_id": tenant_id})).one_or_none()
    if head is not None:
        sealed = {"tenant_id": tenant_id, "last": head.sequence, "head": head.entry_id}
        await connection.execute(REPLACE_SEALED, sealed)
    await connection.execute(REPLACE_UNSEALED, {"tenant_id": tenant_id})


def _seals(tenant_id: UUID, head: Row[Any] | None, entries: Sequence[Row[Any]]) -> dict[str, Any]:
    sequence, chained = (head.sequence, head.hash) if head else (0, GENESIS)
    sequences, hashes = [], []
    for entry in entries:
        sequence += 1
        chained = _chained(tenant_id, chained, sequence, entry)
        sequences.append(sequence)
        hashes.append(chained)
    return {
        "tenant_id": tenant_id,
        "sequences": sequences,
        "entries": [entry.id for entry in entries],
        "hashes": hashes,
    }


def _fault(tenant_id: UUID, hash_before: bytes, sequence: int, row: Row[Any]) -> str:
    if row.sequence != sequence:
        return "gap"
    if row.id is None:
        return "missing"
    if row.hash != _chained(tenant_id, hash_before, sequence, row):
        return "altered"
    if row.note is not None and hashlib.sha256(row.note.encode()).digest() != row.note_hash:
        return "note_altered"
    return ""


def _chained(tenant_id: UUID, hash_before: bytes, sequence: int, entry: Row[Any]) -> bytes:
    facts = [
        hash_before.hex(),
        sequence,
        str(tenant_id),
        str(entry.id),
        entry.action,
        entry.subject_type,
        str(entry.subject_id),
        entry.actor_kind,
        entry.actor,
        str(entry.on_behalf_of or ""),
        entry.request_id,
        entry.trace_id,
        entry.detail,
        (entry.note_hash or b"").hex(),
        (entry.content_hash or b"").hex(),
        entry.create_time.isoformat(),
    ]
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False).encode()).digest()
