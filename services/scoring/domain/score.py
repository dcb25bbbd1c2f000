"""The score of one participant: items, sections, bonus, deduction, ceiling, the one rounding, veto; and why."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from services.scoring.domain.exact import HUNDRED, clamp, in_places, mean, rounded_units
from services.scoring.domain.explanation import Explanation, Part, explain
from services.scoring.domain.form import Form, Inputs, Kind, Rounding, Rules, Section
from services.scoring.domain.judge import Judged, RelationMean, judge

ENGINE_VERSION = 1
"""Raised by whoever changes what a score of the same inputs is."""


@dataclass(frozen=True, slots=True)
class Score:
    """`raw` is the plain mean of items, `weighted` the total, both rounded; `veto_grade` is the best grade left."""

    raw: Decimal
    weighted: Decimal
    explanation: Explanation
    veto_grade: str = ""


@dataclass(frozen=True, slots=True)
class Unscored:
    """Why a participant has no score; `code` is stable, `details` name items."""

    code: str
    details: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """For a reader."""
        return (
            f"{UNSCORED_MESSAGES.get(self.code, self.code)}: {', '.join(self.details)}" if self.details else self.code
        )


UNSCORED_MESSAGES = {
    "ANSWERS_MISSING": "a relation that must answer has not",
    "ACTUAL_MISSING": "an actual is missing",
    "GOALS_MISSING": "there is no confirmed goal",
    "FORMULA_ERROR": "a formula has no result",
    "TARGET_ZERO": "a ratio has target 0",
    "TARGET_MISSING": "a target is missing",
    "NO_INTERVAL": "the value falls into no interval",
    "NO_METHOD": "an item cannot be measured",
    "NOTHING_TO_SCORE": "no item that counts has an answer",
}


def score(form: Form, inputs: Inputs) -> Score | Unscored:
    """The score of 0 to the ceiling, exact until one rounding; shown contributions add up to it (product.md §7).

    Missing parts follow the template's rules; a formula without a result, or a part that must not be missing, leaves
    the participant unscored.
    """
    answers = inputs.by_item()
    items = (item for section in form.sections for item in section.indicators)
    judged = {item.key: judge(item, inputs, answers, form.rules) for item in items}
    counting = [section for section in form.sections if not section.reference]
    blocked = [each for section in counting for item in section.indicators if (each := judged[item.key].blocked)]
    if blocked:
        same = [each for each in blocked if each.code == blocked[0].code]
        return Unscored(blocked[0].code, tuple(each.detail for each in same))
    sections = [_WeightedSection(section, judged) for section in counting]
    weight = sum((each.section.weight for each in sections if each.present), Fraction(0))
    if not weight:
        return Unscored("NOTHING_TO_SCORE")
    parts = [each.part(weight) for each in sections if each.weighted]
    return _total(form, judged, parts, counting)


class _WeightedSection:
    """A section's items that carry weight; those left out give their weight to the rest."""

    def __init__(self, section: Section, judged: dict[str, Judged]) -> None:
        self.section = section
        self.weighted = [judged[item.key] for item in section.indicators if not item.beside_weights and item.weight]
        self._weight = sum((each.indicator.weight for each in self.weighted if each.percent is not None), Fraction(0))

    @property
    def present(self) -> bool:
        return self._weight > 0

    def part(self, whole: Fraction) -> Part:
        """The section's line; `whole` is the weight of all sections that are present."""
        share = self.section.weight / whole if self.present else Fraction(0)
        children = tuple(self._item(each, share) for each in self.weighted)
        contribution = sum((child.contribution for child in children), Fraction(0))
        notes = () if self.present else ("SECTION_RENORMALISED",)
        raw = contribution / share if share else None
        section = self.section
        return Part(section.key, section.name, raw, share * HUNDRED, contribution, children=children, notes=notes)

    def _item(self, judged: Judged, section_share: Fraction) -> Part:
        share = section_share * judged.indicator.weight / self._weight if judged.percent is not None else Fraction(0)
        return item_part(judged, share)


def item_part(judged: Judged, share: Fraction) -> Part:
    """An item's line with one line per relation below; `share` (0-1) of the total is its effective weight."""
    path = judged.indicator.key
    children: tuple[Part, ...] = ()
    if judged.relations and not judged.indicator.reads_rating:
        children = tuple(_relation_part(path, each, share) for each in judged.relations)
        if judged.capped_from is not None and judged.percent is not None:
            cut = (judged.percent - judged.capped_from) * share
            children = (*children, Part(f"{path}/cap", "cap", None, Fraction(0), cut, depth=2))
    return Part(
        path,
        judged.indicator.name,
        judged.percent,
        share * HUNDRED,
        share * (judged.percent or 0),
        depth=1,
        inputs=judged.inputs,
        children=children,
        notes=judged.notes,
    )


def _relation_part(path: str, each: RelationMean, share: Fraction) -> Part:
    weight = share * each.share
    inputs = {"raters": str(each.raters)} | ({"treatment": each.treatment} if each.treatment else {})
    guard = "below_minimum" if each.below_k else "anonymous" if each.relation.anonymous else ""
    return Part(
        path,
        each.relation.name,
        each.percent,
        weight * HUNDRED,
        weight * (each.percent or 0),
        depth=2,
        relation=each.relation.name,
        inputs=inputs,
        guard=guard,
    )


def _total(form: Form, judged: dict[str, Judged], parts: list[Part], counting: Sequence[Section]) -> Score:
    rules = form.rules
    items = [judged[item.key] for section in counting for item in section.indicators]
    percents = [each.percent for each in items if not each.indicator.beside_weights and each.percent is not None]
    lines = [*parts, *_beside(rules, form.sections, judged)]
    whole = sum((part.contribution for part in lines), Fraction(0))
    limited = clamp(whole, Fraction(0), rules.ceiling)
    if limited != whole:
        name = "ceiling" if whole > limited else "floor"
        lines.append(Part(name, name, None, Fraction(0), limited - whole, notes=(f"LIMITED {name}",)))
    units = round_by(rules.rounding, limited, rules.places)
    vetoes = [each.indicator for each in items if each.indicator.kind is Kind.VETO and each.percent]
    zeroed = any(not veto.veto_grade for veto in vetoes)
    references = [_reference(section, judged) for section in form.sections if section.reference]
    fired = [veto.key for veto in vetoes]
    explanation = explain([*lines, *references], units, rules.places, vetoes=fired, zeroed=zeroed)
    raw = in_places(round_by(rules.rounding, mean(percents), rules.places), rules.places)
    grades = tuple(veto.veto_grade for veto in vetoes if veto.veto_grade)
    return Score(raw, explanation.total, explanation, grades[0] if grades else "")


def _beside(rules: Rules, sections: Sequence[Section], judged: dict[str, Judged]) -> Iterator[Part]:
    """The lines of bonus and deduction, each limited by its cap."""
    for kind, sign, cap in ((Kind.BONUS, 1, rules.bonus_cap), (Kind.DEDUCTION, -1, rules.deduction_cap)):
        children = [
            _beside_part(judged[item.key], sign)
            for section in sections
            for item in section.indicators
            if item.kind is kind and not section.reference
        ]
        if not children:
            continue
        whole = sum((child.contribution for child in children), Fraction(0))
        limited = whole if cap is None else clamp(whole, -cap, cap)
        notes: tuple[str, ...] = ()
        if limited != whole:
            children.append(Part(f"{kind.value}/cap", "cap", None, Fraction(0), limited - whole, depth=1))
            notes = (f"CAPPED {kind.value}",)
        yield Part(kind.value, kind.value, None, Fraction(0), limited, children=tuple(children), notes=notes)


def _beside_part(judged: Judged, sign: int) -> Part:
    part = item_part(judged, Fraction(1))
    children = tuple(
        replace(child, weight=Fraction(0), contribution=sign * child.contribution) for child in part.children
    )
    return replace(part, weight=Fraction(0), contribution=sign * part.contribution, children=children)


def _reference(section: Section, judged: dict[str, Judged]) -> Part:
    """A section that is shown and does not count."""
    children = tuple(item_part(judged[item.key], Fraction(0)) for item in section.indicators)
    return Part(section.key, section.name, None, Fraction(0), Fraction(0), children=children, notes=("REFERENCE",))


def _half_even(value: Fraction, places: int) -> int:
    unit: int = 10**places
    return round(value * unit)


def _down(value: Fraction, places: int) -> int:
    unit: int = 10**places
    return math.floor(value * unit)


ROUNDINGS: dict[Rounding, Callable[[Fraction, int], int]] = {
    Rounding.HALF_UP: rounded_units,
    Rounding.HALF_EVEN: _half_even,
    Rounding.DOWN: _down,
}


def round_by(rounding: Rounding, value: Fraction, places: int) -> int:
    """A value of 0 or more in units of 10^-places."""
    return ROUNDINGS[rounding](value, places)
