"""Messages and preferences; a message exists once per event and person."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.model import Message, News, Preferences
from services.notify.tables import message, preference

# Messages of one tenant are numbered one transaction at a time.
LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('attune.notify.' || :tenant_id, 0))")
TELL = text(
    "INSERT INTO message (tenant_id, id, event_id, recipient_id, sequence, kind, subject_type, subject_id, parameters)"
    " SELECT :tenant_id, deterministic_id(:at, CAST(CAST(:event_id AS uuid) AS text), n.recipient_id::text),"
    " CAST(:event_id AS uuid),"
    " n.recipient_id, coalesce((SELECT max(m.sequence) FROM message m WHERE m.tenant_id = :tenant_id"
    "  AND m.recipient_id = n.recipient_id), 0) + 1, n.kind, n.subject_type, n.subject_id, n.parameters"
    " FROM unnest(CAST(:recipients AS uuid[]), CAST(:kinds AS text[]), CAST(:types AS text[]),"
    "  CAST(:subjects AS uuid[]), CAST(CAST(:parameters AS text[]) AS jsonb[]))"
    " AS n (recipient_id, kind, subject_type, subject_id, parameters)"
    " ON CONFLICT (tenant_id, event_id, recipient_id) DO NOTHING"
)
QUEUE = text(
    "INSERT INTO delivery (tenant_id, id, message_id, recipient_id, channel, state)"
    " SELECT tenant_id, deterministic_id(create_time, id::text, :channel), id, recipient_id, :channel, 'pending'"
    " FROM message WHERE tenant_id = :tenant_id AND event_id = :event_id ON CONFLICT DO NOTHING"
)

ASK = text(
    "INSERT INTO message_task (tenant_id, task_id, message_id, stage_id)"
    " SELECT m.tenant_id, t.task_id, m.id, t.stage_id FROM unnest(CAST(:recipients AS uuid[]), CAST(:tasks AS uuid[]),"
    "  CAST(:stages AS uuid[])) AS t (recipient_id, task_id, stage_id)"
    " JOIN message m ON m.tenant_id = :tenant_id AND m.event_id = CAST(:event_id AS uuid)"
    "  AND m.recipient_id = t.recipient_id ON CONFLICT DO NOTHING"
)
# A message is void when its last task goes; the outer statement still sees the rows that the inner one deletes.
END = text(
    "WITH ended AS (DELETE FROM message_task t USING message m"
    " WHERE t.tenant_id = :tenant_id AND t.task_id BETWEEN :first AND :last AND t.stage_id = :stage_id"
    " AND m.tenant_id = t.tenant_id AND m.id = t.message_id"
    " AND NOT EXISTS (SELECT 1 FROM unnest(CAST(:owed AS uuid[]), CAST(:people AS uuid[])) AS s (task_id, employee_id)"
    "  WHERE s.task_id = t.task_id AND s.employee_id = m.recipient_id)"
    " RETURNING t.message_id, t.task_id)"
    " UPDATE message SET void = true WHERE tenant_id = :tenant_id AND NOT void"
    " AND id IN (SELECT message_id FROM ended)"
    " AND NOT EXISTS (SELECT 1 FROM message_task r WHERE r.tenant_id = :tenant_id AND r.message_id = message.id"
    "  AND NOT EXISTS (SELECT 1 FROM ended e WHERE e.message_id = r.message_id AND e.task_id = r.task_id))"
)


class InboxStore:
    """The inboxes of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def tell(self, event_id: UUID, at: datetime, news: Sequence[News], channels: Sequence[str]) -> int:
        """Put an event's news into inboxes and queue them for channels; repeated it changes nothing."""
        if not news:
            return 0
        await self._connection.execute(LOCK, {"tenant_id": str(self._tenant_id)})
        values = {
            "tenant_id": self._tenant_id,
            "event_id": event_id,
            "at": at,
            "recipients": [each.recipient_id for each in news],
            "kinds": [each.kind for each in news],
            "types": [each.subject_type for each in news],
            "subjects": [each.subject_id for each in news],
            "parameters": [json.dumps(dict(each.parameters), ensure_ascii=False) for each in news],
        }
        told = (await self._connection.execute(TELL, values)).rowcount
        asked = [(each, task_id) for each in news if each.stage_id for task_id in each.tasks] if told else []
        if asked:
            rows = {
                "recipients": [each.recipient_id for each, _ in asked],
                "tasks": [task_id for _, task_id in asked],
                "stages": [each.stage_id for each, _ in asked],
            }
            await self._connection.execute(ASK, {"tenant_id": self._tenant_id, "event_id": event_id, **rows})
        for channel in channels:
            key = {"tenant_id": self._tenant_id, "event_id": event_id, "channel": channel}
            await self._connection.execute(QUEUE, key)
        return told

    async def end_tasks(self, stage_id: UUID, first: UUID, last: UUID, owed: Sequence[tuple[UUID, UUID]]) -> int:
        """Forget a stage's tasks from first to last but those still owed (task, employee); void what asks for none."""
        values = {
            "tenant_id": self._tenant_id,
            "stage_id": stage_id,
            "first": first,
            "last": last,
            "owed": [task_id for task_id, _ in owed],
            "people": [employee_id for _, employee_id in owed],
        }
        return (await self._connection.execute(END, values)).rowcount

    async def page(self, recipient_id: UUID, unread: bool, before: int | None, limit: int) -> list[Message]:
        """Return messages of a person, newest first."""
        query = select(message).where(message.c.tenant_id == self._tenant_id, message.c.recipient_id == recipient_id)
        if unread:
            query = query.where(message.c.read_time.is_(None))
        if before is not None:
            query = query.where(message.c.sequence < before)
        rows = await self._connection.execute(query.order_by(message.c.sequence.desc()).limit(limit))
        return [Message(**{name: getattr(row, name) for name in Message.__dataclass_fields__}) for row in rows]

    async def unread(self, recipient_id: UUID) -> int:
        """Return how many messages a person has not read."""
        query = select(func.count()).select_from(message).where(*self._unread(recipient_id))
        return int((await self._connection.execute(query)).scalar_one())

    async def mark_read(self, recipient_id: UUID, message_ids: Sequence[UUID] | None, now: datetime) -> int:
        """Mark a person's messages as read, all where none are named."""
        conditions = self._unread(recipient_id)
        if message_ids is not None:
            conditions = (*conditions, message.c.id.in_(message_ids))
        return (await self._connection.execute(update(message).where(*conditions).values(read_time=now))).rowcount

    async def preferences(self, employee_id: UUID) -> Preferences:
        """Return how somebody wants to be told."""
        query = select(preference.c.language, preference.c.email).where(
            preference.c.tenant_id == self._tenant_id, preference.c.employee_id == employee_id
        )
        row = (await self._connection.execute(query)).one_or_none()
        return Preferences(row.language, row.email) if row else Preferences()

    async def set_preferences(self, employee_id: UUID, wanted: Preferences) -> None:
        """Write how somebody wants to be told."""
        values = {"language": wanted.language, "email": wanted.email}
        row = {"tenant_id": self._tenant_id, "employee_id": employee_id, **values}
        statement = insert(preference).values(row)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["tenant_id", "employee_id"], set_=values)
        )

    def _unread(self, recipient_id: UUID) -> tuple[Any, ...]:
        own = (message.c.tenant_id == self._tenant_id, message.c.recipient_id == recipient_id)
        return (*own, message.c.read_time.is_(None))
