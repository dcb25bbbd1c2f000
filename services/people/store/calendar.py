"""The days of the calendar that HR set."""

from collections.abc import Collection
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people import tables
from services.people.domain.calendar import CalendarDay


class CalendarStore:
    """Overrides of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def overrides(self, first: date, last: date) -> dict[date, CalendarDay]:
        """The days between, both included, that HR set."""
        columns = tables.calendar_day.c
        query = select(tables.calendar_day).where(
            columns.tenant_id == self._tenant_id, columns.day.between(first, last)
        )
        rows = await self._connection.execute(query)
        return {row.day: CalendarDay(row.day, row.workday, row.name, overridden=True) for row in rows}

    async def save(self, days: Collection[CalendarDay]) -> None:
        """Set days, each replacing what was set before."""
        rows = [
            {"tenant_id": self._tenant_id, "day": entry.day, "workday": entry.workday, "name": entry.name}
            for entry in days
        ]
        statement = upsert(tables.calendar_day).values(rows)
        renewed = {"workday": statement.excluded.workday, "name": statement.excluded.name}
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "day"], set_=renewed)
        )
