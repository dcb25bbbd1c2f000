"""Measures and goals as the JSON that their rows hold; decimals as text."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.goals.domain.model import Direction, Goal, GoalState, Measure, Mode, Owner


def measures_document(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """Return measures as JSON."""
    return [
        {
            "id": str(measure.id),
            "name": measure.name,
            "weight": str(measure.weight),
            "baseline": str(measure.baseline),
            "target": None if measure.target is None else str(measure.target),
            "unit": measure.unit,
            "direction": measure.direction.value,
            "value": None if measure.value is None else str(measure.value),
            "done": measure.done,
            "confidence": measure.confidence,
        }
        for measure in measures
    ]


def read_measures(document: Sequence[Mapping[str, Any]]) -> tuple[Measure, ...]:
    """Return the measures of a JSON document."""
    return tuple(
        Measure(
            id=UUID(each["id"]),
            name=each["name"],
            weight=Decimal(each["weight"]),
            baseline=Decimal(each["baseline"]),
            target=_decimal(each["target"]),
            unit=each["unit"],
            direction=Direction(each["direction"]),
            value=_decimal(each["value"]),
            done=each["done"],
            confidence=each["confidence"],
        )
        for each in document
    )


def goal_document(goal: Goal) -> dict[str, Any]:
    """Return what a version of a goal remembers."""
    return {
        "name": goal.name,
        "description": goal.description,
        "mode": goal.mode.value,
        "state": goal.state.value,
        "weight": str(goal.weight),
        "period_start": goal.period_start.isoformat(),
        "period_end": goal.period_end.isoformat(),
        "measures": measures_document(goal.measures),
        "reason": goal.reason,
    }


def read_version(goal_id: UUID, owner: Owner, version: int, document: Mapping[str, Any]) -> Goal:
    """Return a remembered version."""
    return Goal(
        id=goal_id,
        owner=owner,
        name=document["name"],
        description=document["description"],
        mode=Mode(document["mode"]),
        state=GoalState(document["state"]),
        weight=Decimal(document["weight"]),
        period_start=date.fromisoformat(document["period_start"]),
        period_end=date.fromisoformat(document["period_end"]),
        measures=read_measures(document["measures"]),
        version=version,
        reason=document["reason"],
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
