"""Single values of the wire: ids, dates, instants, page tokens; a malformed one is refused by the name of its field."""

import base64
import binascii
from collections.abc import Iterable
from datetime import UTC, date, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.people.domain.errors import Invalid

DEFAULT_PAGE = 50
MAX_PAGE = 500


def to_uuid(text: str, field: str) -> UUID:
    """The id; refused when absent or malformed."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("not an id", field=field) from None


def to_optional_uuid(text: str, field: str) -> UUID | None:
    """The id, none when absent."""
    return to_uuid(text, field) if text else None


def to_uuids(texts: Iterable[str], field: str) -> tuple[UUID, ...]:
    """Ids in their order, each once."""
    return tuple(dict.fromkeys(to_uuid(text, f"{field}[{index}]") for index, text in enumerate(texts)))


def from_uuid(value: UUID | None) -> str:
    """The id as text, empty for none."""
    return str(value) if value else ""


def to_date(text: str, field: str) -> date:
    """A date written YYYY-MM-DD between 1900 and 2100."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("not a date YYYY-MM-DD", field=field) from None
    if not 1900 <= day.year <= 2100:
        raise Invalid("a date between 1900 and 2100", field=field)
    return day


def to_optional_date(text: str, field: str) -> date | None:
    """The date, none when absent."""
    return to_date(text, field) if text else None


def from_date(day: date | None) -> str:
    """The date as text, empty for none."""
    return day.isoformat() if day else ""


def to_instant(value: Timestamp, field: str) -> datetime:
    """The instant in UTC; refused when absent."""
    if value == Timestamp():
        raise Invalid("an instant is needed", field=field)
    return value.ToDatetime(tzinfo=UTC)


def from_instant(value: datetime | None) -> Timestamp | None:
    """The instant on the wire."""
    if value is None:
        return None
    instant = Timestamp()
    instant.FromDatetime(value)
    return instant


def to_page_size(size: int, default: int = DEFAULT_PAGE, maximum: int = MAX_PAGE) -> int:
    """How many are wanted; the default when not said."""
    if not 0 <= size <= maximum:
        raise Invalid(f"between 1 and {maximum}", field="page_size")
    return size or default


def to_key(token: str) -> str:
    """The last key of the page before, empty for the first page."""
    try:
        return base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Invalid("not a page token of this list", field="page_token") from None


def to_id_key(token: str) -> UUID | None:
    """The last id of the page before."""
    return to_optional_uuid(to_key(token), "page_token")


def from_key(key: object, *, more: bool) -> str:
    """The token that leads to the next page; empty at the end."""
    return base64.urlsafe_b64encode(str(key).encode()).decode() if more else ""
