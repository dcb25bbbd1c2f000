"""What one person owes at one stage, and what they answered."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.reviews.domain.model.states import OWED_TASK_STATES, Relation, TaskKind, TaskState


@dataclass(frozen=True, slots=True)
class Task:
    """One row of the to-do list; `participant_id` is null for sheets, sessions and the release."""

    id: UUID
    cycle_id: UUID
    stage_id: UUID
    kind: TaskKind
    state: TaskState
    epoch: int
    assignee_id: UUID | None
    opened_at: datetime | None
    participant_id: UUID | None = None
    subject_id: UUID | None = None  # the employee judged
    relation: Relation | None = None
    origin_id: UUID | None = None  # who owed it first; kept when reassigned
    reference_id: UUID | None = None  # session, appeal, interview or plan step
    form_id: UUID | None = None
    step: int = 0  # level of an approval
    on_behalf_of: UUID | None = None
    due_override: datetime | None = None
    late: bool = False
    submission_version: int = 0
    draft: dict[str, Any] = field(default_factory=dict)  # answers by item, as in a submission
    draft_comment: str = ""
    draft_saved_at: datetime | None = None
    seen_at: datetime | None = None
    submitted_at: datetime | None = None
    ended_at: datetime | None = None
    returned_at: datetime | None = None
    returned_by: UUID | None = None
    returned_reason: str = ""
    reminded_at: datetime | None = None
    reminder_count: int = 0
    reminder: str = ""  # the last one, as the stage names it
    escalated_at: datetime | None = None
    blocked_reason: str = ""
    blocked_since: datetime | None = None
    input_changed: bool = False
    trace_id: str = ""
    version: int = 1

    @property
    def owed(self) -> bool:
        return self.state in OWED_TASK_STATES

    def due_at(self, stage_due_at: datetime | None) -> datetime | None:
        """The later of the stage's deadline and this task's own extension."""
        instants = [at for at in (stage_due_at, self.due_override) if at is not None]
        return max(instants) if instants else None


@dataclass(frozen=True, slots=True)
class Submission:
    """One version of the answers to a task."""

    task_id: UUID
    version: int
    cycle_id: UUID
    stage_id: UUID
    participant_id: UUID | None
    epoch: int
    late: bool
    answers: dict[str, Any]
    submitted_by: UUID | None
    on_behalf_of: UUID | None
    create_time: datetime
    relation: Relation | None = None
    rater_id: UUID | None = None
    comment: str = ""
    automatic: bool = False  # the draft, submitted by the stage's policy
    content_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class SignOff:
    """Who signed what, when, from where and how; `content_hash` is of what was shown."""

    id: UUID
    subject_type: str
    subject_id: UUID
    signer_id: UUID
    method: str
    content_hash: bytes
    create_time: datetime
    cycle_id: UUID | None = None
    participant_id: UUID | None = None
    task_id: UUID | None = None
    on_behalf_of: UUID | None = None
    address: str = ""
    typed_name: str = ""
