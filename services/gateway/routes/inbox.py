"""The inbox, preferences, and what was delivered."""

from fastapi import APIRouter, Response

from protos.notify.v1 import notify_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, PageSize, PageToken
from services.gateway.schemas import inbox as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["inbox"])


@router.get("/inbox", response_model=page_of(pb.Message))
async def list_inbox(
    call: Caller, unread: bool = False, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """My messages, newest first."""
    request = call.ask_page(pb.ListInboxRequest(unread=unread), page_size, page_token)
    return call.page(await call.send(call.services.notify.ListInbox, request), "messages", request)


@router.post("/inbox:read", response_model=view(pb.MarkReadResponse))
async def mark_read(body: schemas.MarkRead, call: Caller) -> Response:
    """Mark my messages as read."""
    values = plain(body, messages="message_ids", everything="all")
    request = wire.from_json(pb.MarkReadRequest, values, request_id=call.request_id)
    return call.answer(await call.send(call.services.notify.MarkRead, request))


@router.get("/preferences", response_model=view(pb.Preferences))
async def get_preferences(call: Caller) -> Response:
    """How I want to be told."""
    return call.answer((await call.send(call.services.notify.GetPreferences, pb.GetPreferencesRequest())).preferences)


@router.put("/preferences", response_model=view(pb.Preferences))
async def set_preferences(body: schemas.SetPreferences, call: Caller) -> Response:
    """Change how I want to be told."""
    request = wire.from_json(pb.SetPreferencesRequest, {"preferences": plain(body)}, request_id=call.request_id)
    return call.answer((await call.send(call.services.notify.SetPreferences, request)).preferences)


@router.get("/deliveries", response_model=page_of(pb.Delivery))
async def list_deliveries(
    call: Caller,
    state: schemas.DeliveryState | None = None,
    recipient: str = "",
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """What became of messages on external channels; HR and operators."""
    found = wire.from_json(pb.ListDeliveriesRequest, {"state": state, "recipient_id": recipient})
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.notify.ListDeliveries, request), "deliveries", request)
