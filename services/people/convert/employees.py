"""Employees, their careers, and the departments they are in."""

from collections.abc import Sequence
from uuid import UUID

from protos.people.v1 import people_pb2
from services.people.convert.fields import (
    from_date,
    from_key,
    from_uuid,
    to_date,
    to_key,
    to_optional_date,
    to_optional_uuid,
    to_page_size,
    to_uuid,
    to_uuids,
)
from services.people.domain.departments import Department
from services.people.domain.errors import Invalid
from services.people.domain.model import Employee, EmployeeFilter, ImportOutcome, Page
from services.people.usecases.careers import Depart, RecordAbsence, Rehire, Transfer
from services.people.usecases.employees import GetEmployee, ListDepartments, ListEmployees, References, Written
from services.people.usecases.staff_import import ImportEmployees

MAX_QUERY = 200
MAX_REASON = 2000


def import_employees(request: people_pb2.ImportEmployeesRequest) -> ImportEmployees:
    """The file and what to do with it."""
    workbook = request.format == people_pb2.FILE_FORMAT_XLSX
    if not workbook and request.format != people_pb2.FILE_FORMAT_CSV:
        raise Invalid("CSV or XLSX", field="format")
    return ImportEmployees(request.content, workbook, request.dry_run)


def import_employees_reply(outcome: ImportOutcome) -> people_pb2.ImportEmployeesResponse:
    """The report, with its reasons in the company's language."""
    return people_pb2.ImportEmployeesResponse(
        total=outcome.total,
        created=outcome.created,
        updated=outcome.updated,
        unchanged=outcome.unchanged,
        rejected=outcome.refused,
        errors=[
            people_pb2.RowError(
                line=problem.line,
                column=problem.column,
                code=problem.code,
                message=problem.reason(outcome.language),
            )
            for problem in outcome.problems
        ],
    )


def list_employees(request: people_pb2.ListEmployeesRequest) -> ListEmployees:
    """Which employees, and which page of them."""
    if len(request.query) > MAX_QUERY:
        raise Invalid(f"at most {MAX_QUERY} characters", field="query")
    wanted = EmployeeFilter(
        department_id=to_optional_uuid(request.department_id, "department_id"),
        manager_id=to_optional_uuid(request.manager_id, "manager_id"),
        query=request.query,
        include_left=request.include_left,
    )
    return ListEmployees(wanted, to_key(request.page_token), to_page_size(request.page_size))


def list_employees_reply(page: Page[Employee]) -> people_pb2.ListEmployeesResponse:
    """A page of employees."""
    token = from_key(page.items[-1].code, more=True) if page.more else ""
    return people_pb2.ListEmployeesResponse(employees=[employee(item) for item in page.items], next_page_token=token)


def get_employee(request: people_pb2.GetEmployeeRequest) -> GetEmployee:
    """Whom, as of when."""
    if bool(request.employee_id) == bool(request.code):
        raise Invalid("either an id or a code", field="employee_id")
    employee_id = to_optional_uuid(request.employee_id, "employee_id")
    return GetEmployee(employee_id, request.code, to_optional_date(request.on, "on"))


def get_employee_reply(found: Employee) -> people_pb2.GetEmployeeResponse:
    """The employee."""
    return people_pb2.GetEmployeeResponse(employee=employee(found))


def batch_get_employees(request: people_pb2.BatchGetEmployeesRequest) -> tuple[UUID, ...]:
    """Whom."""
    return to_uuids(request.employee_ids, "employee_ids")


def batch_get_employees_reply(found: Sequence[Employee]) -> people_pb2.BatchGetEmployeesResponse:
    """Those that exist."""
    return people_pb2.BatchGetEmployeesResponse(employees=[employee(item) for item in found])


def depart_employee(request: people_pb2.DepartEmployeeRequest) -> Depart:
    """Who leaves when."""
    employee_id = to_uuid(request.employee_id, "employee_id")
    return Depart(employee_id, to_date(request.left_on, "left_on"), _reason(request.reason))


def depart_employee_reply(found: Employee) -> people_pb2.DepartEmployeeResponse:
    """The employee."""
    return people_pb2.DepartEmployeeResponse(employee=employee(found))


def rehire_employee(request: people_pb2.RehireEmployeeRequest) -> Rehire:
    """Who is back, from when, where."""
    return Rehire(
        employee_id=to_uuid(request.employee_id, "employee_id"),
        hired_on=to_date(request.hired_on, "hired_on"),
        department_id=to_optional_uuid(request.department_id, "department_id"),
        manager_id=to_optional_uuid(request.manager_id, "manager_id"),
    )


def rehire_employee_reply(found: Employee) -> people_pb2.RehireEmployeeResponse:
    """The employee."""
    return people_pb2.RehireEmployeeResponse(employee=employee(found))


def record_absence(request: people_pb2.RecordAbsenceRequest) -> RecordAbsence:
    """Who is away when."""
    return RecordAbsence(
        employee_id=to_uuid(request.employee_id, "employee_id"),
        from_on=to_date(getattr(request, "from"), "from"),
        to_on=to_date(request.to, "to"),
        reason=_reason(request.reason),
    )


def record_absence_reply(_: None) -> people_pb2.RecordAbsenceResponse:
    """Done."""
    return people_pb2.RecordAbsenceResponse()


def transfer_employee(request: people_pb2.TransferEmployeeRequest) -> Transfer:
    """Who moves where from when."""
    return Transfer(
        employee_id=to_uuid(request.employee_id, "employee_id"),
        effective_on=to_date(request.effective_on, "effective_on"),
        department_id=to_optional_uuid(request.department_id, "department_id"),
        manager_id=to_optional_uuid(request.manager_id, "manager_id"),
        post=request.post,
        level=request.level,
        reason=_reason(request.reason),
    )


def transfer_employee_reply(found: Employee) -> people_pb2.TransferEmployeeResponse:
    """The employee as of the first day."""
    return people_pb2.TransferEmployeeResponse(employee=employee(found))


def list_departments(request: people_pb2.ListDepartmentsRequest) -> ListDepartments:
    """Which page."""
    return ListDepartments(to_key(request.page_token), to_page_size(request.page_size))


def list_departments_reply(page: Page[Department]) -> people_pb2.ListDepartmentsResponse:
    """A page of the tree."""
    token = from_key(page.items[-1].path_names, more=True) if page.more else ""
    departments = [
        people_pb2.Department(
            id=str(item.id),
            code=item.code,
            name=item.name,
            parent_id=from_uuid(item.parent_id),
            path=item.path_names,
            path_ids=[str(step) for step in item.path],
        )
        for item in page.items
    ]
    return people_pb2.ListDepartmentsResponse(departments=departments, next_page_token=token)


def resolve_references(request: people_pb2.ResolveReferencesRequest) -> Written:
    """Names as written."""
    return Written(list(request.employees), list(request.departments), list(request.groups))


def resolve_references_reply(found: References) -> people_pb2.ResolveReferencesResponse:
    """Ids by what was written."""
    return people_pb2.ResolveReferencesResponse(
        employees={text: str(value) for text, value in found.employees.items()},
        departments={text: str(value) for text, value in found.departments.items()},
        groups={text: str(value) for text, value in found.groups.items()},
    )


def employee(found: Employee) -> people_pb2.Employee:
    """An employee; address, number and attributes only where the caller may see them."""
    place = found.assignment
    message = people_pb2.Employee(
        id=str(found.id),
        code=found.code,
        name=found.name,
        department_id=from_uuid(place.department_id),
        department_path=found.department_names,
        manager_id=from_uuid(place.manager_id),
        post=place.post,
        level=place.level,
        hired_on=from_date(found.hired_on),
        left_on=from_date(found.left_on),
        language=found.language,
        etag=str(found.version),
    )
    if found.contact_visible:
        message.email = found.email
        message.mobile = found.mobile
        message.attributes.update(found.attributes)
    return message


def _reason(text: str) -> str:
    if len(text) > MAX_REASON:
        raise Invalid(f"at most {MAX_REASON} characters", field="reason")
    return text
