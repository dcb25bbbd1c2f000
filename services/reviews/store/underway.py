"""What events of other services find in cycles under way, set-based."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import OWED_TASK_STATES, CycleDay, Task
from services.reviews.store.tasks import TASK_FIELDS, task_of
from services.reviews.usecases.follow_people import LiveCycle

LIVE = "c.launched_at IS NOT NULL AND c.ended_at IS NULL"
WITH_MANAGER = text(
    f"""
    SELECT c.id, c.owner_id, c.zone, p.manager_chain[1] AS manager_id
    FROM cycle c LEFT JOIN participant p
        ON p.tenant_id = c.tenant_id AND p.cycle_id = c.id AND p.employee_id = :employee_id
    WHERE c.tenant_id = :tenant_id AND {LIVE}
    """  # noqa: S608 - built from constants of ours
)
CHANGE_DAYS = text(
    f"""
    UPDATE cycle_day d SET business = changed.business
    FROM cycle c, unnest(CAST(:days AS date[]), CAST(:business AS boolean[])) AS changed (day, business)
    WHERE d.tenant_id = :tenant_id AND c.tenant_id = d.tenant_id AND c.id = d.cycle_id AND {LIVE}
        AND d.day = changed.day AND d.business <> changed.business
    RETURNING d.cycle_id, d.day, d.business
    """  # noqa: S608 - built from constants of ours
)
# A session's task has no answers: its submission_version remembers the newest event of the session that was followed.
MOVE_SESSION = text(
    f"""
    UPDATE task SET submission_version = CAST(:seen AS integer), version = task.version + 1, state = :state,
        ended_at = CASE WHEN :state = 'accepted' THEN clock_timestamp() + c.clock_offset END,
        submitted_at = CASE WHEN :state = 'accepted' THEN clock_timestamp() + c.clock_offset END,
        update_time = clock_timestamp()
    FROM cycle c
    WHERE task.tenant_id = :tenant_id AND task.reference_id = :session_id AND task.kind = 'calibration'
        AND c.tenant_id = task.tenant_id AND c.id = task.cycle_id
        AND task.submission_version < CAST(:seen AS integer) AND task.state = ANY(:before)
    RETURNING {", ".join(f"task.{name}" for name in TASK_FIELDS)}
    """  # noqa: S608 - built from constants of ours
)


class UnderwayStore:
    """Cycles of one tenant that have been launched and have not ended."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def with_manager_of(self, employee_id: UUID) -> list[LiveCycle]:
        """Every live cycle, with the manager that the employee has in its snapshot."""
        parameters = {"tenant_id": self._tenant_id, "employee_id": employee_id}
        rows = await self._connection.execute(WITH_MANAGER, parameters)
        return [LiveCycle(row.id, row.owner_id, row.zone, row.manager_id) for row in rows]

    async def change_days(self, days: Sequence[CycleDay]) -> dict[UUID, list[CycleDay]]:
        """Copy days of the tenant's calendar into live cycles; return what differed, by cycle."""
        parameters = {"days": [each.day for each in days], "business": [each.business for each in days]}
        found: dict[UUID, list[CycleDay]] = {}
        for row in await self._connection.execute(CHANGE_DAYS, {"tenant_id": self._tenant_id, **parameters}):
            found.setdefault(row.cycle_id, []).append(CycleDay(row.day, row.business))
        return found

    async def move_session(self, session_id: UUID, version: int, *, committed: bool) -> list[Task]:
        """End or open the tasks of a calibration session, unless a newer event has been followed; return them."""
        state, before = ("accepted", sorted(OWED_TASK_STATES)) if committed else ("open", ["accepted", "open"])
        parameters = {"session_id": session_id, "seen": version, "state": state, "before": before}
        rows = await self._connection.execute(MOVE_SESSION, {"tenant_id": self._tenant_id, **parameters})
        return [task_of(row) for row in rows.mappings()]
