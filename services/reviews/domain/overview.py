"""How a cycle stands and what comes next, as shown to HR and operators."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.due import reminder_instant
from services.reviews.domain.model import ENDED_STAGE_STATES, ESCALATION, Cycle, Participant, Stage, StageState


@dataclass(frozen=True, slots=True)
class StageCounts:
    """Tasks of one stage; `owed` is all of them but those withdrawn."""

    owed: int = 0
    done: int = 0
    overdue: int = 0
    extended: int = 0
    bypassed: int = 0
    expired: int = 0
    late: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    cycle: Cycle
    stages: tuple[Stage, ...]
    counts: Mapping[UUID, StageCounts]
    participants: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    at: datetime
    kind: str
    stage: str = ""
    planned: bool = False
    actor_id: str = ""


@dataclass(frozen=True, slots=True)
class SeenParticipant:
    participant: Participant
    template_name: str


def coming(stages: Iterable[Stage], calendar: Calendar) -> Iterator[TimelineEntry]:
    """What the rows as they stand will bring, by time alone; in the order of the stages."""
    for stage in stages:
        if stage.state in ENDED_STAGE_STATES:
            continue
        if stage.state is StageState.PLANNED and stage.open_at:
            yield TimelineEntry(stage.open_at, "stage_opening", stage.key, planned=True)
        if stage.due_at and stage.state in {StageState.PLANNED, StageState.OPENING, StageState.OPEN}:
            yield TimelineEntry(stage.due_at, "stage_due", stage.key, planned=True)
        for ordinal in range(ESCALATION, len(stage.definition.reminders)):
            at = reminder_instant(stage, ordinal, calendar)
            known = {mark.due_at for mark in stage.marks if mark.ordinal == ordinal}
            if at is not None and at not in known and not (stage.opened_at and at <= stage.opened_at):
                yield TimelineEntry(at, "escalation" if ordinal == ESCALATION else "reminder", stage.key, planned=True)
