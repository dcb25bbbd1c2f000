"""What one cell of the goals file may say."""

import re
import unicodedata
from datetime import date
from decimal import Decimal

from services.goals.domain.model import Direction, Mode
from services.goals.domain.numbers import NUMBER, parse_number

TEXT, UNIT = 200, 50  # characters
DIRECTIONS = {
    "higher": Direction.HIGHER,
    "lower": Direction.LOWER,
    "越高越好": Direction.HIGHER,
    "越低越好": Direction.LOWER,
}
_PER_CENT = ("%", "％")
_DATE = re.compile(r"(\d{4})(?:-|/|\.|年)(\d{1,2})(?:-|/|\.|月)(\d{1,2})日?")
_CONTROLS = frozenset({"Cc", "Cf", "Co", "Cn", "Zl", "Zp"})


class CellRefused(Exception):
    """A cell's text cannot be what its column holds; the message says what would be right."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code, self.message = code, message


def check_text(text: str, longest: int, *, needed: bool) -> None:
    """Raise CellRefused for a text that is absent though needed, too long, or not all characters."""
    if needed and not text:
        raise CellRefused("VALUE_MISSING", "a value is needed")
    categories = {unicodedata.category(character) for character in text}
    if "Cs" in categories:
        raise CellRefused("BAD_ENCODING", "bytes that are not text; save the file as UTF-8")
    if categories & _CONTROLS:
        raise CellRefused("CONTROL_CHARACTER", "control characters and line breaks are not allowed")
    if len(text) > longest:
        raise CellRefused("VALUE_TOO_LONG", f"at most {longest} characters")


def mode(text: str) -> Mode:
    """Return the mode, in capitals or not."""
    try:
        return Mode(text.lower())
    except ValueError:
        raise CellRefused("MODE_UNKNOWN", f"one of {', '.join(each.value for each in Mode)}") from None


def direction(text: str) -> Direction:
    """Return which way is better."""
    found = DIRECTIONS.get(text.lower())
    if found is None:
        raise CellRefused("DIRECTION_UNKNOWN", f"one of {', '.join(DIRECTIONS)}")
    return found


def weight(text: str) -> Decimal:
    """Return a weight in per cent, with or without the sign."""
    return _number(text[:-1] if text.endswith(_PER_CENT) else text)


def number(text: str) -> Decimal:
    """Return a value; 120 % is 1.2 (product.md §7)."""
    return _number(text[:-1]).scaleb(-2) if text.endswith(_PER_CENT) else _number(text)


def day(text: str) -> date:
    """Return a date written year first, between 1900 and 2100."""
    found = _DATE.fullmatch(text)
    try:
        read = date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        read = None
    if read is None or not 1900 <= read.year <= 2100:
        raise CellRefused("DATE_MALFORMED", "a date YYYY-MM-DD between 1900 and 2100")
    return read


def _number(text: str) -> Decimal:
    try:
        return parse_number(text.strip())
    except ValueError:
        raise CellRefused("NUMBER_MALFORMED", NUMBER) from None
