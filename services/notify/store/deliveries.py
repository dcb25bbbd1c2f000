"""Deliveries on external channels: the sender claims them across tenants, others list them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.model import Asked, Delivery, DeliveryState, Discarded, Hold, Outgoing
from services.notify.tables import delivery, message

CLAIM = text(
    "WITH due AS (SELECT tenant_id, id FROM delivery WHERE state = 'pending' AND next_attempt_time <= clock_timestamp()"
    " AND NOT EXISTS (SELECT FROM send_hold)"
    " ORDER BY next_attempt_time LIMIT :limit FOR UPDATE SKIP LOCKED)"
    " UPDATE delivery d SET state = 'sending', attempts = d.attempts + 1, update_time = clock_timestamp()"
    " FROM due, message m LEFT JOIN preference p ON p.tenant_id = m.tenant_id AND p.employee_id = m.recipient_id"
    " WHERE d.tenant_id = due.tenant_id AND d.id = due.id AND m.tenant_id = d.tenant_id AND m.id = d.message_id"
    " RETURNING d.id, d.tenant_id, d.recipient_id, d.attempts, m.kind, m.parameters,"
    " coalesce(p.language, '') AS language, coalesce(p.email, true) AND NOT m.void AS wanted"
)
SETTLE = text(
    "UPDATE delivery SET state = :state, error = :error, update_time = clock_timestamp(),"
    " next_attempt_time = clock_timestamp() + CAST(:pause AS interval)"
    " WHERE tenant_id = :tenant_id AND id = :id AND state = 'sending'"
)
PUT_BACK = text(
    "UPDATE delivery SET state = 'pending', attempts = attempts - 1, error = :error, update_time = clock_timestamp(),"
    " next_attempt_time = clock_timestamp() + CAST(:pause AS interval)"
    " WHERE tenant_id = :tenant_id AND id = :id AND state = 'sending'"
)
# What is told of two messages to one person depends on both. Taken before anything is written, so that transaction ids,
# by which events are ordered, follow the order of the turns.
TAKE_TURN = text(
    "SELECT pg_advisory_xact_lock(hashtextextended('notify/' || recipient_id, 0)) FROM delivery"
    " WHERE tenant_id = :tenant_id AND id = :id"
)
INTERRUPTED = text(
    "SELECT tenant_id, id FROM delivery"
    " WHERE state = 'sending' AND update_time < clock_timestamp() - CAST(:after AS interval) LIMIT :limit"
)
# A send that was interrupted may or may not have been taken: shown, and not repeated, for SMTP knows no dedupe key.
GIVE_UP = text(
    "UPDATE delivery d SET state = 'unknown', error = 'INTERRUPTED', update_time = clock_timestamp() FROM message m"
    " WHERE d.tenant_id = :tenant_id AND d.id = :id AND m.tenant_id = d.tenant_id AND m.id = d.message_id"
    " AND d.state = 'sending' AND d.update_time < clock_timestamp() - CAST(:after AS interval)"
    " RETURNING d.id, d.tenant_id, d.recipient_id, d.attempts, m.kind, m.parameters, '' AS language, true AS wanted"
)
HOLD = text("INSERT INTO send_hold (reason) VALUES (:reason) ON CONFLICT DO NOTHING")
HOLD_ANEW = text(
    "INSERT INTO send_hold (reason) VALUES (:reason)"
    " ON CONFLICT (single) DO UPDATE SET reason = excluded.reason, create_time = excluded.create_time"
)
HELD = text(
    "SELECT reason, create_time, (SELECT count(*) FROM delivery WHERE state = 'pending') AS queued,"
    " (SELECT count(*) FROM delivery WHERE state = 'pending' AND update_time < send_hold.create_time) AS queued_before"
    " FROM send_hold"
)
# May have been sent by what was lost; SMTP knows no dedupe key, so whoever holds back decides.
WAITING = text("SELECT DISTINCT tenant_id FROM delivery WHERE state = 'pending' AND update_time < :before")
DISCARD = text(
    """
    WITH gone AS (
        UPDATE delivery SET state = 'unknown', error = 'DISCARDED', update_time = clock_timestamp()
        WHERE tenant_id = :tenant_id AND id IN (
            SELECT id FROM delivery WHERE tenant_id = :tenant_id AND state = 'pending' AND update_time < :before
            ORDER BY id LIMIT :limit FOR UPDATE)
        RETURNING id, message_id, recipient_id, channel, attempts)
    SELECT g.id, g.recipient_id, g.channel, g.attempts, m.create_time,
        array(SELECT t.task_id FROM message_task t WHERE t.tenant_id = :tenant_id AND t.message_id = g.message_id
            AND NOT m.void AND coalesce(p.email, true) AND NOT EXISTS (
                SELECT FROM message_task same JOIN delivery other ON other.tenant_id = same.tenant_id
                    AND other.message_id = same.message_id
                WHERE same.tenant_id = t.tenant_id AND same.task_id = t.task_id AND other.state = 'sent'
                    AND other.recipient_id = g.recipient_id AND other.channel = g.channel
                    AND other.update_time > m.create_time)
            ORDER BY t.task_id) AS task_ids
    FROM gone g JOIN message m ON m.tenant_id = :tenant_id AND m.id = g.message_id
        LEFT JOIN preference p ON p.tenant_id = m.tenant_id AND p.employee_id = m.recipient_id
    """
)
RELEASE = text("DELETE FROM send_hold")
# The tasks that a message asks for: whether another message reached the same person for them since, or did not.
ASKED = text(
    """
    WITH one AS (
        SELECT d.tenant_id, d.id, d.recipient_id, d.channel, d.attempts, m.id AS message_id, m.create_time
        FROM delivery d JOIN message m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
        WHERE d.tenant_id = :tenant_id AND d.id = :id)
    SELECT t.task_id, one.channel, one.create_time,
        coalesce(bool_or(other.state = 'sent' AND other.update_time > one.create_time), false) AS reached,
        one.attempts > 1 OR coalesce(bool_or(other.state IN ('failed', 'unknown')
            OR other.state IN ('pending', 'sending') AND other.error <> ''), false) AS missed
    FROM one JOIN message_task t ON t.tenant_id = one.tenant_id AND t.message_id = one.message_id
        LEFT JOIN message_task same ON same.tenant_id = t.tenant_id AND same.task_id = t.task_id
        LEFT JOIN delivery other ON other.tenant_id = same.tenant_id AND other.message_id = same.message_id
            AND other.recipient_id = one.recipient_id AND other.channel = one.channel AND other.id <> one.id
    GROUP BY t.task_id, one.channel, one.create_time, one.attempts
    """
)


class Outbox:
    """The queue of all tenants, in the hands of the sender."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def claim(self, limit: int) -> list[Outgoing]:
        """Take deliveries that are due; nobody else takes them."""
        rows = await self._connection.execute(CLAIM, {"limit": limit})
        return [Outgoing(**row._mapping) for row in rows]

    async def settle(
        self, each: Outgoing, state: DeliveryState, error: str = "", pause: timedelta = timedelta(0)
    ) -> None:
        """Note what became of a delivery."""
        key = {"tenant_id": each.tenant_id, "id": each.id}
        await self._connection.execute(SETTLE, {**key, "state": state.value, "error": error[:200], "pause": pause})

    async def put_back(self, each: Outgoing, error: str, pause: timedelta) -> None:
        """Leave a delivery as it was before it was claimed, to be claimed again after the pause."""
        key = {"tenant_id": each.tenant_id, "id": each.id}
        await self._connection.execute(PUT_BACK, {**key, "error": error[:200], "pause": pause})

    async def take_turn(self, tenant_id: UUID, delivery_id: UUID) -> None:
        """Wait for whoever settles another delivery to the same person; needs a transaction of the tenant."""
        await self._connection.execute(TAKE_TURN, {"tenant_id": tenant_id, "id": delivery_id})

    async def asked(self, each: Outgoing) -> list[Asked]:
        """The tasks that the message of a delivery asks for; needs a transaction of the tenant."""
        rows = await self._connection.execute(ASKED, {"tenant_id": each.tenant_id, "id": each.id})
        return [Asked(**row._mapping) for row in rows]

    async def interrupted(self, after: timedelta, limit: int) -> list[tuple[UUID, UUID]]:
        """Tenant and id of deliveries whose sender has gone."""
        rows = await self._connection.execute(INTERRUPTED, {"after": after, "limit": limit})
        return [(row.tenant_id, row.id) for row in rows]

    async def give_up(self, tenant_id: UUID, delivery_id: UUID, after: timedelta) -> Outgoing | None:
        """Mark a delivery as unknown unless somebody else has; needs a transaction of the tenant."""
        keys = {"tenant_id": tenant_id, "id": delivery_id, "after": after}
        row = (await self._connection.execute(GIVE_UP, keys)).one_or_none()
        return Outgoing(**row._mapping) if row else None

    async def hold(self, reason: str) -> None:
        """Send nothing from now on; a hold that stands already stays as it is."""
        await self._connection.execute(HOLD, {"reason": reason})

    async def hold_anew(self, reason: str) -> None:
        """Send nothing from now on; what is queued now counts as from before, whatever was held until now."""
        await self._connection.execute(HOLD_ANEW, {"reason": reason})

    async def held(self) -> Hold | None:
        """Return why nothing is sent and what waits; None when sending goes on."""
        row = (await self._connection.execute(HELD)).one_or_none()
        return Hold(row.reason, row.create_time, row.queued, row.queued_before) if row else None

    async def waiting(self, before: datetime) -> Sequence[UUID]:
        """Return the tenants with deliveries that were queued before the instant."""
        return (await self._connection.execute(WAITING, {"before": before})).scalars().all()

    async def discard(self, tenant_id: UUID, before: datetime, limit: int) -> list[Discarded]:
        """Have some of what was queued before the instant never be sent; needs a transaction of the tenant.

        What becomes of it is unknown. Empty when nothing is left; repeatable.
        """
        keys = {"tenant_id": tenant_id, "before": before, "limit": limit}
        return [Discarded(**row._mapping) for row in await self._connection.execute(DISCARD, keys)]

    async def release(self) -> None:
        """Send again."""
        await self._connection.execute(RELEASE)


class DeliveryStore:
    """The deliveries of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def page(
        self, state: DeliveryState | None, recipient_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[Delivery]:
        """Return deliveries by id."""
        query = (
            select(delivery, message.c.kind)
            .join(message, (message.c.tenant_id == delivery.c.tenant_id) & (message.c.id == delivery.c.message_id))
            .where(delivery.c.tenant_id == self._tenant_id)
            .order_by(delivery.c.id)
            .limit(limit)
        )
        if state is not None:
            query = query.where(delivery.c.state == state.value)
        if recipient_id is not None:
            query = query.where(delivery.c.recipient_id == recipient_id)
        if after is not None:
            query = query.where(delivery.c.id > after)
        return [
            Delivery(
                row.id,
                row.message_id,
                row.recipient_id,
                row.channel,
                DeliveryState(row.state),
                row.attempts,
                row.error,
                row.kind,
                row.update_time,
            )
            for row in await self._connection.execute(query)
        ]
