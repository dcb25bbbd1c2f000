"""The nouns of scoring that have rows: a participant to score, the cycle's rules, results, releases, exports."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.scoring.domain.calibration import Member, Session
from services.scoring.domain.explanation import Explanation
from services.scoring.domain.form import Inputs
from services.scoring.domain.goals import Goal
from services.scoring.domain.grades import GradeScale, read_grades
from services.scoring.domain.quota import Guideline, read_guideline


@dataclass(frozen=True, slots=True)
class CycleRules:
    """What the template of a cycle's process says about grades and calibration, and who owns the cycle."""

    cycle_id: UUID
    cycle_name: str
    grades: tuple[Mapping[str, Any], ...] = ()
    guideline: Mapping[str, Any] | None = None
    facilitator: str = "owner"
    owner_id: UUID | None = None
    period_start: date | None = None
    period_end: date | None = None

    def scale(self) -> GradeScale:
        """The grades, best first."""
        return read_grades(self.grades)

    def quotas(self) -> Guideline | None:
        """The guideline, if there is one."""
        return read_guideline(self.guideline)

    @property
    def minimum(self) -> int:
        """The smallest group that is calibrated by itself."""
        guideline = self.quotas()
        return guideline.minimum if guideline else 1


@dataclass(frozen=True, slots=True)
class Subject:
    """A participant to score, in the organisation as it stood at launch, with all that was answered about them."""

    participant_id: UUID
    employee_id: UUID
    form_id: str
    inputs: Inputs
    department_path: tuple[UUID, ...] = ()
    department_name: str = ""
    department_head: UUID | None = None
    manager_chain: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One page of participants and the forms that they are judged by, as canonical documents by form id."""

    rules: CycleRules
    forms: Mapping[str, Mapping[str, Any]]
    subjects: tuple[Subject, ...]
    last: bool


GoalsByEmployee = Mapping[UUID, tuple[Goal, ...]]


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One computed participant, ready to be stored."""

    subject: Subject
    form_hash: bytes
    inputs: Mapping[str, Any]
    inputs_hash: bytes
    raw: Decimal | None = None
    weighted: Decimal | None = None
    grade: str = ""
    coefficient: Decimal | None = None
    veto_grade: str = ""
    explanation: Mapping[str, Any] | None = None
    unscored_code: str = ""
    unscored_message: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What a participant got; versions are kept, all four scores are kept."""

    id: UUID
    cycle_id: UUID
    participant_id: UUID
    employee_id: UUID
    version: int
    raw: Decimal | None
    weighted: Decimal | None
    calibrated: Decimal | None
    final: Decimal | None
    scored_grade: str
    grade: str
    coefficient: Decimal | None
    unscored_code: str
    unscored_message: str
    department_path: tuple[UUID, ...]
    department_name: str
    department_head: UUID | None
    manager_chain: tuple[UUID, ...]
    facilitator_id: UUID | None
    amended: bool
    released_at: datetime | None
    revision: int
    explanation: Explanation | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """That the results of a cycle are visible, and since when."""

    cycle_id: UUID
    stage_id: UUID
    epoch: int
    released_at: datetime
    results: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session with its members and rules, as a use case needs it."""

    session: Session
    members: tuple[Member, ...]
    rules: CycleRules


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was made of a cycle's results."""

    id: UUID
    cycle_id: UUID
    kind: str
    columns: tuple[str, ...]
    requested_by: str
    state: str
    done: int = 0
    total: int = 0
    reason: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class ResultFilter:
    """Which of the visible results are asked for; None is all."""

    cycle_id: UUID | None = None
    employee_id: UUID | None = None
    department_id: UUID | None = None
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many hold each grade, how many have no score, how many were amended."""

    grades: Mapping[str, int]
    unscored: int
    amended: int


@dataclass(frozen=True, slots=True)
class Department:
    """A department of the cycle's scored participants: its path, name, head, and how many stand directly in it."""

    path: tuple[UUID, ...]
    name: str
    head: UUID | None
    size: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """A group that is to be calibrated."""

    path: tuple[UUID, ...]
    name: str
    facilitator_id: UUID | None
    pooled: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """That somebody's score is to be computed again, because of an event."""

    tenant_id: UUID
    cycle_id: UUID
    participant_id: UUID
    event_id: UUID


@dataclass(frozen=True, slots=True)
class Scored:
    """What a result was computed from, and in which opening of which stage."""

    stage_id: UUID
    epoch: int
    inputs: Inputs
    inputs_hash: bytes
