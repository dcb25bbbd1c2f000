"""Reads the canonical JSON of a form, as reviews writes it, into what scores are computed from."""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any

from services.scoring.domain.errors import FormInvalid
from services.scoring.domain.exact import HUNDRED
from services.scoring.domain.form import (
    DEFAULT_CURVE,
    Basis,
    BelowK,
    Form,
    Indicator,
    Interval,
    Kind,
    Measure,
    Method,
    Missing,
    Relation,
    Rounding,
    Rules,
    Section,
)
from services.scoring.domain.formula import Formula, compile_formula

Json = Mapping[str, Any]
RATIO_AT_MOST = 10
"""A cap or ceiling of at most this is a ratio (1.2 is 120 %), above it is points: 120 % is stored as 1.2."""
BESIDE_WEIGHTS = frozenset({Kind.BONUS, Kind.DEDUCTION})
"""Their caps are points of the total however small: a cap of 6 is 6 points, not 600 %."""
UNSCORED_QUESTIONS = frozenset({"text", "evidence"})
QUESTION_METHODS = {"number": Method.NUMBER, "choice": Method.CHOICE, "multi_choice": Method.CHOICE}


def read_form(document: Json) -> Form:
    """The form of a canonical document; raises FormInvalid where a number or a formula cannot be read."""
    try:
        relations = _relations(document)
        sections = tuple(_section(each, relations) for each in document["sections"])
        return Form(sections, _rules(document))
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise FormInvalid(f"the form cannot be read: {error}") from error


def read_number(written: object) -> Fraction:
    """A number as written: 120% is 1.2. ValueError where it is none."""
    text = str(written).strip()
    return Fraction(text[:-1].strip()) / 100 if text.endswith("%") else Fraction(text)


def read_weight(written: object) -> Fraction:
    """A weight in percent: 40 and 40% are the same."""
    return Fraction(str(written).strip().removesuffix("%").strip())


def read_points(written: object) -> Fraction:
    """A cap or ceiling in points of 100: 120, 120% and 1.2 are the same."""
    number = read_number(written)
    return number * HUNDRED if number <= RATIO_AT_MOST else number


def _optional(written: object, read: Callable[[object], Fraction]) -> Fraction | None:
    return None if written is None else read(written)


def _rules(document: Json) -> Rules:
    rounding = document.get("rounding", {})
    return Rules(
        ceiling=read_points(document.get("ceiling", 120)),
        places=int(rounding.get("places", 2)),
        rounding=Rounding(rounding.get("mode", "half_up")),
        bonus_cap=_optional(document.get("bonus_cap"), read_number),
        deduction_cap=_optional(document.get("deduction_cap"), read_number),
        missing_relation=Missing(document.get("missing_relation", "renormalise")),
    )


def _relations(document: Json) -> tuple[Relation, ...]:
    anonymity = document.get("anonymity", {})
    return tuple(
        _relation(name, weight, anonymity.get(name, {})) for name, weight in document.get("raters", {}).items()
    )


def _relation(name: str, weight: object, rule: Json) -> Relation:
    anonymous = rule.get("mode", "named") != "named"
    least = int(rule.get("minimum", 3)) if anonymous else 0
    return Relation(name, read_weight(weight), least, BelowK(rule.get("below_minimum", "exclude")), anonymous)


def _section(document: Json, relations: tuple[Relation, ...]) -> Section:
    scored = (each for each in document["indicators"] if _is_scored(each))
    return Section(
        document["key"],
        read_weight(document.get("weight", 0)),
        tuple(_indicator(each, document["key"], relations) for each in scored),
        reference=document.get("counts", "score") == "reference",
        name=document.get("name", ""),
    )


def _is_scored(document: Json) -> bool:
    return "method" in document or document.get("question") not in UNSCORED_QUESTIONS


def _indicator(document: Json, section: str, relations: tuple[Relation, ...]) -> Indicator:
    kind, basis = Kind(document["kind"]), Basis(document.get("basis", "percent"))
    return Indicator(
        key=f"{section}/{document['key']}",
        kind=kind,
        weight=read_weight(document.get("weight", 0)),
        measure=_measure(document, kind, basis),
        basis=basis,
        name=document.get("name", ""),
        cap=_optional(document.get("cap"), read_number if kind in BESIDE_WEIGHTS else read_points),
        relations=relations,
        target=_optional(document.get("target"), read_number),
        threshold=_optional(document.get("threshold"), read_number),
        stretch=_optional(document.get("stretch"), read_number),
        baseline=_optional(document.get("baseline"), read_number),
        unit=document.get("unit", ""),
        veto_grade=document.get("veto_grade", ""),
    )


def _measure(document: Json, kind: Kind, basis: Basis) -> Measure:
    return Measure(
        method=_method(document, kind),
        formula=_formula(document, basis),
        scale=dict(_scale(document.get("scale", {}).get("points", ()), kind)),
        choices={each["value"]: read_number(each.get("points", 0)) for each in document.get("choices", ())},
        intervals=tuple(_interval(each) for each in document.get("intervals", ())),
        start=_optional(document.get("start"), read_number),
        per_occurrence=read_number(document.get("per_occurrence", 0)),
        curve=_curve(document.get("curve", ())),
    )


def _method(document: Json, kind: Kind) -> Method:
    if kind is Kind.GOAL:
        return Method.GOALS
    if "method" in document:
        return Method(document["method"])
    if kind is Kind.QUANTITATIVE:
        return Method.FORMULA if "formula" in document else Method.RATIO
    return QUESTION_METHODS.get(document.get("question", "rating"), Method.RATING)


def _formula(document: Json, basis: Basis) -> Formula | None:
    if "formula" not in document:
        return None
    compiled = compile_formula(document["formula"], basis=basis.value)
    if isinstance(compiled, Formula):
        return compiled
    raise ValueError(f"formula of {document['key']}: {compiled[0].message_en}")


def _scale(points: Iterable[Json], kind: Kind) -> Iterable[tuple[Fraction, Fraction]]:
    """Points by value. Where they are the default, value/max · 100, that is exact; a bonus then counts the value."""
    listed = list(points)
    largest = max((read_number(each["value"]) for each in listed), default=Fraction(0))
    for each in listed:
        value = read_number(each["value"])
        default = value / largest * HUNDRED if largest > 0 else Fraction(0)
        declared = read_number(each["points"]) if "points" in each else default
        by_default = abs(declared - default) < Fraction(1, 10**20)
        beside = kind in (Kind.BONUS, Kind.DEDUCTION)
        yield value, (value if beside else default) if by_default else declared


def _interval(document: Json) -> Interval:
    low, high = _optional(document.get("from"), read_number), _optional(document.get("below"), read_number)
    return Interval(low, high, read_number(document["points"]))


def _curve(points: Iterable[Json]) -> tuple[tuple[Fraction, Fraction], ...]:
    read = sorted((read_number(each["at"]), read_number(each["points"])) for each in points)
    return tuple(read) or DEFAULT_CURVE
