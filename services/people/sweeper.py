"""What people does as time passes: forgets populations that nothing refers to, and tells who has left."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.store import PeopleWork
from services.people.store.freezes import tenants_with_expired
from services.people.store.tenants import TenantStore
from services.people.usecases.departures import tell_of_departures
from services.people.usecases.freezes import forget_expired
from services.runtime.background import for_each_tenant, repeat
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal

NO_TENANT = UUID(int=0)
TENANTS = 500  # read at a time
SWEEPING, TELLING = "sweeping", "telling of departures"


class Sweeper:
    """Looks again and again what time has made due; several may run."""

    def __init__(self, database: Database, *, every_seconds: float = 600.0) -> None:
        self._database = database
        self._every = every_seconds

    @property
    def loops(self) -> Sequence[Callable[[], Coroutine[Any, Any, None]]]:
        """Work for ever, each of its own: what holds one up does not hold up the other."""
        return self._keep_sweeping, self._keep_telling

    async def _keep_sweeping(self) -> None:
        await repeat(self.sweep, named=SWEEPING, every_seconds=self._every)

    async def _keep_telling(self) -> None:
        await repeat(self.tell_of_departures, named=TELLING, every_seconds=self._every)

    async def sweep(self) -> int:
        """Forget what has expired, a population a transaction; return how many."""
        async with self._database.system_transaction() as connection:
            tenants = await tenants_with_expired(connection)
        return await for_each_tenant(tenants, self._sweep, named=SWEEPING)

    async def _sweep(self, tenant_id: UUID) -> int:
        forgotten = 0
        while True:
            async with self._database.transaction(tenant_id) as connection:
                if not await forget_expired(_work(connection, tenant_id)):
                    return forgotten
            forgotten += 1

    async def tell_of_departures(self) -> int:
        """Tell of everybody whose last day has passed in their tenant's zone; return of how many.

        Of very many at once those who are left wait for the next look.
        """
        told, after = 0, None
        while tenants := await self._tenants(after):
            told += await for_each_tenant(tenants, self._tell_of, named=TELLING)
            after = tenants[-1]
        return told

    async def _tenants(self, after: UUID | None) -> list[UUID]:
        async with self._database.system_transaction() as connection:
            return [each.id for each in await TenantStore(connection, NO_TENANT).page(after, TENANTS)]

    async def _tell_of(self, tenant_id: UUID) -> int:
        async with self._database.transaction(tenant_id) as connection:
            return await tell_of_departures(_work(connection, tenant_id))


def _work(connection: AsyncConnection, tenant_id: UUID) -> PeopleWork:
    return PeopleWork(connection, Origin(Principal(tenant_id, "service", "people"), tenant_id))
