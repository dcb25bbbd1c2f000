"""A person's own inbox and preferences, and what became of deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.notify.domain.errors import Invalid
from services.notify.domain.model import Delivery, DeliveryState, Message, Preferences
from services.notify.domain.wording import CHINESE, LANGUAGES
from services.notify.usecases.ports import NeedsDeliveries, NeedsInbox


@dataclass(frozen=True, slots=True)
class ListInbox:
    """A page of the caller's inbox; `language` is people's, used where the person prefers none."""

    unread: bool
    before: int | None
    limit: int
    language: str = CHINESE


@dataclass(frozen=True, slots=True)
class InboxPage:
    """One message more than the page holds, how many are unread in all, and the language to write in."""

    messages: Sequence[Message]
    unread: int
    language: str
    limit: int


@dataclass(frozen=True, slots=True)
class ListDeliveries:
    """A page of deliveries."""

    state: DeliveryState | None
    recipient_id: UUID | None
    after: UUID | None
    limit: int


async def list_inbox(work: NeedsInbox, asked: ListInbox) -> InboxPage:
    """Return messages, newest first."""
    me = _me(work)
    messages = await work.inbox.page(me, asked.unread, asked.before, asked.limit + 1)
    language = (await work.inbox.preferences(me)).language or asked.language
    return InboxPage(messages, await work.inbox.unread(me), language, asked.limit)


async def mark_read(work: NeedsInbox, message_ids: Sequence[UUID] | None) -> int:
    """Mark the caller's own messages; those of others are not touched."""
    return await work.inbox.mark_read(_me(work), message_ids, await work.now())


async def get_preferences(work: NeedsInbox, _: None) -> Preferences:
    """Return the caller's preferences."""
    return await work.inbox.preferences(_me(work))


async def set_preferences(work: NeedsInbox, wanted: Preferences) -> Preferences:
    """Write the caller's preferences."""
    if wanted.language and wanted.language not in LANGUAGES:
        raise Invalid(f"one of {', '.join(LANGUAGES)}, or empty", field="preferences.language")
    await work.inbox.set_preferences(_me(work), wanted)
    return replace(wanted)


async def list_deliveries(work: NeedsDeliveries, asked: ListDeliveries) -> Sequence[Delivery]:
    """Return one delivery more than the page holds."""
    return await work.deliveries.page(asked.state, asked.recipient_id, asked.after, asked.limit + 1)


def _me(work: NeedsInbox) -> UUID:
    if work.principal.employee_id is None:
        raise Invalid("only people have an inbox")
    return work.principal.employee_id
