"""Facts about assignees that other services told; each statement may be repeated."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.usecases.follow_assignees import Absent, Delivery, Employment

KEEP_EMPLOYMENT = text(
    """
    INSERT INTO departure AS d (tenant_id, employee_id, left_on, version)
    VALUES (:tenant_id, :employee_id, :left_on, :version)
    ON CONFLICT (tenant_id, employee_id) DO UPDATE
        SET left_on = excluded.left_on, version = excluded.version, update_time = now()
        WHERE d.version < excluded.version
    """
)
KEEP_ABSENCE = text(
    """
    INSERT INTO absence (tenant_id, employee_id, from_on, to_on) VALUES (:tenant_id, :employee_id, :from_on, :to_on)
    ON CONFLICT DO NOTHING
    """
)
KEEP_UNDELIVERED = text(
    """
    INSERT INTO undelivered AS u (tenant_id, task_id, recipient_id, channel, error, since)
    SELECT :tenant_id, told.task_id, :recipient_id, :channel, :error, :since
    FROM unnest(CAST(:task_ids AS uuid[])) AS told (task_id)
    ON CONFLICT (tenant_id, task_id, recipient_id, channel) DO UPDATE
        SET error = excluded.error, since = least(u.since, excluded.since), update_time = now()
    """
)
FORGET_UNDELIVERED = text(
    """
    DELETE FROM undelivered
    WHERE tenant_id = :tenant_id AND task_id = ANY(:task_ids) AND recipient_id = :recipient_id AND channel = :channel
    """
)


class AssigneeStore:
    """Writes what was told; `StallStore` reads it."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def keep_employment(self, told: Employment) -> None:
        """The last day, or none; an older word than the one kept changes nothing."""
        row = {"employee_id": told.employee_id, "left_on": told.left_on, "version": told.version}
        await self._connection.execute(KEEP_EMPLOYMENT, {"tenant_id": self._tenant_id, **row})

    async def keep_absence(self, told: Absent) -> None:
        """Days away."""
        row = {"employee_id": told.employee_id, "from_on": told.from_on, "to_on": told.to_on}
        await self._connection.execute(KEEP_ABSENCE, {"tenant_id": self._tenant_id, **row})

    async def keep_undelivered(self, told: Delivery) -> None:
        """A message that did not arrive; the first one's instant stays."""
        row = {**self._of(told), "error": told.error, "since": told.since}
        await self._connection.execute(KEEP_UNDELIVERED, row)

    async def forget_undelivered(self, told: Delivery) -> None:
        """A message arrived."""
        await self._connection.execute(FORGET_UNDELIVERED, self._of(told))

    def _of(self, told: Delivery) -> dict[str, object]:
        return {
            "tenant_id": self._tenant_id,
            "task_ids": list(told.task_ids),
            "recipient_id": told.recipient_id,
            "channel": told.channel,
        }
