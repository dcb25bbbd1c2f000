"""What follows a result: appeals and interviews; and the actuals that precede it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.reviews.domain.model.states import ActualState, AppealState, InterviewState


@dataclass(frozen=True, slots=True)
class Actual:
    """What was achieved on one quantitative indicator; a correction is a new version."""

    cycle_id: UUID
    participant_id: UUID
    item: str
    version: int
    value: Decimal | None
    state: ActualState
    source: str  # provider | import | goal | employee
    entered_by: UUID | None
    create_time: datetime
    provider_id: UUID | None = None
    evidence: tuple[dict[str, Any], ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Appeal:
    """An employee's objection to one version of their result."""

    id: UUID
    cycle_id: UUID
    participant_id: UUID
    result_id: UUID
    result_version: int
    filed_by: UUID
    state: AppealState
    grounds: str
    create_time: datetime
    items: tuple[str, ...] = ()
    evidence: tuple[dict[str, Any], ...] = ()
    owner_id: UUID | None = None
    task_id: UUID | None = None
    due_at: datetime | None = None
    decided_by: UUID | None = None
    decided_at: datetime | None = None
    score: Decimal | None = None
    grade: str = ""
    reason: str = ""  # of declining, or of the decision
    decision_evidence: tuple[dict[str, Any], ...] = ()
    escalated_at: datetime | None = None
    amended_at: datetime | None = None
    version: int = 1


@dataclass(frozen=True, slots=True)
class Interview:
    """A conversation about a result, with notes and signatures of both sides."""

    id: UUID
    cycle_id: UUID
    participant_id: UUID
    manager_id: UUID
    employee_id: UUID
    state: InterviewState
    task_id: UUID | None = None
    scheduled_at: datetime | None = None
    minutes: int = 0
    place: str = ""
    agenda: tuple[dict[str, Any], ...] = ()
    manager_notes: str = ""
    employee_notes: str = ""
    manager_signed_at: datetime | None = None
    employee_signed_at: datetime | None = None
    version: int = 1
    extra: dict[str, Any] = field(default_factory=dict)
