"""Attainments frozen for a period, set-based and repeatable."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.goals.domain.model import Attainment, Mode
from services.goals.store.documents import read_measures
from services.goals.tables import attainment, attainment_freeze

CLAIM = text(
    "INSERT INTO attainment_freeze (tenant_id, id, period_start, period_end, as_of, count)"
    " VALUES (:tenant_id, :id, :period_start, :period_end, :as_of, 0) ON CONFLICT DO NOTHING"
)
# Confirmed goals that overlap the period, in the version valid at the instant; cancelled ones that once bound their
# owner go along, to be renormalised.
COPY = text(
    "INSERT INTO attainment (tenant_id, freeze_id, employee_id, goal_id, goal_version, name, mode, weight, canceled,"
    " measures)"
    " SELECT g.tenant_id, :id, g.owner_id, g.id, v.version, v.snapshot->>'name', v.snapshot->>'mode',"
    "  (v.snapshot->>'weight')::numeric, v.snapshot->>'state' = 'canceled', v.snapshot->'measures'"
    " FROM goal g CROSS JOIN LATERAL ("
    "  SELECT version, snapshot FROM goal_version v WHERE v.tenant_id = g.tenant_id AND v.goal_id = g.id"
    "  AND v.create_time <= :as_of ORDER BY version DESC LIMIT 1) v"
    " WHERE g.tenant_id = :tenant_id AND g.period_start <= :period_end AND g.period_end >= :period_start"
    " AND (v.snapshot->>'state' IN ('confirmed', 'active', 'achieved', 'missed')"
    "  OR (v.snapshot->>'state' = 'canceled' AND EXISTS ("
    "   SELECT FROM goal_version e WHERE e.tenant_id = g.tenant_id AND e.goal_id = g.id"
    "   AND e.snapshot->>'state' IN ('confirmed', 'active'))))"
)
FINISH = text("UPDATE attainment_freeze SET count = :count WHERE tenant_id = :tenant_id AND id = :id")


class FreezeStore:
    """The frozen attainments of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def make(self, freeze_id: UUID, period_start: date, period_end: date, as_of: datetime) -> int:
        """Freeze once; a repetition waits for the first and answers with its count."""
        key = {"tenant_id": self._tenant_id, "id": freeze_id}
        period = {"period_start": period_start, "period_end": period_end}
        claimed = await self._connection.execute(CLAIM, {**key, **period, "as_of": as_of})
        if claimed.rowcount:
            count = (await self._connection.execute(COPY, {**key, **period, "as_of": as_of})).rowcount
            await self._connection.execute(FINISH, {**key, "count": count})
        return await self.size(freeze_id) or 0

    async def size(self, freeze_id: UUID) -> int | None:
        """Return how many goals were frozen; None when nothing was frozen under the id."""
        query = select(attainment_freeze.c.count).where(
            attainment_freeze.c.tenant_id == self._tenant_id, attainment_freeze.c.id == freeze_id
        )
        return (await self._connection.execute(query)).scalar_one_or_none()

    async def of(self, freeze_id: UUID, employee_ids: Sequence[UUID]) -> list[Attainment]:
        """Return the attainments of some people."""
        query = select(attainment).where(
            attainment.c.tenant_id == self._tenant_id,
            attainment.c.freeze_id == freeze_id,
            attainment.c.employee_id.in_(employee_ids),
        )
        rows = await self._connection.execute(query.order_by(attainment.c.employee_id, attainment.c.goal_id))
        return [
            Attainment(
                employee_id=row.employee_id,
                goal_id=row.goal_id,
                goal_version=row.goal_version,
                name=row.name,
                mode=Mode(row.mode),
                weight=row.weight,
                canceled=row.canceled,
                measures=read_measures(row.measures),
            )
            for row in rows
        ]
