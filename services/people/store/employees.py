"""Employees of one tenant as of a day, and the changes of one person."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.domain.group_rules import Rule
from services.people.domain.model import Absence, Assignment, Employee, EmployeeFilter
from services.people.store.group_sql import RuleSql
from services.people.store.staff_sql import EMPLOYED_ON, STAFF_ON, with_staff

_SELECT = "{head} SELECT s.*, {contact} AS contact_visible FROM staff s WHERE {condition} ORDER BY s.code LIMIT :limit"
_COUNT = "{head} SELECT count(*) FROM staff s WHERE {condition}"
_INSERT = text("""
INSERT INTO employee (tenant_id, id, code, name, email, mobile, language, hired_on, left_on, on_staff)
VALUES (:tenant_id, :id, :code, :name, :email, :mobile, :language, :hired_on, :left_on, :on_staff)
""")
_INSERT_ASSIGNMENT = text("""
INSERT INTO assignment (tenant_id, employee_id, valid_from, valid_to, department_id, manager_id, dotted_manager_ids,
                        post, level)
VALUES (:tenant_id, :employee_id, :valid_from, :valid_to, :department_id, :manager_id,
        CAST(:dotted_manager_ids AS uuid[]), :post, :level)
ON CONFLICT (tenant_id, employee_id, valid_from) DO UPDATE SET department_id = excluded.department_id,
    manager_id = excluded.manager_id, post = excluded.post, level = excluded.level
""")
_END_ASSIGNMENT = text("""
UPDATE assignment SET valid_to = :day WHERE tenant_id = :tenant_id AND employee_id = :employee_id
    AND valid_from < :day AND (valid_to IS NULL OR :day < valid_to)
""")
_EMPLOYMENT = text("""
UPDATE employee SET hired_on = :hired_on, left_on = :left_on, version = version + 1,
    left_told = CASE WHEN CAST(:left_on AS date) < CAST(:day AS date) THEN CAST(:left_on AS date) END
WHERE tenant_id = :tenant_id AND id = :employee_id RETURNING version
""")
_BUMP = text("""
UPDATE employee SET version = version + 1 WHERE tenant_id = :tenant_id AND id = :employee_id RETURNING version
""")
_LOCK = text("SELECT id FROM employee WHERE tenant_id = :tenant_id AND id = :employee_id FOR UPDATE")
_ABSENCE = text("""
INSERT INTO absence (tenant_id, id, employee_id, from_on, to_on)
VALUES (:tenant_id, :id, :employee_id, :from_on, :to_on)
""")
# UNION, not UNION ALL: ends also where the line should run in a circle.
_MANAGERS_ABOVE = text("""
WITH RECURSIVE above AS (
    SELECT CAST(:manager_id AS uuid) AS id
    UNION
    SELECT a.manager_id FROM above b JOIN assignment a ON a.tenant_id = :tenant_id AND a.employee_id = b.id
        AND a.valid_from <= :day AND (a.valid_to IS NULL OR :day < a.valid_to)
    WHERE a.manager_id IS NOT NULL
)
SELECT id FROM above
""")
_DAYS_OF_CHANGE = text(
    "SELECT DISTINCT valid_from FROM assignment WHERE tenant_id = :tenant_id AND valid_from > :after"
    " AND (CAST(:before AS date) IS NULL OR valid_from < :before) ORDER BY valid_from"
)
_BY_CODE = text("SELECT code, id FROM employee WHERE tenant_id = :tenant_id AND code = ANY (CAST(:written AS text[]))")
_BY_ID = text("SELECT id FROM employee WHERE tenant_id = :tenant_id AND id = ANY (CAST(:written AS uuid[]))")
_BY_SUBJECT = text("""
SELECT id FROM employee WHERE tenant_id = :tenant_id AND (code = :subject OR email_key = lower(:subject))
ORDER BY code = :subject DESC LIMIT 1
""")
_DIRECT_REPORTS = text(f"""
SELECT count(*) FROM assignment a JOIN employee e ON e.tenant_id = a.tenant_id AND e.id = a.employee_id
WHERE a.tenant_id = :tenant_id AND a.manager_id = :employee_id AND {EMPLOYED_ON}
    AND a.valid_from <= :day AND (a.valid_to IS NULL OR :day < a.valid_to)
""")  # noqa: S608 - constants of this package
_ON_STAFF = STAFF_ON.replace("e.", "s.")
_PUT_ON_STAFF = text(
    "UPDATE employee SET on_staff = true WHERE tenant_id = :tenant_id AND id = :employee_id AND NOT on_staff"
)


class EmployeeStore:
    """Employees and their assignments."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, employee_id: UUID, day: date, contact: Rule) -> Employee | None:
        """One employee as of a day; `contact` says whose contact details are shown."""
        found = await self._select("s.id = :id", {"id": employee_id}, day, contact, 1)
        return found[0] if found else None

    async def get_by_code(self, code: str, day: date, contact: Rule) -> Employee | None:
        """One employee by code."""
        found = await self._select("s.code = :code", {"code": code}, day, contact, 1)
        return found[0] if found else None

    async def batch(self, employee_ids: Collection[UUID], day: date, contact: Rule) -> list[Employee]:
        """Those of the ids that exist, by code."""
        condition = "s.id = ANY (CAST(:ids AS uuid[]))"
        return await self._select(condition, {"ids": list(employee_ids)}, day, contact, len(employee_ids))

    async def page(self, wanted: EmployeeFilter, day: date, contact: Rule, after: str, limit: int) -> list[Employee]:
        """Employees by code, after the code of the page before."""
        conditions = ["s.code > :after"]
        values: dict[str, object] = {"after": after}
        if not wanted.include_left:
            conditions.append("(s.left_on IS NULL OR CAST(:day AS date) <= s.left_on)")
        if wanted.department_id is not None:
            conditions.append("CAST(:department_id AS uuid) = ANY (s.department_path)")
            values["department_id"] = wanted.department_id
        if wanted.manager_id is not None:
            conditions.append("s.manager_id = CAST(:manager_id AS uuid)")
            values["manager_id"] = wanted.manager_id
        if wanted.query:
            conditions.append("(strpos(lower(s.code), lower(:query)) > 0 OR strpos(lower(s.name), lower(:query)) > 0)")
            values["query"] = wanted.query
        return await self._select(" AND ".join(conditions), values, day, contact, limit)

    async def matching(self, rule: Rule, within: Rule, day: date, contact: Rule, limit: int) -> list[Employee]:
        """The first employees of the day whom both rules match."""
        sql = RuleSql()
        condition = f"{_ON_STAFF} AND {sql.predicate(rule)} AND {sql.predicate(within)}"
        return await self._select(condition, sql.parameters, day, contact, limit)

    async def count(self, rule: Rule, within: Rule, day: date) -> int:
        """How many employees of the day both rules match."""
        sql = RuleSql()
        condition = f"{_ON_STAFF} AND {sql.predicate(rule)} AND {sql.predicate(within)}"
        statement = _COUNT.format(head=with_staff(reports=sql.counts_reports), condition=condition)
        parameters = {"tenant_id": self._tenant_id, "day": day, **sql.parameters}
        found: int = (await self._connection.execute(text(statement), parameters)).scalar_one()
        return found

    async def direct_reports(self, employee_id: UUID, day: date) -> int:
        """How many employed people report to somebody on a day."""
        key = {"tenant_id": self._tenant_id, "employee_id": employee_id, "day": day}
        found: int = (await self._connection.execute(_DIRECT_REPORTS, key)).scalar_one()
        return found

    async def lock(self, employee_id: UUID) -> bool:
        """Hold the employee's row until the transaction ends; false when there is none."""
        key = {"tenant_id": self._tenant_id, "employee_id": employee_id}
        return (await self._connection.execute(_LOCK, key)).one_or_none() is not None

    async def add(self, employee: Employee) -> None:
        """Insert an employee with the first assignment."""
        row = {
            "tenant_id": self._tenant_id,
            "id": employee.id,
            "code": employee.code,
            "name": employee.name,
            "email": employee.email or None,
            "mobile": employee.mobile,
            "language": employee.language,
            "hired_on": employee.hired_on,
            "left_on": employee.left_on,
            "on_staff": employee.on_staff,
        }
        await self._connection.execute(_INSERT, row)
        await self._insert_assignment(employee.id, employee.assignment)

    async def assign(self, employee_id: UUID, assignment: Assignment) -> int:
        """Begin a new assignment, ending the one in force on its first day; return the employee's new version."""
        key = {"tenant_id": self._tenant_id, "employee_id": employee_id}
        await self._connection.execute(_END_ASSIGNMENT, {**key, "day": assignment.valid_from})
        await self._insert_assignment(employee_id, assignment)
        found: int = (await self._connection.execute(_BUMP, key)).scalar_one()
        return found

    async def set_employment(self, employee_id: UUID, hired_on: date | None, left_on: date | None, day: date) -> int:
        """Record when somebody was hired and leaves, as is told on `day`; return the new version."""
        key = {"tenant_id": self._tenant_id, "employee_id": employee_id}
        days = {"hired_on": hired_on, "left_on": left_on, "day": day}
        found: int = (await self._connection.execute(_EMPLOYMENT, {**key, **days})).scalar_one()
        return found

    async def add_absence(self, absence: Absence) -> int:
        """Record an absence; return the employee's new version."""
        key = {"tenant_id": self._tenant_id, "employee_id": absence.employee_id}
        row = {**key, "id": absence.id, "from_on": absence.from_on, "to_on": absence.to_on}
        await self._connection.execute(_ABSENCE, row)
        found: int = (await self._connection.execute(_BUMP, key)).scalar_one()
        return found

    async def days_of_change(self, after: date, before: date | None) -> list[date]:
        """Days on which assignments of anybody begin, between two days and neither of them."""
        span = {"tenant_id": self._tenant_id, "after": after, "before": before}
        return list((await self._connection.execute(_DAYS_OF_CHANGE, span)).scalars())

    async def managers_above(self, manager_id: UUID, day: date) -> set[UUID]:
        """The manager and everyone above on that day."""
        key = {"tenant_id": self._tenant_id, "manager_id": manager_id, "day": day}
        return set((await self._connection.execute(_MANAGERS_ABOVE, key)).scalars())

    async def by_subject(self, subject: str) -> UUID | None:
        """The employee with this code, else with this address."""
        key = {"tenant_id": self._tenant_id, "subject": subject}
        found: UUID | None = (await self._connection.execute(_BY_SUBJECT, key)).scalar_one_or_none()
        return found

    async def resolve(self, codes: Collection[str], ids: Collection[UUID]) -> dict[str, UUID]:
        """Ids of the employees that exist, by the code or id that was written."""
        by_code = await self._connection.execute(_BY_CODE, {"tenant_id": self._tenant_id, "written": list(codes)})
        found: dict[str, UUID] = {row.code: row.id for row in by_code}
        by_id = await self._connection.execute(_BY_ID, {"tenant_id": self._tenant_id, "written": list(ids)})
        return {str(found_id): found_id for found_id in by_id.scalars()} | found

    async def _insert_assignment(self, employee_id: UUID, assignment: Assignment) -> None:
        row = {
            "tenant_id": self._tenant_id,
            "employee_id": employee_id,
            "valid_from": assignment.valid_from,
            "valid_to": assignment.valid_to,
            "department_id": assignment.department_id,
            "manager_id": assignment.manager_id,
            "dotted_manager_ids": list(assignment.dotted_manager_ids),
            "post": assignment.post,
            "level": assignment.level,
        }
        await self._connection.execute(_INSERT_ASSIGNMENT, row)
        if assignment.manager_id is not None:
            manager = {"tenant_id": self._tenant_id, "employee_id": assignment.manager_id}
            await self._connection.execute(_PUT_ON_STAFF, manager)

    async def _select(
        self, condition: str, values: dict[str, Any], day: date, contact: Rule, limit: int
    ) -> list[Employee]:
        sql = RuleSql("contact")
        visible = sql.predicate(contact)
        head = with_staff(reports="reports r" in condition or sql.counts_reports)
        statement = _SELECT.format(head=head, contact=visible, condition=condition)
        parameters = {"tenant_id": self._tenant_id, "day": day, "limit": limit, **values, **sql.parameters}
        return [_employee(row) for row in await self._connection.execute(text(statement), parameters)]


def _employee(row: Row[Any]) -> Employee:
    assignment = Assignment(
        valid_from=row.valid_from,
        valid_to=row.valid_to,
        department_id=row.department_id,
        manager_id=row.manager_id,
        dotted_manager_ids=tuple(row.dotted_manager_ids),
        post=row.post,
        level=row.level,
    )
    return Employee(
        id=row.id,
        code=row.code,
        name=row.name,
        email=row.email or "",
        mobile=row.mobile,
        language=row.language,
        hired_on=row.hired_on,
        left_on=row.left_on,
        attributes=row.attributes,
        version=row.version,
        assignment=assignment,
        department_path=tuple(row.department_path),
        department_names=row.department_names,
        contact_visible=row.contact_visible,
        on_staff=row.on_staff,
    )
