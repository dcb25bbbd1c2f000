"""What waits, on whom, since when, until when, and what can be done; worst first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain.model import Cycle, Stage, Task
from services.reviews.domain.stalls import Stall, TaskFacts, stalls_of_cycle, stalls_of_task
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
    def of_whole_cycles(self) -> bool:
        """Whether rows about cycles and stages belong to the answer; they stand on its first page."""
        narrowed = self.task_id or self.participant_id or self.department_id
        return narrowed is None and self.after is None


class Stalls(Protocol):
    async def tasks(self, actor: Principal, wanted: StallFilter) -> Sequence[Task]: ...
    async def extended(self, stages: Sequence[UUID]) -> dict[UUID, int]: ...
    async def live_cycles(self) -> Sequence[UUID]: ...


class NeedsStalls(NeedsCycles, Protocol):
    @property
    def stalls(self) -> Stalls: ...


@dataclass(frozen=True, slots=True)
class StalledPage:
    """`next` is the last task of a page that is full."""

    rows: Sequence[Stall]
    next: tuple[datetime | None, UUID] | None
    tenant_id: UUID


async def list_stalled(work: NeedsStalls, wanted: StallFilter) -> StalledPage:
    tasks = await work.stalls.tasks(work.principal, wanted)
    known: dict[UUID, tuple[Cycle, dict[UUID, Stage], datetime]] = {}
    rows: list[Stall] = []
    if wanted.of_whole_cycles and holds_for_tenant(work.principal, SEES_CYCLES):
        for cycle_id in [wanted.cycle_id] if wanted.cycle_id else await work.stalls.live_cycles():
            rows += await _of_cycle(work, cycle_id, wanted)
    last: tuple[datetime | None, UUID] | None = None
    for task in tasks:
        if task.cycle_id not in known:
            cycle = await work.cycles.get(task.cycle_id)
            stages = {stage.id: stage for stage in await work.stages.of_cycle(cycle.id)}
            known[task.cycle_id] = (cycle, stages, await cycle_now(work, cycle))
        cycle, stages, now = known[task.cycle_id]
        facts = TaskFacts(task, stages[task.stage_id], cycle, now)
        rows += stalls_of_task(facts)
        last = (facts.due_at, task.id)
    return StalledPage(rows, last if len(tasks) == wanted.size else None, work.tenant_id)


async def _of_cycle(work: NeedsStalls, cycle_id: UUID, wanted: StallFilter) -> list[Stall]:
    cycle = await work.cycles.get(cycle_id)
    stages = await work.stages.of_cycle(cycle_id)
    found = stalls_of_cycle(cycle, stages, await work.stalls.extended([stage.id for stage in stages]))
    return [stall for stall in found if not wanted.stage or stall.stage == wanted.stage]
