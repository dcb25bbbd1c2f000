"""Fixtures of the runtime's tests: a schema that holds nothing but the runtime's own tables."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database, Origin, Work, runtime_tables_ddl
from services.runtime.identity import Principal
from tests.postgres import DatabaseUrls, PostgresServer, open_database, urls_of

SERVICE = "reviews"


@pytest.fixture(scope="module")
def urls(postgres: PostgresServer) -> DatabaseUrls:
    """The three roles of one service on a database with the runtime's tables and one table of things."""
    name = postgres.create_database()
    postgres.execute(name, ";\n".join(runtime_tables_ddl(SERVICE)), role=f"{SERVICE}_owner")
    return urls_of(postgres, SERVICE, name)


@pytest.fixture(scope="module")
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    """The pools of the service on that database."""
    opened = open_database(SERVICE, urls)
    yield opened
    await opened.dispose()


def work_in(connection: AsyncConnection, tenant_id: UUID) -> Work:
    """A unit of work of the worker on the connection."""
    return Work(connection, Origin(Principal(tenant_id, "service", "worker"), tenant_id))


async def beyond_the_horizon(database: Database, table: str) -> None:
    """Wait until no transaction of the whole server, other tests' included, can precede what is in the table."""
    behind = text(f"SELECT count(*) FROM {table} WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())")
    async with asyncio.timeout(20):
        while True:
            async with database.system_transaction() as connection:
                if not await connection.scalar(behind):
                    return
            await asyncio.sleep(0.02)
