"""Making participants and raters of a page of frozen members: one temporary table, then INSERT … SELECT."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, cast
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
PARTICIPANTS = text(
    """
    INSERT INTO participant (tenant_id, id, cycle_id, employee_id, state, code, department_path, department_name,
        department_head_id, manager_chain, post, level, group_ids, hired_on, form_id, findings)
    SELECT CAST(:tenant_id AS uuid),
        deterministic_id(:at, CAST(CAST(:cycle_id AS uuid) AS text), employee_id::text), CAST(:cycle_id AS uuid),
        employee_id, state, code, department_path, department_name, department_head_id, manager_chain, post, level,
        group_ids, hired_on, form_id, findings
    FROM page ON CONFLICT DO NOTHING
    """
)
RATERS = text(
    """
    INSERT INTO rater (tenant_id, id, cycle_id, participant_id, relation, rater_id)
    SELECT p.tenant_id, deterministic_id(:at, p.id::text, r.relation, p.manager_chain[r.place]::text), p.cycle_id, p.id,
        r.relation, p.manager_chain[r.place]
    FROM page JOIN participant p ON p.tenant_id = :tenant_id AND p.cycle_id = :cycle_id
            AND p.employee_id = page.employee_id
        JOIN unnest(CAST(:forms AS uuid[]), CAST(:relations AS text[])) AS asked (form_id, relation)
            ON asked.form_id = p.form_id
        JOIN (VALUES ('manager', 1), ('skip', 2)) AS r (relation, place) ON r.relation = asked.relation
    WHERE p.state = 'enrolled' AND p.manager_chain[r.place] IS NOT NULL
    ON CONFLICT DO NOTHING
    """
)
# Who supplies an item: named by the form's rule; nobody is asked for what cannot be resolved.
PROVIDERS = text(
    """
    INSERT INTO provider (tenant_id, cycle_id, participant_id, item, provider_id)
    SELECT p.tenant_id, p.cycle_id, p.id, asked.item, supplier.id
    FROM page JOIN participant p ON p.tenant_id = :tenant_id AND p.cycle_id = :cycle_id
            AND p.employee_id = page.employee_id
        JOIN unnest(CAST(:forms AS uuid[]), CAST(:items AS text[]), CAST(:providers AS text[]))
            AS asked (form_id, item, provider) ON asked.form_id = p.form_id
        CROSS JOIN LATERAL (SELECT CASE asked.provider
            WHEN 'employee' THEN p.employee_id
            WHEN 'manager' THEN p.manager_chain[1]
            WHEN 'department_head' THEN coalesce(p.department_head_id, p.manager_chain[1])
            WHEN 'hr' THEN CAST(:owner_id AS uuid)
            ELSE asked.provider::uuid END AS id) AS supplier
    WHERE p.state = 'enrolled' AND supplier.id IS NOT NULL
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
        keys: Mapping[str, Any] = {"tenant_id": self._tenant_id, "cycle_id": enrolling.cycle_id, "at": enrolling.at}
        await self._connection.execute(PARTICIPANTS, keys)
        if enrolling.relations:
            forms, relations = (list(column) for column in zip(*enrolling.relations, strict=True))
            await self._connection.execute(RATERS, {**keys, "forms": forms, "relations": relations})
        if enrolling.providers:
            forms, items, providers = (list(column) for column in zip(*enrolling.providers, strict=True))
            asked = {"forms": forms, "items": items, "providers": providers, "owner_id": enrolling.owner_id}
            await self._connection.execute(PROVIDERS, {**keys, **asked})

    async def count(self, cycle_id: UUID) -> tuple[int, int]:
        """Who takes part, and who could not be enrolled."""
        row = (await self._connection.execute(COUNT, {"tenant_id": self._tenant_id, "cycle_id": cycle_id})).one()
        return row.enrolled, row.excluded

    async def last_employee(self, cycle_id: UUID) -> UUID | None:
        """Pages are enrolled by ascending employee id: after this one it goes on."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id}
        return (await self._connection.execute(LAST, keys)).scalar_one_or_none()
