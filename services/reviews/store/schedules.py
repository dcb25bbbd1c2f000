"""Schedules of recurring cycles."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.errors import ScheduleNotFound, VersionConflict
from services.reviews.domain.model import CycleKind, CycleSchedule, OnPersonFindings, ScheduleState
from services.reviews.tables import cycle_schedule as t

SAME = (
    "id", "name", "launch_day", "launch_time", "zone", "owner_id", "definition", "launched", "last_nominal_at",
    "version",
)  # fmt: skip


class ScheduleStore:
    """The schedules of one tenant; `live` reads across tenants with the system role."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, schedule_id: UUID, *, lock: bool = False) -> CycleSchedule:
        """The schedule; ScheduleNotFound."""
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.id == schedule_id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
        if row is None:
            raise ScheduleNotFound("there is no such schedule")
        return _schedule(row)

    async def page(self, after: UUID | None, size: int) -> Sequence[CycleSchedule]:
        """By id, so oldest first."""
        query = select(t).where(t.c.tenant_id == self._tenant_id)
        if after is not None:
            query = query.where(t.c.id > after)
        rows = (await self._connection.execute(query.order_by(t.c.id).limit(size))).mappings()
        return [_schedule(row) for row in rows]

    async def add(self, schedule: CycleSchedule) -> None:
        await self._connection.execute(insert(t).values(tenant_id=self._tenant_id, **_row(schedule)))

    async def save(self, schedule: CycleSchedule) -> CycleSchedule:
        """Write one version on; VersionConflict if somebody was quicker."""
        saved = replace(schedule, version=schedule.version + 1)
        where = (t.c.tenant_id == self._tenant_id, t.c.id == schedule.id, t.c.version == schedule.version)
        values = {**_row(saved), "update_time": text("clock_timestamp()")}
        done = await self._connection.execute(update(t).where(*where).values(**values))
        if done.rowcount != 1:
            raise VersionConflict("the schedule was changed meanwhile")
        return saved

    async def live(self, after: tuple[UUID, UUID] | None, size: int) -> Sequence[tuple[UUID, CycleSchedule]]:
        """(tenant, schedule) of all tenants, paused ones included."""
        query = select(t)
        if after is not None:
            query = query.where(tuple_(t.c.tenant_id, t.c.id) > after)
        rows = (await self._connection.execute(query.order_by(t.c.tenant_id, t.c.id).limit(size))).mappings()
        return [(row["tenant_id"], _schedule(row)) for row in rows]


def _row(schedule: CycleSchedule) -> dict[str, Any]:
    return {name: getattr(schedule, name) for name in SAME} | {
        "state": schedule.state,
        "kind": schedule.kind,
        "on_person_findings": schedule.on_person_findings,
        "launch_times": list(schedule.launch_times),
    }


def _schedule(row: RowMapping) -> CycleSchedule:
    return CycleSchedule(
        **{name: row[name] for name in SAME},
        state=ScheduleState(row["state"]),
        kind=CycleKind(row["kind"]),
        on_person_findings=OnPersonFindings(row["on_person_findings"]),
        launch_times=tuple(row["launch_times"]),
        create_time=row["create_time"],
    )
