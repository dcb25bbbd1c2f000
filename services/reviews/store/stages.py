"""Stages and the locks they are changed under."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, bindparam, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.errors import StageNotFound, VersionConflict
from services.reviews.domain.model import Stage, StageState
from services.reviews.store import definitions
from services.reviews.store.locks import lock_stages, stage_lock_key
from services.reviews.tables import stage as t

SAME = (
    "id", "cycle_id", "position", "epoch", "paused", "planned_open_at", "planned_due_at", "open_at", "due_at",
    "opened_at", "closing_at", "closed_at", "closed_early", "extended_once", "early_close", "blocked_reason",
    "blocked_since", "trace_id", "version",
)  # fmt: skip
SHARE = text("SELECT pg_advisory_xact_lock_shared(:key)")


class StageStore:
    """The stages of one tenant's cycles."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def of_cycle(self, cycle_id: UUID) -> list[Stage]:
        """In the order of the process as it was written."""
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.cycle_id == cycle_id).order_by(t.c.position)
        return [_stage(row) for row in (await self._connection.execute(query)).mappings()]

    async def get(self, stage_id: UUID) -> Stage:
        """The stage; StageNotFound."""
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.id == stage_id)
        return _found((await self._connection.execute(query)).mappings().one_or_none())

    async def by_key(self, cycle_id: UUID, key: str) -> Stage:
        """The stage; StageNotFound."""
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.cycle_id == cycle_id, t.c.key == key)
        return _found((await self._connection.execute(query)).mappings().one_or_none())

    async def lock(self, stage_id: UUID) -> Stage:
        """The stage as it stands once all submissions under way have ended and no new one can begin."""
        await lock_stages(self._connection, [stage_id])
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.id == stage_id).with_for_update()
        return _found((await self._connection.execute(query)).mappings().one_or_none())

    async def lock_all(self, cycle_id: UUID, ids: Iterable[UUID]) -> list[Stage]:
        """Lock these stages of the cycle, in key order; all stages of the cycle are returned."""
        wanted = list(ids)
        await lock_stages(self._connection, wanted)
        rows = select(t.c.id).where(t.c.tenant_id == self._tenant_id, t.c.id.in_(wanted))
        await self._connection.execute(rows.order_by(t.c.id).with_for_update())
        return await self.of_cycle(cycle_id)

    async def share(self, stage_id: UUID) -> Stage:
        """The stage, kept as it is until commit: what a submission and a chunk of its tasks hold."""
        await self._connection.execute(SHARE, {"key": stage_lock_key(stage_id)})
        query = select(t).where(t.c.tenant_id == self._tenant_id, t.c.id == stage_id).with_for_update(read=True)
        return _found((await self._connection.execute(query)).mappings().one_or_none())

    async def save(self, *stages: Stage) -> None:
        """Write stages that were locked and changed."""
        for stage in stages:
            row = stage_row(stage)
            del row["id"], row["cycle_id"], row["key"], row["kind"]
            where = (t.c.tenant_id == self._tenant_id, t.c.id == bindparam("stage"))
            done = await self._connection.execute(
                update(t).where(*where).values(**row, update_time=text("clock_timestamp()")), {"stage": stage.id}
            )
            if done.rowcount != 1:
                raise VersionConflict("the stage was changed meanwhile")


def stage_row(stage: Stage) -> dict[str, Any]:
    return {name: getattr(stage, name) for name in SAME} | {
        "key": stage.key,
        "kind": stage.kind,
        "state": stage.state,
        "definition": definitions.to_json(stage.definition),
        "strict": stage.definition.strict,
        "signature": stage.definition.signature,
        "marks": [definitions.to_json(mark) for mark in stage.marks],
    }


def _found(row: RowMapping | None) -> Stage:
    if row is None:
        raise StageNotFound("there is no such stage")
    return _stage(row)


def _stage(row: RowMapping) -> Stage:
    return Stage(
        **{name: row[name] for name in SAME},
        definition=definitions.stage_definition(row["definition"]),
        state=StageState(row["state"]),
        marks=definitions.marks(row["marks"]),
    )
