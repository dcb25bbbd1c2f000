"""Ids, decimals and instants as they travel: malformed ones are refused by the name of their field."""

import base64
import binascii
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from services.scoring.domain.errors import InvalidInput

PAGE_SIZE = 50
PAGE_LIMIT = 500
DIGITS_LIMIT = 30


def uuid_of(text: str, field: str) -> UUID:
    """The id; raises InvalidInput naming the field."""
    try:
        return UUID(text)
    except ValueError:
        raise InvalidInput(f"{field} is not an id", field=field) from None


def optional_uuid(text: str, field: str) -> UUID | None:
    """The id, or None for an empty field."""
    return uuid_of(text, field) if text else None


def optional_decimal(text: str, field: str) -> Decimal | None:
    """The decimal, or None for an empty field; raises InvalidInput for no finite number of at most 30 digits."""
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(f"{field} is not a number", field=field) from None
    if not number.is_finite() or len(number.as_tuple().digits) > DIGITS_LIMIT or abs(number.adjusted()) > DIGITS_LIMIT:
        raise InvalidInput(f"{field} is out of range", field=field)
    return number


def shown(number: Decimal | None) -> str:
    """The decimal as text without exponent; empty for none."""
    return "" if number is None else f"{number:f}"


def id_text(value: UUID | None) -> str:
    """The id as text; empty for none."""
    return "" if value is None else str(value)


def page_size(asked: int) -> int:
    """The size of a page: 50 unless asked for, at most 500."""
    if asked < 0:
        raise InvalidInput("page_size is negative", field="page_size")
    return min(asked or PAGE_SIZE, PAGE_LIMIT)


def read_token(token: str) -> UUID | None:
    """The last id of the page before; raises InvalidInput for a token that is none of ours."""
    if not token:
        return None
    try:
        return UUID(bytes=base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise InvalidInput("page_token is not one of this list", field="page_token") from None


def write_token(last: UUID | None) -> str:
    """The token of the next page; empty at the end."""
    return "" if last is None else base64.urlsafe_b64encode(last.bytes).decode()


def timestamp(instant: datetime | None) -> Timestamp | None:
    """The instant as it travels."""
    if instant is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


def instant_of(stamp: Timestamp) -> datetime:
    """The instant, in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)
