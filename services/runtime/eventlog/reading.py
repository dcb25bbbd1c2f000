"""Events as they arrive from another service: proto in, Event out."""

from datetime import UTC
from typing import Any
from uuid import UUID

from google.protobuf.json_format import MessageToDict

from protos.eventlog.v1 import eventlog_pb2
from services.runtime.eventlog.log import Event


def event_of(message: eventlog_pb2.Event) -> Event:
    """Return the event that the message carries; whole numbers of the payload are int again."""
    return Event(
        id=UUID(message.id),
        tenant_id=UUID(message.tenant_id),
        kind=message.kind,
        aggregate_type=message.aggregate_type,
        aggregate_id=UUID(message.aggregate_id),
        version=message.version,
        payload=_whole(MessageToDict(message.payload)),
        trace_id=message.trace_id,
        create_time=message.create_time.ToDatetime(tzinfo=UTC),
        xid=message.transaction_id,
    )


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
