"""What HR's commands write on tasks: extensions, moves after a pause, the release."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import Stage
from services.reviews.tables import OWED

# A person is named by participant id, employee id or code, as the one who owes or the one who is judged; a department
# by id or by its path of names, with everything below it. While the stage is closing, what has expired comes back.
EXTEND = text(
    f"""
    UPDATE task t SET due_override = :until, version = t.version + 1, update_time = clock_timestamp(),
        state = CASE WHEN t.state = 'expired' THEN 'open' ELSE t.state END,
        ended_at = CASE WHEN t.state = 'expired' THEN NULL ELSE t.ended_at END
    FROM task own LEFT JOIN participant p ON p.tenant_id = own.tenant_id AND p.id = own.participant_id
    WHERE t.tenant_id = own.tenant_id AND t.id = own.id AND own.tenant_id = :tenant_id AND own.stage_id = :stage_id
        AND (own.{OWED} OR own.state = 'expired')
        AND (own.due_override IS NULL OR own.due_override < :until)
        AND (CAST(:whom AS text) = '' OR p.id::text = :whom OR p.employee_id::text = :whom OR p.code = :whom
             OR own.assignee_id::text = :whom)
        AND (CAST(:department AS text) = '' OR CAST(:department AS text) = ANY(p.department_path::text[])
             OR p.department_name = :department OR p.department_name LIKE CAST(:below AS text))
    """  # noqa: S608 - built from constants of ours
)
END = text(
    f"""
    UPDATE task SET due_override = :now, version = version + 1, update_time = clock_timestamp()
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND due_override > :now AND {OWED}
    """  # noqa: S608 - built from constants of ours
)
OVERRIDES = text(
    f"""
    SELECT DISTINCT due_override FROM task
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND due_override >= :paused_at AND {OWED}
    """  # noqa: S608 - built from constants of ours
)
SHIFT = text(
    f"""
    UPDATE task SET due_override = moved.later, version = version + 1
    FROM unnest(CAST(:earlier AS timestamptz[]), CAST(:later AS timestamptz[])) AS moved (earlier, later)
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND due_override = moved.earlier AND {OWED}
    """  # noqa: S608 - built from constants of ours
)
GIVE_RELEASE = text(
    f"""
    UPDATE task SET state = 'accepted', submitted_at = :now, ended_at = :now, version = version + 1,
        update_time = clock_timestamp()
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND kind = 'release' AND {OWED}
    """  # noqa: S608 - built from constants of ours
)
TAKES_PART = text(
    "SELECT EXISTS (SELECT FROM participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id"
    " AND employee_id = :employee_id AND state NOT IN ('excluded', 'exempt', 'withdrawn'))"
)


class ExtensionStore:
    """Set-based changes of the tasks of one stage."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def extend(self, stage: Stage, until: datetime, whom: str, department: str) -> int:
        """How many tasks have the later deadline now."""
        below = department.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "/%"
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id, "until": until}
        rows = await self._connection.execute(EXTEND, {**keys, "whom": whom, "department": department, "below": below})
        return rows.rowcount

    async def end(self, stage: Stage, now: datetime) -> int:
        """How many tasks had longer than now, and have it no more."""
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id, "now": now}
        return (await self._connection.execute(END, keys)).rowcount

    async def shift(self, stage: Stage, paused_at: datetime, moved: Callable[[datetime], datetime]) -> int:
        """Move extensions that had not passed when the pause began; there are few distinct ones."""
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id}
        earlier = list((await self._connection.execute(OVERRIDES, {**keys, "paused_at": paused_at})).scalars())
        if not earlier:
            return 0
        instants = {"earlier": earlier, "later": [moved(at) for at in earlier]}
        return (await self._connection.execute(SHIFT, {**keys, **instants})).rowcount

    async def give_release(self, stage: Stage, now: datetime) -> int:
        """End the release task; 0 when none is owed."""
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id, "now": now}
        return (await self._connection.execute(GIVE_RELEASE, keys)).rowcount

    async def takes_part(self, cycle_id: UUID, employee_id: UUID | None) -> bool:
        """Whether the employee is judged in this cycle."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "employee_id": employee_id}
        return bool((await self._connection.execute(TAKES_PART, keys)).scalar_one())
