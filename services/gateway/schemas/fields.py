"""Kinds of fields that request bodies share; strict, so that nothing is silently converted."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictStr,
    StringConstraints,
)

SHORT, LONG = 200, 10_000


def _text_only(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write it as a string")
    return value


def _printable(value: str) -> str:
    if "\x00" in value:
        raise ValueError("the character NUL is not allowed")
    return value


def _calendar_date(value: str) -> str:
    return date.fromisoformat(value).isoformat()


class Body(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class View(BaseModel):
    """An answer: fields that are empty, or that the caller may not see, are absent."""

    model_config = ConfigDict(extra="forbid")


Name = Annotated[
    StrictStr,
    StringConstraints(min_length=1, max_length=SHORT, strip_whitespace=True),
    AfterValidator(_printable),
    Field(examples=["2026 Q3"]),
]
Text = Annotated[
    StrictStr,
    StringConstraints(max_length=LONG),
    AfterValidator(_printable),
    Field(examples=["Delivered two of three milestones."]),
]
Reason = Annotated[
    StrictStr,
    StringConstraints(min_length=1, max_length=2000, strip_whitespace=True),
    AfterValidator(_printable),
    Field(description="Why; kept in the audit trail.", examples=["A public holiday was overlooked."]),
]
Reference = Annotated[
    StrictStr,
    StringConstraints(min_length=1, max_length=SHORT, strip_whitespace=True),
    AfterValidator(_printable),
    Field(description="Id, code or name.", examples=["E0042"]),
]
Day = Annotated[
    StrictStr,
    StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$"),
    AfterValidator(_calendar_date),
    Field(description="YYYY-MM-DD", examples=["2026-09-30"]),
]
Instant = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    Field(description="RFC 3339 with a zone.", examples=["2026-09-30T10:00:00Z"]),
]
Decimal = Annotated[
    StrictStr,
    StringConstraints(pattern=r"^-?\d{1,18}(\.\d{1,12})?$"),
    Field(description="A decimal number as a string.", examples=["87.25"]),
]
Key = Annotated[
    UUID, BeforeValidator(_text_only), Field(description="UUID.", examples=["01994a3e-7c1f-7c3a-9d55-2f6f3f1d0a11"])
]


def plain(body: BaseModel, **renamed: str) -> dict[str, Any]:
    """Return what a body says as values for a message; UUIDs as text, what is absent left out."""
    given = type(body).model_fields
    return {
        renamed.get(name) or given[name].alias or name: _plain(getattr(body, name))
        for name in given
        if getattr(body, name) is not None
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return plain(value)
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
