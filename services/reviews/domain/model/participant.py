"""Who is judged, in the organisation as it stood at launch, and by whom."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.reviews.domain.model.states import Opinion, ParticipantState, RaterState, Relation


@dataclass(frozen=True, slots=True)
class OrgSnapshot:
    """What was true of the employee at the freeze instant."""

    code: str
    department_path: tuple[UUID, ...]  # root → leaf
    department_name: str  # names from the root, A/B/C
    manager_chain: tuple[UUID, ...]  # nearest first
    department_head_id: UUID | None = None
    post: str = ""
    level: str = ""
    group_ids: frozenset[UUID] = frozenset()  # among the groups of the form rules
    hired_on: date | None = None

    @property
    def manager_id(self) -> UUID | None:
        return self.manager_chain[0] if self.manager_chain else None


@dataclass(frozen=True, slots=True)
class Participant:
    """Employee × cycle."""

    id: UUID
    cycle_id: UUID
    employee_id: UUID
    state: ParticipantState
    snapshot: OrgSnapshot
    form_id: UUID | None = None
    findings: tuple[str, ...] = ()
    opinion: Opinion | None = None
    reason: str = ""  # of exempt, hold, withdrawn, in words
    version: int = 1


@dataclass(frozen=True, slots=True)
class Rater:
    """One person's right and duty to rate one participant in one relation."""

    id: UUID
    cycle_id: UUID
    participant_id: UUID
    relation: Relation
    rater_id: UUID
    state: RaterState = RaterState.APPROVED
    weight: Decimal = Decimal(1)
    proposed_by: UUID | None = None
    decided_by: UUID | None = None
    reason: str = ""
    version: int = 1
    update_time: datetime | None = None
