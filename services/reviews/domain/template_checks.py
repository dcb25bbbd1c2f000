"""The rules that a template must keep by itself, in the order in which they are reported."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from services.reviews.domain.findings import Finding, error, warning
from services.reviews.domain.form_body import plain_number
from services.reviews.domain.indicator_checks import INDICATOR_CHECKS
from services.reviews.domain.model import Reminder, Span, StageDefinition, StageKind, Unit
from services.reviews.domain.nearest import nearest
from services.reviews.domain.process_graph import graph_findings
from services.reviews.domain.template import (
    HUNDRED,
    KNOWN_RELATIONS,
    WEIGHTED_KINDS,
    Indicator,
    TemplateBody,
)

Check = Callable[[TemplateBody], Iterable[Finding]]
ZERO = Decimal(0)
HOURS_OF_A_DAY = 24


def check_template(body: TemplateBody) -> tuple[Finding, ...]:
    """All that is wrong with a template, without asking anybody else; formulas are compiled by scoring."""
    return tuple(finding for check in TEMPLATE_CHECKS for finding in check(body))


def keys_are_unique(body: TemplateBody) -> Iterator[Finding]:
    yield from _twice(((section.key, section.pointer) for section in body.sections), "section", "板块")
    for section in body.sections:
        yield from _twice(((item.key, item.pointer) for item in section.indicators), "indicator", "指标")


def section_weights_sum_to_100(body: TemplateBody) -> Iterator[Finding]:
    weighted = [section for section in body.sections if section.counts == "score" and section.weighted]
    total = sum((section.weight or ZERO for section in weighted), ZERO)
    if weighted and total != HUNDRED:
        yield _not_100("SECTION_WEIGHTS_NOT_100", "/sections", total, "sections that count", "计分板块")
    for section in body.sections:
        if section not in weighted and section.weight:
            yield error(
                "WEIGHT_NOT_ALLOWED", f"{section.pointer}/weight", section.key, name=section.key, found=section.weight
            )


def item_weights_sum_to_100(body: TemplateBody) -> Iterator[Finding]:
    for section in body.sections:
        weights = [item.weight for item in section.weighted]
        if section.counts == "reference" and not any(weights):
            continue
        total = sum((weight or ZERO for weight in weights), ZERO)
        if weights and total != HUNDRED:
            where = f"indicators of section {section.key}"
            zh = f"板块 {section.key} 的指标"
            yield _not_100("ITEM_WEIGHTS_NOT_100", f"{section.pointer}/indicators", total, where, zh)


def relation_weights_sum_to_100(body: TemplateBody) -> Iterator[Finding]:
    total = sum(body.raters.values(), ZERO)
    if total != HUNDRED:
        yield _not_100("RELATION_WEIGHTS_NOT_100", "/raters", total, "relations", "评分关系")


def weights_are_within_bounds(body: TemplateBody) -> Iterator[Finding]:
    places: list[tuple[str, Decimal | None]] = [(f"/raters/{name}", weight) for name, weight in body.raters.items()]
    for section in body.sections:
        places.append((f"{section.pointer}/weight", section.weight))
        places += [(f"{item.pointer}/weight", item.weight) for item in section.indicators]
    for pointer, weight in places:
        if weight is not None and not ZERO <= weight <= HUNDRED:
            facts = {"field": pointer.rpartition("/")[2], "found": plain_number(weight)}
            yield error("OUT_OF_RANGE", pointer, wanted="between 0 and 100", wanted_zh="在 0 到 100 之间", **facts)


def bonus_deduction_veto_carry_no_weight(body: TemplateBody) -> Iterator[Finding]:
    for item in body.indicators():
        if item.kind not in WEIGHTED_KINDS and item.weight:
            yield error("WEIGHT_NOT_ALLOWED", f"{item.pointer}/weight", item.key, name=item.key, found=item.weight)


def relations_are_known(body: TemplateBody) -> Iterator[Finding]:
    for place, relations in (("raters", body.raters), ("anonymity", body.anonymity)):
        for relation in relations:
            if relation not in KNOWN_RELATIONS:
                hint = nearest(relation, KNOWN_RELATIONS)
                yield error(
                    "UNKNOWN_RELATION",
                    f"/{place}/{relation}",
                    relation,
                    found=relation,
                    known=", ".join(KNOWN_RELATIONS),
                    hint=f"did you mean {hint}? " if hint else "",
                    hint_zh=f"是否指 {hint}？" if hint else "",
                )


def grades_have_no_gap_or_overlap(body: TemplateBody) -> Iterator[Finding]:
    """Thresholds are inclusive lower bounds: a gap can only be below the lowest, an overlap is a bound used twice."""
    names = [grade.grade for grade in body.grades]
    for index, grade in enumerate(body.grades):
        pointer = f"/grades/{index}"
        if grade.grade in names[:index]:
            yield error("GRADE_TWICE", f"{pointer}/grade", grade.grade, grade=grade.grade)
        if any(grade.start == other.start for other in body.grades[:index]):
            yield error(
                "GRADES_OVERLAP", f"{pointer}/from", grade.grade, grade=grade.grade, found=plain_number(grade.start)
            )
        elif index and grade.start > body.grades[index - 1].start:
            facts = {"grade": grade.grade, "found": plain_number(grade.start), "above": names[index - 1]}
            yield error("GRADES_NOT_ORDERED", f"{pointer}/from", grade.grade, **facts)
    lowest = min(grade.start for grade in body.grades)
    if lowest != 0:
        yield error("GRADES_GAP", "/grades", found=plain_number(lowest))
    if (highest := max(grade.start for grade in body.grades)) > body.ceiling:
        yield error("GRADE_OUT_OF_REACH", "/grades", found=plain_number(highest), ceiling=plain_number(body.ceiling))


def quotas_sum_to_100(body: TemplateBody) -> Iterator[Finding]:
    if body.guideline is None:
        return
    grades = [grade.grade for grade in body.grades]
    for grade in body.guideline.quotas:
        if grade not in grades:
            facts = {"name": "guideline", "found": grade, "known": ", ".join(grades)}
            yield error("UNKNOWN_GRADE", f"/guideline/quotas/{grade}", grade, **facts)
    total = sum(body.guideline.quotas.values(), ZERO)
    if total != HUNDRED:
        yield _not_100("QUOTAS_NOT_100", "/guideline/quotas", total, "quotas", "分布比例")


def process_can_start_and_end(body: TemplateBody) -> Iterator[Finding]:
    yield from graph_findings(body.process)


def reminders_come_before_the_close(body: TemplateBody) -> Iterator[Finding]:
    """A reminder after the close reaches nobody, one before the opening is never sent: both are warnings."""
    for index, stage in enumerate(body.process):
        for number, reminder in enumerate(stage.reminders):
            pointer = f"/process/{index}/reminders/{number}"
            facts = {"stage": stage.key, "length": words_of(stage.length), "found": words_of(reminder.span)}
            if not reminder.before and not _lives_on(stage):
                yield warning("REMINDER_AFTER_CLOSE", pointer, stage.key, **facts)
            elif _surely_before_opening(reminder, stage):
                yield warning("REMINDER_BEFORE_OPEN", pointer, stage.key, **facts)


def weighted_relations_are_asked(body: TemplateBody) -> Iterator[Finding]:
    """A relation that carries weight but has no stage in which it answers is renormalised for everybody."""
    kinds = {stage.kind for stage in body.process}
    asked = {"self": StageKind.SELF_REVIEW, "peer": StageKind.PEER_REVIEW, "manager": StageKind.MANAGER_REVIEW}
    for relation, kind in asked.items():
        if body.process and body.raters.get(relation, ZERO) > 0 and kind not in kinds:
            yield warning("RELATION_NOT_ASKED", f"/raters/{relation}", relation, relation=relation, kind=kind)


TEMPLATE_CHECKS: tuple[Check, ...] = (
    keys_are_unique,
    relations_are_known,
    weights_are_within_bounds,
    section_weights_sum_to_100,
    item_weights_sum_to_100,
    relation_weights_sum_to_100,
    bonus_deduction_veto_carry_no_weight,
    *INDICATOR_CHECKS,
    grades_have_no_gap_or_overlap,
    quotas_sum_to_100,
    process_can_start_and_end,
    reminders_come_before_the_close,
    weighted_relations_are_asked,
)


def words_of(span: Span) -> str:
    """A span as a template writes it."""
    return f"{span.amount} {span.unit.value.replace('_', ' ').replace('calendar ', '')}"


def _twice(entries: Iterable[tuple[str, str]], what: str, what_zh: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for key, pointer in entries:
        if key in seen:
            yield error("KEY_NOT_UNIQUE", f"{pointer}/key", key, key=key, what=what, what_zh=what_zh)
        seen.add(key)


def _not_100(code: str, pointer: str, total: Decimal, where: str, where_zh: str) -> Finding:
    missing = HUNDRED - total
    change, change_zh = ("add", "增加") if missing > 0 else ("take away", "减少")
    return error(
        code,
        pointer,
        where=where,
        where_zh=where_zh,
        total=plain_number(total),
        change=f"{change} {plain_number(abs(missing))}",
        change_zh=f"{change_zh} {plain_number(abs(missing))}",
    )


def _lives_on(stage: StageDefinition) -> bool:
    """Whether tasks are still owed after the due instant: a manual release waits, and so do second chances."""
    return stage.kind in (StageKind.RELEASE, StageKind.APPEALS) or stage.on_timeout in ("escalate", "extend_once")


def _surely_before_opening(reminder: Reminder, stage: StageDefinition) -> bool:
    """Compares in the same unit, or days with elapsed time; business days against other units are not decided here."""
    ahead, length = _hours(reminder.span), _hours(stage.length)
    if reminder.span.unit is stage.length.unit:
        return reminder.before and reminder.span.amount >= stage.length.amount
    return reminder.before and ahead is not None and length is not None and ahead >= length


def _hours(span: Span) -> Decimal | None:
    match span.unit:
        case Unit.SECONDS:
            return Decimal(span.amount) / 3600
        case Unit.HOURS:
            return Decimal(span.amount)
        case Unit.CALENDAR_DAYS:
            return Decimal(span.amount * HOURS_OF_A_DAY)
        case Unit.BUSINESS_DAYS:
            return None


def all_formulas(body: TemplateBody) -> Sequence[Indicator]:
    """Indicators with a formula to compile."""
    return [item for item in body.indicators() if item.formula]
