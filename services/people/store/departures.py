"""Who has left or stays after all, as followers are to hear of it, and to whom their work falls."""

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people.domain.model import Departure, Stay
from services.people.store.staff_sql import EMPLOYED_ON

REACH = 32  # steps up a line; no company is deeper

# From the manager that a leaver has on their last day up to the nearest who works here on `day`; of a manager who does
# not, the line goes on as it was on their own last day. At most one row a leaver, and none where the line ends or runs
# in a circle. Reads `leaver (id, left_on)`.
_HEIR = f"""
line AS (
    SELECT w.id, a.manager_id, ARRAY[w.id] AS seen
    FROM leaver w JOIN assignment a ON a.tenant_id = :tenant_id AND a.employee_id = w.id
        AND a.valid_from <= w.left_on AND (a.valid_to IS NULL OR w.left_on < a.valid_to)
    UNION ALL
    SELECT l.id, a.manager_id, l.seen || e.id
    FROM line l JOIN employee e ON e.tenant_id = :tenant_id AND e.id = l.manager_id AND NOT ({EMPLOYED_ON})
    JOIN assignment a ON a.tenant_id = :tenant_id AND a.employee_id = e.id
        AND a.valid_from <= least(e.left_on, CAST(:day AS date))
        AND (a.valid_to IS NULL OR least(e.left_on, CAST(:day AS date)) < a.valid_to)
    WHERE e.id <> ALL (l.seen) AND cardinality(l.seen) < :reach
), heir AS (
    SELECT l.id, e.id AS manager_id
    FROM line l JOIN employee e ON e.tenant_id = :tenant_id AND e.id = l.manager_id AND {EMPLOYED_ON}
    WHERE e.id <> l.id
)
"""  # noqa: S608 - constants of this package
_MANAGER_LEFT = text(f"""
WITH RECURSIVE leaver AS (SELECT CAST(:employee_id AS uuid) AS id, CAST(:left_on AS date) AS left_on), {_HEIR}
SELECT manager_id FROM heir
""")  # noqa: S608
# Rows that another sweep tells of are left to it.
_PASSED = text(f"""
WITH RECURSIVE leaver AS MATERIALIZED (
    SELECT id, left_on FROM employee
    WHERE tenant_id = :tenant_id AND left_on < :day AND left_told IS DISTINCT FROM left_on
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
), {_HEIR}, told AS (
    UPDATE employee e SET left_told = w.left_on, version = e.version + 1
    FROM leaver w WHERE e.tenant_id = :tenant_id AND e.id = w.id RETURNING e.id, e.left_on, e.version
)
SELECT t.id AS employee_id, t.left_on, h.manager_id, t.version FROM told t LEFT JOIN heir h ON h.id = t.id
ORDER BY t.id
""")  # noqa: S608
_TAKEN_BACK = text("""
WITH due AS (
    SELECT id, left_told FROM employee
    WHERE tenant_id = :tenant_id AND left_told IS DISTINCT FROM left_on AND left_told IS NOT NULL
        AND (left_on IS NULL OR left_on >= :day)
    ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE employee e SET left_told = NULL, version = e.version + 1
FROM due WHERE e.tenant_id = :tenant_id AND e.id = due.id
RETURNING e.id AS employee_id, e.hired_on, due.left_told AS former_left_on, e.left_on, e.version
""")


class DepartureStore:
    """Departures of one tenant, as they are told."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def passed(self, day: date, limit: int) -> list[Departure]:
        """Some whose last day lies before `day` and was not told since, from now on told."""
        found = {"tenant_id": self._tenant_id, "day": day, "limit": limit, "reach": REACH}
        return [Departure(**row._mapping) for row in await self._connection.execute(_PASSED, found)]

    async def taken_back(self, day: date, limit: int) -> list[Stay]:
        """Some of whom a departure was told that is none, or not yet; from now on told as who works here."""
        found = {"tenant_id": self._tenant_id, "day": day, "limit": limit}
        return [Stay(**row._mapping) for row in await self._connection.execute(_TAKEN_BACK, found)]

    async def manager_left(self, employee_id: UUID, left_on: date, day: date) -> UUID | None:
        """The nearest manager above somebody's last place who works here on `day`."""
        leaver = {"tenant_id": self._tenant_id, "employee_id": employee_id, "left_on": left_on}
        found = await self._connection.execute(_MANAGER_LEFT, {**leaver, "day": day, "reach": REACH})
        manager_id: UUID | None = found.scalar_one_or_none()
        return manager_id
