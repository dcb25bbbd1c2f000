"""Tenants, employees, departments, groups, roles and the calendar."""

from typing import Annotated

from fastapi import APIRouter, Query, Response, UploadFile

from protos.people.v1 import people_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, PageSize, PageToken
from services.gateway.routes.uploads import sheet
from services.gateway.schemas import people as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["people"])


@router.get("/me", response_model=schemas.Me)
async def me(call: Caller) -> schemas.Me:
    """Who I am and which roles I hold."""
    return schemas.Me.of(call.caller.principal, call.caller.language)


@router.post("/tenants", status_code=201, response_model=view(pb.Tenant))
async def create_tenant(body: schemas.CreateTenant, call: Caller) -> Response:
    """Create a company with its first HR administrator; installation administrators only."""
    request = wire.from_json(pb.CreateTenantRequest, plain(body), request_id=call.request_id)
    reply = await call.send(call.services.people.CreateTenant, request)
    return call.answer(reply.tenant, 201)


@router.get("/tenants", response_model=page_of(pb.Tenant))
async def list_tenants(call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = "") -> Response:
    """List companies; installation administrators only."""
    request = call.ask_page(pb.ListTenantsRequest(), page_size, page_token)
    return call.page(await call.send(call.services.people.ListTenants, request), "tenants", request)


@router.get("/edition", response_model=view(pb.Tenant))
async def get_tenant(call: Caller) -> Response:
    """My company: zone, country, language, edition."""
    return call.answer((await call.send(call.services.people.GetTenant, pb.GetTenantRequest())).tenant)


@router.post("/employees:import", response_model=view(pb.ImportEmployeesResponse))
async def import_employees(file: UploadFile, call: Caller, dry_run: bool = False) -> Response:
    """Load a CSV or XLSX file; good rows load, bad rows are reported with line, column and reason."""
    content, kind = await sheet(file)
    request = pb.ImportEmployeesRequest(request_id=call.request_id, content=content, dry_run=dry_run)
    request.format = pb.FILE_FORMAT_XLSX if kind == "xlsx" else pb.FILE_FORMAT_CSV
    return call.answer(await call.send(call.services.people.ImportEmployees, request, bulk=True))


@router.get("/employees", response_model=page_of(pb.Employee))
async def list_employees(
    call: Caller,
    department_id: str = "",
    manager_id: str = "",
    query: Annotated[str, Query(max_length=200)] = "",
    include_left: bool = False,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """List employees that I may see."""
    found = pb.ListEmployeesRequest(
        department_id=department_id, manager_id=manager_id, query=query, include_left=include_left
    )
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.people.ListEmployees, request), "employees", request)


@router.get("/employees/{employee_id}", response_model=view(pb.Employee))
async def get_employee(employee_id: Id, call: Caller, on: str = "") -> Response:
    """One employee, as of a date."""
    request = pb.GetEmployeeRequest(employee_id=str(employee_id), on=on)
    return call.answer((await call.send(call.services.people.GetEmployee, request)).employee)


@router.post("/employees/{employee_id}:depart", response_model=view(pb.Employee))
async def depart_employee(employee_id: Id, body: schemas.Depart, call: Caller) -> Response:
    """Record that an employee leaves; what they owe goes to their manager."""
    request = wire.from_json(
        pb.DepartEmployeeRequest, plain(body), request_id=call.request_id, employee_id=str(employee_id)
    )
    return call.answer((await call.send(call.services.people.DepartEmployee, request)).employee)


@router.post("/employees/{employee_id}:rehire", response_model=view(pb.Employee))
async def rehire_employee(employee_id: Id, body: schemas.Rehire, call: Caller) -> Response:
    """Record that a former employee is back."""
    request = wire.from_json(
        pb.RehireEmployeeRequest, plain(body), request_id=call.request_id, employee_id=str(employee_id)
    )
    return call.answer((await call.send(call.services.people.RehireEmployee, request)).employee)


@router.post("/employees/{employee_id}:absence", response_model=view(pb.RecordAbsenceResponse))
async def record_absence(employee_id: Id, body: schemas.Absence, call: Caller) -> Response:
    """Record a leave, both days included."""
    request = wire.from_json(
        pb.RecordAbsenceRequest, plain(body), request_id=call.request_id, employee_id=str(employee_id)
    )
    return call.answer(await call.send(call.services.people.RecordAbsence, request))


@router.post("/employees/{employee_id}:transfer", response_model=view(pb.Employee))
async def transfer_employee(employee_id: Id, body: schemas.Transfer, call: Caller) -> Response:
    """Change department, manager, post or level from a date on."""
    request = wire.from_json(
        pb.TransferEmployeeRequest, plain(body), request_id=call.request_id, employee_id=str(employee_id)
    )
    return call.answer((await call.send(call.services.people.TransferEmployee, request)).employee)


@router.get("/departments", response_model=page_of(pb.Department))
async def list_departments(call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = "") -> Response:
    """List the department tree, parents first."""
    request = call.ask_page(pb.ListDepartmentsRequest(), page_size, page_token)
    return call.page(await call.send(call.services.people.ListDepartments, request), "departments", request)


@router.post("/groups", status_code=201, response_model=view(pb.Group))
async def create_group(body: schemas.CreateGroup, call: Caller) -> Response:
    """Store a dynamic group: a named rule over attributes."""
    request = wire.from_json(pb.CreateGroupRequest, plain(body), request_id=call.request_id)
    return call.answer((await call.send(call.services.people.CreateGroup, request)).group, 201)


@router.get("/groups", response_model=page_of(pb.Group))
async def list_groups(call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = "") -> Response:
    """List dynamic groups."""
    request = call.ask_page(pb.ListGroupsRequest(), page_size, page_token)
    return call.page(await call.send(call.services.people.ListGroups, request), "groups", request)


@router.post("/groups:preview", response_model=view(pb.PreviewGroupResponse))
async def preview_group(body: schemas.PreviewGroup, call: Caller) -> Response:
    """Evaluate a rule on a date: how many it matches, with a sample."""
    request = wire.from_json(pb.PreviewGroupRequest, plain(body))
    return call.answer(await call.send(call.services.people.PreviewGroup, request))


@router.get("/roles", response_model=page_of(pb.Grant))
async def list_roles(
    call: Caller, role: str = "", employee_id: str = "", page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """List granted roles."""
    request = call.ask_page(pb.ListRolesRequest(role=role, employee_id=employee_id), page_size, page_token)
    return call.page(await call.send(call.services.people.ListRoles, request), "grants", request)


@router.post("/roles", status_code=201, response_model=view(pb.Grant))
async def grant_role(body: schemas.GrantRole, call: Caller) -> Response:
    """Grant a role with a scope."""
    request = wire.from_json(pb.GrantRoleRequest, plain(body), request_id=call.request_id)
    return call.answer((await call.send(call.services.people.GrantRole, request)).grant, 201)


@router.delete("/roles/{grant_id}", status_code=204)
async def revoke_role(grant_id: Id, call: Caller) -> Response:
    """Revoke a granted role."""
    request = pb.RevokeRoleRequest(request_id=call.request_id, grant_id=str(grant_id))
    await call.send(call.services.people.RevokeRole, request)
    return Response(status_code=204)


@router.get("/calendar", response_model=view(pb.ListCalendarDaysResponse))
async def list_calendar(call: Caller, start: str, end: str) -> Response:
    """The calendar of a span of at most 800 days: national default plus HR's overrides."""
    request = wire.from_json(pb.ListCalendarDaysRequest, {"from": start, "to": end})
    return call.answer(await call.send(call.services.people.ListCalendarDays, request))


@router.put("/calendar", response_model=view(pb.SetCalendarDaysResponse))
async def set_calendar(body: schemas.SetCalendar, call: Caller) -> Response:
    """Override days of the calendar."""
    request = wire.from_json(pb.SetCalendarDaysRequest, plain(body), request_id=call.request_id)
    return call.answer(await call.send(call.services.people.SetCalendarDays, request))
