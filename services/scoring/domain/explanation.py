"""Why a score is what it is: lines whose contributions add up exactly at every depth, and what a reader sees."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction

from services.scoring.domain.exact import apportion, in_places, round_half_up

SHOWN_PLACES = 4
"""Places of raw scores and weights in an explanation; contributions have the places of the score."""


@dataclass(frozen=True, slots=True)
class Part:
    """A line before rounding: raw and weight in percent, contribution in points, exact; its children add up to it."""

    path: str
    name: str
    raw: Fraction | None
    weight: Fraction
    contribution: Fraction
    depth: int = 0
    relation: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    guard: str = ""
    children: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Line:
    """One line as shown. `guard` is why somebody may not see it: anonymous, below_minimum."""

    path: str
    name: str
    depth: int
    relation: str
    raw: Decimal | None
    weight: Decimal | None
    contribution: Decimal | None
    inputs: Mapping[str, str]
    guard: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Lines of depth 0 add up to the total, lines of depth 1 to the line of depth 0 before them, and so on."""

    total: Decimal
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def explain(
    parts: Sequence[Part], units: int, places: int, *, vetoes: Sequence[str] = (), zeroed: bool = False
) -> Explanation:
    """The lines of a total of `units` · 10^-places; a veto that takes the score to zero is a line of its own."""
    lines: list[Line] = []
    _place(parts, units, places, lines)
    notes = [f"{note} {part.path}" for part in _all(parts) for note in part.notes]
    notes.extend(f"VETO {key}" for key in vetoes)
    if zeroed:
        lines.append(Line("veto", "veto", 0, "", None, Decimal(0), in_places(-units, places), {}))
    return Explanation(in_places(0 if zeroed else units, places), tuple(lines), tuple(notes))


def _place(parts: Sequence[Part], units: int, places: int, lines: list[Line]) -> None:
    shares = apportion([part.contribution for part in parts], units, places)
    for part, share in zip(parts, shares, strict=True):
        raw = None if part.raw is None else round_half_up(part.raw, SHOWN_PLACES)
        weight = round_half_up(part.weight, SHOWN_PLACES)
        lines.append(
            Line(part.path, part.name, part.depth, part.relation, raw, weight, share, dict(part.inputs), part.guard)
        )
        if part.children:
            _place(part.children, int(share.scaleb(places)), places, lines)


def _all(parts: Iterable[Part]) -> Iterable[Part]:
    for part in parts:
        yield part
        yield from _all(part.children)


def for_participant(explanation: Explanation) -> Explanation:
    """What the participant may see after release.

    Where an anonymous relation of fewer than k raters counts, only item and section totals remain: no relation, no
    weight, so that nothing can be subtracted (product.md §2). Otherwise anonymous relations show their mean, never who
    or how many.
    """
    if any(line.guard == "below_minimum" for line in explanation.lines):
        kept = tuple(replace(line, weight=None, raw=None, inputs={}) for line in explanation.lines if line.depth < 2)
        hidden = Line("", "", 0, "", None, None, None, {}, hidden=True)
        return Explanation(explanation.total, (*kept, hidden), ())
    lines = tuple(replace(line, inputs={}) if line.guard else line for line in explanation.lines)
    return Explanation(explanation.total, lines, explanation.notes)


def totals_only(explanation: Explanation) -> Explanation:
    """The total with everything else as one hidden line."""
    hidden = Line("", "", 0, "", None, None, explanation.total, {}, hidden=True)
    return Explanation(explanation.total, (hidden,))
