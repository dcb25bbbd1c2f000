"""What waits, on whom, since when, until when, and what can be done; worst first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain.model import Cycle, Stage, Task
from services.reviews.domain.stalls import (
    Assignee,
    CycleFacts,
    HeldBarrier,
    MissingActuals,
    Stall,
    TaskFacts,
    Unscored,
    stalls_of_cycle,
    stalls_of_task,
)
from services.reviews.policy import holds_for_tenant
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsCycles
from services.runtime.identity import Principal

SEES_CYCLES = frozenset({"hr_admin", "hr_partner", "operator", "auditor"})


@dataclass(frozen=True, slots=True)
class StallFilter:
    cycle_id: UUID | None = None
    stage: str = ""
    task_id: UUID | None = None
    participant_id: UUID | None = None
    include_waiting: bool = False
    department_id: UUID | None = None
    after: tuple[datetime | None, UUID] | None = None
    size: int = 50

    @property
    def explains(self) -> bool:
        """Whether one approval is asked about: then everything that holds its cycle is told, too."""
        return self.task_id is not None or self.participant_id is not None

    @property
    def of_whole_cycles(self) -> bool:
        """Whether rows about cycles and stages belong to the answer; they stand on its first page."""
        return self.department_id is None and self.after is None


class Stalls(Protocol):
    async def tasks(self, actor: Principal, wanted: StallFilter) -> Sequence[tuple[Task, Assignee]]: ...
    async def barriers(self, stages: Sequence[UUID], at: datetime, now: datetime) -> Mapping[UUID, HeldBarrier]: ...
    async def unscored(self, cycle_id: UUID, participant_id: UUID | None) -> Sequence[Unscored]: ...
    async def missing_actuals(self, cycle_id: UUID, participant_id: UUID | None) -> Sequence[MissingActuals]: ...
    async def live_cycles(self) -> Sequence[UUID]: ...
    async def cycle_of(self, wanted: StallFilter) -> UUID | None: ...


class NeedsStalls(NeedsCycles, Protocol):
    @property
    def stalls(self) -> Stalls: ...


@dataclass(frozen=True, slots=True)
class StalledPage:
    """`next` is the last task of a page that is full; `live` are the cycles looked at, which the engine may hold up."""

    rows: Sequence[Stall]
    next: tuple[datetime | None, UUID] | None
    tenant_id: UUID
    live: Sequence[Cycle] = ()


@dataclass(frozen=True, slots=True)
class Surrounding:
    """A cycle with its stages, at one instant."""

    cycle: Cycle
    stages: Sequence[Stage]
    now: datetime


async def list_stalled(work: NeedsStalls, wanted: StallFilter) -> StalledPage:
    """Why things wait that the caller may see; of whole cycles to those who look after the tenant."""
    known: dict[UUID, Surrounding] = {}
    rows: list[Stall] = []
    live: list[Cycle] = []
    if wanted.of_whole_cycles and holds_for_tenant(work.principal, SEES_CYCLES):
        for cycle_id in await _cycles(work, wanted):
            around = known[cycle_id] = await _surrounding(work, cycle_id)
            if around.cycle.ended_at is None:
                rows += await _of_cycle(work, around, wanted)
                live.append(around.cycle)
    tasks = await work.stalls.tasks(work.principal, wanted)
    last: tuple[datetime | None, UUID] | None = None
    for task, assignee in tasks:
        if task.cycle_id not in known:
            known[task.cycle_id] = await _surrounding(work, task.cycle_id)
        around = known[task.cycle_id]
        stage = next(stage for stage in around.stages if stage.id == task.stage_id)
        facts = TaskFacts(task, stage, around.cycle, around.now, assignee)
        rows += stalls_of_task(facts)
        last = (facts.due_at, task.id)
    return StalledPage(rows, last if len(tasks) == wanted.size else None, work.tenant_id, live)


async def _cycles(work: NeedsStalls, wanted: StallFilter) -> Sequence[UUID]:
    if wanted.cycle_id is not None:
        return [wanted.cycle_id]
    if not wanted.explains:
        return await work.stalls.live_cycles()
    found = await work.stalls.cycle_of(wanted)
    return [found] if found else []


async def _surrounding(work: NeedsStalls, cycle_id: UUID) -> Surrounding:
    cycle = await work.cycles.get(cycle_id)
    return Surrounding(cycle, await work.stages.of_cycle(cycle_id), await cycle_now(work, cycle))


async def _of_cycle(work: NeedsStalls, around: Surrounding, wanted: StallFilter) -> list[Stall]:
    stages = [stage.id for stage in around.stages]
    facts = CycleFacts(
        around.cycle,
        around.stages,
        around.now,
        await work.stalls.barriers(stages, around.cycle.paused_at or around.now, around.now),
        await work.stalls.unscored(around.cycle.id, wanted.participant_id),
        await work.stalls.missing_actuals(around.cycle.id, wanted.participant_id),
    )
    return [stall for stall in stalls_of_cycle(facts) if not wanted.stage or stall.stage == wanted.stage]
