"""How an operator's command reaches the databases and the engine of an installation."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from temporalio.client import Client

from deploy.jobs.engine import EngineJobSettings, connect
from deploy.names import SERVICES

SET_TENANT = text("SELECT set_config('attune.tenant', :tenant, true)")
# The system role's limits are for its short transactions; a limit that the server does not know (before 17) is none.
UNLIMITED = text(
    "SELECT set_config(name, '0', true) FROM pg_settings WHERE name IN ('statement_timeout', 'transaction_timeout')"
)
KINDS = {"system": "SYSTEM_DATABASE_URL", "owner": "OWNER_DATABASE_URL"}
LONGEST_POLL_SECONDS = 65.0  # a worker asks Temporal for work, is answered within a minute, and asks again
DEFAULT_TEMPORAL, DEFAULT_NAMESPACE = "127.0.0.1:7233", "default"


class Refused(Exception):
    """The command may not or cannot do it; the message says what to do."""


@dataclass(frozen=True)
class Installation:
    """The URLs of roles, `reviews_owner` and so on, and where Temporal answers."""

    urls: Mapping[str, str]
    temporal: EngineJobSettings
    connect_seconds: float = 60.0
    quiet_seconds: float = LONGEST_POLL_SECONDS  # nobody has asked for work for so long: no worker runs

    @asynccontextmanager
    async def transaction(self, role: str, tenant_id: UUID | None = None) -> AsyncIterator[AsyncConnection]:
        """Run one transaction as a role, for as long as it takes; as a tenant, where one is given."""
        async with self._begun(role, self._engine(role)) as connection:
            await connection.execute(UNLIMITED)
            if tenant_id is not None:
                await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    @asynccontextmanager
    async def reading(self, role: str, tenant_id: UUID, snapshot: str | None) -> AsyncIterator[AsyncConnection]:
        """Read as a tenant what stood at one instant: that of an exported snapshot, where one is given."""
        engine = self._engine(role).execution_options(isolation_level="REPEATABLE READ")
        async with self._begun(role, engine) as connection:
            if snapshot is not None:
                await connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{snapshot}'")
            await connection.execute(SET_TENANT, {"tenant": str(tenant_id)})
            yield connection

    async def engine(self) -> Client:
        """Connect to Temporal. Raises Refused when it does not answer."""
        try:
            return await connect(self.temporal)
        except RuntimeError as error:
            how = "with TLS" if self.temporal.temporal_tls else "without TLS (TEMPORAL_TLS is not set)"
            where = f"Temporal at {self.temporal.temporal_address}"
            raise Refused(f"{where} does not answer {how}: {error}") from error

    def _engine(self, role: str) -> AsyncEngine:
        settings = {"search_path": role.partition("_")[0], "application_name": "attune-operations"}
        told = {"server_settings": settings, "timeout": self.connect_seconds}
        return create_async_engine(self.urls[role], poolclass=NullPool, connect_args=told, hide_parameters=True)

    @asynccontextmanager
    async def _begun(self, role: str, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Connect and begin. Raises Refused when the database does not answer."""
        try:
            async with AsyncExitStack() as stack:
                try:
                    connection = await stack.enter_async_context(engine.connect())
                except TimeoutError as error:
                    waited = f"within {self.connect_seconds:.0f} s"
                    raise Refused(f"the database does not answer {role} {waited}") from error
                async with connection.begin():
                    yield connection
        finally:
            await engine.dispose()


def find_installation() -> Installation:
    """Return the installation that the variables of the migrations name. Raises Refused when one is missing.

    ATTUNE_<SERVICE>_OWNER_DATABASE_URL and _SYSTEM_DATABASE_URL of every service, and what the processes are told of
    Temporal: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS and its files, TEMPORAL_API_KEY.
    """
    urls = {
        f"{service}_{kind}": os.environ.get(f"ATTUNE_{service.upper()}_{variable}", "")
        for service in SERVICES
        for kind, variable in KINDS.items()
    }
    if missing := sorted(role for role, url in urls.items() if not url):
        raise Refused(f"no database URL for {', '.join(missing)}")
    address = os.environ.get("TEMPORAL_ADDRESS") or DEFAULT_TEMPORAL
    namespace = os.environ.get("TEMPORAL_NAMESPACE") or DEFAULT_NAMESPACE
    try:
        return Installation(urls, EngineJobSettings(temporal_address=address, temporal_namespace=namespace))
    except ValidationError as error:
        raise Refused(str(error)) from error
