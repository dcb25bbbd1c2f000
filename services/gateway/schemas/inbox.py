"""Bodies about the inbox."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from services.gateway.schemas.fields import Body, Key

DeliveryState = Literal["pending", "sending", "sent", "failed", "unknown", "void"]


class MarkRead(Body):
    """Which messages."""

    messages: Annotated[list[Key], Field(max_length=500)] = []
    everything: StrictBool = False


class SetPreferences(Body):
    """How I want to be told."""

    language: Annotated[Literal["", "zh-CN", "en"], Field(examples=["zh-CN"])] = ""
    email: StrictBool = True
