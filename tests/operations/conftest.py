"""An installation without processes for tests of rows alone: one database with the schemas of all services."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.client import Client

from deploy.jobs.engine import EngineJobSettings
from deploy.names import SERVICES
from deploy.operations.reach import Installation
from tests.operations.tenants import fill
from tests.postgres import PostgresServer, migrate, urls_of
from tests.temporal import temporal_client, temporal_server

__all__ = ["temporal_client", "temporal_server"]


@pytest.fixture(scope="module")
def whole_database(postgres: PostgresServer) -> str:
    """The name of a database with every service's tables."""
    name = postgres.create_database()
    for service in SERVICES:
        migrate(service, urls_of(postgres, service, name).owner)
    return name


@pytest.fixture(scope="module")
def installation(postgres: PostgresServer, whole_database: str, temporal_client: Client) -> Installation:
    """The database and the engine, as an operator's command finds them by variables."""
    roles = [f"{service}_{kind}" for service in SERVICES for kind in ("owner", "system")]
    urls = {role: postgres.url(role, whole_database) for role in roles}
    address = temporal_client.service_client.config.target_host
    temporal = EngineJobSettings(temporal_address=address, temporal_namespace=temporal_client.namespace)
    return Installation(urls, temporal)


@pytest.fixture
async def admin(postgres: PostgresServer, whole_database: str) -> AsyncIterator[asyncpg.Connection]:
    """The superuser, who sees through row-level security."""
    connection = await asyncpg.connect(host=postgres.host, user="postgres", database=whole_database)
    yield connection
    await connection.close()


@pytest.fixture
async def two_tenants(admin: asyncpg.Connection) -> tuple[UUID, UUID]:
    """Two tenants with rows in every table; the first one has no cycle under way."""
    tenants = uuid4(), uuid4()
    for tenant_id in tenants:
        await fill(admin, tenant_id)
        await admin.execute("DELETE FROM people.deleted_tenant")
        await admin.execute("UPDATE people.tenant SET name = 'company' WHERE tenant_id = $1", tenant_id)
        await admin.execute("UPDATE reviews.cycle SET state = 'closed' WHERE tenant_id = $1", tenant_id)
    return tenants
