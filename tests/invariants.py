"""What must hold after every end-to-end, chaos and load test: the invariants of the system, checked from its rows.

I1 acknowledged submissions exist once, as acknowledged · I2 one message per event and person · I3 stages open and
close once per opening · I4 nothing is submitted after its stage began to close, but by an extension · I5 what an
explanation shows adds up to its total · I6 audit chains verify and every step of a stage has its entry · I7 nothing is
seen across tenants · I8 event logs are consumed and nothing is parked · I9 workflows agree with rows · I10 no personal
text in logs or histories. Grades and scores themselves are compared with the oracle of the demo.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from services.runtime.audit import verify

SERVICES = ("people", "goals", "reviews", "scoring", "notify")
FOLLOWS = {
    "goals": ("people",),
    "reviews": ("people", "scoring"),
    "scoring": ("reviews",),
    "notify": ("goals", "reviews"),
}

DUPLICATES = """
SELECT count(*) FROM (
  SELECT 1 FROM notify.message GROUP BY tenant_id, event_id, recipient_id HAVING count(*) > 1) d"""
OPENINGS = """
SELECT aggregate_id, count(*) FILTER (WHERE kind = 'reviews.stage_opened') AS opened,
       count(*) FILTER (WHERE kind = 'reviews.stage_reopened') AS reopened,
       count(*) FILTER (WHERE kind = 'reviews.stage_closed') AS closed
FROM reviews.event WHERE aggregate_type = 'stage' GROUP BY aggregate_id"""
TOO_LATE = """
SELECT s.task_id FROM reviews.event e
JOIN reviews.event c ON c.kind = 'reviews.stage_closing' AND c.aggregate_id = (e.payload->>'stage_id')::uuid
JOIN reviews.task t ON t.id = e.aggregate_id
JOIN reviews.submission s ON s.task_id = t.id
WHERE e.kind = 'reviews.task_submitted' AND e.xid > c.xid AND t.due_override IS NULL
  AND NOT EXISTS (SELECT FROM reviews.event r
                  WHERE r.kind = 'reviews.stage_reopened' AND r.aggregate_id = c.aggregate_id)"""
NOT_ADDING_UP = """
SELECT id FROM scoring.result WHERE explanation IS NOT NULL AND explanation ? 'total' AND explanation ? 'lines'
  AND (explanation->>'total')::numeric <> (SELECT coalesce(sum((l->>'contribution')::numeric), 0)
       FROM jsonb_array_elements(explanation->'lines') l WHERE coalesce((l->>'depth')::int, 0) = 0)"""
UNAUDITED = """
SELECT e.id FROM reviews.event e CROSS JOIN reviews.event_epoch p WHERE e.kind LIKE 'reviews.stage%' AND NOT EXISTS (
  SELECT FROM reviews.audit_entry a
  WHERE a.tenant_id = e.tenant_id AND a.subject_id = e.aggregate_id
    -- in a new server the log counts on and the audit trail counts anew
    AND (e.xid::text::bigint = a.xid::text::bigint + p.log_offset OR e.xid <= p.xid))"""
UNSEALED = """
SELECT count(*) FROM {service}.audit_entry a WHERE NOT EXISTS (
  SELECT FROM {service}.audit_seal s WHERE s.tenant_id = a.tenant_id AND s.entry_id = a.id)"""
BEHIND = """
SELECT count(*) FROM {producer}.event e LEFT JOIN {consumer}.event_cursor c
  ON c.consumer = '{consumer}' AND c.producer = '{producer}' AND c.partition = e.partition
WHERE c.partition IS NULL OR (e.xid, e.id) > (c.xid, coalesce(c.event_id, '00000000-0000-0000-0000-000000000000'))"""


@asynccontextmanager
async def connected(url: str, tenant_id: UUID | None = None) -> AsyncIterator[AsyncConnection]:
    """A connection of its own; as a tenant where one is given."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    try:
        async with engine.begin() as connection:
            if tenant_id is not None:
                await connection.execute(text("SELECT set_config('attune.tenant', :t, true)"), {"t": str(tenant_id)})
            yield connection
    finally:
        await engine.dispose()


async def violations(admin_url: str, app_urls: dict[str, str], ledger: Path | None = None) -> list[str]:
    """Return every violation found in the rows; the admin role reads all schemas, the app roles only try to."""
    async with connected(admin_url) as rows:
        found = [
            *await submissions_are_kept(rows, read_ledger(ledger)),
            *await messages_are_unique(rows),
            *await stages_move_once(rows),
            *await nothing_is_late(rows),
            *await explanations_add_up(rows),
            *await audit_is_whole(rows),
            *await logs_are_consumed(rows),
        ]
    return [*found, *await tenants_are_apart(app_urls)]


def read_ledger(path: Path | None) -> list[dict[str, Any]]:
    """Return what was acknowledged, with its subject."""
    if path is None:
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    subjects = {line["key"]: line["subject"] for line in lines if line["event"] == "invoke"}
    return [{**line, "subject": subjects[line["key"]]} for line in lines if line["event"] == "ok"]


async def submissions_are_kept(rows: AsyncConnection, acknowledged: Iterable[dict[str, Any]]) -> list[str]:
    """I1."""
    found: list[str] = []
    query = text("SELECT version, answers FROM reviews.submission WHERE task_id = :task AND request_id = :key")
    for line in acknowledged:
        kept = (await rows.execute(query, {"task": UUID(line["subject"]), "key": line["key"]})).all()
        values = {answer["item"]: answer.get("value") for answer in line["answers"] if answer.get("value")}
        if len(kept) != 1 or kept[0].version != line["version"]:
            found.append(f"I1 task {line['subject']}: acknowledged version {line['version']}, kept {len(kept)}")
        elif {item: answer.get("value") for item, answer in kept[0].answers.items() if answer.get("value")} != values:
            found.append(f"I1 task {line['subject']}: other answers than acknowledged")
    return found


async def messages_are_unique(rows: AsyncConnection) -> list[str]:
    """I2."""
    count = (await rows.execute(text(DUPLICATES))).scalar_one()
    return [f"I2 {count} messages told twice"] if count else []


async def stages_move_once(rows: AsyncConnection) -> list[str]:
    """I3."""
    return [
        f"I3 stage {row.aggregate_id}: opened {row.opened}, reopened {row.reopened}, closed {row.closed}"
        for row in await rows.execute(text(OPENINGS))
        if row.opened > 1 or row.closed > row.opened + row.reopened
    ]


async def nothing_is_late(rows: AsyncConnection) -> list[str]:
    """I4, by the order of transactions and not by clocks: both took the stage's lock before their first write."""
    return [
        f"I4 task {row.task_id}: submitted after its stage began to close" for row in await rows.execute(text(TOO_LATE))
    ]


async def explanations_add_up(rows: AsyncConnection) -> list[str]:
    """I5."""
    return [f"I5 result {row.id}: its lines do not add up" for row in await rows.execute(text(NOT_ADDING_UP))]


async def audit_is_whole(rows: AsyncConnection) -> list[str]:
    """I6."""
    found = [f"I6 event {row.id} has no audit entry" for row in await rows.execute(text(UNAUDITED))]
    for service in SERVICES:
        unsealed = (await rows.execute(text(UNSEALED.format(service=service)))).scalar_one()
        found += [f"I6 {service}: {unsealed} entries are not sealed"] if unsealed else []
        await rows.execute(text(f"SET LOCAL search_path = {service}"))
        for (tenant_id,) in (await rows.execute(text("SELECT DISTINCT tenant_id FROM audit_seal"))).all():
            altered = await verify(rows, tenant_id)
            found += [f"I6 {service}: {altered}"] if altered else []
    return found


async def tenants_are_apart(app_urls: dict[str, str]) -> list[str]:
    """I7, as the roles that the services use: another tenant sees no row of any table."""
    found: list[str] = []
    for service, url in app_urls.items():
        async with connected(url, uuid4()) as rows:
            await rows.execute(text(f"SET LOCAL search_path = {service}"))
            tables = await rows.execute(
                text(
                    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
                    " WHERE n.nspname = :schema AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')"
                ),
                {"schema": service},
            )
            for (table,) in tables.all():
                seen = (await rows.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
                found += [f"I7 {service}.{table}: another tenant sees {seen} rows"] if seen else []
    return found


async def logs_are_consumed(rows: AsyncConnection) -> list[str]:
    """I8."""
    found: list[str] = []
    for consumer, producers in FOLLOWS.items():
        parked = (await rows.execute(text(f"SELECT count(*) FROM {consumer}.parked_event"))).scalar_one()
        found += [f"I8 {consumer}: {parked} events are parked"] if parked else []
        for producer in producers:
            behind = (await rows.execute(text(BEHIND.format(consumer=consumer, producer=producer)))).scalar_one()
            found += [f"I8 {consumer} is {behind} events behind {producer}"] if behind else []
    return found


def personal_text_in(folder: Path, canaries: Sequence[str]) -> list[str]:
    """I10, in the logs of a folder."""
    found: list[str] = []
    for log in sorted(folder.glob("*.log*")):
        content = log.read_text(encoding="utf-8", errors="replace")
        found += [f"I10 {log.name} holds {canary!r}" for canary in canaries if canary in content]
    return found
