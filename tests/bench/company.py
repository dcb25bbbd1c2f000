"""A company of any size, put into the tables of people at once, and the template that it is judged by."""

from typing import Any
from uuid import UUID

import asyncpg

from tests.bench.standing import Standing, Tenant

TEAM = 10  # direct reports of every manager
UNIT = 100  # people of a department
PERIOD = {"kind": "quarter", "start": "2026-07-01", "end": "2026-09-30"}
ROOT_UNIT = "00000000-0000-7000-8001-000000000000"
STAFF = f"""
INSERT INTO people.department (tenant_id, id, name, path, path_names)
VALUES ($1, '{ROOT_UNIT}', 'Bench', ARRAY['{ROOT_UNIT}'::uuid], 'Bench');
"""
UNITS = f"""
INSERT INTO people.department (tenant_id, id, name, path, path_names)
SELECT $1, u.id, 'Unit ' || n, ARRAY['{ROOT_UNIT}'::uuid, u.id], 'Bench/Unit ' || n
FROM generate_series(1, ($2::int + {UNIT} - 1) / {UNIT}) AS n,
    LATERAL (SELECT ('00000000-0000-7000-8001-' || lpad(to_hex(n), 12, '0'))::uuid AS id) AS u
"""
PEOPLE = """
INSERT INTO people.employee (tenant_id, id, code, name, hired_on)
SELECT $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'B' || lpad(n::text, 6, '0'),
    'Person ' || n, '2020-01-01' FROM generate_series(1, $2::int) AS n
"""
# A tree: person n reports to person (n - 2) / TEAM + 1; the first is the root.
POSTS = f"""
INSERT INTO people.assignment (tenant_id, employee_id, valid_from, department_id, manager_id, post, level)
SELECT $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, '2020-01-01',
    ('00000000-0000-7000-8001-' || lpad(to_hex((n - 1) / {UNIT} + 1), 12, '0'))::uuid,
    CASE WHEN n > 1 THEN ('00000000-0000-7000-8000-' || lpad(to_hex((n - 2) / {TEAM} + 1), 12, '0'))::uuid END,
    'post ' || n % 7, 'P' || n % 5 FROM generate_series(1, $2::int) AS n
"""
TEMPLATE = """
name: Bench
sections:
  - key: work
    name: Work
    weight: 100
    indicators:
      - {key: results, name: Results, kind: qualitative, weight: 60, scale: &scale {points: [
          {value: 1, label: "1"}, {value: 2, label: "2"}, {value: 3, label: "3"}, {value: 4, label: "4"}]}}
      - {key: conduct, name: Conduct, kind: qualitative, weight: 40, scale: *scale}
raters: {self: 0, manager: 100}
grades:
  - {grade: A, from: 75, coefficient: 1.2}
  - {grade: B, from: 50, coefficient: 1.0}
  - {grade: C, from: 0, coefficient: 0.8}
guideline: {mode: inform, quotas: {A: 30, B: 50, C: 20}, minimum: 10}
calibration: {facilitator: owner}
release: automatic
process:
  - {key: open, kind: open, name: Open, length: 1 hours, early_close: true}
  - {key: self_review, kind: self_review, name: Self review, after: [open], length: 30 days}
  - {key: manager_review, kind: manager_review, name: Manager review, after: [self_review], length: 30 days}
  - {key: calibration, kind: calibration, name: Calibration, after: [manager_review], length: 30 days}
  - {key: release, kind: release, name: Release, after: [calibration], length: 1 days}
"""


def person_id(number: int) -> UUID:
    """The id of person `number`, from 1; the same in every company."""
    return UUID(f"00000000-0000-7000-8000-{number:012x}")


def code(number: int) -> str:
    """The code of person `number`."""
    return f"B{number:06}"


async def company_of(standing: Standing, people: int) -> Tenant:
    """A company of so many people in a tree of ten to a manager, with the template published."""
    tenant = await standing.tenant(f"Bench {people}")
    async with standing.admin() as admin:
        await hire(admin, tenant.id, people)
    await tenant.api.post("/templates", {"source": TEMPLATE, "publish": True})
    return tenant


async def hire(admin: asyncpg.Connection, tenant_id: str, people: int) -> None:
    """Put so many people on the staff."""
    await admin.execute(STAFF, UUID(tenant_id))
    for statement in (UNITS, PEOPLE, POSTS):
        await admin.execute(statement, UUID(tenant_id), people)
    await admin.execute("ANALYZE people.department, people.employee, people.assignment")


async def new_cycle(tenant: Tenant, name: str) -> str:
    """Create a cycle of everybody; its id."""
    body: dict[str, Any] = {
        "name": name,
        "period": PERIOD,
        "template": "Bench",
        "population": {"everyone": True},
    }
    return str((await tenant.api.post("/cycles", body))["id"])


async def launch(tenant: Tenant, cycle_id: str) -> None:
    """The API call that launches a cycle, whatever its warnings."""
    body = {"on_person_findings": "exclude", "warnings_reason": "bench"}
    await tenant.api.post(f"/cycles/{cycle_id}:launch", body)
