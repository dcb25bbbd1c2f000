"""What people does as time passes: forgets populations that nothing refers to, and tells who has left."""

from uuid import UUID

from services.people.domain.model import Tenant
from services.people.store import PeopleWork
from services.people.store.freezes import tenants_with_expired
from services.people.store.tenants import TenantStore
from services.people.usecases.departures import tell_of_departures
from services.people.usecases.freezes import forget_expired
from services.runtime.background import repeat
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal

NO_TENANT = UUID(int=0)
TENANTS = 500  # read at a time


class Sweeper:
    """Looks again and again what time has made due; several may run."""

    def __init__(self, database: Database, *, every_seconds: float = 600.0) -> None:
        self._database = database
        self._every = every_seconds

    async def run(self) -> None:
        """Sweep for ever; an outage of the database is waited out."""
        await repeat(self._round, named="sweeping", every_seconds=self._every)

    async def _round(self) -> None:
        await self.sweep()
        await self.tell_of_departures()

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

    async def tell_of_departures(self) -> int:
        """Tell of everybody whose last day has passed in their tenant's zone; return of how many."""
        told, after = 0, None
        while tenants := await self._tenants(after):
            for tenant in tenants:
                told += await self._tell_of(tenant.id)
            after = tenants[-1].id
        return told

    async def _tenants(self, after: UUID | None) -> list[Tenant]:
        async with self._database.system_transaction() as connection:
            return await TenantStore(connection, NO_TENANT).page(after, TENANTS)

    async def _tell_of(self, tenant_id: UUID) -> int:
        origin, told = Origin(Principal(tenant_id, "service", "people"), tenant_id), 0
        while True:
            async with self._database.transaction(tenant_id) as connection:
                count = await tell_of_departures(PeopleWork(connection, origin))
            told += count
            if not count:
                return told
