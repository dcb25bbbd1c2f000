"""Fixtures of the tests of notify: a tenant, and a database in which nothing waits to be sent."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.runtime.database import Database


@pytest.fixture
def tenant_id() -> UUID:
    return uuid4()


@pytest.fixture
async def database(service_database: Callable[[str], Database]) -> Database:
    """The service's pools; what other tests have left in the queue, which all tenants share, is sent no more."""
    database = service_database("notify")
    async with database.system_transaction() as connection:
        await connection.execute(text("UPDATE delivery SET state = 'void' WHERE state IN ('pending', 'sending')"))
    return database
