"""The shapes of answers, derived from the messages of the services, so that the two cannot drift apart."""

from datetime import datetime
from functools import cache
from typing import Any, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from pydantic import BaseModel, Field, create_model

from services.gateway import wire
from services.gateway.schemas.fields import View

SCALARS: dict[int, Any] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_INT32: int,
    FieldDescriptor.CPPTYPE_INT64: int,
    FieldDescriptor.CPPTYPE_UINT32: int,
    FieldDescriptor.CPPTYPE_DOUBLE: float,
}


def view(message: type[Message]) -> type[BaseModel]:
    """Return the shape of a message as it travels in JSON."""
    return _model(message.DESCRIPTOR)


@cache
def page_of(message: type[Message]) -> type[BaseModel]:
    """Return the shape of a page of a list."""
    item: Any = view(message)
    return create_model(f"{message.DESCRIPTOR.name}Page", items=(list[item], ...), next_page_token=(str, ""))


@cache
def _model(descriptor: Descriptor) -> type[BaseModel]:
    fields = {_attribute(wire.json_name(field)): _optional(field) for field in descriptor.fields}
    return create_model(descriptor.name, __base__=View, **fields)


def _optional(field: wire.Field) -> Any:
    return (_type(field) | None, Field(default=None, alias=wire.json_name(field)))


def _attribute(name: str) -> str:
    return f"{name}_" if hasattr(View, name) else name


def _type(field: wire.Field) -> Any:
    if wire.is_map(field):
        return dict.__class_getitem__((str, _one(field.message_type.fields_by_name["value"])))
    one = _one(field)
    return list.__class_getitem__(one) if field.is_repeated else one


def _one(field: wire.Field) -> Any:
    if field.name.endswith(wire.JSON_SUFFIX):
        return Any
    if field.enum_type is not None:
        return Literal[tuple(wire.enum_names(field.enum_type).values())]
    if field.message_type is None:
        return SCALARS[field.cpp_type]
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return datetime
    return _model(field.message_type)
