"""The people service on the wire: one method a call, each one run of a use case."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import Any
from uuid import UUID

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.people.convert import employees, organisation, tenants
from services.people.store import PeopleWork
from services.people.store.tenants import TenantStore
from services.people.usecases import calendar, careers, freezes, groups, principal, roles, staff_import
from services.people.usecases import employees as staff
from services.people.usecases import tenants as companies
from services.people.usecases.principal import INSTALLATION_ADMINISTRATOR, SignInRules
from services.people.usecases.staff_import import ImportEmployees
from services.runtime.database import Database, Runner
from services.runtime.identity import Principal

Call = Any  # grpc.aio.ServicerContext, whose type parameters say nothing here
NOWHERE = UUID(int=0)


class PeopleServicer(people_pb2_grpc.PeopleServiceServicer):
    """Answers every RPC of people."""

    def __init__(self, database: Database, runner: Runner[PeopleWork], sign_in: SignInRules) -> None:
        self._database = database
        self._runner = runner
        self._sign_in = sign_in

    async def ResolvePrincipal(
        self, request: people_pb2.ResolvePrincipalRequest, context: Call
    ) -> people_pb2.ResolvePrincipalResponse:
        """Answer who a sign-in is; administrators of the installation have no tenant to be looked up in."""
        if self._sign_in.administers_installation(tenants.resolve_principal(request)):
            return tenants.resolve_principal_reply(INSTALLATION_ADMINISTRATOR)
        return await self._runner.query(
            context,
            request,
            principal.resolve_principal,
            tenants.resolve_principal,
            tenants.resolve_principal_reply,
            prepare=self._find_tenant,
            tenant_of=lambda asked: asked.tenant_id or NOWHERE,
        )

    async def CreateTenant(
        self, request: people_pb2.CreateTenantRequest, context: Call
    ) -> people_pb2.CreateTenantResponse:
        return await self._runner.command(
            context,
            request,
            companies.create_tenant,
            tenants.create_tenant,
            tenants.create_tenant_reply,
            tenant_of=lambda command: command.tenant_id,
        )

    async def ListTenants(
        self, request: people_pb2.ListTenantsRequest, context: Call
    ) -> people_pb2.ListTenantsResponse:
        return await self._runner.query(
            context, request, companies.list_tenants, tenants.list_tenants, tenants.list_tenants_reply, system=True
        )

    async def GetTenant(self, request: people_pb2.GetTenantRequest, context: Call) -> people_pb2.GetTenantResponse:
        return await self._runner.query(
            context, request, companies.get_tenant, tenants.get_tenant, tenants.get_tenant_reply
        )

    async def LinkIdentity(
        self, request: people_pb2.LinkIdentityRequest, context: Call
    ) -> people_pb2.LinkIdentityResponse:
        return await self._runner.command(
            context, request, companies.link_identity, tenants.link_identity, tenants.link_identity_reply
        )

    async def ImportEmployees(
        self, request: people_pb2.ImportEmployeesRequest, context: Call
    ) -> people_pb2.ImportEmployeesResponse:
        return await self._runner.command(
            context,
            request,
            staff_import.import_employees,
            employees.import_employees,
            employees.import_employees_reply,
            prepare=_read_file,
        )

    async def ListEmployees(
        self, request: people_pb2.ListEmployeesRequest, context: Call
    ) -> people_pb2.ListEmployeesResponse:
        return await self._runner.query(
            context, request, staff.list_employees, employees.list_employees, employees.list_employees_reply
        )

    async def GetEmployee(
        self, request: people_pb2.GetEmployeeRequest, context: Call
    ) -> people_pb2.GetEmployeeResponse:
        return await self._runner.query(
            context, request, staff.get_employee, employees.get_employee, employees.get_employee_reply
        )

    async def BatchGetEmployees(
        self, request: people_pb2.BatchGetEmployeesRequest, context: Call
    ) -> people_pb2.BatchGetEmployeesResponse:
        return await self._runner.query(
            context,
            request,
            staff.batch_get_employees,
            employees.batch_get_employees,
            employees.batch_get_employees_reply,
        )

    async def DepartEmployee(
        self, request: people_pb2.DepartEmployeeRequest, context: Call
    ) -> people_pb2.DepartEmployeeResponse:
        return await self._runner.command(
            context, request, careers.depart_employee, employees.depart_employee, employees.depart_employee_reply
        )

    async def RehireEmployee(
        self, request: people_pb2.RehireEmployeeRequest, context: Call
    ) -> people_pb2.RehireEmployeeResponse:
        return await self._runner.command(
            context, request, careers.rehire_employee, employees.rehire_employee, employees.rehire_employee_reply
        )

    async def RecordAbsence(
        self, request: people_pb2.RecordAbsenceRequest, context: Call
    ) -> people_pb2.RecordAbsenceResponse:
        return await self._runner.command(
            context, request, careers.record_absence, employees.record_absence, employees.record_absence_reply
        )

    async def TransferEmployee(
        self, request: people_pb2.TransferEmployeeRequest, context: Call
    ) -> people_pb2.TransferEmployeeResponse:
        return await self._runner.command(
            context, request, careers.transfer_employee, employees.transfer_employee, employees.transfer_employee_reply
        )

    async def ListDepartments(
        self, request: people_pb2.ListDepartmentsRequest, context: Call
    ) -> people_pb2.ListDepartmentsResponse:
        return await self._runner.query(
            context, request, staff.list_departments, employees.list_departments, employees.list_departments_reply
        )

    async def CreateGroup(
        self, request: people_pb2.CreateGroupRequest, context: Call
    ) -> people_pb2.CreateGroupResponse:
        return await self._runner.command(
            context, request, groups.create_group, organisation.create_group, organisation.create_group_reply
        )

    async def ListGroups(self, request: people_pb2.ListGroupsRequest, context: Call) -> people_pb2.ListGroupsResponse:
        return await self._runner.query(
            context, request, groups.list_groups, organisation.list_groups, organisation.list_groups_reply
        )

    async def PreviewGroup(
        self, request: people_pb2.PreviewGroupRequest, context: Call
    ) -> people_pb2.PreviewGroupResponse:
        return await self._runner.query(
            context, request, groups.preview_group, organisation.preview_group, organisation.preview_group_reply
        )

    async def GrantRole(self, request: people_pb2.GrantRoleRequest, context: Call) -> people_pb2.GrantRoleResponse:
        return await self._runner.command(
            context, request, roles.grant_role, organisation.grant_role, organisation.grant_role_reply
        )

    async def RevokeRole(self, request: people_pb2.RevokeRoleRequest, context: Call) -> people_pb2.RevokeRoleResponse:
        return await self._runner.command(
            context, request, roles.revoke_role, organisation.revoke_role, organisation.revoke_role_reply
        )

    async def ListRoles(self, request: people_pb2.ListRolesRequest, context: Call) -> people_pb2.ListRolesResponse:
        return await self._runner.query(
            context, request, roles.list_roles, organisation.list_roles, organisation.list_roles_reply
        )

    async def ListCalendarDays(
        self, request: people_pb2.ListCalendarDaysRequest, context: Call
    ) -> people_pb2.ListCalendarDaysResponse:
        return await self._runner.query(
            context,
            request,
            calendar.list_calendar_days,
            organisation.list_calendar_days,
            organisation.list_calendar_days_reply,
        )

    async def SetCalendarDays(
        self, request: people_pb2.SetCalendarDaysRequest, context: Call
    ) -> people_pb2.SetCalendarDaysResponse:
        return await self._runner.command(
            context,
            request,
            calendar.set_calendar_days,
            organisation.set_calendar_days,
            organisation.set_calendar_days_reply,
        )

    async def ResolveReferences(
        self, request: people_pb2.ResolveReferencesRequest, context: Call
    ) -> people_pb2.ResolveReferencesResponse:
        return await self._runner.query(
            context, request, staff.resolve_references, employees.resolve_references, employees.resolve_references_reply
        )

    async def FreezePopulation(
        self, request: people_pb2.FreezePopulationRequest, context: Call
    ) -> people_pb2.FreezePopulationResponse:
        return await self._runner.perform(
            context,
            request,
            freezes.freeze_population,
            organisation.freeze_population,
            organisation.freeze_population_reply,
        )

    async def PageFrozenMembers(
        self, request: people_pb2.PageFrozenMembersRequest, context: Call
    ) -> people_pb2.PageFrozenMembersResponse:
        return await self._runner.query(
            context,
            request,
            freezes.page_frozen_members,
            organisation.page_frozen_members,
            organisation.page_frozen_members_reply,
        )

    async def _find_tenant(self, caller: Principal, asked: principal.ResolvePrincipal) -> principal.ResolvePrincipal:
        if asked.tenant_id is not None:
            return principal.in_named_tenant(asked, self._sign_in)
        async with self._database.system_transaction() as connection:
            known = TenantStore(connection, NOWHERE)

            async def all_tenants() -> Collection[UUID]:
                return [tenant.id for tenant in await known.page(None, 2)]

            return await principal.find_tenant(asked, self._sign_in, known.tenants_of, all_tenants)


async def _read_file(caller: Principal, command: ImportEmployees) -> ImportEmployees:
    return replace(command, file=await asyncio.to_thread(staff_import.read_file, command))
