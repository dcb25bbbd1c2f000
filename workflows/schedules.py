"""Keeps the engine's Schedules in step with the recurring cycles that reviews knows."""

import hashlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleBackfill,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.runtime.clock import utc_now
from services.runtime.telemetry import log
from workflows import messages, policies
from workflows.calls import Caller
from workflows.messages import ScheduleRef

PAGE = 1_000
CATCH_UP = timedelta(days=30)  # how long after an outage a missed launch is still made
PREFIX = messages.schedule_id("", "").split("/")[0] + "/"


class Schedules:
    """One Schedule per recurring cycle; it fires at the instants that reviews names and starts the launcher."""

    def __init__(
        self,
        engine: Client,
        reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
        caller: Caller,
        jitter_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._engine = engine
        self._reviews = reviews
        self._caller = caller
        self._jitter = timedelta(seconds=jitter_seconds)
        self._clock = clock
        self._known: dict[str, str] = {}  # schedule id → digest of what the engine was told

    async def reconcile(self) -> None:
        """Make the engine's schedules those of the rows: create, change, delete."""
        first_look = not self._known
        live = {messages.schedule_id(row.tenant_id, row.schedule_id): row async for row in self._live()}
        for schedule_id, row in live.items():
            digest = hashlib.sha256(row.SerializeToString(deterministic=True)).hexdigest()
            if self._known.get(schedule_id) != digest:
                await self._put(schedule_id, row)
                self._known[schedule_id] = digest
        if first_look or self._known.keys() - live.keys():
            await self._delete_others(set(live))

    async def _live(self) -> AsyncIterator[clockwork_pb2.LiveSchedule]:
        token = ""
        while True:
            request = clockwork_pb2.ListDueSchedulesRequest(page_size=PAGE, page_token=token)
            reply = await self._reviews.ListDueSchedules(request, **self._caller.short())
            for row in reply.schedules:
                yield row
            token = reply.next_page_token
            if not token:
                return

    async def _put(self, schedule_id: str, row: clockwork_pb2.LiveSchedule) -> None:
        wanted, times, asked_at = self._schedule(row), launch_times(row), self._clock()
        handle = self._engine.get_schedule_handle(schedule_id)
        try:
            await self._engine.create_schedule(
                schedule_id,
                wanted,
                backfill=[_again(at) for at in times if at <= asked_at],
                search_attributes=messages.schedule_attributes(row.tenant_id),
            )
        except ScheduleAlreadyRunningError:
            await handle.update(_replacing(wanted))
            log.info("schedule changed", schedule=schedule_id, version=row.version)
            return
        log.info("schedule created", schedule=schedule_id, version=row.version)
        # The engine begins to count when it has made the schedule: what passed while it was asked would be skipped.
        if passed := [_again(at) for at in times if asked_at < at <= self._clock()]:
            await handle.backfill(*passed)

    def _schedule(self, row: clockwork_pb2.LiveSchedule) -> Schedule:
        return Schedule(
            action=ScheduleActionStartWorkflow(
                messages.SCHEDULED_LAUNCH,
                ScheduleRef(row.tenant_id, row.schedule_id),
                id=messages.launcher_workflow_id(row.tenant_id, row.schedule_id),
                task_queue=messages.CYCLE_QUEUE,
                task_timeout=policies.WORKFLOW_TASK,
                typed_search_attributes=messages.schedule_attributes(row.tenant_id),
            ),
            spec=ScheduleSpec(calendars=[_instant(at) for at in launch_times(row)], jitter=self._jitter),
            policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.BUFFER_ALL, catchup_window=CATCH_UP),
            state=ScheduleState(paused=row.paused, note=f"version {row.version}"),
        )

    async def _delete_others(self, live: set[str]) -> None:
        async for listed in await self._engine.list_schedules():
            if listed.id.startswith(PREFIX) and listed.id not in live:
                await self._engine.get_schedule_handle(listed.id).delete()
                log.info("schedule deleted", schedule=listed.id)
        self._known = {schedule_id: digest for schedule_id, digest in self._known.items() if schedule_id in live}


def launch_times(row: clockwork_pb2.LiveSchedule) -> list[datetime]:
    """The instants at which a recurring cycle is launched, in UTC, to the second."""
    return [at.ToDatetime(UTC).replace(microsecond=0) for at in row.launch_times]


def _again(at: datetime) -> ScheduleBackfill:
    """Launch what was due at this instant; a launch that is repeated finds its cycle made."""
    return ScheduleBackfill(at, at, overlap=ScheduleOverlapPolicy.BUFFER_ALL)


def _instant(at: datetime) -> ScheduleCalendarSpec:
    return ScheduleCalendarSpec(
        year=[ScheduleRange(at.year)],
        month=[ScheduleRange(at.month)],
        day_of_month=[ScheduleRange(at.day)],
        hour=[ScheduleRange(at.hour)],
        minute=[ScheduleRange(at.minute)],
        second=[ScheduleRange(at.second)],
    )


def _replacing(wanted: Schedule):  # type: ignore[no-untyped-def]
    """An update that keeps instants of the past: one that was missed in an outage is caught up even so."""

    def update(current: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(wanted)

    return update
