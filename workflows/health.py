"""What the workflow engine knows, served beside the bridge: facts, read when asked, and what they hold up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import (
    PendingActivityState,
    PendingWorkflowTaskState,
    WorkflowTaskFailedCause,
)
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionResponse,
    GetSystemInfoRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from protos.engine.v1 import engine_pb2 as pb
from protos.engine.v1 import engine_pb2_grpc
from protos.reviews.v1 import cycles_pb2
from services.runtime.clock import utc_now
from services.runtime.errors import DeniedError, RefusedError
from services.runtime.identity import Access, current_principal
from services.runtime.telemetry import log
from workflows import messages, policies
from workflows.client import Cycles
from workflows.messages import Step
from workflows.queues import list_queues
from workflows.stalls import EngineFacts, stalls_of_engine
from workflows.throttle import Cycle

_METHODS = "/attune.engine.v1.EngineService/"
# A workflow, a queue and a log concern everybody in the tenant, so a role over a part of it does not reach them.
_OPERATORS = Access(frozenset({"operator", "hr_admin", "auditor"}), whole_tenant=True)
RPC_ACCESS: Mapping[str, Access] = {
    _METHODS + "GetCycleEngine": _OPERATORS,
    _METHODS + "ListQueues": _OPERATORS,
    _METHODS + "ListLag": _OPERATORS,
    _METHODS + "ListStalled": _OPERATORS,
    _METHODS + "RestartWorkflow": Access(frozenset({"operator", "hr_admin"}), whole_tenant=True),
}
ERROR_LENGTH = 300
STATES = {
    WorkflowExecutionStatus.RUNNING: pb.WORKFLOW_STATE_RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: pb.WORKFLOW_STATE_RUNNING,
    WorkflowExecutionStatus.COMPLETED: pb.WORKFLOW_STATE_COMPLETED,
}
FAILING_ATTEMPT = 2  # a workflow task in its second attempt has failed or timed out once
MOST_CYCLES = 500
AT_ONCE = 16  # calls to the engine side by side
ENGINE_SECONDS = 4.0  # an operator waits for the answer
FIRST_ANSWER, SECOND_ANSWER = timedelta(seconds=0.5), timedelta(seconds=1.5)
ONCE_MORE_SECONDS = 0.1  # after a first failure: one process of the engine may have been replaced
UNREAD_SECONDS = 10.0  # a follower reads every half second: silent for longer, its log cannot be read
LOOKED_BACK = 10  # events in which the failure of a workflow task is looked for


class EngineUnreachableError(RefusedError):
    """The engine does not answer."""

    reason = "ENGINE_UNREACHABLE"
    category = "unavailable"


class CycleNotLiveError(RefusedError):
    """A cycle that has not begun, or has ended, has no workflow."""

    reason = "CYCLE_NOT_LIVE"
    category = "precondition"


class Followed(Protocol):
    """A follower of an event log, as far as its lag goes; instants in monotonic seconds."""

    producer: str
    read_at: float  # of the last successful read

    @property
    def undelivered_since(self) -> float | None:
        """Since when the oldest event waits for its hint to get through."""
        ...


class EngineServicer(engine_pb2_grpc.EngineServiceServicer):
    """Answers what the engine knows of the caller's own tenant.

    `is_live` asks reviews whether a cycle should have a workflow; `revive_at` answers when
    missing ones are looked for next.
    """

    def __init__(
        self,
        engine: Client,
        cycles: Cycles,
        followers: Sequence[Followed],
        is_live: Callable[[Cycle], Awaitable[bool]],
        revive_at: Callable[[], datetime | None],
    ) -> None:
        self._engine, self._cycles, self._followers = engine, cycles, followers
        self._is_live, self._revive_at = is_live, revive_at
        self._down_since: datetime | None = None

    async def GetCycleEngine(self, request: pb.GetCycleEngineRequest, context: Any) -> pb.GetCycleEngineResponse:
        return pb.GetCycleEngineResponse(engine=await self._described(request.cycle_id))

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Any) -> pb.ListQueuesResponse:
        try:
            return pb.ListQueuesResponse(queues=await list_queues(self._engine))
        except RPCError as error:
            raise _unreachable(error) from error

    async def ListLag(self, request: pb.ListLagRequest, context: Any) -> pb.ListLagResponse:
        return pb.ListLagResponse(lags=self._lags())

    async def ListStalled(self, request: pb.ListStalledRequest, context: Any) -> pb.ListStalledResponse:
        tenant_id, now = _tenant(), utc_now()
        found = list(request.cycles)
        try:
            async with asyncio.timeout(ENGINE_SECONDS):
                await self._require_answer()
                if not found and not request.only_named:
                    found = await self._running(tenant_id)
                asked = found[:MOST_CYCLES]
                engines = await self._engines(tenant_id, [cycle.cycle_id for cycle in asked])
                queues = {queue.name: queue for queue in await list_queues(self._engine)}
        except (RPCError, TimeoutError) as error:
            log.warning("the engine does not answer", error=type(error).__name__)
            self._down_since = self._down_since or now
            facts = EngineFacts(now, lags=self._lags(), down_since=self._down_since)
        else:
            self._down_since = None
            pairs = list(zip(asked, engines, strict=True))
            facts = EngineFacts(now, pairs, queues, self._lags(), self._revive_at())
        return pb.ListStalledResponse(rows=stalls_of_engine(facts), more_cycles=len(found) > MOST_CYCLES)

    async def _require_answer(self) -> None:
        """Raises RPCError soon where nobody listens: what is asked below would be tried again until time is up."""
        ask = self._engine.workflow_service.get_system_info
        try:
            await ask(GetSystemInfoRequest(), retry=False, timeout=FIRST_ANSWER)
        except RPCError:
            await asyncio.sleep(ONCE_MORE_SECONDS)
            await ask(GetSystemInfoRequest(), retry=False, timeout=SECOND_ANSWER)

    async def RestartWorkflow(self, request: pb.RestartWorkflowRequest, context: Any) -> pb.RestartWorkflowResponse:
        tenant_id = _tenant()
        try:
            known = await self._cycles.describe(tenant_id, request.cycle_id)
            running = known is not None and known.status is WorkflowExecutionStatus.RUNNING
            if not running and not await self._is_live((tenant_id, request.cycle_id)):
                raise CycleNotLiveError("this cycle has not begun or has ended, so it has no workflow")
            await self._cycles.restart(tenant_id, request.cycle_id, request.reason[:ERROR_LENGTH])
        except RPCError as error:
            raise _unreachable(error) from error
        log.info("workflow restarted by an operator", cycle=request.cycle_id)
        return pb.RestartWorkflowResponse(engine=await self._described(request.cycle_id))

    async def _described(self, cycle_id: str) -> pb.CycleEngine:
        try:
            return await self._describe(_tenant(), cycle_id)
        except RPCError as error:
            raise _unreachable(error) from error

    async def _describe(self, tenant_id: str, cycle_id: str) -> pb.CycleEngine:
        found = await self._cycles.describe(tenant_id, cycle_id)
        if found is None:
            return pb.CycleEngine(
                workflow_id=messages.cycle_workflow_id(tenant_id, cycle_id), state=pb.WORKFLOW_STATE_MISSING
            )
        engine = cycle_engine(found)
        attempt = found.raw_description.pending_workflow_task.attempt
        if attempt >= FAILING_ATTEMPT and (failure := await self._failure(found)):
            engine.workflow_task_failing = True
            engine.workflow_task_error = f"{failure} (attempt {attempt})"[:ERROR_LENGTH]
        return engine

    async def _failure(self, found: WorkflowExecutionDescription) -> str:
        """Why the last workflow task failed: cause and type, no message; empty when it timed out with its worker."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._engine.namespace,
            execution=WorkflowExecution(workflow_id=found.id, run_id=found.run_id),
            maximum_page_size=LOOKED_BACK,
        )
        service = self._engine.workflow_service
        for event in (await service.get_workflow_execution_history_reverse(request)).history.events:
            if event.HasField("workflow_task_failed_event_attributes"):
                failed = event.workflow_task_failed_event_attributes
                cause = WorkflowTaskFailedCause.Name(failed.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
                kind = failed.failure.application_failure_info.type
                return f"{cause}: {kind}" if kind else cause
            if event.HasField("workflow_task_completed_event_attributes"):
                break
        return ""

    async def _engines(self, tenant_id: str, cycle_ids: Sequence[str]) -> list[pb.CycleEngine]:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(cycle_id: str) -> pb.CycleEngine:
            async with limit:
                return await self._describe(tenant_id, cycle_id)

        return list(await asyncio.gather(*(one(cycle_id) for cycle_id in cycle_ids)))

    async def _running(self, tenant_id: str) -> list[cycles_pb2.CycleUnderWay]:
        """Cycles of the tenant as the engine knows them: for when reviews cannot name them."""
        query = messages.running_cycles_of(tenant_id)
        found = [each async for each in self._engine.list_workflows(query, limit=MOST_CYCLES + 1)]
        return [cycles_pb2.CycleUnderWay(cycle_id=each.id.rpartition("/")[2]) for each in found]

    def _lags(self) -> list[pb.Lag]:
        now = time.monotonic()
        return [_lag(each, now) for each in self._followers]


def cycle_engine(found: WorkflowExecutionDescription) -> pb.CycleEngine:
    """Return what the engine knows of a workflow; errors are cut to 300 characters."""
    raw: DescribeWorkflowExecutionResponse = found.raw_description
    engine = pb.CycleEngine(
        workflow_id=found.id,
        run_id=found.run_id,
        state=STATES.get(found.status, pb.WORKFLOW_STATE_ENDED_ABNORMALLY)
        if found.status is not None
        else pb.WORKFLOW_STATE_UNSPECIFIED,
        history_length=found.history_length,
        history_bytes=raw.workflow_execution_info.history_size_bytes,
        pending_activities=[_activity(each) for each in raw.pending_activities],
        start_time=_stamp(found.start_time),
    )
    if found.close_time is not None:
        engine.close_time.CopyFrom(_stamp(found.close_time))
    pending = raw.pending_workflow_task
    if pending.state == PendingWorkflowTaskState.PENDING_WORKFLOW_TASK_STATE_SCHEDULED:
        engine.workflow_task_waiting_time.CopyFrom(pending.original_scheduled_time)
    return engine


def _activity(each: Any) -> pb.PendingActivity:
    started = each.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    activity = pb.PendingActivity(
        name=each.activity_type.name,
        attempt=each.attempt,
        last_error=each.last_failure.message[:ERROR_LENGTH],
        started=started,
    )
    if each.HasField("scheduled_time") and not started:
        activity.next_attempt_time.CopyFrom(each.scheduled_time)
    if each.HasField("expiration_time") and each.activity_type.name in set(Step):
        # The engine forgets when it was first scheduled, but keeps when it gives up.
        first = each.expiration_time.ToDatetime() - policies.PATIENCE[Step(each.activity_type.name)].all_tries
        activity.schedule_time.CopyFrom(_stamp(first))
    return activity


def _lag(each: Followed, now: float) -> pb.Lag:
    """Of what was read the oldest that waits for its hint; of a log that does not answer the last read."""
    reachable = now - each.read_at < UNREAD_SECONDS
    since = each.undelivered_since if reachable else each.read_at
    return pb.Lag(
        consumer="bridge",
        producer=each.producer,
        seconds=max(0.0, now - since) if since is not None else 0.0,
        reachable=reachable,
    )


def _tenant() -> str:
    tenant_id = current_principal().tenant_id
    if tenant_id is None:
        raise DeniedError("this method needs a tenant and the caller has none", reason="TENANT_REQUIRED")
    return str(tenant_id)


def _unreachable(error: RPCError) -> EngineUnreachableError:
    return EngineUnreachableError(f"the workflow engine does not answer: {error.status.name}")


def _stamp(value: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(value)
    return stamp
