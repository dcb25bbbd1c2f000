"""What use cases need of a unit of work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from services.goals.domain.model import Attainment, CheckIn, Goal, GoalState, Owner
from services.goals.policy import Actor


@dataclass(frozen=True, slots=True)
class GoalFilter:
    """Which goals are wanted."""

    owner_id: UUID | None = None
    state: GoalState | None = None
    period_start: date | None = None
    period_end: date | None = None


class GoalStore(Protocol):
    async def add(self, goals: Sequence[Goal], author: str) -> None: ...
    async def get(self, goal_id: UUID, actor: Actor) -> Goal | None: ...
    async def lock(self, goal_id: UUID, actor: Actor) -> Goal | None: ...
    async def save(self, changed: Goal, author: str) -> None: ...
    async def page(self, wanted: GoalFilter, actor: Actor, after: UUID | None, limit: int) -> list[Goal]: ...
    async def versions(self, of: Goal, before: int, limit: int) -> list[Goal]: ...
    async def add_check_in(self, report: CheckIn) -> None: ...
    async def check_ins(self, goal_id: UUID, before: UUID | None, limit: int) -> list[CheckIn]: ...
    async def owners_below(self, employee_id: UUID) -> list[UUID]: ...
    async def restand(self, owners: Sequence[Owner]) -> None: ...


class FreezeStore(Protocol):
    async def make(self, freeze_id: UUID, period_start: date, period_end: date, as_of: datetime) -> int: ...
    async def size(self, freeze_id: UUID) -> int | None: ...
    async def of(self, freeze_id: UUID, employee_ids: Sequence[UUID]) -> list[Attainment]: ...


class Caller(Actor, Protocol):
    """Who asks."""

    @property
    def actor(self) -> str: ...


class Transaction(Protocol):
    """One transaction: who asks, and how the change is told."""

    @property
    def principal(self) -> Caller: ...
    @property
    def tenant_id(self) -> UUID: ...
    async def now(self) -> datetime: ...
    async def emit(
        self, kind: str, aggregate_type: str, aggregate_id: UUID, version: int, payload: Mapping[str, Any]
    ) -> UUID: ...
    async def audit(
        self, action: str, subject_type: str, subject_id: UUID, *, detail: dict[str, Any], note: str = ""
    ) -> UUID: ...


class NeedsGoals(Transaction, Protocol):
    @property
    def goals(self) -> GoalStore: ...


class NeedsFreezes(Transaction, Protocol):
    @property
    def freezes(self) -> FreezeStore: ...
