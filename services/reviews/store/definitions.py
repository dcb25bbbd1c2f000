"""Process definitions, form rules and populations as they stand in JSON columns."""

from dataclasses import asdict
from datetime import datetime, time
from typing import Any
from uuid import UUID

from services.reviews.domain.model import (
    NOTHING,
    Advance,
    Barrier,
    Escalation,
    FormRule,
    Mark,
    OnTimeout,
    Population,
    Reminder,
    Signature,
    Span,
    StageDefinition,
    StageKind,
    Unit,
)


def to_json(value: object) -> Any:
    """A dataclass as plain JSON; instants and times in ISO 8601, ids as text."""
    return _plain(asdict(value))  # type: ignore[call-overload]


def _plain(value: object) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def stage_definition(document: dict[str, Any]) -> StageDefinition:
    escalation, grace = document.get("escalation"), document.get("grace")
    return StageDefinition(
        key=document["key"],
        kind=StageKind(document["kind"]),
        after=tuple(document["after"]),
        name=document["name"],
        offset=_span(document["offset"]) or NOTHING,
        length=_span(document["length"]) or NOTHING,
        opens_at=_instant(document["opens_at"]),
        closes_at=_instant(document["closes_at"]),
        reminders=tuple(_reminder(item) for item in document["reminders"]),
        escalation=Escalation(escalation["to"], _span(escalation["after"]) or NOTHING) if escalation else None,
        on_timeout=OnTimeout(document["on_timeout"]),
        grace=_span(grace),
        early_close=document["early_close"],
        advance=Advance(document["advance"]),
        barrier=Barrier(document["barrier"]),
        strict=document["strict"],
        signature=Signature(document["signature"]),
        facilitator=document["facilitator"],
        options=document["options"],
    )


def marks(documents: list[dict[str, Any]]) -> tuple[Mark, ...]:
    return tuple(Mark(**{**item, "due_at": datetime.fromisoformat(item["due_at"])}) for item in documents)


def form_rules(documents: list[dict[str, Any]]) -> tuple[FormRule, ...]:
    return tuple(
        FormRule(
            form_id=UUID(item["form_id"]),
            template_id=UUID(item["template_id"]),
            template_version=item["template_version"],
            group_id=_id(item["group_id"]),
            department_id=_id(item["department_id"]),
            post=item["post"],
            employee_ids=tuple(UUID(name) for name in item["employee_ids"]),
            providers=item["providers"],
        )
        for item in documents
    )


def population(document: dict[str, Any]) -> Population:
    return Population(
        everyone=document.get("everyone", False),
        **{
            name: tuple(UUID(item) for item in document.get(name, ()))
            for name in ("department_ids", "group_ids", "employee_ids", "exclude_employee_ids")
        },
    )


def _reminder(document: dict[str, Any]) -> Reminder:
    at = document["at"]
    return Reminder(_span(document["span"]) or NOTHING, document["before"], time.fromisoformat(at) if at else None)


def _span(document: dict[str, Any] | None) -> Span | None:
    return Span(document["amount"], Unit(document["unit"])) if document else None


def _instant(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def _id(written: str | None) -> UUID | None:
    return UUID(written) if written else None
