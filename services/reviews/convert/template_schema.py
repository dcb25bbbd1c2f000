"""The published JSON schema of a template, and its errors in words that name what would be right."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from services.reviews.convert.template_source import pointer_to
from services.reviews.domain.findings import Finding, error
from services.reviews.domain.nearest import nearest

SCHEMA_FILE = Path(__file__).parent.parent / "template.schema.json"
LARGEST_REPORT = 200
TYPE_WORDS = {
    "object": ("a mapping of keys to values", "键值映射"),
    "array": ("a list", "列表"),
    "string": ("a text", "文字"),
    "boolean": ("true or false", "true 或 false"),
    "integer": ("a whole number", "整数"),
    "number": ("a number", "数字"),
}


@cache
def schema_text() -> str:
    """The schema as published."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def schema_findings(document: object) -> tuple[Finding, ...]:
    """Everything in which a document departs from the schema, in the document's order; at most 200."""
    return _report(_validator(json.loads(schema_text())), document)


def override_findings(document: object) -> tuple[Finding, ...]:
    """The same for a cycle's overrides: stage key → fields of a stage, but those that make the graph."""
    schema = json.loads(schema_text())
    stage = schema["$defs"]["stage"]
    fields = {name: value for name, value in stage["properties"].items() if name not in ("key", "kind", "after")}
    override = {**stage, "properties": fields, "required": []}
    return _report(_validator({"$defs": schema["$defs"], "type": "object", "additionalProperties": override}), document)


def _report(validator: Any, document: object) -> tuple[Finding, ...]:
    problems = sorted(validator.iter_errors(document), key=lambda problem: [str(part) for part in problem.path])
    found = (finding for problem in problems for finding in _findings(problem))
    return tuple(finding for _, finding in zip(range(LARGEST_REPORT), found, strict=False))


def _validator(schema: Mapping[str, Any]) -> Any:
    is_number = lambda _, value: isinstance(value, int | Decimal) and not isinstance(value, bool)  # noqa: E731
    checker = Draft202012Validator.TYPE_CHECKER.redefine("number", is_number)
    validator: Any = extend  # the library has no type for it
    return validator(Draft202012Validator, type_checker=checker)(schema)


def _findings(problem: Any) -> Iterator[Finding]:
    pointer = ""
    for part in problem.absolute_path:
        pointer = pointer_to(pointer, part)
    match problem.validator:
        case "additionalProperties":
            yield from _unknown_keys(problem, pointer)
        case "required":
            yield from _missing_key(problem, pointer)
        case "enum":
            yield _unknown_value(problem, pointer)
        case "minItems" | "maxItems" | "minProperties" | "maxProperties":
            limit = str(problem.validator_value)
            code = "TOO_FEW" if str(problem.validator).startswith("min") else "TOO_MANY"
            yield error(code, pointer, field=_field(pointer), limit=limit, found=len(_sized(problem.instance)))
        case "minimum" | "maximum":
            bound = "at least" if problem.validator == "minimum" else "at most"
            zh = "不小于" if problem.validator == "minimum" else "不大于"
            wanted, found = f"{bound} {problem.validator_value}", _shown(problem.instance)
            yield error(
                "OUT_OF_RANGE",
                pointer,
                field=_field(pointer),
                found=found,
                wanted=wanted,
                wanted_zh=f"{zh} {problem.validator_value}",
            )
        case _:
            yield _wrong_type(problem, pointer)


def _unknown_keys(problem: Any, pointer: str) -> Iterator[Finding]:
    known = sorted(_schema_of(problem).get("properties", {}))
    for key in problem.instance:
        if key not in known:
            hint = nearest(str(key), known)
            yield error(
                "UNKNOWN_KEY",
                pointer_to(pointer, key),
                key=key,
                place=_field(pointer),
                hint=f"did you mean {hint}?" if hint else f"known here: {', '.join(known)}",
                hint_zh=f"是否指 {hint}？" if hint else f"此处可用：{'、'.join(known)}",
            )


def _missing_key(problem: Any, pointer: str) -> Iterator[Finding]:
    missing = [key for key in problem.validator_value if key not in problem.instance]
    for key in missing:
        if f"'{key}'" in problem.message:
            yield error("MISSING_KEY", pointer, key=key, place=_field(pointer))


def _unknown_value(problem: Any, pointer: str) -> Finding:
    known = [str(value) for value in problem.validator_value]
    hint = nearest(str(problem.instance), known)
    return error(
        "UNKNOWN_VALUE",
        pointer,
        field=_field(pointer),
        found=_shown(problem.instance),
        known=", ".join(known),
        hint=f"did you mean {hint}? " if hint else "",
        hint_zh=f"是否指 {hint}？" if hint else "",
    )


def _wrong_type(problem: Any, pointer: str) -> Finding:
    schema = _schema_of(problem)
    by_type = TYPE_WORDS.get(str(schema.get("type", "")), ("something else", "其他内容"))
    return error(
        "WRONG_TYPE" if problem.validator == "type" or not isinstance(problem.instance, str) else "WRONG_FORMAT",
        pointer,
        field=_field(pointer),
        found=_shown(problem.instance),
        wanted=schema.get("title", by_type[0]),
        wanted_zh=schema.get("x-title-zh", by_type[1]),
    )


def _schema_of(problem: Any) -> Mapping[str, Any]:
    return problem.schema if isinstance(problem.schema, Mapping) else {}


def _field(pointer: str) -> str:
    """`/sections/0/weight` as a reader says it: sections[1].weight, counted from one."""
    words = ""
    for part in pointer.split("/")[1:]:
        words += f"[{int(part) + 1}]" if part.isdecimal() else f".{part}" if words else part
    return words.replace("~1", "/").replace("~0", "~") or "template"


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _sized(value: object) -> Sequence[object]:
    return list(value) if isinstance(value, Mapping | list) else []
