"""Single values of the wire; a malformed one is refused by the name of its field."""

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.goals.domain.errors import Invalid
from services.goals.domain.numbers import NUMBER, parse_number

DEFAULT_PAGE, MAX_PAGE = 50, 500


def to_uuid(text: str, field: str) -> UUID:
    """The id; refused when absent or malformed."""
    try:
        return UUID(text)
    except ValueError:
        raise Invalid("an id, as answers carry it, is needed", field=field) from None


def to_optional_uuid(text: str, field: str) -> UUID | None:
    """The id, none when absent."""
    return to_uuid(text, field) if text else None


def to_date(text: str, field: str) -> date:
    """A date written YYYY-MM-DD between 1900 and 2100."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid("a date YYYY-MM-DD is needed", field=field) from None
    if not 1900 <= day.year <= 2100:
        raise Invalid("a date between 1900 and 2100", field=field)
    return day


def to_decimal(text: str, field: str) -> Decimal:
    """A decimal number below 10^15 with at most 12 places."""
    try:
        return parse_number(text)
    except ValueError:
        raise Invalid(NUMBER, field=field) from None


def to_optional_decimal(text: str, field: str) -> Decimal | None:
    """The number, none when absent."""
    return to_decimal(text, field) if text else None


def from_decimal(number: Decimal | None) -> str:
    """The number as text without exponent; empty for none."""
    return "" if number is None else format(number, "f")


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


def to_text(text: str, field: str, longest: int, *, needed: bool = False) -> str:
    """The text without blanks around it; refused when too long, or absent where it is needed."""
    stripped = text.strip()
    if needed and not stripped:
        raise Invalid("a text is needed", field=field)
    if len(stripped) > longest:
        raise Invalid(f"at most {longest} characters", field=field)
    return stripped


def to_page_size(size: int) -> int:
    """How many are wanted; 50 when not said."""
    if not 0 <= size <= MAX_PAGE:
        raise Invalid(f"between 1 and {MAX_PAGE}", field="page_size")
    return size or DEFAULT_PAGE
