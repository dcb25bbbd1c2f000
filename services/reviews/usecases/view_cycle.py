"""Look at cycles: one, a list, how far they are, what happened and what comes, who takes part."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.errors import ParticipantNotFound
from services.reviews.domain.model import Cycle, CycleState, Stage
from services.reviews.domain.overview import Progress, SeenParticipant, StageCounts, TimelineEntry, coming
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.ports import NeedsCycles
from services.runtime.identity import Principal


class Overviews(Protocol):
    async def counts(self, stages: Iterable[UUID], now: datetime) -> Mapping[UUID, StageCounts]: ...
    async def participants_by_state(self, cycle_id: UUID) -> Mapping[str, int]: ...
    async def history(self, cycle_id: UUID, stages: Iterable[UUID]) -> list[TimelineEntry]: ...
    async def participants(
        self, actor: Principal, cycle_id: UUID, wanted: Mapping[str, Any], after: UUID | None, size: int
    ) -> list[SeenParticipant]: ...
    async def participant(self, actor: Principal, participant_id: UUID) -> SeenParticipant | None: ...


class NeedsOverviews(NeedsCycles, Protocol):
    @property
    def overviews(self) -> Overviews: ...


@dataclass(frozen=True, slots=True)
class SeenCycle:
    cycle: Cycle
    stages: tuple[Stage, ...] = ()
    enrolled: int = 0
    excluded: int = 0


@dataclass(frozen=True, slots=True)
class PageCycles:
    state: CycleState | None
    after: UUID | None
    size: int


@dataclass(frozen=True, slots=True)
class PageParticipants:
    cycle_id: UUID
    state: str
    department_id: UUID | None
    after: UUID | None
    size: int


async def get_cycle(work: NeedsCycles, cycle_id: UUID) -> SeenCycle:
    cycle = await work.cycles.get(cycle_id)
    counts = await work.cycles.enrolled([cycle_id])
    return SeenCycle(cycle, tuple(await work.stages.of_cycle(cycle_id)), *counts.get(cycle_id, (0, 0)))


async def list_cycles(work: NeedsCycles, command: PageCycles) -> Sequence[SeenCycle]:
    """Newest first, without stages."""
    cycles = await work.cycles.page(command.state, command.after, command.size)
    counts = await work.cycles.enrolled([cycle.id for cycle in cycles])
    return [SeenCycle(cycle, (), *counts.get(cycle.id, (0, 0))) for cycle in cycles]


async def get_progress(work: NeedsOverviews, cycle_id: UUID) -> Progress:
    cycle = await work.cycles.get(cycle_id)
    stages = await work.stages.of_cycle(cycle_id)
    counts = await work.overviews.counts([stage.id for stage in stages], await cycle_now(work, cycle))
    return Progress(cycle, tuple(stages), counts, await work.overviews.participants_by_state(cycle_id))


async def get_timeline(work: NeedsOverviews, cycle_id: UUID) -> list[TimelineEntry]:
    """What happened, then what the rows as they stand will bring; both by time."""
    cycle = await work.cycles.get(cycle_id)
    stages = await work.stages.of_cycle(cycle_id)
    past = await work.overviews.history(cycle_id, [stage.id for stage in stages])
    if cycle.ended_at is not None or cycle.state is CycleState.PAUSED:
        return past
    planned = coming(stages, await work.cycles.calendar(cycle))
    return [*past, *sorted(planned, key=lambda entry: entry.at)]


async def list_participants(work: NeedsOverviews, command: PageParticipants) -> list[SeenParticipant]:
    """Those the caller may see, also people who could not be enrolled, with the reasons."""
    wanted = {"state": command.state, "department_id": command.department_id}
    return await work.overviews.participants(work.principal, command.cycle_id, wanted, command.after, command.size)


async def get_participant(work: NeedsOverviews, participant_id: UUID) -> SeenParticipant:
    """ParticipantNotFound also for one whom the caller may not see."""
    found = await work.overviews.participant(work.principal, participant_id)
    if found is None:
        raise ParticipantNotFound("there is no such participant")
    return found
