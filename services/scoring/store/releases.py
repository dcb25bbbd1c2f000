"""The one row that makes the results of a cycle visible."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.model import Release
from services.scoring.tables import release, result


class ReleaseStore:
    """Releases of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(self, cycle_id: UUID) -> Release | None:
        """The release of the cycle, if its results are visible."""
        row = (await self._connection.execute(self._of(cycle_id))).one_or_none()
        return None if row is None else _release(row)

    async def make(self, cycle_id: UUID, stage_id: UUID, epoch: int, released_at: datetime) -> tuple[Release, bool]:
        """Make the results visible; answers the release, and whether it is new."""
        results = (
            select(func.count())
            .where(result.c.tenant_id == self._tenant_id, result.c.cycle_id == cycle_id, result.c.latest)
            .scalar_subquery()
        )
        done = await self._connection.execute(
            insert(release)
            .values(
                tenant_id=self._tenant_id,
                cycle_id=cycle_id,
                stage_id=stage_id,
                epoch=epoch,
                released_at=released_at,
                results=results,
            )
            .on_conflict_do_nothing()
        )
        rows = await self._connection.execute(self._of(cycle_id))
        return _release(rows.one()), done.rowcount == 1

    def _of(self, cycle_id: UUID) -> Select[Any]:
        return select(release).where(release.c.tenant_id == self._tenant_id, release.c.cycle_id == cycle_id)


def _release(row: Row[Any]) -> Release:
    return Release(row.cycle_id, row.stage_id, row.epoch, row.released_at, row.results)
