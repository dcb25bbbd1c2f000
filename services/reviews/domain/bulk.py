"""What work on many rows at once is told, and what it answers, chunk by chunk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.reviews.domain.model import Advance, Barrier, Stage

CHUNK = 5_000
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class FrozenMember:
    """One person as people froze them; `problem`: 0 none, 1 no manager, 2 manager loop, 3 root of the tree."""

    employee_id: UUID
    code: str
    post: str
    level: str
    department_path: list[UUID]
    department_name: str
    department_head_id: UUID | None
    manager_chain: list[UUID]
    group_ids: list[UUID]
    hired_on: date | None
    problem: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A frozen person with the form and the state that the cycle's rules gave them."""

    frozen: FrozenMember
    form_id: UUID | None
    state: str
    findings: list[str]


@dataclass(frozen=True, slots=True)
class Enrolling:
    """What is the same for all pages of a cycle."""

    cycle_id: UUID
    owner_id: UUID
    at: datetime  # time bits of the ids
    relations: Sequence[tuple[UUID, str]]  # form, relation whose raters the organisation itself names
    providers: Sequence[tuple[UUID, str, str]]  # form, item, who supplies it


@dataclass(frozen=True, slots=True)
class Admission:
    """What is the same for all chunks of one pass that gives a stage's tasks to people."""

    stage: Stage
    at: datetime  # base of the ids' time bits: each chunk lies later than the one before, and shares no range with it
    opened_at: datetime
    due_override: datetime | None
    before: tuple[UUID, ...]  # stages that must be done by the person, where people go on one by one
    later: tuple[UUID, ...]  # stages whose tasks rest on this one
    trace_id: str
    assignees: tuple[UUID | None, ...] = ()  # of tasks about nobody: the release, the sessions
    references: tuple[UUID | None, ...] = ()

    @property
    def one_by_one(self) -> bool:
        definition = self.stage.definition
        return definition.advance is Advance.INDIVIDUALLY or definition.barrier is Barrier.ON_TIME


@dataclass(frozen=True, slots=True)
class Admitted:
    """One chunk: how many tasks were made, within which range of task ids, and where to go on."""

    opened: int
    first_task_id: UUID
    last_task_id: UUID
    last_participant_id: UUID
    last: bool


@dataclass(frozen=True, slots=True)
class Chunk:
    """How many rows were changed, from which task up to which, and whether that was the end."""

    count: int
    first_id: UUID
    last_id: UUID
    last: bool
