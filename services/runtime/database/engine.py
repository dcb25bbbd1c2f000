"""Engines for the app and system roles, and transactions that are bound to one tenant from their first statement."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from services.runtime import telemetry
from services.runtime.settings import ServiceSettings

TRANSACTION_SECONDS = 30.0
POOL_WAIT_SECONDS = 5.0
CONNECT_SECONDS = 5.0
SET_TENANT = text("SELECT set_config('attune.tenant', :tenant, true)")
UNSAFE_ROLE = text(
    "SELECT rolname, rolsuper, rolbypassrls,"
    " EXISTS (SELECT FROM pg_class WHERE relkind IN ('r', 'p') AND pg_has_role(current_user, relowner, 'MEMBER'))"
    " AS owner"
    " FROM pg_roles WHERE rolname = current_user"
)


class UnsafeRoleError(RuntimeError):
    """The role could get round row-level security; the service must not start with it."""


class Database:
    """The two pools of a service: app (bound to a tenant) and system (a closed list of tables, all tenants)."""

    def __init__(
        self, service: str, app_url: str, system_url: str, *, pool_size: int = 12, system_pool_size: int = 4
    ) -> None:
        self.service = service
        self.app = _engine(service, app_url, pool_size)
        self.system = _engine(service, system_url, system_pool_size)

    @classmethod
    def of(cls, settings: ServiceSettings) -> "Database":
        """Return the database that the settings name."""
        return cls(
            settings.service,
            settings.database_url,
            settings.system_database_url,
            pool_size=settings.pool_size,
            system_pool_size=settings.system_pool_size,
        )

    @asynccontextmanager
    async def transaction(
        self, tenant_id: UUID, *, seconds: float | None = TRANSACTION_SECONDS
    ) -> AsyncIterator[AsyncConnection]:
        """Run one transaction of the app role that sees this tenant's rows only; raises TimeoutError after 30 s."""
        async with asyncio.timeout(seconds), self.app.begin() as connection:
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    @asynccontextmanager
    async def system_transaction(
        self, *, seconds: float | None = TRANSACTION_SECONDS
    ) -> AsyncIterator[AsyncConnection]:
        """Run one transaction of the system role, which sees the system tables of all tenants and nothing else."""
        async with asyncio.timeout(seconds), self.system.begin() as connection:
            yield connection

    @asynccontextmanager
    async def raw_transaction(
        self, tenant_id: UUID, *, shared_lock: int | None = None
    ) -> AsyncIterator[asyncpg.Connection]:
        """Run one transaction on the driver's connection: BEGIN, tenant and a shared advisory lock in one trip.

        For the few hot paths. JSON arguments are text on this connection. The statement after the lock takes a new
        snapshot, so what it reads was committed before the lock was given.
        """
        opening = f"BEGIN; SELECT set_config('attune.tenant', '{UUID(str(tenant_id))}', true)"
        if shared_lock is not None:
            opening += f"; SELECT pg_advisory_xact_lock_shared({int(shared_lock)})"
        async with asyncio.timeout(TRANSACTION_SECONDS), self.app.connect() as connection:
            borrowed = await connection.get_raw_connection()
            driver = cast(asyncpg.Connection, borrowed.driver_connection)
            try:
                with telemetry.trace_driver(driver):
                    await driver.execute(opening)
                    yield driver
                    await driver.execute("COMMIT")
            except asyncpg.InternalClientError as error:  # the server has ended the session unasked
                await connection.invalidate()
                raise ConnectionError("the database has ended the session") from error
            except BaseException as error:
                await _abandon(connection, driver, error)
                raise

    async def verify_role(self) -> None:
        """Raise UnsafeRoleError when a role is superuser, may bypass row-level security, or owns a table."""
        for engine in (self.app, self.system):
            async with engine.connect() as connection:
                role = (await connection.execute(UNSAFE_ROLE)).one()
            if role.rolsuper or role.rolbypassrls or role.owner:
                raise UnsafeRoleError(f"role {role.rolname} is superuser, bypasses row-level security or owns a table")

    async def dispose(self) -> None:
        """Close all connections."""
        await self.app.dispose()
        await self.system.dispose()


async def _abandon(connection: AsyncConnection, driver: asyncpg.Connection, error: BaseException) -> None:
    if isinstance(error, Exception) and not driver.is_closed():
        await driver.execute("ROLLBACK")
    else:  # cancelled in the middle of a statement: the connection's state is not known
        await connection.invalidate()


def _engine(service: str, url: str, pool_size: int) -> AsyncEngine:
    arguments: dict[str, Any] = {
        "server_settings": {"search_path": service, "application_name": f"attune-{service}"},
        "timeout": CONNECT_SECONDS,
    }
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_recycle=1800,
        hide_parameters=True,  # what people write must not reach a log
        connect_args=arguments,
    )
    telemetry.trace_sql(engine.sync_engine)
    return engine
