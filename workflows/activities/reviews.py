"""Steps that are reviews' own: looking, and moving a stage in chunks."""

from datetime import UTC

from google.protobuf.timestamp_pb2 import Timestamp
from grpc.aio import AioRpcError
from temporalio import activity

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc, cycles_pb2
from services.runtime.telemetry import log
from workflows.activities.progress import in_chunks
from workflows.calls import Caller
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

ACTIONS = {
    clockwork_pb2.ACTION_KIND_ENROL: ActionKind.ENROL,
    clockwork_pb2.ACTION_KIND_OPEN: ActionKind.OPEN,
    clockwork_pb2.ACTION_KIND_REMIND: ActionKind.REMIND,
    clockwork_pb2.ACTION_KIND_EXPIRE: ActionKind.EXPIRE,
    clockwork_pb2.ACTION_KIND_SETTLE: ActionKind.SETTLE,
}
STAGES = {
    cycles_pb2.STAGE_KIND_MANAGER_REVIEW: StageKind.MANAGER_REVIEW,
    cycles_pb2.STAGE_KIND_CALIBRATION: StageKind.CALIBRATION,
    cycles_pb2.STAGE_KIND_RELEASE: StageKind.RELEASE,
}
ACTION_NUMBERS = {kind: number for number, kind in ACTIONS.items()}


class ReviewsActivities:
    """Asks reviews what is due, and has it move its own rows."""

    def __init__(
        self, reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub", caller: Caller, blocked_retry_seconds: float
    ) -> None:
        self._reviews = reviews
        self._caller = caller
        self._blocked_retry_seconds = blocked_retry_seconds

    @activity.defn(name=Step.TICK)
    async def tick(self, look: Look) -> Sight:
        """Look at a cycle at the workflow's time; reviews does what is small itself."""
        request = clockwork_pb2.TickRequest(cycle_id=look.cycle.cycle_id)
        request.effective_at.FromDatetime(look.at)
        reply = await self._reviews.Tick(request, **self._caller.short(look.cycle.tenant_id))
        return sight_of(reply, look.cycle.look_again_seconds)

    @activity.defn(name=Step.REPORT_BLOCKED)
    async def report_blocked(self, blocked: Blocked) -> float:
        """Tell reviews, or only the log when reviews cannot be reached; answer after how many seconds to try again."""
        cycle = blocked.cycle
        log.warning("blocked", cycle=cycle.cycle_id, stage=blocked.stage_id, kind=blocked.kind, reason=blocked.reason)
        request = clockwork_pb2.ReportBlockedRequest(
            cycle_id=cycle.cycle_id, stage_id=blocked.stage_id, reason=blocked.reason
        )
        if blocked.kind:
            request.action = ACTION_NUMBERS[blocked.kind]
        try:
            await self._reviews.ReportBlocked(request, **self._caller.short(cycle.tenant_id))
        except AioRpcError as error:
            log.warning("report not delivered", cycle=cycle.cycle_id, code=error.code().name)
        return self._blocked_retry_seconds

    @activity.defn(name=Step.OPEN_STAGE)
    async def open_stage(self, deed: Deed) -> None:
        """Admit to a stage everybody whose predecessors let them through."""
        await admit(self._reviews, self._caller, deed)

    @activity.defn(name=Step.REMIND_STAGE)
    async def remind_stage(self, deed: Deed) -> None:
        """Remind everybody who still owes."""

        async def chunk(after: str) -> str | None:
            request = clockwork_pb2.RemindStageRequest(
                cycle_id=deed.cycle.cycle_id,
                stage_id=deed.action.stage_id,
                epoch=deed.action.epoch,
                reminder=deed.action.reminder,
                after_task_id=after,
            )
            reply = await self._reviews.RemindStage(request, **self._caller.bulk(deed.cycle.tenant_id))
            return None if reply.last or reply.superseded else reply.last_task_id

        await in_chunks(chunk)

    @activity.defn(name=Step.EXPIRE_STAGE)
    async def expire_stage(self, deed: Deed) -> None:
        """End the overdue tasks of a closing stage by its policy."""

        async def chunk(after: str) -> str | None:
            request = clockwork_pb2.ExpireStageRequest(
                cycle_id=deed.cycle.cycle_id,
                stage_id=deed.action.stage_id,
                epoch=deed.action.epoch,
                after_task_id=after,
            )
            request.effective_at.FromDatetime(deed.at)
            reply = await self._reviews.ExpireStage(request, **self._caller.bulk(deed.cycle.tenant_id))
            return None if reply.last or reply.superseded else reply.last_task_id

        await in_chunks(chunk)

    @activity.defn(name=Step.SETTLE_STAGE)
    async def settle_stage(self, deed: Deed) -> None:
        """Close a settling stage that needs nobody else."""
        await finish_settling(self._reviews, self._caller, deed)

    @activity.defn(name=Step.CREATE_SCHEDULED_CYCLE)
    async def create_scheduled_cycle(self, launch: NominalLaunch) -> LaunchedCycle:
        """Make, check and launch the cycle of a nominal time; repeating it answers the same cycle."""
        request = clockwork_pb2.CreateScheduledCycleRequest(schedule_id=launch.schedule.schedule_id)
        request.nominal_time.FromDatetime(launch.at)
        reply = await self._reviews.CreateScheduledCycle(request, **self._caller.bulk(launch.schedule.tenant_id))
        return LaunchedCycle(reply.cycle_id, reply.launched)


async def admit(
    reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
    caller: Caller,
    deed: Deed,
    sessions: tuple[clockwork_pb2.SessionTask, ...] = (),
) -> None:
    """Make the tasks of a stage in chunks; `sessions` are those of a calibration."""

    async def chunk(after: str) -> str | None:
        request = clockwork_pb2.OpenStageRequest(
            cycle_id=deed.cycle.cycle_id,
            stage_id=deed.action.stage_id,
            epoch=deed.action.epoch,
            after_participant_id=after,
            sessions=sessions,
            traceparent=deed.traceparent,
        )
        reply = await reviews.OpenStage(request, **caller.bulk(deed.cycle.tenant_id))
        return None if reply.last or reply.superseded else reply.last_participant_id

    await in_chunks(chunk)


async def finish_settling(
    reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
    caller: Caller,
    deed: Deed,
    release_time: Timestamp | None = None,
) -> None:
    """Close a settling stage; `release_time` is when results became visible."""
    request = clockwork_pb2.FinishSettlingRequest(
        cycle_id=deed.cycle.cycle_id,
        stage_id=deed.action.stage_id,
        epoch=deed.action.epoch,
        release_time=release_time,
    )
    await reviews.FinishSettling(request, **caller.bulk(deed.cycle.tenant_id))


def sight_of(reply: clockwork_pb2.TickResponse, look_again_seconds: float) -> Sight:
    """What reviews saw, as workflows know it; where nothing is due by time alone, the cycle is looked at again then."""
    next_in = reply.next_in.ToTimedelta().total_seconds() if reply.HasField("next_in") else look_again_seconds
    next_due_at = reply.next_due_at.ToDatetime(UTC) if reply.HasField("next_due_at") else None
    return Sight(
        finished=reply.finished,
        stage_closed=reply.stage_closed,
        due=tuple(_action(action) for action in reply.due),
        next_in_seconds=next_in,
        state=cycles_pb2.CycleState.Name(reply.state).removeprefix("CYCLE_STATE_").lower(),
        open_stages=tuple(reply.open_stages),
        next_due_at=next_due_at,
    )


def _action(action: clockwork_pb2.Action) -> Action:
    return Action(
        kind=ACTIONS[action.kind],
        stage_id=action.stage_id,
        stage_key=action.stage_key,
        stage_kind=STAGES.get(action.stage_kind, StageKind.OTHER),
        epoch=action.epoch,
        reminder=action.reminder,
        traceparent=action.traceparent,
    )
