"""Which tables of a schema hold rows of tenants, from the database's own catalog: a new table is never forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# A cascade or a partition would be told here, too: only ordinary and partitioned tables have rows of their own.
TABLES = text(
    "SELECT c.relname AS name,"
    " array(SELECT a.attname::text FROM pg_index i CROSS JOIN unnest(i.indkey::smallint[]) WITH ORDINALITY k (n, at)"
    " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n"
    " WHERE i.indrelid = c.oid AND i.indisprimary ORDER BY k.at) AS key,"
    " array(SELECT r.relname::text FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid"
    " WHERE f.conrelid = c.oid AND f.contype = 'f') AS refers_to"
    " FROM pg_class c WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p')"
    " AND NOT c.relispartition"
    " AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')"
)


@dataclass(frozen=True)
class TenantTable:
    """One table with rows of tenants: its key, and whether its rows refer to one another."""

    name: str
    key: tuple[str, ...]
    refers_to_itself: bool


async def tenant_tables(connection: AsyncConnection, schema: str) -> Sequence[TenantTable]:
    """Return the schema's tables with a tenant_id, each before those that it refers to. Raises graphlib.CycleError."""
    found = {row.name: row for row in await connection.execute(TABLES, {"schema": schema})}
    order = TopologicalSorter({name: set(row.refers_to) - {name} for name, row in sorted(found.items())})
    referred_first = [found[name] for name in order.static_order()]
    return [TenantTable(row.name, tuple(row.key), row.name in row.refers_to) for row in reversed(referred_first)]
