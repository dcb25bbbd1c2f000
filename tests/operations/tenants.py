"""Rows of a tenant in every table of every service, made from the catalog alone: no table can be forgotten."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg

from deploy.names import SERVICES

COLUMNS = """
SELECT c.relname AS table, a.attname AS column, format_type(a.atttypid, NULL) AS type
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p') AND a.attgenerated = ''
  AND EXISTS (SELECT FROM pg_attribute t WHERE t.attrelid = c.oid AND t.attname = 'tenant_id')
ORDER BY c.relname, a.attnum"""
# By type; the same for every row of a table but for its number.
VALUES = {
    "uuid": "md5('{column}' || n || $1::uuid::text)::uuid",
    "text": "'{column}' || n",
    "integer": "n",
    "smallint": "n::smallint",
    "bigint": "n::bigint",
    "numeric": "n::numeric",
    "boolean": "true",
    "jsonb": "jsonb_build_object('n', n)",
    "bytea": "int4send(n)",
    "date": "date '2026-01-01' + n",
    "timestamp with time zone": "timestamptz '2026-01-01' + n * interval '1 day'",
    "time without time zone": "time '09:00'",
    "interval": "n * interval '1 day'",
    "xid8": "n::text::xid8",
}


async def fill(admin: asyncpg.Connection, tenant_id: UUID, rows: int = 3) -> Sequence[str]:
    """Put rows of a tenant into every table that can hold some; return the tables as `service/table`."""
    await admin.execute("SET session_replication_role = replica")  # rows need not refer to anything
    filled: list[str] = []
    for service in SERVICES:
        tables: dict[str, dict[str, str]] = {}
        for row in await admin.fetch(COLUMNS, service):
            tables.setdefault(row["table"], {})[row["column"]] = row["type"]
        for table, columns in tables.items():
            await _fill(admin, f"{service}.{table}", columns, tenant_id, rows)
            filled.append(f"{service}/{table}")
    return filled


async def _fill(admin: asyncpg.Connection, table: str, columns: dict[str, str], tenant_id: UUID, rows: int) -> None:
    values = ["$1::uuid" if name == "tenant_id" else _value(name, kind) for name, kind in columns.items()]
    names = ", ".join(f'"{name}"' for name in columns)
    count = 1 if table in ("people.tenant", "people.deleted_tenant") else rows
    await admin.execute(
        f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM generate_series(1, {count}) n", tenant_id
    )


def _value(column: str, kind: str) -> str:
    return f"'{{}}'::{kind}" if kind.endswith("[]") else VALUES[kind].format(column=column)


async def fingerprint(admin: asyncpg.Connection, tenant_id: UUID) -> dict[str, tuple[int, str]]:
    """Return the number of a tenant's rows and their digest, for each table; as the superuser."""
    found: dict[str, tuple[int, str]] = {}
    for service in SERVICES:
        for table in sorted({row["table"] for row in await admin.fetch(COLUMNS, service)}):
            rows: list[Any] = await admin.fetch(
                f"SELECT row_to_json(t)::text AS row FROM {service}.{table} t WHERE tenant_id = $1", tenant_id
            )
            digest = sha256("\n".join(sorted(row["row"] for row in rows)).encode()).hexdigest()
            found[f"{service}/{table}"] = (len(rows), digest)
    return found
