"""Tenant isolation, roles and transactions, on a real PostgreSQL in the service's own roles."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.runtime.database import Database, Origin, Work
from services.runtime.database.engine import UnsafeRoleError
from services.runtime.identity import Principal
from tests.postgres import DatabaseUrls, PostgresServer, open_database
from tests.runtime.conftest import SERVICE

COUNT = text("SELECT count(*) FROM event")


async def emit_one(database: Database, tenant_id: UUID) -> None:
    async with database.transaction(tenant_id) as connection:
        work = Work(connection, Origin(Principal(tenant_id, "service", "worker"), tenant_id))
        await work.emit("reviews.thing_made", "thing", uuid4(), 1, {})


async def test_a_tenant_sees_its_own_rows_and_no_others(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    await emit_one(database, ours)
    async with database.transaction(ours) as connection:
        assert (await connection.execute(COUNT)).scalar_one() == 1
    async with database.transaction(theirs) as connection:
        assert (await connection.execute(COUNT)).scalar_one() == 0
    async with database.raw_transaction(theirs) as driver:
        assert await driver.fetchval("SELECT count(*) FROM event") == 0
