"""Rows of all tenants that the engine must know of; read with the system role."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.tables import cycle

LIVE = text("launched_at IS NOT NULL AND ended_at IS NULL")


class LiveStore:
    """Lists across tenants; empty for the app role of another tenant."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def cycles(self, after: tuple[UUID, UUID] | None, size: int) -> Sequence[tuple[UUID, UUID]]:
        """(tenant, cycle) of all that should have a workflow."""
        query = select(cycle.c.tenant_id, cycle.c.id).where(LIVE)
        if after is not None:
            query = query.where(tuple_(cycle.c.tenant_id, cycle.c.id) > after)
        rows = await self._connection.execute(query.order_by(cycle.c.tenant_id, cycle.c.id).limit(size))
        return [(row.tenant_id, row.id) for row in rows]
