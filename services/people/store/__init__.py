"""Where people keeps what it knows: one store a topic, bound to the connection of a unit of work."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.store.calendar import CalendarStore
from services.people.store.departments import DepartmentStore
from services.people.store.departures import DepartureStore
from services.people.store.employees import EmployeeStore
from services.people.store.freezes import FreezeStore
from services.people.store.grants import GrantStore
from services.people.store.groups import GroupStore
from services.people.store.staff_import import StaffImportStore
from services.people.store.tenants import TenantStore
from services.runtime.database import Origin, Work


class PeopleWork(Work):
    """One transaction with every store of people."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        super().__init__(connection, origin)
        self.tenants = TenantStore(connection, origin.tenant_id)
        self.employees = EmployeeStore(connection, origin.tenant_id)
        self.departures = DepartureStore(connection, origin.tenant_id)
        self.departments = DepartmentStore(connection, origin.tenant_id)
        self.groups = GroupStore(connection, origin.tenant_id)
        self.grants = GrantStore(connection, origin.tenant_id)
        self.calendar = CalendarStore(connection, origin.tenant_id)
        self.freezes = FreezeStore(connection, origin.tenant_id)
        self.staff = StaffImportStore(connection, origin.tenant_id)
