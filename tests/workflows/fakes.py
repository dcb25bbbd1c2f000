"""Reviews as workflows see it, in memory: a small cycle whose looks and steps are recorded; no database, no network."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from workflows import messages
from workflows.launcher import ScheduledLaunch
from workflows.messages import (
    Action,
    ActionKind,
    Blocked,
    Deed,
    LaunchedCycle,
    Look,
    NominalLaunch,
    Sight,
    StageKind,
    Step,
)
from workflows.review_cycle import ReviewCycle
from workflows.worker import RUNNER

RETRY_BLOCKED_SECONDS = 0.5


def real_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class FakeStage:
    """One stage of the process; stages follow one another."""

    key: str
    length: timedelta
    kind: StageKind = StageKind.OTHER
    reminders: Sequence[timedelta] = ()  # after the opening
    state: str = "planned"
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    reminded: list[datetime] = field(default_factory=list)
    pending_reminder: int | None = None

    @property
    def due_at(self) -> datetime | None:
        return self.opened_at + self.length if self.opened_at else None

    def all_reminded(self) -> bool:
        return len(self.reminded) == len(self.reminders)

    def action(self, kind: ActionKind, reminder: str = "") -> Action:
        return Action(kind, self.key, self.key, self.kind, epoch=1, reminder=reminder)


@dataclass
class FakeCycle:
    """The rows of one cycle, moved on by looks and steps as reviews does it, but that no reminder is ever too late."""

    stages: list[FakeStage]
    enrolled: bool = True
    offset: timedelta = timedelta(0)
    early: list[str] = field(default_factory=list)  # what was done before its time

    def now(self, at: datetime) -> datetime:
        """The earlier of the workflow's time and the clock of reviews."""
        return min(at, real_now() + self.offset)

    def look(self, at: datetime) -> Sight:
        now = self.now(at)
        if not self.enrolled:
            return Sight(due=(Action(ActionKind.ENROL),), state="launching")
        stage = next((stage for stage in self.stages if stage.state != "closed"), None)
        if stage is None:
            return Sight(finished=True, state="closed")
        if stage.state == "planned":
            stage.state = "opening"
        if stage.state == "open" and stage.due_at and stage.due_at <= now and stage.all_reminded():
            stage.state = "closing"  # a look that comes late reminds first, so that a slow machine skips no step
        due, next_at = self._due(stage, now)
        open_stages = (stage.key,) if stage.state == "open" else ()
        next_in = max(0.0, (next_at - now).total_seconds()) if next_at else messages.LOOK_AGAIN_SECONDS
        return Sight(
            due=due, next_in_seconds=next_in, state="running", open_stages=open_stages, next_due_at=stage.due_at
        )

    def _due(self, stage: FakeStage, now: datetime) -> tuple[tuple[Action, ...], datetime | None]:
        kinds = {"opening": ActionKind.OPEN, "closing": ActionKind.EXPIRE, "settling": ActionKind.SETTLE}
        if stage.state in kinds:
            return (stage.action(kinds[stage.state]),), None
        assert stage.opened_at
        instants = [stage.opened_at + after for after in stage.reminders]
        nth = len(stage.reminded)
        if nth < len(instants) and instants[nth] <= now:
            return (stage.action(ActionKind.REMIND, str(nth)),), stage.due_at
        return (), min([*instants[nth:], stage.opened_at + stage.length])

    def perform(self, deed: Deed) -> None:
        """Move the rows as the step would; repeating it changes nothing."""
        if deed.action.kind is ActionKind.ENROL:
            self.enrolled = True
            return
        for stage in self.stages:
            if stage.key == deed.action.stage_id:
                self._move(stage, deed, self.now(deed.at))

    def _move(self, stage: FakeStage, deed: Deed, now: datetime) -> None:
        if deed.action.kind is ActionKind.OPEN and stage.state == "opening":
            stage.state, stage.opened_at = "open", now
        elif deed.action.kind is ActionKind.REMIND and int(deed.action.reminder) == len(stage.reminded):
            stage.reminded.append(now)
        elif deed.action.kind is ActionKind.EXPIRE and stage.state == "closing":
            stage.state = "settling"
            stage.closed_at = now
            if stage.due_at and now < stage.due_at:
                self.early.append(stage.key)
        elif deed.action.kind is ActionKind.SETTLE and stage.state == "settling":
            stage.state = "closed"


Script = Callable[[Look], Sight]


class FakeActivities:
    """All steps under their real names; each is recorded, and fails as often as the test says."""

    def __init__(self, cycle: FakeCycle | None = None, script: Script | None = None) -> None:
        self.cycle = cycle or FakeCycle([])
        self.script: Script = script or (lambda look: self.cycle.look(look.at))
        self.steps: list[tuple[Step, str]] = []
        self.looks: list[datetime] = []
        self.reports: list[Blocked] = []
        self.launches: list[datetime] = []
        self.failures: Counter[Step] = Counter()  # how often a step still fails
        self.final = False  # whether failures are final
        self.chunks = 1
        self.held: dict[Step, asyncio.Event] = {}

    @activity.defn(name=Step.TICK)
    async def tick(self, look: Look) -> Sight:
        self._fail(Step.TICK)
        self.looks.append(look.at)
        return self.script(look)

    @activity.defn(name=Step.REPORT_BLOCKED)
    async def report_blocked(self, blocked: Blocked) -> float:
        self.reports.append(blocked)
        return RETRY_BLOCKED_SECONDS

    @activity.defn(name=Step.CREATE_SCHEDULED_CYCLE)
    async def create_scheduled_cycle(self, launch: NominalLaunch) -> LaunchedCycle:
        self._fail(Step.CREATE_SCHEDULED_CYCLE)
        self.launches.append(launch.at)
        return LaunchedCycle(f"{launch.schedule.schedule_id}@{launch.at:%Y%m%d}", launched=True)

    async def perform(self, step: Step, deed: Deed) -> None:
        self._fail(step)
        if step in self.held:
            await self.held[step].wait()
        for chunk in range(self.chunks):
            activity.heartbeat(chunk)
        self.steps.append((step, deed.action.stage_id))
        if step is not Step.FREEZE_ATTAINMENTS:
            self.cycle.perform(deed)

    def all(self) -> list[Callable[..., Any]]:
        """Everything to register with a worker."""
        return [self.tick, self.report_blocked, self.create_scheduled_cycle, *(self._step(step) for step in DEEDS)]

    def _step(self, step: Step) -> Callable[..., Any]:
        @activity.defn(name=step)
        async def perform(deed: Deed) -> None:
            await self.perform(step, deed)

        return perform

    def _fail(self, step: Step) -> None:
        if self.failures[step] > 0:
            self.failures[step] -= 1
            raise ApplicationError(f"UNAVAILABLE: {step}", type="UNAVAILABLE", non_retryable=self.final)


DEEDS = tuple(set(Step) - {Step.TICK, Step.REPORT_BLOCKED, Step.CREATE_SCHEDULED_CYCLE})


class Workers:
    """A worker for each queue, with the sandbox and the sticky timeout of the real ones."""

    def __init__(self, client: Client, activities: FakeActivities) -> None:
        self._workers: list[AbstractAsyncContextManager[Worker]] = [
            Worker(
                client,
                task_queue=queue,
                workflows=[ReviewCycle, ScheduledLaunch] if queue == messages.CYCLE_QUEUE else [],
                activities=activities.all(),
                workflow_runner=RUNNER,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
            )
            for queue in messages.QUEUES
        ]

    async def __aenter__(self) -> "Workers":
        for worker in self._workers:
            await worker.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        for worker in self._workers:
            await worker.__aexit__(*error)
