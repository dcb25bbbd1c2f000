"""Cycles, their days and the lists of them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import CycleNotFound, VersionConflict
from services.reviews.domain.model import (
    Cycle,
    CycleDay,
    CycleKind,
    CycleState,
    OnPersonFindings,
    Period,
    ReleaseMode,
    Stage,
)
from services.reviews.store import definitions
from services.reviews.store.stages import stage_row
from services.reviews.tables import cycle as t
from services.reviews.tables import cycle_day, stage

SAME = (
    "id", "name", "owner_id", "zone", "template_id", "template_version", "start_at", "appeal_owner_id", "overrides",
    "confidential", "clock_offset", "warnings_reason", "frozen_total", "launched_at", "enrolled_at", "paused_at",
    "released_at", "ended_at", "schedule_id", "nominal_at", "blocked_reason", "blocked_since", "trace_id",
    "version", "create_time",
)  # fmt: skip


class CycleStore:
    """The cycles of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def get(self, cycle_id: UUID, *, lock: bool = False) -> Cycle:
        """The cycle; CycleNotFound. `lock` takes its row FOR UPDATE, after the locks of its stages."""
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.id == cycle_id)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
        if row is None:
            raise CycleNotFound("there is no such cycle", meta={"cycle_id": str(cycle_id)})
        return _cycle(row)

    async def add(self, cycle: Cycle, stages: Iterable[Stage]) -> None:
        """A new cycle with its stages; repeated for the same schedule and nominal time it raises a unique violation."""
        await self._connection.execute(insert(t).values(tenant_id=self._tenant_id, **cycle_row(cycle)))
        rows = [{"tenant_id": self._tenant_id, **stage_row(item)} for item in stages]
        if rows:
            await self._connection.execute(insert(stage), rows)

    async def replace_stages(self, cycle_id: UUID, stages: Iterable[Stage]) -> None:
        """Define the stages of a cycle that was not launched anew."""
        await self._connection.execute(
            stage.delete().where(stage.c.tenant_id == self._tenant_id, stage.c.cycle_id == cycle_id)
        )
        await self._connection.execute(
            insert(stage), [{"tenant_id": self._tenant_id, **stage_row(item)} for item in stages]
        )

    async def save(self, cycle: Cycle) -> Cycle:
        """Write the cycle one version on; VersionConflict if somebody was quicker."""
        saved = replace(cycle, version=cycle.version + 1)
        where = (t.c.tenant_id == self._tenant_id, t.c.id == cycle.id, t.c.version == cycle.version)
        done = await self._connection.execute(
            update(t).where(*where).values(**cycle_row(saved), update_time=text("clock_timestamp()"))
        )
        if done.rowcount != 1:
            raise VersionConflict("the cycle was changed meanwhile")
        return saved

    async def scheduled(self, schedule_id: UUID, nominal_at: Any) -> Cycle | None:
        query = select(t).where(
            t.c.tenant_id == self._tenant_id, t.c.schedule_id == schedule_id, t.c.nominal_at == nominal_at
        )
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return _cycle(row) if row else None

    async def page(self, state: CycleState | None, after: UUID | None, limit: int) -> list[Cycle]:
        """Cycles, newest first."""
        query = select(t).where(t.c.tenant_id == self._tenant_id)
        if state is not None:
            query = query.where(t.c.state == state)
        if after is not None:
            query = query.where(t.c.id < after)
        rows = (await self._connection.execute(query.order_by(t.c.id.desc()).limit(limit))).mappings()
        return [_cycle(row) for row in rows]

    async def calendar(self, cycle: Cycle) -> Calendar:
        """The cycle's zone and the days copied at launch."""
        query = select(cycle_day.c.day, cycle_day.c.business).where(
            cycle_day.c.tenant_id == self._tenant_id, cycle_day.c.cycle_id == cycle.id
        )
        return Calendar(cycle.zone, {row.day: row.business for row in await self._connection.execute(query)})

    async def copy_days(self, cycle_id: UUID, days: Iterable[CycleDay]) -> None:
        """Keep the calendar of the cycle's span; earlier copies of the days give way."""
        rows = [
            {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "day": item.day, "business": item.business}
            for item in days
        ]
        await self._connection.execute(
            cycle_day.delete().where(cycle_day.c.tenant_id == self._tenant_id, cycle_day.c.cycle_id == cycle_id)
        )
        if rows:
            await self._connection.execute(insert(cycle_day), rows)

    async def enrolled(self, cycle_ids: Iterable[UUID]) -> dict[UUID, tuple[int, int]]:
        """Participants who take part, and people who could not be enrolled, per cycle."""
        query = text(
            "SELECT cycle_id, count(*) FILTER (WHERE state <> 'excluded') AS enrolled,"
            " count(*) FILTER (WHERE state = 'excluded') AS excluded FROM participant"
            " WHERE tenant_id = :tenant_id AND cycle_id = ANY(:cycle_ids) GROUP BY cycle_id"
        )
        rows = await self._connection.execute(query, {"tenant_id": self._tenant_id, "cycle_ids": list(cycle_ids)})
        return {row.cycle_id: (row.enrolled, row.excluded) for row in rows}


def cycle_row(cycle: Cycle) -> dict[str, Any]:
    row = {name: getattr(cycle, name) for name in SAME}
    if row["create_time"] is None:
        del row["create_time"]
    return row | {
        "kind": cycle.period.kind,
        "period_start": cycle.period.start,
        "period_end": cycle.period.end,
        "state": cycle.state,
        "release_mode": cycle.release_mode,
        "on_person_findings": cycle.on_person_findings,
        "forms": [definitions.to_json(rule) for rule in cycle.forms],
        "population": definitions.to_json(cycle.population),
    }


def _cycle(row: RowMapping) -> Cycle:
    return Cycle(
        **{name: row[name] for name in SAME},
        period=Period(CycleKind(row["kind"]), row["period_start"], row["period_end"]),
        state=CycleState(row["state"]),
        release_mode=ReleaseMode(row["release_mode"]),
        on_person_findings=OnPersonFindings(row["on_person_findings"]),
        forms=definitions.form_rules(row["forms"]),
        population=definitions.population(row["population"]),
    )
