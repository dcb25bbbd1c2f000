"""Exact arithmetic: rationals until the one rounding, and shares that add up to a rounded total."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

HUNDRED = Fraction(100)


def rounded_units(value: Fraction, places: int) -> int:
    """The value in units of 10^-places (0 or more), half away from zero."""
    unit: int = 10**places
    magnitude = (2 * abs(value.numerator) * unit + value.denominator) // (2 * value.denominator)  # integers are fast
    return magnitude if value >= 0 else -magnitude


def round_half_up(value: Fraction, places: int) -> Decimal:
    """The value as a decimal with that many places, half away from zero. The only rounding of a score."""
    return in_places(rounded_units(value, places), places)


def in_places(units: int, places: int) -> Decimal:
    """Units of 10^-places as a decimal, exact."""
    return Decimal(units).scaleb(-places)


def apportion(shares: Sequence[Fraction], total_units: int, places: int) -> tuple[Decimal, ...]:
    """Each share rounded to `places` so that all add up to `total_units`, by largest remainder; ties to the earlier.

    `total_units` must be the exact sum rounded up or down; then every share moves by less than one unit.
    """
    unit: int = 10**places
    parts = [divmod(share.numerator * unit, share.denominator) for share in shares]
    floors = [floor for floor, _ in parts]
    missing = total_units - sum(floors)
    if not missing:
        return tuple(in_places(units, places) for units in floors)
    remainders = [Fraction(rest, share.denominator) for (_, rest), share in zip(parts, shares, strict=True)]
    order = sorted(range(len(shares)), key=lambda index: (-remainders[index], index))
    for index in order[:missing]:
        floors[index] += 1
    return tuple(in_places(units, places) for units in floors)


def mean(values: Sequence[Fraction]) -> Fraction:
    """The arithmetic mean; the caller has checked that there is at least one value."""
    return sum(values, Fraction(0)) / len(values)


def clamp(value: Fraction, low: Fraction, high: Fraction) -> Fraction:
    """The value, or the bound that it passed."""
    return min(max(value, low), high)


def weighted_mean(pairs: Iterable[tuple[Fraction, Fraction]]) -> Fraction | None:
    """Σ w·v / Σ w over (weight, value) pairs; None when all weights are zero."""
    kept = list(pairs)
    weight = sum((each for each, _ in kept), Fraction(0))
    return sum((each * value for each, value in kept), Fraction(0)) / weight if weight else None


def interpolate(points: Sequence[tuple[Fraction, Fraction]], at: Fraction) -> Fraction:
    """The value at `at` on straight lines through the points (ascending), flat outside them."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low if right == left else low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


def split_by_days(segments: Sequence[tuple[int, Fraction]]) -> Fraction:
    """The score of somebody judged in several spans: Σ days · score / Σ days (product.md §5), not rounded."""
    days = sum(each for each, _ in segments)
    return sum((each * score for each, score in segments), Fraction(0)) / days


def text_of(value: Fraction) -> str:
    """The value for a reader: all its digits when it has an end within 12 places, else rounded to 12."""
    shown = round_half_up(value, 12).normalize()
    return f"{shown:f}"
