"""The form that a template version gives its participants: normal numbers, every default filled in, one hash."""

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.reviews.domain.template import HUNDRED, TemplateBody
from services.reviews.domain.template_reader import read_number, read_weight

FORM_VERSION = 1
RATIO_FIELDS = ("target", "threshold", "stretch", "baseline", "cap", "start", "per_occurrence")
LISTS = {"intervals": ("from", "below", "points"), "curve": ("at", "points"), "choices": ("points",)}
INHERITED = ("bonus_cap", "deduction_cap")


def form_body(body: TemplateBody) -> dict[str, Any]:
    """What a participant is judged on: the part of a template that a form rule chooses.

    Numbers are text without exponent, weights in per cent, ratios as such (120% is 1.2). Process, grades and guideline
    come from the cycle's own template (product.md §4) and are no part of a form.
    """
    document = body.document
    form: dict[str, Any] = {
        "form_version": FORM_VERSION,
        "name": body.name,
        "sections": [_section(item) for item in document.get("sections", ())],
        "raters": {relation: plain_number(weight) for relation, weight in body.raters.items()},
        "missing_relation": body.missing_relation,
        "anonymity": {relation: dict(rule) for relation, rule in body.anonymity.items()},
        "ceiling": plain_number(body.ceiling),
        "rounding": dict(body.rounding),
        "visibility": list(document.get("visibility", ())),
    }
    return form | {name: _ratio(document[name]) for name in INHERITED if name in document}


def canonical_json(document: object) -> bytes:
    """The one way to write a document down, so that equal ones have equal hashes: sorted keys, no blanks, UTF-8."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_plain).encode()


def content_hash(document: object) -> bytes:
    """SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(document)).digest()


def storable(document: object) -> Any:
    """The document with decimals as text, as JSON columns keep it."""
    return json.loads(canonical_json(document))


def plain_number(number: Decimal) -> str:
    """A decimal as text without exponent or trailing zeros."""
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return plain_number(value)
    raise TypeError(f"{type(value).__name__} is no plain value")


def _section(item: Mapping[str, Any]) -> dict[str, Any]:
    section = {"counts": "score", **item, "indicators": [_indicator(entry) for entry in item["indicators"]]}
    return section | _numbers(item, ("weight",), _weight)


def _indicator(item: Mapping[str, Any]) -> dict[str, Any]:
    indicator = {"basis": "percent", "question": _default_question(item), "required": True, **item}
    indicator |= _numbers(item, ("weight",), _weight) | _numbers(item, RATIO_FIELDS, _ratio)
    if "scale" in item:
        indicator["scale"] = {"points": _scale_points(item["scale"]["points"])}
    for name, fields in LISTS.items():
        if name in item:
            indicator[name] = [{**entry, **_numbers(entry, fields, _ratio)} for entry in item[name]]
    if "intervals" in indicator:
        indicator["intervals"] = _closed(indicator["intervals"])
    return indicator


def _closed(intervals: list[dict[str, str]]) -> list[dict[str, str]]:
    """Intervals from low to high; one without an upper bound ends where the next begins."""
    ordered = sorted(intervals, key=lambda entry: ("from" in entry, Decimal(entry.get("from", "0"))))
    ends = [entry.get("from") for entry in ordered[1:]] + [None]
    return [{"below": end, **entry} if end is not None else entry for entry, end in zip(ordered, ends, strict=True)]


def _scale_points(points: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Points of a scale point: as declared, by default value/max × 100 (product.md §7), unrounded up to 28 digits."""
    largest = max((read_number(point["value"]) for point in points), default=Decimal(0))
    filled = []
    for point in points:
        value = read_number(point["value"])
        share = value / largest * HUNDRED if largest > 0 else Decimal(0)
        declared = read_number(point["points"]) if "points" in point else share
        filled.append({**point, "value": plain_number(value), "points": plain_number(declared)})
    return filled


def _default_question(item: Mapping[str, Any]) -> str:
    if item["kind"] == "goal":
        return "goal_table"
    return "number" if item["kind"] == "quantitative" or "method" in item else "rating"


def _numbers(item: Mapping[str, Any], names: tuple[str, ...], write: Callable[[object], str]) -> dict[str, str]:
    return {name: write(item[name]) for name in names if item.get(name) is not None}


def _ratio(written: object) -> str:
    return plain_number(read_number(written))


def _weight(written: object) -> str:
    return plain_number(read_weight(written))


def form_id(content: bytes) -> UUID:
    """The id of a form: the first 128 bits of its content's hash, marked as a custom UUID (version 8)."""
    number = int.from_bytes(content[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76
    return UUID(int=number & ~(0x3 << 62) | 0x2 << 62)
