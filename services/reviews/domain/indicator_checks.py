"""The rules that each indicator must keep by itself: its method's parameters, scale, provider, veto."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise

from services.reviews.domain.findings import Finding, error
from services.reviews.domain.form_body import plain_number
from services.reviews.domain.template import IndicatorKind, Interval, Method, TemplateBody

ZERO = Decimal(0)
NEEDED_FIELDS: Mapping[Method, tuple[str, ...]] = {
    Method.RATIO: ("target",),
    Method.LOWER_IS_BETTER: ("target",),
    Method.LINEAR: ("threshold", "target"),
    Method.INTERVAL: ("intervals",),
    Method.OCCURRENCE: ("per_occurrence",),
    Method.FORMULA: ("formula",),
}


def methods_have_what_they_need(body: TemplateBody) -> Iterator[Finding]:
    for item in body.indicators():
        if item.kind is IndicatorKind.QUANTITATIVE and item.method is None:
            yield error("METHOD_MISSING", item.pointer, item.key, name=item.key)
        if item.method is None:
            continue
        for name in NEEDED_FIELDS.get(item.method, ()):
            if getattr(item, name) in (None, "", ()):
                yield error("MISSING_FOR_METHOD", item.pointer, item.key, name=item.key, method=item.method, field=name)


def ratios_have_a_target(body: TemplateBody) -> Iterator[Finding]:
    """Refused when saved, proposing interval or occurrence (product.md §7)."""
    for item in body.indicators():
        if item.method in (Method.RATIO, Method.LOWER_IS_BETTER) and item.target == 0:
            yield error("RATIO_ON_TARGET_ZERO", f"{item.pointer}/target", item.key, name=item.key, method=item.method)


def linear_points_rise_or_fall(body: TemplateBody) -> Iterator[Finding]:
    for item in body.indicators():
        if item.method is not Method.LINEAR:
            continue
        values = [value for value in (item.threshold, item.target, item.stretch) if value is not None]
        rising = all(before < after for before, after in pairwise(values))
        falling = all(before > after for before, after in pairwise(values))
        if len(values) > 1 and not (rising or falling):
            found = ", ".join(plain_number(value) for value in values)
            yield error("LINEAR_NOT_ORDERED", item.pointer, item.key, name=item.key, found=found)


def intervals_have_no_gap_or_overlap(body: TemplateBody) -> Iterator[Finding]:
    """An interval includes its lower and excludes its upper bound; without the latter it ends where the next begins."""
    for item in body.indicators():
        numbered = sorted(enumerate(item.intervals), key=lambda entry: _lower_bound(entry[1]))
        for (_, lower), (index, upper) in pairwise(numbered):
            facts = {"name": item.key, "below": _bound(lower.below), "start": _bound(upper.start)}
            pointer = f"{item.pointer}/intervals/{index}"
            if upper.start is None or upper.start == lower.start or (lower.below or upper.start) > upper.start:
                yield error("INTERVAL_OVERLAP", pointer, item.key, **facts)
            elif lower.below is not None and lower.below < upper.start:
                yield error("INTERVAL_GAP", pointer, item.key, **facts)


def _lower_bound(interval: Interval) -> tuple[bool, Decimal]:
    return (interval.start is not None, interval.start or ZERO)


def _bound(value: Decimal | None) -> str:
    return "∞" if value is None else plain_number(value)


def formulas_belong_to_their_method(body: TemplateBody) -> Iterator[Finding]:
    """A formula without method formula would never be read; `weight` in it needs basis points (product.md §7)."""
    for item in body.indicators():
        if item.formula and item.method is not Method.FORMULA:
            yield error("FORMULA_NOT_USED", f"{item.pointer}/formula", item.key, name=item.key)
        if item.basis == "points" and item.method is not Method.FORMULA:
            yield error("POINTS_WITHOUT_FORMULA", f"{item.pointer}/basis", item.key, name=item.key)


def scales_have_two_points(body: TemplateBody) -> Iterator[Finding]:
    for item in body.indicators():
        rated = item.kind is IndicatorKind.QUALITATIVE and item.question in ("", "rating")
        if rated and not item.scale:
            yield error("SCALE_MISSING", item.pointer, item.key, name=item.key)
        if item.scale and len(item.scale) < 2:
            yield error(
                "SCALE_TOO_SHORT", f"{item.pointer}/scale/points", item.key, name=item.key, found=len(item.scale)
            )
        values = [point.value for point in item.scale]
        for index, value in enumerate(values):
            if value in values[:index]:
                facts = {"name": item.key, "value": plain_number(value)}
                yield error("SCALE_VALUE_TWICE", f"{item.pointer}/scale/points/{index}", item.key, **facts)


def actuals_have_a_provider(body: TemplateBody) -> Iterator[Finding]:
    for item in body.indicators():
        if item.needs_actual and not item.data_provider:
            yield error("PROVIDER_MISSING", item.pointer, item.key, name=item.key)


def vetoes_name_a_grade(body: TemplateBody) -> Iterator[Finding]:
    grades = [grade.grade for grade in body.grades]
    for item in body.indicators():
        if item.veto_grade and item.veto_grade not in grades:
            facts = {"name": item.key, "found": item.veto_grade, "known": ", ".join(grades)}
            yield error("UNKNOWN_GRADE", f"{item.pointer}/veto_grade", item.key, **facts)


INDICATOR_CHECKS = (
    methods_have_what_they_need,
    ratios_have_a_target,
    linear_points_rise_or_fall,
    intervals_have_no_gap_or_overlap,
    formulas_belong_to_their_method,
    scales_have_two_points,
    actuals_have_a_provider,
    vetoes_name_a_grade,
)
