"""Messages, preferences and deliveries between the wire and the domain."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from protos.notify.v1 import notify_pb2 as pb
from services.notify.domain.errors import Invalid
from services.notify.domain.model import Delivery, DeliveryState, Message, Preferences
from services.notify.domain.wording import render
from services.notify.usecases.read_inbox import InboxPage, ListDeliveries, ListInbox

STATES = {
    value: DeliveryState(name.removeprefix("DELIVERY_STATE_").lower())
    for name, value in pb.DeliveryState.items()
    if value
}
STATES_BACK = {state: value for value, state in STATES.items()}
DEFAULT_PAGE, MAX_PAGE, MAX_MARKED = 50, 500, 500


def list_inbox(request: pb.ListInboxRequest) -> ListInbox:
    """Which messages."""
    token = request.page_token
    if token and not (token.isdecimal() and len(token) < 19):
        raise Invalid("use next_page_token of the page before", field="page_token")
    return ListInbox(request.unread, int(token) if token else None, _page_size(request.page_size))


def list_inbox_reply(page: InboxPage) -> pb.ListInboxResponse:
    shown = page.messages[: page.limit]
    token = str(shown[-1].sequence) if len(page.messages) > page.limit else ""
    messages = [_message(each, page.language) for each in shown]
    return pb.ListInboxResponse(messages=messages, next_page_token=token, unread=page.unread)


def mark_read(request: pb.MarkReadRequest) -> Sequence[UUID] | None:
    """Which messages; None for all."""
    if request.all:
        return None
    if not 0 < len(request.message_ids) <= MAX_MARKED:
        raise Invalid(f"1 to {MAX_MARKED} messages, or all", field="message_ids")
    return [_uuid(each, f"message_ids[{index}]") for index, each in enumerate(request.message_ids)]


def mark_read_reply(count: int) -> pb.MarkReadResponse:
    return pb.MarkReadResponse(count=count)


def get_preferences(request: pb.GetPreferencesRequest) -> None:
    """Nothing is asked."""


def get_preferences_reply(found: Preferences) -> pb.GetPreferencesResponse:
    return pb.GetPreferencesResponse(preferences=_preferences(found))


def set_preferences(request: pb.SetPreferencesRequest) -> Preferences:
    """What is wanted."""
    return Preferences(request.preferences.language, request.preferences.email)


def set_preferences_reply(found: Preferences) -> pb.SetPreferencesResponse:
    return pb.SetPreferencesResponse(preferences=_preferences(found))


def list_deliveries(request: pb.ListDeliveriesRequest) -> ListDeliveries:
    """Which deliveries."""
    if request.state and request.state not in STATES:
        raise Invalid("a state of deliveries", field="state")
    return ListDeliveries(
        STATES.get(request.state),
        _uuid(request.recipient_id, "recipient_id") if request.recipient_id else None,
        _uuid(request.page_token, "page_token") if request.page_token else None,
        _page_size(request.page_size),
    )


def list_deliveries_reply(found: Sequence[Delivery], asked: ListDeliveries) -> pb.ListDeliveriesResponse:
    page = found[: asked.limit]
    token = str(page[-1].id) if len(found) > asked.limit else ""
    return pb.ListDeliveriesResponse(deliveries=[_delivery(each) for each in page], next_page_token=token)


def _message(each: Message, language: str) -> pb.Message:
    title, body = render(each.kind, each.parameters, language)
    return pb.Message(
        id=str(each.id),
        sequence=each.sequence,
        kind=each.kind,
        title=title,
        body=body,
        subject_type=each.subject_type,
        subject_id=str(each.subject_id),
        create_time=_stamp(each.create_time),
        read_time=_stamp(each.read_time) if each.read_time else None,
        void=each.void,
    )


def _delivery(each: Delivery) -> pb.Delivery:
    return pb.Delivery(
        id=str(each.id),
        message_id=str(each.message_id),
        recipient_id=str(each.recipient_id),
        channel=each.channel,
        state=STATES_BACK[each.state],
        attempts=each.attempts,
        error=each.error,
        update_time=_stamp(each.update_time),
        kind=each.kind,
    )


def _preferences(found: Preferences) -> pb.Preferences:
    return pb.Preferences(language=found.language, email=found.email)


def _page_size(size: int) -> int:
    if not 0 <= size <= MAX_PAGE:
        raise Invalid(f"between 1 and {MAX_PAGE}", field="page_size")
    return size or DEFAULT_PAGE


def _uuid(text: str, field: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("not an id", field=field) from None


def _stamp(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp
