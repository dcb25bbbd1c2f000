"""Numbers as people write them, on the wire and in files: exact decimals of a size that can be stored."""

import re
from decimal import Decimal

LARGEST = Decimal(10) ** 15
PLACES = 12
NUMBER = f"a decimal number such as 1200.5, below 10^15, with at most {PLACES} places and without separators"
_FORM = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?")


def parse_number(text: str) -> Decimal:
    """Return the number, its zeros written out. Raises ValueError when it is none, too large or too fine."""
    if not _FORM.fullmatch(text):
        raise ValueError("not a decimal number")
    exact = Decimal(text)
    if abs(exact) >= LARGEST or exact != exact.quantize(Decimal(1).scaleb(-PLACES)):
        raise ValueError("too large or too fine")
    return Decimal(format(exact, "f"))
