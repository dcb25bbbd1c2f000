"""Protobuf messages to JSON values and back, by one set of rules for every resource.

Empty strings, unset messages and unspecified enums are omitted, never nulled; enums are lower-case without their
type's prefix; instants are RFC 3339 in UTC; a string field `x_json` travels as the JSON value `x`.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

M = TypeVar("M", bound=Message)
JSON_SUFFIX = "_json"
Field = Any  # a field descriptor: the two implementations of protobuf have no type in common


def to_json(message: Message) -> dict[str, Any]:
    """Return the message as a JSON object, without what is empty."""
    plain: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        name = field.name
        value = getattr(message, name)
        if is_map(field):
            if value:
                plain[name] = dict(value)
        elif field.is_repeated:
            plain[name] = [_scalar(field, each) for each in value]
        elif field.message_type is not None:
            if message.HasField(name):
                plain[name] = _scalar(field, value)
        elif field.enum_type is not None:
            if value:
                plain[name] = _scalar(field, value)
        elif value != "":
            plain[json_name(field)] = json.loads(value) if name.endswith(JSON_SUFFIX) else value
    return plain


def from_json(message_type: type[M], values: Mapping[str, Any], **more: Any) -> M:
    """Return the message with the given values; what is None stays unset. Names must be fields of the message."""
    message = message_type()
    fields = message.DESCRIPTOR.fields_by_name
    for name, value in {**values, **more}.items():
        if value is not None:
            field = fields.get(name) or fields[name + JSON_SUFFIX]
            _set(message, field, value)
    return message


def json_name(field: Field) -> str:
    """Return the name under which a field travels in JSON."""
    return str(field.name).removesuffix(JSON_SUFFIX)


def is_map(field: Field) -> bool:
    """Return whether the field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


@cache
def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """Return the lower-case names of an enum by number, without the type's prefix and without `unspecified`."""
    prefix = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).upper() + "_"
    return {value.number: value.name.removeprefix(prefix).lower() for value in enum.values if value.number}


def _scalar(field: Field, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Duration):
        return value.ToTimedelta().total_seconds()
    if isinstance(value, Message):
        return to_json(value)
    if field.enum_type is not None:
        return enum_names(field.enum_type).get(value, "unspecified")
    return value


def _set(message: Message, field: Field, value: Any) -> None:
    if field.name.endswith(JSON_SUFFIX):
        setattr(message, field.name, json.dumps(value, ensure_ascii=False))
    elif is_map(field):
        getattr(message, field.name).update(value)
    elif field.is_repeated:
        target = getattr(message, field.name)
        target.extend(_inner(field, each) for each in value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(_inner(field, value))
    else:
        setattr(message, field.name, _inner(field, value))


def _inner(field: Field, value: Any) -> Any:
    if field.enum_type is not None:
        return next(number for number, name in enum_names(field.enum_type).items() if name == value)
    if field.message_type is None:
        return value
    if isinstance(value, datetime):
        stamp = Timestamp()
        stamp.FromDatetime(value.astimezone(UTC).replace(tzinfo=None))
        return stamp
    return from_json(GetMessageClass(field.message_type), value)
