"""What happens to one employee: leaving, coming back, moving, being away."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol
from uuid import UUID

from services.people.domain.errors import (
    AlreadyDeparted,
    DatesOutOfOrder,
    DepartmentNotFound,
    EmployeeNotFound,
    Invalid,
    ManagementLoop,
    NotAllowed,
    NotDeparted,
)
from services.people.domain.group_rules import EVERYONE, matches
from services.people.domain.model import Absence, Assignment, Employee
from services.people.domain.staff_file import LIMITS, CellRefused, parse_level
from services.people.usecases.days import today
from services.people.usecases.employees import reach_of
from services.people.usecases.needs import HasDepartments, HasDepartures, HasEmployees, HasStaff
from services.people.usecases.principal import facts_of
from services.runtime.clock import new_id


class NeedsCareers(HasEmployees, HasDepartures, HasDepartments, HasStaff, Protocol):
    """A transaction that changes where somebody stands."""


@dataclass(frozen=True, slots=True)
class Depart:
    """Somebody's last day of work."""

    employee_id: UUID
    left_on: date
    reason: str


@dataclass(frozen=True, slots=True)
class Rehire:
    """Somebody is back; what is not named stays as it was."""

    employee_id: UUID
    hired_on: date
    department_id: UUID | None
    manager_id: UUID | None


@dataclass(frozen=True, slots=True)
class Transfer:
    """A new place from a day on; what is not named stays as it is."""

    employee_id: UUID
    effective_on: date
    department_id: UUID | None
    manager_id: UUID | None
    post: str
    level: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecordAbsence:
    """Days away, both included."""

    employee_id: UUID
    from_on: date
    to_on: date
    reason: str


async def depart_employee(work: NeedsCareers, command: Depart) -> Employee:
    """Record the last day; it may be corrected until it has passed."""
    employee, day = await _changeable(work, command.employee_id, command.left_on)
    if employee.left_on is not None and employee.left_on < day:
        raise AlreadyDeparted("this employee has left")
    if employee.hired_on is not None and command.left_on < employee.hired_on:
        raise DatesOutOfOrder("the last day lies before the first", field="left_on")
    version = await work.employees.set_employment(employee.id, employee.hired_on, command.left_on, day)
    manager_id = await work.departures.manager_left(employee.id, command.left_on, max(command.left_on, day))
    payload = {"employee_id": str(employee.id), "left_on": command.left_on.isoformat(), "manager_id": _text(manager_id)}
    await work.emit("people.employee_departed", "employee", employee.id, version, payload)
    detail = {"left_on": command.left_on.isoformat()}
    await work.audit("employee.depart", "employee", employee.id, detail=detail, note=command.reason)
    return replace(employee, left_on=command.left_on, version=version)


async def rehire_employee(work: NeedsCareers, command: Rehire) -> Employee:
    """Somebody who has left is employed again, under the same id and code."""
    await work.staff.lock()
    employee, day = await _changeable(work, command.employee_id, command.hired_on)
    if employee.left_on is None or employee.left_on >= day:
        raise NotDeparted("this employee has not left; a last day that has not passed can be corrected")
    if command.hired_on <= employee.left_on:
        raise DatesOutOfOrder("the first day does not follow the last", field="hired_on")
    place = _moved(employee, command.hired_on, command.department_id, command.manager_id)
    await _check_place(work, employee, place)
    await work.employees.assign(employee.id, place)
    version = await work.employees.set_employment(employee.id, command.hired_on, None, day)
    payload = {"employee_id": str(employee.id), "hired_on": command.hired_on.isoformat()}
    await work.emit("people.employee_rehired", "employee", employee.id, version, payload)
    detail = {"hired_on": command.hired_on.isoformat(), "former_left_on": employee.left_on.isoformat()}
    await work.audit("employee.rehire", "employee", employee.id, detail=detail)
    return await _as_of(work, employee.id, command.hired_on)


async def transfer_employee(work: NeedsCareers, command: Transfer) -> Employee:
    """Begin a new assignment; assignments planned for later stay."""
    await work.staff.lock()
    employee, _ = await _changeable(work, command.employee_id, command.effective_on)
    if not employee.employed_on(command.effective_on):
        raise DatesOutOfOrder("the employee does not work here on that day", field="effective_on")
    place = _moved(employee, command.effective_on, command.department_id, command.manager_id)
    place = replace(place, post=_post(command.post) or place.post, level=_level(command.level) or place.level)
    await _check_place(work, employee, place)
    version = await work.employees.assign(employee.id, place)
    before = employee.assignment
    payload = {
        "employee_id": str(employee.id),
        "effective_on": command.effective_on.isoformat(),
        "from_department_id": _text(before.department_id),
        "department_id": _text(place.department_id),
        "from_manager_id": _text(before.manager_id),
        "manager_id": _text(place.manager_id),
        "post_changed": before.post != place.post,
        "level_changed": before.level != place.level,
    }
    await work.emit("people.employee_transferred", "employee", employee.id, version, payload)
    await work.audit("employee.transfer", "employee", employee.id, detail=payload, note=command.reason)
    return await _as_of(work, employee.id, command.effective_on)


async def record_absence(work: NeedsCareers, command: RecordAbsence) -> None:
    """Record days away."""
    if command.to_on < command.from_on:
        raise Invalid("the absence ends before it begins", field="to")
    employee, _ = await _changeable(work, command.employee_id, command.from_on)
    version = await work.employees.add_absence(Absence(new_id(), employee.id, command.from_on, command.to_on))
    payload = {
        "employee_id": str(employee.id),
        "from": command.from_on.isoformat(),
        "to": command.to_on.isoformat(),
    }
    await work.emit("people.employee_absent", "employee", employee.id, version, payload)
    await work.audit("employee.absence", "employee", employee.id, detail=payload, note=command.reason)


async def _changeable(work: NeedsCareers, employee_id: UUID, day: date) -> tuple[Employee, date]:
    """The locked employee as of `day`, and today; the caller must reach where the employee stands today."""
    if not await work.employees.lock(employee_id):
        raise EmployeeNotFound("there is no such employee", field="employee_id")
    present = await today(work)
    standing = await _as_of(work, employee_id, present)
    scope = await reach_of(work, "employee.change")
    reports = await work.employees.direct_reports(employee_id, present)
    if not matches(scope, facts_of(standing, reports), present):
        raise NotAllowed("this employee is outside of your scope")
    return await _as_of(work, employee_id, day), present


async def _as_of(work: NeedsCareers, employee_id: UUID, day: date) -> Employee:
    found = await work.employees.get(employee_id, day, EVERYONE)
    if found is None:
        raise EmployeeNotFound("there is no such employee", field="employee_id")
    return found


def _moved(employee: Employee, day: date, department_id: UUID | None, manager_id: UUID | None) -> Assignment:
    before = employee.assignment
    return replace(
        before,
        valid_from=day,
        department_id=department_id or before.department_id,
        manager_id=manager_id or before.manager_id,
    )


async def _check_place(work: NeedsCareers, employee: Employee, place: Assignment) -> None:
    if place.department_id and not await work.departments.exists(place.department_id):
        raise DepartmentNotFound("there is no such department", field="department_id")
    if place.manager_id is None or place.manager_id == employee.assignment.manager_id:
        return
    manager = await work.employees.get(place.manager_id, place.valid_from, EVERYONE)
    if manager is None:
        raise EmployeeNotFound("there is no such manager", field="manager_id")
    if not manager.employed_on(place.valid_from):
        raise AlreadyDeparted("the manager does not work here on that day", field="manager_id")
    # What is planned for later may close the circle only then.
    later = await work.employees.days_of_change(place.valid_from, place.valid_to)
    for day in (place.valid_from, *later):
        if employee.id in await work.employees.managers_above(place.manager_id, day):
            message = f"from {day.isoformat()} on the reporting line would lead back to this employee"
            raise ManagementLoop(message, field="manager_id")


def _post(text: str) -> str:
    if len(text) > LIMITS["post"] or not text.isprintable():
        raise Invalid(f"at most {LIMITS['post']} characters", field="post")
    return text.strip()


def _level(text: str) -> str:
    try:
        return parse_level(text) if text and len(text) <= LIMITS["level"] else text[: LIMITS["level"]]
    except CellRefused:
        raise Invalid("not a level such as P7 or M3-2", field="level") from None


def _text(value: UUID | None) -> str:
    return str(value) if value else ""
