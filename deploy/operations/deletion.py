"""Deletes a tenant: all its rows, its workflows and schedules; a tombstone stays. It may be killed and repeated."""

from __future__ import annotations

import asyncio
import json
from uuid import UUID

from sqlalchemy import text

from deploy.names import SERVICES
from deploy.operations import engine
from deploy.operations.catalog import TenantTable, tenant_tables
from deploy.operations.reach import Installation, Refused
from deploy.operations.restored import Tell
from services.runtime.audit import root

# Who was signed in holds a token of 60 s, and their principal is remembered for 5 s.
GRACE_SECONDS = 70.0
CHUNK = 5_000
TOMBSTONE = "deleted_tenant"
KEPT = frozenset({("people", TOMBSTONE)})
NAME = text("SELECT name FROM tenant WHERE tenant_id = :tenant_id")
BEGUN = text("SELECT begin_time, finish_time FROM deleted_tenant WHERE tenant_id = :tenant_id")
BEGIN = text(
    "INSERT INTO deleted_tenant (tenant_id, audit_roots) VALUES (:tenant_id, CAST(:roots AS jsonb))"
    " ON CONFLICT DO NOTHING"
)
FINISH = text(
    "UPDATE deleted_tenant SET finish_time = clock_timestamp() WHERE tenant_id = :tenant_id AND finish_time IS NULL"
)
UNDER_WAY = text(
    "SELECT id, state FROM cycle WHERE tenant_id = :tenant_id"
    " AND state IN ('launching', 'running', 'paused', 'released') ORDER BY id"
)


async def delete_tenant(installation: Installation, tenant_id: UUID, name: str, grace: float, tell: Tell) -> None:
    """Delete everything of a tenant but its tombstone, people first so that nobody signs in any more. Raises Refused.

    Rows go before workflows, which the bridge would start again from them; then both are looked at once more.
    """
    client = await installation.engine()
    await engine.count_of(client, tenant_id)  # whoever is not let in there finds out before anything is deleted
    if not await _begin(installation, tenant_id, name):
        tell("begun before; going on")
    tell(f"people: {await _delete_rows(installation, 'people', tenant_id)} rows deleted")
    if grace:
        tell(f"waiting {grace:g} s for those who are signed in")
        await asyncio.sleep(grace)
    others = [service for service in SERVICES if service != "people"]
    for service in others:
        tell(f"{service}: {await _delete_rows(installation, service, tenant_id)} rows deleted")
    while True:
        tell(f"temporal: {await engine.delete_tenant(client, tenant_id)} workflows and schedules deleted")
        late = [await _delete_rows(installation, service, tenant_id) for service in SERVICES]
        if not any(late):
            break
        tell(f"{sum(late)} rows had been written meanwhile and are deleted")
    async with installation.transaction("people_owner", tenant_id) as connection:
        await connection.execute(FINISH, {"tenant_id": tenant_id})
    tell(f"tenant {tenant_id} is deleted; backups made until now still hold it")


async def _begin(installation: Installation, tenant_id: UUID, name: str) -> bool:
    """Check what has to hold and write the tombstone; false when an earlier deletion did."""
    async with installation.transaction("people_owner", tenant_id) as connection:
        known = await connection.scalar(NAME, {"tenant_id": tenant_id})
        begun = (await connection.execute(BEGUN, {"tenant_id": tenant_id})).one_or_none()
    if begun is not None:
        return False
    if known is None:
        raise Refused(f"there is no tenant {tenant_id}")
    if known != name:
        raise Refused(f"tenant {tenant_id} has another name than {name!r}")
    async with installation.transaction("reviews_owner", tenant_id) as connection:
        under_way = (await connection.execute(UNDER_WAY, {"tenant_id": tenant_id})).all()
    if under_way:
        cycles = ", ".join(f"{row.id} ({row.state})" for row in under_way)
        raise Refused(f"cycles are under way: {cycles}; cancel or close each first (./attune cycles cancel ID)")
    roots = {service: await _root(installation, service, tenant_id) for service in SERVICES}
    async with installation.transaction("people_owner", tenant_id) as connection:
        await connection.execute(BEGIN, {"tenant_id": tenant_id, "roots": json.dumps(roots)})
    return True


async def _root(installation: Installation, service: str, tenant_id: UUID) -> dict[str, object]:
    """The end of the audit chain, by which an export made before can be told to be whole."""
    async with installation.transaction(f"{service}_owner", tenant_id) as connection:
        sequence, digest = await root(connection, tenant_id)
    return {"sequence": sequence, "hash": digest.hex()}


async def _delete_rows(installation: Installation, service: str, tenant_id: UUID) -> int:
    async with installation.transaction(f"{service}_owner", tenant_id) as connection:
        tables = [each for each in await tenant_tables(connection, service) if (service, each.name) not in KEPT]
    return sum([await _empty(installation, service, tenant_id, table) for table in tables])


async def _empty(installation: Installation, service: str, tenant_id: UUID, table: TenantTable) -> int:
    """Delete a tenant's rows chunk by chunk; in one statement where they refer to one another."""
    own = f'FROM "{table.name}" WHERE tenant_id = :tenant_id'
    chunk = f" AND ctid = ANY (ARRAY(SELECT ctid {own} LIMIT {CHUNK}))"
    statement = text(f"DELETE {own}" + ("" if table.refers_to_itself else chunk))
    total = 0
    while True:
        async with installation.transaction(f"{service}_owner", tenant_id) as connection:
            deleted = (await connection.execute(statement, {"tenant_id": tenant_id})).rowcount
        total += deleted
        if deleted < CHUNK:
            return total
