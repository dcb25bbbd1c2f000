"""Making participants and raters of a page of frozen members: one temporary table, then INSERT … SELECT."""

from collections.abc import Sequence
from operator import attrgetter
from typing import cast
from uuid import UUID

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.bulk import Enrolling, Member

COLUMNS = (
    "employee_id", "code", "post", "level", "department_path", "department_name", "department_head_id",
    "manager_chain", "group_ids", "hired_on",
)  # fmt: skip
RESULTS = ("form_id", "state", "findings")
PAGE = text(
    """
    CREATE TEMPORARY TABLE page (employee_id uuid, code text, post text, level text, department_path uuid[],
        department_name text, department_head_id uuid, manager_chain uuid[], group_ids uuid[], hired_on date,
        form_id uuid, state text, findings text[]) ON COMMIT DROP
    """
)
# All rests on the page alone, and each participant's id is worked out once. A join with the participants would read all
# of them again for each page, because rows made a moment ago have no statistics yet. Who supplies an item is named by
# the form's rule; nobody is asked for what cannot be resolved.
ENROL = text(
    """
    WITH made AS MATERIALIZED (
        SELECT deterministic_id(:at, CAST(CAST(:cycle_id AS uuid) AS text), employee_id::text) AS id, page.* FROM page
    ), participants AS (
        INSERT INTO participant (tenant_id, id, cycle_id, employee_id, state, code, department_path, department_name,
            department_head_id, manager_chain, post, level, group_ids, hired_on, form_id, findings)
        SELECT CAST(:tenant_id AS uuid), id, CAST(:cycle_id AS uuid), employee_id, state, code, department_path,
            department_name, department_head_id, manager_chain, post, level, group_ids, hired_on, form_id, findings
        FROM made ON CONFLICT DO NOTHING
    ), raters AS (
        INSERT INTO rater (tenant_id, id, cycle_id, participant_id, relation, rater_id)
        SELECT CAST(:tenant_id AS uuid),
            deterministic_id(:at, made.id::text, r.relation, made.manager_chain[r.place]::text),
            CAST(:cycle_id AS uuid), made.id, r.relation, made.manager_chain[r.place]
        FROM made
            JOIN unnest(CAST(:rated_forms AS uuid[]), CAST(:relations AS text[])) AS asked (form_id, relation)
                ON asked.form_id = made.form_id
            JOIN (VALUES ('manager', 1), ('skip', 2)) AS r (relation, place) ON r.relation = asked.relation
        WHERE made.state = 'enrolled' AND made.manager_chain[r.place] IS NOT NULL
        ON CONFLICT DO NOTHING
    )
    INSERT INTO provider (tenant_id, cycle_id, participant_id, item, provider_id)
    SELECT CAST(:tenant_id AS uuid), CAST(:cycle_id AS uuid), made.id, asked.item, supplier.id
    FROM made
        JOIN unnest(CAST(:supplied_forms AS uuid[]), CAST(:items AS text[]), CAST(:providers AS text[]))
            AS asked (form_id, item, provider) ON asked.form_id = made.form_id
        CROSS JOIN LATERAL (SELECT CASE asked.provider
            WHEN 'employee' THEN made.employee_id
            WHEN 'manager' THEN made.manager_chain[1]
            WHEN 'department_head' THEN coalesce(made.department_head_id, made.manager_chain[1])
            WHEN 'hr' THEN CAST(:owner_id AS uuid)
            ELSE asked.provider::uuid END AS id) AS supplier
    WHERE made.state = 'enrolled' AND supplier.id IS NOT NULL
    ON CONFLICT DO NOTHING
    """
)
COUNT = text(
    """
    SELECT count(*) FILTER (WHERE state <> 'excluded') AS enrolled,
        count(*) FILTER (WHERE state = 'excluded') AS excluded
    FROM participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id
    """
)
KNOWN = text(
    "SELECT employee_id FROM participant"
    " WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND employee_id = ANY(:employees)"
)
LAST = text(
    "SELECT employee_id FROM participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id"
    " ORDER BY employee_id DESC LIMIT 1"
)


class EnrolmentStore:
    """Enrols pages; repeating one changes nothing."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def enrol(self, enrolling: Enrolling, members: Sequence[Member]) -> None:
        await self._connection.execute(PAGE)
        raw = await self._connection.get_raw_connection()
        driver = cast(asyncpg.Connection, raw.driver_connection)
        frozen, found = attrgetter(*COLUMNS), attrgetter(*RESULTS)
        records = [frozen(member.frozen) + found(member) for member in members]
        await driver.copy_records_to_table("page", records=records, columns=[*COLUMNS, *RESULTS])
        keys = {"tenant_id": self._tenant_id, "cycle_id": enrolling.cycle_id, "owner_id": enrolling.owner_id}
        asked = {
            "rated_forms": [form for form, _ in enrolling.relations],
            "relations": [relation for _, relation in enrolling.relations],
            "supplied_forms": [form for form, _, _ in enrolling.providers],
            "items": [item for _, item, _ in enrolling.providers],
            "providers": [provider for _, _, provider in enrolling.providers],
        }
        await self._connection.execute(ENROL, {**keys, **asked, "at": enrolling.at})

    async def count(self, cycle_id: UUID) -> tuple[int, int]:
        """Who takes part, and who could not be enrolled."""
        row = (await self._connection.execute(COUNT, {"tenant_id": self._tenant_id, "cycle_id": cycle_id})).one()
        return row.enrolled, row.excluded

    async def known(self, cycle_id: UUID, employees: Sequence[UUID]) -> set[UUID]:
        """Who of these is a row of the cycle already."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "employees": list(employees)}
        return set((await self._connection.execute(KNOWN, keys)).scalars())

    async def last_employee(self, cycle_id: UUID) -> UUID | None:
        """Pages are enrolled by ascending employee id: after this one it goes on."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id}
        return (await self._connection.execute(LAST, keys)).scalar_one_or_none()
