"""Who is to stand elsewhere from a later day on."""

from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

PLAN = text(
    "INSERT INTO standing_due (tenant_id, employee_id, due_on) VALUES (:tenant_id, :employee_id, :due_on)"
    " ON CONFLICT DO NOTHING"
)
DUE = text(
    "SELECT tenant_id, array_agg(DISTINCT employee_id) AS employees FROM standing_due WHERE due_on <= :day"
    " GROUP BY tenant_id"
)
FORGET = text("DELETE FROM standing_due WHERE tenant_id = :tenant_id AND due_on <= :day")


async def standings_due(connection: AsyncConnection, day: date) -> Mapping[UUID, Sequence[UUID]]:
    """Return who is to stand elsewhere by a day, by tenant (system connection)."""
    return {row.tenant_id: row.employees for row in await connection.execute(DUE, {"day": day})}


class StandingStore:
    """The moves of one tenant that are planned."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def plan(self, employee_id: UUID, due_on: date) -> None:
        """Remember to look again at where somebody stands."""
        row = {"tenant_id": self._tenant_id, "employee_id": employee_id, "due_on": due_on}
        await self._connection.execute(PLAN, row)

    async def forget(self, day: date) -> None:
        """Forget what was due by a day."""
        await self._connection.execute(FORGET, {"tenant_id": self._tenant_id, "day": day})
