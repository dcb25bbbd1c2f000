"""A slow, independent second opinion on scores: straight from the form's JSON, by the words of the specification."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

Json = Mapping[str, Any]
Rating = tuple[str, str, Fraction]  # item, relation, value


def oracle(form: Json, ratings: Sequence[Rating], actuals: Mapping[str, Fraction]) -> Decimal | None:
    """The rounded total of a form, None where there is nothing to score or a part that must not be missing is."""
    sections: list[tuple[Fraction, Fraction]] = []
    bonus = deduction = Fraction(0)
    for section in form["sections"]:
        items: list[tuple[Fraction, Fraction]] = []
        for item in section["indicators"]:
            key = f"{section['key']}/{item['key']}"
            value = _item(form, item, key, ratings, actuals)
            if value == "blocked":
                return None
            if item["kind"] == "bonus":
                bonus += Fraction(value or 0)
            elif item["kind"] == "deduction":
                deduction += Fraction(value or 0)
            elif value is not None:
                items.append((Fraction(item["weight"]), Fraction(value)))
        if items:
            weight = sum(w for w, _ in items)
            sections.append((Fraction(section["weight"]), sum((w * v for w, v in items), Fraction(0)) / weight))
    if not sections:
        return None
    total = sum((w * v for w, v in sections), Fraction(0)) / sum(w for w, _ in sections)
    total += min(bonus, Fraction(form["bonus_cap"])) if "bonus_cap" in form else bonus
    total -= min(deduction, Fraction(form["deduction_cap"])) if "deduction_cap" in form else deduction
    return rounded(min(max(total, Fraction(0)), Fraction(form["ceiling"])), int(form["rounding"]["places"]))


def rounded(value: Fraction, places: int) -> Decimal:
    """Half up by the decimal module, with more than enough digits to divide."""
    with localcontext() as context:
        context.prec = 200
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        return exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def _item(form: Json, item: Json, key: str, ratings: Sequence[Rating], actuals: Mapping[str, Fraction]) -> Any:
    if "method" not in item:
        return _rated(form, item, key, ratings)
    if key not in actuals:
        return None if item["kind"] in ("bonus", "deduction") else "blocked"
    return _measured(item, actuals[key])


def _rated(form: Json, item: Json, key: str, ratings: Sequence[Rating]) -> Any:
    means: list[tuple[Fraction, Fraction]] = []
    for relation, weight in form["raters"].items():
        given = [value for rated, by, value in ratings if rated == key and by == relation]
        if given:
            means.append((Fraction(weight), Fraction(sum(given), len(given))))
        elif Fraction(weight) and form["missing_relation"] == "block":
            return "blocked"
        elif form["missing_relation"] == "zero":
            means.append((Fraction(weight), Fraction(0)))
    weight = sum((w for w, _ in means), Fraction(0))
    return sum((w * v for w, v in means), Fraction(0)) / weight if weight else None


def _measured(item: Json, actual: Fraction) -> Fraction:
    target = Fraction(item.get("target", 1))
    match item["method"]:
        case "ratio":
            score = max(actual / target, Fraction(0)) * 100
        case "lower_is_better":
            score = max(2 - actual / target, Fraction(0)) * 100
        case "occurrence" if item["kind"] in ("bonus", "deduction"):
            score = actual * Fraction(item["per_occurrence"])
        case "occurrence":
            score = max(100 + actual * Fraction(item["per_occurrence"]), Fraction(0))
        case "yes_no":
            score = Fraction(100 if actual else 0)
        case other:
            raise AssertionError(other)
    return min(score, Fraction(item["cap"])) if "cap" in item else score
