"""What other services read of a cycle in bulk: inputs of scores, rules, and whom a message concerns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.reviews.domain.model import Actual, Cycle, Form
from services.reviews.domain.template import TemplateBody


@dataclass(frozen=True, slots=True)
class RatersAnswers:
    """One rater's last submission about one participant, as stored."""

    relation: str
    rater_id: UUID | None
    answers: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ScoringInput:
    """Everything one participant is scored on; their own goals come from goals."""

    participant_id: UUID
    employee_id: UUID
    form_id: UUID | None
    department_path: tuple[UUID, ...]
    department_name: str
    department_head_id: UUID | None
    manager_chain: tuple[UUID, ...]
    answers: Sequence[RatersAnswers]
    actuals: Sequence[Actual]


@dataclass(frozen=True, slots=True)
class ScoringRules:
    """The cycle's grades, guideline and the like, and its forms."""

    cycle: Cycle
    template: Mapping[str, Any]
    forms: Sequence[Form]


@dataclass(frozen=True, slots=True)
class Recipient:
    task_id: UUID
    employee_id: UUID
    about_employee_id: UUID | None
    kind: str
    due_at: datetime | None


def scoring_rules(body: TemplateBody) -> dict[str, Any]:
    """What scoring needs of the process template; grades that were left out are the default ones."""
    return {
        "grades": [{"grade": each.grade, "from": each.start, "coefficient": each.coefficient} for each in body.grades],
        "guideline": {
            "mode": body.guideline.mode,
            "quotas": dict(body.guideline.quotas),
            "minimum": body.guideline.minimum,
        }
        if body.guideline
        else None,
        "calibration": {**body.document.get("calibration", {}), "facilitator": body.facilitator},
        "ceiling": body.ceiling,
        "rounding": dict(body.rounding),
    }
