"""What waits: owed tasks by urgency, with their stages and cycles."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, cast, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import OWED_TASK_STATES, Task
from services.reviews.policy import where
from services.reviews.store.tasks import AT, COLUMNS, DUE, NEVER, SURROUNDED, task_of
from services.reviews.tables import OWED, cycle, participant, stage, task
from services.reviews.tables.registry import INSTANT
from services.reviews.usecases.list_stalled import StallFilter
from services.runtime.identity import Principal

EXTENDED = text(
    f"""
    SELECT stage_id, count(*) FROM task
    WHERE tenant_id = :tenant_id AND stage_id = ANY(:stages) AND due_override IS NOT NULL AND {OWED} GROUP BY stage_id
    """  # noqa: S608 - built from constants of ours
)


class StallStore:
    """Reads only."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def tasks(self, actor: Principal, wanted: StallFilter) -> Sequence[Task]:
        """Owed tasks that the caller may see and that do not simply wait in time, by effective deadline, then id."""
        due = func.coalesce(DUE, NEVER)
        query = (
            select(task)
            .select_from(SURROUNDED)
            .where(
                task.c.tenant_id == self._tenant_id,
                task.c.state.in_(sorted(OWED_TASK_STATES)),
                cycle.c.ended_at.is_(None),
                where(actor, "task.see", COLUMNS),
            )
        )
        if not wanted.include_waiting:
            late = or_(task.c.blocked_reason != "", task.c.state == "returned", due < AT, cycle.c.state == "paused")
            query = query.where(late)
        for condition in _conditions(wanted):
            query = query.where(condition)
        if wanted.after is not None:
            at, last = wanted.after
            after = func.coalesce(cast(at, INSTANT), NEVER)
            query = query.where(or_(due > after, and_(due == after, task.c.id > last)))
        rows = (await self._connection.execute(query.order_by(due, task.c.id).limit(wanted.size))).mappings()
        return [task_of(row) for row in rows]

    async def extended(self, stages: Sequence[UUID]) -> dict[UUID, int]:
        """Owed tasks with a deadline of their own, by stage."""
        keys = {"tenant_id": self._tenant_id, "stages": list(stages)}
        return {stage_id: count for stage_id, count in await self._connection.execute(EXTENDED, keys)}

    async def live_cycles(self) -> Sequence[UUID]:
        """Cycles of the tenant that have begun and not ended."""
        query = select(cycle.c.id).where(
            cycle.c.tenant_id == self._tenant_id, cycle.c.launched_at.is_not(None), cycle.c.ended_at.is_(None)
        )
        return list((await self._connection.execute(query)).scalars())


def _conditions(wanted: StallFilter) -> list[Any]:
    found: list[Any] = []
    if wanted.cycle_id is not None:
        found.append(task.c.cycle_id == wanted.cycle_id)
    if wanted.stage:
        found.append(stage.c.key == wanted.stage)
    if wanted.task_id is not None:
        found.append(task.c.id == wanted.task_id)
    if wanted.participant_id is not None:
        found.append(task.c.participant_id == wanted.participant_id)
    if wanted.department_id is not None:
        found.append(participant.c.department_path.any(wanted.department_id))
    return found
