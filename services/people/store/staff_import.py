"""Loading a checked staff file: one COPY into a temporary table, then a fixed number of statements."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.domain.model import BEGINNING, INCOMING_COLUMNS, Loaded
from services.people.domain.staff_checks import KnownStaff
from services.people.store.staff_sql import ASSIGNED_ON, NO_NESTED_LOOPS

CHUNK = 5000

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('people.staff' || CAST(:tenant_id AS text), 0))")
_KNOWN = text(f"""
SELECT e.code, e.email_key, m.code AS manager_code FROM employee e
LEFT JOIN assignment a ON {ASSIGNED_ON}
LEFT JOIN employee m ON m.tenant_id = e.tenant_id AND m.id = a.manager_id
WHERE e.tenant_id = :tenant_id
""")  # noqa: S608 - constants of this module

_INCOMING = """
CREATE TEMPORARY TABLE incoming (
    id uuid NOT NULL, code text NOT NULL, name text NOT NULL, email text, mobile text NOT NULL, language text NOT NULL,
    hired_on date, left_on date, attributes jsonb NOT NULL, department_id uuid, manager_code text,
    dotted_codes text[] NOT NULL, post text NOT NULL, level text NOT NULL, manager_id uuid,
    dotted_manager_ids uuid[] NOT NULL DEFAULT '{}', known boolean NOT NULL DEFAULT false,
    person_changed boolean NOT NULL DEFAULT false, place_changed boolean NOT NULL DEFAULT false,
    left_changed boolean NOT NULL DEFAULT false
) ON COMMIT DROP
"""
# A column that the file does not have stays as it is: filled from what is there before anything is compared.
_KEPT: Mapping[str, str] = {
    "email": "email = e.email",
    "mobile": "mobile = e.mobile",
    "language": "language = e.language",
    "hired_on": "hired_on = e.hired_on",
    "left_on": "left_on = e.left_on",
    "department": "department_id = a.department_id",
    "manager_code": "manager_id = a.manager_id",
    "dotted_manager_codes": "dotted_manager_ids = a.dotted_manager_ids",
    "post": "post = a.post",
    "level": "level = a.level",
}
_MATCH = """
UPDATE incoming i SET known = true, id = e.id, attributes = jsonb_strip_nulls(e.attributes || i.attributes) {kept}
FROM employee e LEFT JOIN assignment a ON {assigned} WHERE e.tenant_id = :tenant_id AND e.code = i.code
"""
_STRIP = "UPDATE incoming SET attributes = jsonb_strip_nulls(attributes) WHERE NOT known"
_COMPARE_PEOPLE = """
UPDATE incoming i SET left_changed = e.left_on IS DISTINCT FROM i.left_on, person_changed =
    (e.name, e.email, e.mobile, e.language, e.hired_on, e.left_on, e.attributes)
    IS DISTINCT FROM (i.name, i.email, i.mobile, i.language, i.hired_on, i.left_on, i.attributes)
FROM employee e WHERE e.tenant_id = :tenant_id AND e.id = i.id
"""
# A last day that is not the one any more may have been told, on that day or ahead of it: that is to be taken back.
_UPDATE_PEOPLE = """
UPDATE employee e SET name = i.name, email = i.email, mobile = i.mobile, language = i.language, hired_on = i.hired_on,
    left_on = i.left_on, attributes = i.attributes, version = e.version + 1,
    left_told = CASE WHEN i.left_changed THEN nullif(coalesce(e.left_told, e.left_on), i.left_on) ELSE e.left_told END
FROM incoming i WHERE e.tenant_id = :tenant_id AND e.id = i.id AND i.person_changed
"""
_INSERT_PEOPLE = """
INSERT INTO employee (tenant_id, id, code, name, email, mobile, language, hired_on, left_on, attributes)
SELECT :tenant_id, i.id, i.code, i.name, i.email, i.mobile, i.language, i.hired_on, i.left_on, i.attributes
FROM incoming i WHERE NOT i.known
"""
_FIND_MANAGERS = """
UPDATE incoming i SET manager_id = m.id FROM employee m WHERE m.tenant_id = :tenant_id AND m.code = i.manager_code
"""
_FIND_DOTTED = """
UPDATE incoming i SET dotted_manager_ids = (
    SELECT array_agg(m.id ORDER BY c.place) FROM unnest(i.dotted_codes) WITH ORDINALITY AS c (code, place)
    JOIN employee m ON m.tenant_id = :tenant_id AND m.code = c.code)
WHERE i.dotted_codes <> '{}'
"""
_COMPARE_PLACES = f"""
UPDATE incoming i SET place_changed = a.employee_id IS NULL OR
    (a.department_id, a.manager_id, a.dotted_manager_ids, a.post, a.level)
    IS DISTINCT FROM (i.department_id, i.manager_id, i.dotted_manager_ids, i.post, i.level)
FROM employee e LEFT JOIN assignment a ON {ASSIGNED_ON}
WHERE i.known AND e.tenant_id = :tenant_id AND e.id = i.id
"""  # noqa: S608
_INSERT_PLACES = """
INSERT INTO assignment (tenant_id, employee_id, valid_from, department_id, manager_id, dotted_manager_ids, post, level)
SELECT :tenant_id, i.id, :beginning, i.department_id, i.manager_id, i.dotted_manager_ids, i.post, i.level
FROM incoming i WHERE NOT i.known
"""
# The new assignment takes the rest of the old one's time; one that began today is changed in place.
_CHANGE_PLACES = """
INSERT INTO assignment (tenant_id, employee_id, valid_from, valid_to, department_id, manager_id, dotted_manager_ids,
                        post, level)
SELECT :tenant_id, i.id, :day, a.valid_to, i.department_id, i.manager_id, i.dotted_manager_ids, i.post, i.level
FROM incoming i LEFT JOIN assignment a ON a.tenant_id = :tenant_id AND a.employee_id = i.id AND a.valid_from <= :day
    AND (a.valid_to IS NULL OR :day < a.valid_to)
WHERE i.known AND i.place_changed
ON CONFLICT (tenant_id, employee_id, valid_from) DO UPDATE SET department_id = excluded.department_id,
    manager_id = excluded.manager_id, dotted_manager_ids = excluded.dotted_manager_ids, post = excluded.post,
    level = excluded.level
"""
_END_PLACES = """
UPDATE assignment a SET valid_to = :day FROM incoming i
WHERE i.known AND i.place_changed AND a.tenant_id = :tenant_id AND a.employee_id = i.id AND a.valid_from < :day
    AND (a.valid_to IS NULL OR :day < a.valid_to)
"""
_BUMP = """
UPDATE employee e SET version = e.version + 1 FROM incoming i
WHERE e.tenant_id = :tenant_id AND e.id = i.id AND i.known AND i.place_changed AND NOT i.person_changed
"""
_PUT_ON_STAFF = """
UPDATE employee e SET on_staff = true FROM incoming i
WHERE e.tenant_id = :tenant_id AND NOT e.on_staff AND (e.id = i.id OR e.id = i.manager_id)
"""
_COUNTS = """
SELECT count(*) FILTER (WHERE NOT known) AS created,
       count(*) FILTER (WHERE known AND (person_changed OR place_changed)) AS updated,
       count(*) FILTER (WHERE known AND NOT person_changed AND NOT place_changed) AS unchanged FROM incoming
"""
_CHANGED = """
SELECT i.id, i.known, i.place_changed, CASE WHEN i.left_changed OR NOT i.known THEN i.left_on END AS left_on,
       i.manager_id
FROM incoming i WHERE NOT i.known OR i.person_changed OR i.place_changed ORDER BY i.id
"""


class StaffImportStore:
    """The staff of one tenant as an import sees it."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock(self) -> None:
        """Let nobody else change who reports to whom until this transaction ends."""
        await self._connection.execute(_LOCK, {"tenant_id": str(self._tenant_id)})

    @asynccontextmanager
    async def attempt(self, *, keep: bool) -> AsyncIterator[None]:
        """Do what follows for good, or only to see what would come of it."""
        nested = await self._connection.begin_nested()
        try:
            yield
        except BaseException:
            await nested.rollback()
            raise
        await (nested.commit() if keep else nested.rollback())

    async def known(self, day: date) -> KnownStaff:
        """Everyone of the tenant, with those who have left, as of `day`."""
        await self._connection.execute(NO_NESTED_LOOPS)
        rows = (await self._connection.execute(_KNOWN, {"tenant_id": self._tenant_id, "day": day})).all()
        return KnownStaff(
            manager_of={row.code: row.manager_code for row in rows},
            code_of_email={row.email_key: row.code for row in rows if row.email_key},
        )

    async def load(self, records: Iterable[Sequence[Any]], columns: Sequence[str], day: date) -> Loaded:
        """Insert or update by code; `records` follow INCOMING_COLUMNS, `columns` are those that the file has."""
        await self._connection.execute(text(_INCOMING))
        borrowed = await self._connection.get_raw_connection()
        driver: Any = borrowed.driver_connection
        await driver.copy_records_to_table("incoming", records=records, columns=INCOMING_COLUMNS)
        await self._connection.execute(text("ANALYZE incoming"))
        await self._connection.execute(NO_NESTED_LOOPS)
        kept = [assignment for column, assignment in _KEPT.items() if column not in columns]
        match = _MATCH.format(assigned=ASSIGNED_ON, kept="".join(f", {part}" for part in kept))
        parameters = {"tenant_id": self._tenant_id, "day": day, "beginning": BEGINNING}
        for statement in (
            match, _STRIP, _COMPARE_PEOPLE, _UPDATE_PEOPLE, _INSERT_PEOPLE, _FIND_MANAGERS, _FIND_DOTTED,
            _COMPARE_PLACES, _INSERT_PLACES, _CHANGE_PLACES, _END_PLACES, _BUMP, _PUT_ON_STAFF,
        ):  # fmt: skip
            await self._connection.execute(text(statement), _named(statement, parameters))
        counts = (await self._connection.execute(text(_COUNTS))).one()
        return Loaded(counts.created, counts.updated, counts.unchanged, await self._chunks())

    async def _chunks(self) -> tuple[Mapping[str, Any], ...]:
        rows = (await self._connection.execute(text(_CHANGED))).all()
        return tuple(_chunk(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK))


def _chunk(rows: Sequence[Any]) -> Mapping[str, Any]:
    """Ids only: a range of keys, who moved, and who leaves when."""
    departed = [row for row in rows if row.left_on is not None]
    return {
        "first_employee_id": str(rows[0].id),
        "last_employee_id": str(rows[-1].id),
        "count": len(rows),
        "transferred": [str(row.id) for row in rows if row.known and row.place_changed],
        "departed": [
            {
                "employee_id": str(row.id),
                "left_on": row.left_on.isoformat(),
                "manager_id": str(row.manager_id) if row.manager_id else "",
            }
            for row in departed
        ],
    }


def _named(statement: str, parameters: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in parameters.items() if f":{name}" in statement}
