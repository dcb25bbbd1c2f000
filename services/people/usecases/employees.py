"""Reading employees and departments, and turning what users write into ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol
from uuid import UUID

from services.people.domain.departments import Department
from services.people.domain.errors import EmployeeNotFound, Invalid
from services.people.domain.group_rules import Rule, uuid_or_none
from services.people.domain.model import Employee, EmployeeFilter, Page
from services.people.policy import group_scopes, reach
from services.people.usecases.days import today
from services.people.usecases.needs import HasDepartments, HasEmployees, Transaction

MAX_BATCH = 5000


class NeedsReferences(HasEmployees, HasDepartments, Protocol):
    """A transaction that looks up names."""


class NeedsDepartments(Transaction, HasDepartments, Protocol):
    """A transaction that reads the department tree."""


@dataclass(frozen=True, slots=True)
class GetEmployee:
    """One employee by id or code, as of a day (today when none is named)."""

    employee_id: UUID | None
    code: str
    on: date | None


@dataclass(frozen=True, slots=True)
class ListEmployees:
    """A page of employees by code."""

    wanted: EmployeeFilter
    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class ListDepartments:
    """A page of departments by path."""

    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class References:
    """Names as users write them, and their ids: what is unknown is absent from the maps."""

    employees: Mapping[str, UUID]
    departments: Mapping[str, UUID]
    groups: Mapping[str, UUID]


@dataclass(frozen=True, slots=True)
class Written:
    """Names as users write them."""

    employees: Sequence[str]
    departments: Sequence[str]
    groups: Sequence[str]


async def reach_of(work: HasEmployees, action: str) -> Rule:
    """Over whom the caller may do it, with the rules of group scopes looked up."""
    return reach(work.principal, action, await work.groups.rules(group_scopes(work.principal)))


async def get_employee(work: HasEmployees, asked: GetEmployee) -> Employee:
    """One employee; contact details only as far as the caller may see them."""
    day = asked.on or await today(work)
    contact = await reach_of(work, "employee.read_contact")
    if asked.employee_id is not None:
        found = await work.employees.get(asked.employee_id, day, contact)
    else:
        found = await work.employees.get_by_code(asked.code, day, contact)
    if found is None:
        raise EmployeeNotFound("there is no such employee")
    return found


async def list_employees(work: HasEmployees, asked: ListEmployees) -> Page[Employee]:
    """A page of employees as of today."""
    contact = await reach_of(work, "employee.read_contact")
    found = await work.employees.page(asked.wanted, await today(work), contact, asked.after, asked.limit + 1)
    return Page.cut(found, asked.limit)


async def batch_get_employees(work: HasEmployees, employee_ids: Sequence[UUID]) -> list[Employee]:
    """Those of the ids that exist."""
    if len(employee_ids) > MAX_BATCH:
        raise Invalid(f"at most {MAX_BATCH} ids", field="employee_ids")
    if not employee_ids:
        return []
    contact = await reach_of(work, "employee.read_contact")
    return await work.employees.batch(employee_ids, await today(work), contact)


async def list_departments(work: NeedsDepartments, asked: ListDepartments) -> Page[Department]:
    """A page of the tree, parents before what is below them."""
    return Page.cut(await work.departments.page(asked.after, asked.limit + 1), asked.limit)


async def resolve_references(work: NeedsReferences, written: Written) -> References:
    """Ids of employees (code or id), departments (A/B/C, code or id) and groups (name or id)."""
    if len(written.employees) + len(written.departments) + len(written.groups) > 4 * MAX_BATCH:
        raise Invalid(f"at most {4 * MAX_BATCH} names", field="employees")
    return References(
        employees=await resolve_employees(work, written.employees),
        departments=await work.departments.resolve(written.departments),
        groups=await work.groups.resolve(written.groups),
    )


async def resolve_employees(work: HasEmployees, written: Sequence[str]) -> dict[str, UUID]:
    """Ids of employees by what was written."""
    if not written:
        return {}
    ids = {text: found for text in written if (found := uuid_or_none(text)) is not None}
    known = await work.employees.resolve(written, list(ids.values()))
    named = {text: known.get(text) or known.get(str(ids.get(text))) for text in written}
    return {text: employee_id for text, employee_id in named.items() if employee_id is not None}
