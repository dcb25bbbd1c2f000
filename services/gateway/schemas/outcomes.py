"""Bodies about appeals and interviews."""

from typing import Annotated, Literal

from pydantic import Field

from services.gateway.schemas.fields import Body, Decimal, Instant, Key, Reason, Reference, Text
from services.gateway.schemas.reviews import Evidence

AppealState = Literal["filed", "accepted", "declined", "kept", "amending", "amended", "withdrawn"]


class WithReason(Body):
    """Why."""

    reason: Reason


class FileAppeal(Body):
    """An appeal."""

    result: Key
    grounds: Reason
    items: Annotated[list[Reference], Field(max_length=100)] = []
    evidence: Annotated[list[Evidence], Field(max_length=20)] = []


class AssignAppeal(Body):
    """To whom."""

    owner: Key
    reason: Reason


class DecideAppeal(Body):
    """A decision."""

    outcome: Literal["kept", "amended"]
    score: Decimal | None = None
    grade: Reference | None = None
    reason: Reason
    evidence: Annotated[list[Evidence], Field(max_length=20)] = []


class ScheduleInterview(Body):
    """When and where."""

    scheduled_time: Instant
    place: Annotated[str, Field(max_length=500)] = ""


class RecordInterview(Body):
    """My notes."""

    notes: Text


class SignInterview(Body):
    """Typed name, or "click"."""

    signature: Annotated[str, Field(min_length=1, max_length=200, examples=["click"])]
