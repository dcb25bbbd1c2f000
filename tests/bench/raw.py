"""Raw SQL over identical rows: what a service has written is copied aside and written again for another tenant."""

import time
from collections.abc import Mapping, Sequence
from uuid import UUID, uuid4

import asyncpg

Rows = Mapping[str, str]  # table → condition on the rows that belong to the work; $1 is the tenant, $2 the cycle


async def copy_aside(admin: asyncpg.Connection, rows: Rows, tenant_id: str, cycle_id: str) -> UUID:
    """Keep the rows as `aside_<n>` with another tenant's id, which is returned; not timed."""
    other = uuid4()
    for number, (table, condition) in enumerate(rows.items()):
        keys = condition.replace("$1", f"'{tenant_id}'").replace("$2", f"'{cycle_id}'")
        await admin.execute(f"DROP TABLE IF EXISTS aside_{number}")
        await admin.execute(f"CREATE UNLOGGED TABLE aside_{number} AS SELECT * FROM {table} WHERE {keys}")
        await admin.execute(f"UPDATE aside_{number} SET tenant_id = '{other}'")
        await admin.execute(f"VACUUM (ANALYZE) aside_{number}")
    return other


async def write_again(admin: asyncpg.Connection, tables: Sequence[str]) -> float:
    """Insert all rows that were copied aside in one transaction, without row-level security; seconds."""
    await admin.execute("CHECKPOINT")
    begun = time.perf_counter()
    async with admin.transaction():
        for number, table in enumerate(tables):
            await admin.execute(f"INSERT INTO {table} SELECT * FROM aside_{number}")
    return time.perf_counter() - begun


async def forget(admin: asyncpg.Connection, tables: Sequence[str], tenant: UUID) -> None:
    """Delete the copies, so that tables do not grow from run to run more than the work itself makes them."""
    for number, table in enumerate(tables):
        await admin.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant)
        await admin.execute(f"DROP TABLE IF EXISTS aside_{number}")
