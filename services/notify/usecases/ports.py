"""What use cases need of a unit of work, and of other services."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notify.domain.model import Delivery, DeliveryState, Message, News, Preferences


class Inbox(Protocol):
    async def tell(self, event_id: UUID, at: datetime, news: Sequence[News], channels: Sequence[str]) -> int: ...
    async def end_tasks(self, stage_id: UUID, first: UUID, last: UUID, owed: Sequence[tuple[UUID, UUID]]) -> int: ...
    async def page(self, recipient_id: UUID, unread: bool, before: int | None, limit: int) -> list[Message]: ...
    async def unread(self, recipient_id: UUID) -> int: ...
    async def mark_read(self, recipient_id: UUID, message_ids: Sequence[UUID] | None, now: datetime) -> int: ...
    async def preferences(self, employee_id: UUID) -> Preferences: ...
    async def set_preferences(self, employee_id: UUID, wanted: Preferences) -> None: ...


class Deliveries(Protocol):
    async def page(
        self, state: DeliveryState | None, recipient_id: UUID | None, after: UUID | None, limit: int
    ) -> Sequence[Delivery]: ...


class Caller(Protocol):
    """Who asks."""

    @property
    def employee_id(self) -> UUID | None: ...


class NeedsInbox(Protocol):
    @property
    def principal(self) -> Caller: ...
    @property
    def tenant_id(self) -> UUID: ...
    @property
    def inbox(self) -> Inbox: ...
    async def now(self) -> datetime: ...


class NeedsDeliveries(Protocol):
    @property
    def deliveries(self) -> Deliveries: ...


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody concerned by a bulk event, with one task."""

    task_id: UUID
    employee_id: UUID
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Recipients:
    """Everybody concerned by a bulk event, and how their cycle and stage are called."""

    people: tuple[Recipient, ...]
    cycle: str
    stage: str
    zone: str


@dataclass(frozen=True, slots=True)
class TaskRange:
    """The tasks of a bulk event: both ends belong to it."""

    cycle_id: UUID
    stage_id: UUID
    first: UUID
    last: UUID
    reminder: str = ""


class Reviews(Protocol):
    """What notify asks of reviews."""

    async def recipients(self, tenant_id: UUID, tasks: TaskRange) -> Recipients: ...


class People(Protocol):
    """What notify asks of people."""

    async def contact(self, tenant_id: UUID, employee_id: UUID) -> tuple[str, str]:
        """Return e-mail address and language; both empty for somebody unknown."""
        ...
