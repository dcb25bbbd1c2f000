"""Fixtures of the runtime's tests: a schema that holds nothing but the runtime's own tables."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.database import Database, Origin, Work, log_offset_ddl, runtime_tables_ddl
from services.runtime.identity import Principal
from tests.postgres import DatabaseUrls, PostgresServer, open_database, urls_of
from tests.waiting import until

SERVICE = "reviews"


def make_runtime_tables(postgres: PostgresServer, database: str, service: str) -> None:
    """Make the runtime's tables as a service's migrations do."""
    statements = (*runtime_tables_ddl(service), *log_offset_ddl(service))
    postgres.execute(database, ";\n".join(statements), role=f"{service}_owner")


@pytest.fixture(scope="module")
def urls(postgres: PostgresServer) -> DatabaseUrls:
    """The three roles of one service on a database with the runtime's tables and one table of things."""
    name = postgres.create_database()
    make_runtime_tables(postgres, name, SERVICE)
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
    offset = "(SELECT log_offset FROM event_epoch)" if table == "event" else "0"
    horizon = f"pg_snapshot_xmin(pg_current_snapshot())::text::bigint + {offset}"
    behind = text(f"SELECT count(*) FROM {table} WHERE xid::text::bigint >= {horizon}")

    async def reached() -> bool:  # a transaction may last thirty seconds
        async with database.system_transaction() as connection:
            return not await connection.scalar(behind)

    await until(reached, what="the horizon passed what is in the table")
