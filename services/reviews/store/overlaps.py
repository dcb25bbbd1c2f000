"""Cycles of the same kind over an overlapping period."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import Cycle, CycleState
from services.reviews.domain.preflight import OtherCycle
from services.reviews.tables import cycle as t

NOT_COUNTED = (CycleState.DRAFT, CycleState.VALIDATED, CycleState.CANCELED)
MOST = 20


class OverlapStore:
    """Looks at the other cycles of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def overlapping(self, cycle: Cycle) -> list[OtherCycle]:
        """At most twenty launched cycles of the same kind whose period shares a day with this one's."""
        query = select(t.c.id, t.c.name).where(
            t.c.tenant_id == self._tenant_id,
            t.c.id != cycle.id,
            t.c.kind == cycle.period.kind,
            t.c.state.not_in(NOT_COUNTED),
            t.c.period_start <= cycle.period.end,
            t.c.period_end >= cycle.period.start,
        )
        rows = await self._connection.execute(query.order_by(t.c.id).limit(MOST))
        return [OtherCycle(row.id, row.name) for row in rows]
