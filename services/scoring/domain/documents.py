"""Scores' inputs and explanations as JSON: what is stored, and what is hashed to tell whether anything changed."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.scoring.domain.explanation import Explanation, Line
from services.scoring.domain.form import Answer, Inputs
from services.scoring.domain.goals import Goal, GoalMeasure, Mode


def canonical(document: object) -> bytes:
    """The one way to write a document down: sorted keys, no blanks, UTF-8."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def content_hash(*documents: object) -> bytes:
    """SHA-256 over the canonical documents."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(canonical(document) + b"\n")
    return digest.digest()


def write_inputs(inputs: Inputs) -> dict[str, Any]:
    """Inputs as stored. Raters become ordinals: who said what is not kept here."""
    ordinals: dict[str, int] = {}
    for answer in inputs.answers:
        ordinals.setdefault(answer.rater, len(ordinals) + 1)
    return {
        "answers": [
            [answer.item, answer.relation, ordinals[answer.rater], _text(answer.value), list(answer.choices)]
            for answer in inputs.answers
        ],
        "actuals": {item: str(value) for item, value in sorted(inputs.actuals.items())},
        "goals": [_write_goal(goal) for goal in inputs.goals],
    }


def read_inputs(document: Mapping[str, Any]) -> Inputs:
    """Inputs as they were stored, so that a score can be computed again."""
    return Inputs(
        answers=tuple(
            Answer(item, relation, str(rater), _fraction(value), tuple(choices))
            for item, relation, rater, value, choices in document["answers"]
        ),
        actuals={item: Fraction(value) for item, value in document["actuals"].items()},
        goals=tuple(_read_goal(each) for each in document["goals"]),
    )


def write_explanation(explanation: Explanation) -> dict[str, Any]:
    """An explanation as stored; decimals as text."""
    return {
        "total": str(explanation.total),
        "lines": [
            {
                "path": line.path,
                "name": line.name,
                "depth": line.depth,
                "relation": line.relation,
                "raw": _text(line.raw),
                "weight": _text(line.weight),
                "contribution": _text(line.contribution),
                "inputs": dict(line.inputs),
                "guard": line.guard,
            }
            for line in explanation.lines
        ],
        "notes": list(explanation.notes),
    }


def read_explanation(document: Mapping[str, Any]) -> Explanation | None:
    """An explanation as stored; None for a participant without a score."""
    if not document:
        return None
    lines = tuple(
        Line(
            each["path"],
            each["name"],
            each["depth"],
            each["relation"],
            _decimal(each["raw"]),
            _decimal(each["weight"]),
            _decimal(each["contribution"]),
            each["inputs"],
            each["guard"],
        )
        for each in document["lines"]
    )
    return Explanation(Decimal(document["total"]), lines, tuple(document["notes"]))


def _write_goal(goal: Goal) -> dict[str, Any]:
    measures = [
        [str(m.weight), _text(m.value), str(m.baseline), _text(m.target), m.lower_is_better, m.done]
        for m in goal.measures
    ]
    return {
        "id": goal.id,
        "mode": goal.mode.value,
        "weight": str(goal.weight),
        "cancelled": goal.cancelled,
        "measures": measures,
    }


def _read_goal(document: Mapping[str, Any]) -> Goal:
    measures = tuple(
        GoalMeasure(Fraction(weight), _fraction(value), Fraction(baseline), _fraction(target), lower, done)
        for weight, value, baseline, target, lower, done in document["measures"]
    )
    return Goal(document["id"], Mode(document["mode"]), Fraction(document["weight"]), measures, document["cancelled"])


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _fraction(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
