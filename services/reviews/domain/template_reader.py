"""Reads a template's document, already checked against the schema, with every default filled in."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from services.reviews.domain.model import (
    NOTHING,
    Advance,
    Barrier,
    Escalation,
    OnTimeout,
    ReleaseMode,
    Reminder,
    Signature,
    Span,
    StageDefinition,
    StageKind,
    Unit,
)
from services.reviews.domain.template import (
    HUNDRED,
    Grade,
    Guideline,
    Indicator,
    IndicatorKind,
    Interval,
    Method,
    ScalePoint,
    Section,
    TemplateBody,
)

Read = TypeVar("Read")
RATERS_WITH_PEERS: Mapping[str, Decimal] = {"self": Decimal(0), "manager": Decimal(70), "peer": Decimal(30)}
RATERS_WITHOUT_PEERS: Mapping[str, Decimal] = {"self": Decimal(0), "manager": Decimal(100)}
DEFAULT_GRADES = (
    Grade("S", Decimal(95), Decimal("1.5")),
    Grade("A", Decimal(85), Decimal("1.2")),
    Grade("B", Decimal(70), Decimal("1.0")),
    Grade("C", Decimal(60), Decimal("0.8")),
    Grade("D", Decimal(0), Decimal("0")),
)
DEFAULT_LENGTHS: Mapping[StageKind, Span] = {
    StageKind.DATA_ENTRY: Span(5, Unit.BUSINESS_DAYS),
    StageKind.RELEASE: Span(1, Unit.BUSINESS_DAYS),
    StageKind.CALIBRATION: Span(3, Unit.BUSINESS_DAYS),
}
DEFAULT_LENGTH = Span(7, Unit.CALENDAR_DAYS)
UNITS: tuple[tuple[str, Unit, int], ...] = (
    (r"business[ _]days?|个?工作日", Unit.BUSINESS_DAYS, 1),
    (r"(?:calendar )?days?|天", Unit.CALENDAR_DAYS, 1),
    (r"weeks?|周", Unit.CALENDAR_DAYS, 7),
    (r"hours?|小时", Unit.HOURS, 1),
    (r"minutes?|分钟", Unit.SECONDS, 60),
    (r"seconds?|秒", Unit.SECONDS, 1),
)
LENGTH = re.compile(r"\s*([0-9]{1,6})\s*(\S.*?)\s*")
STAGE_FIELDS = frozenset(
    {
        *("key", "name", "kind", "after", "offset", "length", "reminders", "escalation", "on_timeout", "grace"),
        *("early_close", "advance", "barrier", "strict", "signature", "opens_at", "closes_at"),
    }
)


def read_length(written: object) -> Span:
    """A length such as "5 business days", "7天" or {business_days: 5}. ValueError where it is none."""
    if isinstance(written, Mapping) and len(written) == 1:
        unit, amount = next(iter(written.items()))
        written = f"{amount} {unit}"
    match = LENGTH.fullmatch(written) if isinstance(written, str) else None
    for pattern, unit, factor in UNITS:
        if match and re.fullmatch(pattern, match[2]):
            return Span(int(match[1]) * factor, unit)
    raise ValueError(f"{written!r} is not a length such as 5 business days")


def read_number(written: object) -> Decimal:
    """A number as it stands; 120% is 1.2. ValueError where it is none."""
    text = str(written).strip()
    try:
        return Decimal(text[:-1].strip()) / HUNDRED if text.endswith("%") else Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{written!r} is not a number") from None


def read_weight(written: object) -> Decimal:
    """A weight in per cent: 40 and 40% are the same."""
    return read_number(str(written).strip().removesuffix("%"))


def read_template(document: Mapping[str, Any]) -> TemplateBody:
    """The template of a document that fits the schema. Sections, grades and process may be absent: see `process_of`."""
    calibration = document.get("calibration", {})
    return TemplateBody(
        name=document["name"],
        document=document,
        sections=tuple(_section(item, f"/sections/{index}") for index, item in enumerate(document.get("sections", ()))),
        raters=_raters(document),
        missing_relation=document.get("missing_relation", "renormalise"),
        anonymity={relation: _anonymity(rule) for relation, rule in document.get("anonymity", {}).items()},
        grades=read_grades(document),
        guideline=_guideline(document.get("guideline")),
        facilitator=calibration.get("facilitator", "owner"),
        release=ReleaseMode(document.get("release", "manual")),
        process=read_process(document),
        ceiling=read_number(document.get("ceiling", 120)),
        rounding={"places": 2, "mode": "half_up", **document.get("rounding", {})},
    )


def read_grades(document: Mapping[str, Any]) -> tuple[Grade, ...]:
    """The grades as written; S/A/B/C/D at 95/85/70/60/0 where none are."""
    if not document.get("grades"):
        return DEFAULT_GRADES
    return tuple(
        Grade(item["grade"], read_number(item["from"]), read_number(item.get("coefficient", 1)))
        for item in document["grades"]
    )


def read_process(document: Mapping[str, Any]) -> tuple[StageDefinition, ...]:
    """The stages as written. What only one kind reads (owner, levels, instructions) is kept in `options`."""
    facilitator = document.get("calibration", {}).get("facilitator", "owner")
    return tuple(_stage(item, facilitator) for item in document.get("process", ()))


def _section(item: Mapping[str, Any], pointer: str) -> Section:
    return Section(
        key=item["key"],
        name=item["name"],
        pointer=pointer,
        counts=item.get("counts", "score"),
        weight=_optional(item.get("weight"), read_weight),
        indicators=tuple(
            _indicator(entry, f"{pointer}/indicators/{index}") for index, entry in enumerate(item["indicators"])
        ),
    )


def _indicator(item: Mapping[str, Any], pointer: str) -> Indicator:
    return Indicator(
        key=item["key"],
        name=item["name"],
        kind=IndicatorKind(item["kind"]),
        pointer=pointer,
        weight=_optional(item.get("weight"), read_weight),
        scale=tuple(_point(point) for point in item.get("scale", {}).get("points", ())),
        method=_optional(item.get("method"), Method),
        basis=item.get("basis", "percent"),
        formula=item.get("formula", ""),
        target=_optional(item.get("target"), read_number),
        threshold=_optional(item.get("threshold"), read_number),
        stretch=_optional(item.get("stretch"), read_number),
        intervals=tuple(_interval(entry) for entry in item.get("intervals", ())),
        per_occurrence=_optional(item.get("per_occurrence"), read_number),
        data_provider=item.get("data_provider", ""),
        unit=item.get("unit", ""),
        veto_grade=item.get("veto_grade", ""),
        question=item.get("question", ""),
    )


def _point(item: Mapping[str, Any]) -> ScalePoint:
    points = _optional(item.get("points"), read_number)
    return ScalePoint(read_number(item["value"]), item["label"], points, item.get("anchor", ""))


def _interval(item: Mapping[str, Any]) -> Interval:
    start, below = _optional(item.get("from"), read_number), _optional(item.get("below"), read_number)
    return Interval(start, below, read_number(item["points"]))


def _raters(document: Mapping[str, Any]) -> Mapping[str, Decimal]:
    written = document.get("raters")
    if not written:
        peers = any(stage["kind"] == StageKind.PEER_REVIEW for stage in document.get("process", ()))
        return RATERS_WITH_PEERS if peers else RATERS_WITHOUT_PEERS
    return {relation: read_weight(weight) for relation, weight in written.items()}


def _anonymity(rule: str | Mapping[str, Any]) -> Mapping[str, Any]:
    mode = {"mode": rule} if isinstance(rule, str) else rule
    return {"minimum": 3, "below_minimum": "exclude", **mode}


def _guideline(item: Mapping[str, Any] | None) -> Guideline | None:
    if item is None:
        return None
    quotas = {grade: read_weight(share) for grade, share in item["quotas"].items()}
    return Guideline(item["mode"], quotas, int(item.get("minimum", 10)))


def _stage(item: Mapping[str, Any], facilitator: str) -> StageDefinition:
    kind = StageKind(item["kind"])
    after = item.get("after", ())
    return StageDefinition(
        key=item["key"],
        kind=kind,
        after=(after,) if isinstance(after, str) else tuple(after),
        name=item.get("name", ""),
        offset=read_length(item["offset"]) if "offset" in item else NOTHING,
        opens_at=_optional(item.get("opens_at"), datetime.fromisoformat),
        closes_at=_optional(item.get("closes_at"), datetime.fromisoformat),
        length=read_length(item["length"]) if "length" in item else DEFAULT_LENGTHS.get(kind, DEFAULT_LENGTH),
        reminders=tuple(_reminder(entry) for entry in item.get("reminders", ())),
        escalation=_escalation(item.get("escalation")),
        on_timeout=OnTimeout(item.get("on_timeout", "expire")),
        grace=_optional(item.get("grace"), read_length),
        early_close=item.get("early_close", False),
        advance=Advance(item.get("advance", "together")),
        barrier=Barrier(item.get("barrier", "all")),
        strict=item.get("strict", False),
        signature=Signature(item.get("signature", "none")),
        facilitator=facilitator,
        options={name: value for name, value in item.items() if name not in STAGE_FIELDS},
    )


def _reminder(item: Mapping[str, Any]) -> Reminder:
    before = "before" in item
    at = time.fromisoformat(item["at"]) if "at" in item else None
    return Reminder(read_length(item.get("before") or item.get("after") or "0 seconds"), before, at)


def _escalation(item: Mapping[str, Any] | None) -> Escalation | None:
    if item is None:
        return None
    return Escalation(item["to"], read_length(item["after"]) if "after" in item else NOTHING)


def _optional(written: object, read: Callable[[Any], Read]) -> Read | None:
    return None if written is None else read(written)
