"""Which day it is for a tenant."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from services.people.domain.errors import TenantNotFound
from services.people.domain.model import Tenant
from services.people.usecases.needs import HasTenants


async def own_tenant(work: HasTenants) -> Tenant:
    """The tenant of the caller; raises TenantNotFound."""
    tenant = await work.tenants.get()
    if tenant is None:
        raise TenantNotFound("there is no such company")
    return tenant


def day_in(tenant: Tenant, instant: datetime) -> date:
    """The calendar day of an instant in the tenant's zone."""
    return instant.astimezone(ZoneInfo(tenant.zone)).date()


async def today(work: HasTenants) -> date:
    """The present day in the tenant's zone, by the database's clock."""
    return day_in(await own_tenant(work), await work.now())
