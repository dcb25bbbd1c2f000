"""Exported files, kept in parts."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.model import Export
from services.scoring.tables import export, export_part


class ExportStore:
    """Exports of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def recent(self, requested_by: str, seconds: int) -> int:
        """How many exports somebody asked for in the last seconds."""
        since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        found = await self._connection.execute(
            select(func.count()).where(
                export.c.tenant_id == self._tenant_id,
                export.c.requested_by == requested_by,
                export.c.create_time > since,
            )
        )
        return found.scalar_one()

    async def add(self, made: Export) -> None:
        """Keep an export; its parts follow."""
        values = {**asdict(made), "columns": list(made.columns)}
        await self._connection.execute(insert(export).values(tenant_id=self._tenant_id, **values))

    async def finish(self, made: Export) -> None:
        """Record that the export is complete."""
        await self._connection.execute(
            export.update()
            .where(export.c.tenant_id == self._tenant_id, export.c.id == made.id)
            .values(state=made.state, done=made.done, total=made.total, sha256=made.sha256)
        )

    async def add_part(self, export_id: UUID, part: int, content: bytes) -> None:
        """Keep one part of the file."""
        await self._connection.execute(
            insert(export_part).values(tenant_id=self._tenant_id, export_id=export_id, part=part, content=content)
        )

    async def find(self, export_id: UUID) -> Export | None:
        """An export without its content."""
        found = await self._connection.execute(
            select(export).where(export.c.tenant_id == self._tenant_id, export.c.id == export_id)
        )
        row = found.one_or_none()
        if row is None:
            return None
        return Export(
            id=row.id,
            cycle_id=row.cycle_id,
            kind=row.kind,
            columns=tuple(row.columns),
            requested_by=row.requested_by,
            state=row.state,
            done=row.done,
            total=row.total,
            reason=row.reason,
            sha256=row.sha256,
        )

    async def parts(self, export_id: UUID) -> AsyncIterator[bytes]:
        """The file's parts in order, one at a time."""
        part = 0
        while True:
            found = await self._connection.execute(
                select(export_part.c.content).where(
                    export_part.c.tenant_id == self._tenant_id,
                    export_part.c.export_id == export_id,
                    export_part.c.part == part,
                )
            )
            content = found.scalar_one_or_none()
            if content is None:
                return
            yield content
            part += 1
