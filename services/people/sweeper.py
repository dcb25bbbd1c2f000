"""Forgets frozen populations that nothing refers to any more."""

import asyncio

from services.people.store import PeopleWork
from services.people.store.freezes import tenants_with_expired
from services.people.usecases.freezes import forget_expired
from services.runtime import telemetry
from services.runtime.database import Database, Origin
from services.runtime.errors import status_of
from services.runtime.identity import Principal


class Sweeper:
    """Looks again and again for populations that were frozen only to check a cycle; several may run."""

    def __init__(self, database: Database, *, every_seconds: float = 600.0) -> None:
        self._database = database
        self._every = every_seconds

    async def run(self) -> None:
        """Sweep for ever; an outage of the database is waited out."""
        while True:
            try:
                await self.sweep()
            except Exception as error:
                telemetry.log.warning("sweeping failed", reason=status_of(error).reason, exc_info=error)
            await asyncio.sleep(self._every)

    async def sweep(self) -> int:
        """Forget what has expired, a population a transaction; return how many."""
        async with self._database.system_transaction() as connection:
            tenants = await tenants_with_expired(connection)
        forgotten = 0
        for tenant_id in tenants:
            origin = Origin(Principal(tenant_id, "service", "people"), tenant_id)
            while True:
                async with self._database.transaction(tenant_id) as connection:
                    if not await forget_expired(PeopleWork(connection, origin)):
                        break
                forgotten += 1
        return forgotten
