"""What the workflow engine knows, served beside the bridge: facts only, read when asked; it decides nothing."""

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest, DescribeWorkflowExecutionResponse
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError

from protos.engine.v1 import engine_pb2 as pb
from protos.engine.v1 import engine_pb2_grpc
from services.runtime.errors import DeniedError, RefusedError
from services.runtime.identity import Access, current_principal
from services.runtime.telemetry import log
from workflows import messages
from workflows.client import Cycles

_METHODS = "/attune.engine.v1.EngineService/"
_OPERATORS = Access(frozenset({"operator", "hr_admin", "auditor"}))
RPC_ACCESS: Mapping[str, Access] = {
    _METHODS + "GetCycleEngine": _OPERATORS,
    _METHODS + "ListQueues": _OPERATORS,
    _METHODS + "ListLag": _OPERATORS,
    _METHODS + "RestartWorkflow": Access(frozenset({"operator", "hr_admin"})),
}
ERROR_LENGTH = 300
STATES = {
    WorkflowExecutionStatus.RUNNING: pb.WORKFLOW_STATE_RUNNING,
    WorkflowExecutionStatus.CONTINUED_AS_NEW: pb.WORKFLOW_STATE_RUNNING,
    WorkflowExecutionStatus.COMPLETED: pb.WORKFLOW_STATE_COMPLETED,
}
FAILING_ATTEMPT = 2  # a workflow task in its second attempt has failed or timed out once


class EngineUnreachableError(RefusedError):
    """The engine does not answer."""

    reason = "ENGINE_UNREACHABLE"
    category = "unavailable"


class Followed(Protocol):
    """A follower of an event log, as far as its lag goes."""

    producer: str
    read_at: float  # monotonic seconds of the last successful read


class EngineServicer(engine_pb2_grpc.EngineServiceServicer):
    """Answers what the engine knows of the caller's own tenant."""

    def __init__(self, engine: Client, cycles: Cycles, followers: Sequence[Followed]) -> None:
        self._engine, self._cycles, self._followers = engine, cycles, followers

    async def GetCycleEngine(self, request: pb.GetCycleEngineRequest, context: Any) -> pb.GetCycleEngineResponse:
        return pb.GetCycleEngineResponse(engine=await self._describe(request.cycle_id))

    async def ListQueues(self, request: pb.ListQueuesRequest, context: Any) -> pb.ListQueuesResponse:
        return pb.ListQueuesResponse(queues=[await self._queue(name) for name in messages.QUEUES])

    async def ListLag(self, request: pb.ListLagRequest, context: Any) -> pb.ListLagResponse:
        now = time.monotonic()
        lags = [
            pb.Lag(consumer="bridge", producer=each.producer, seconds=now - each.read_at) for each in self._followers
        ]
        return pb.ListLagResponse(lags=lags)

    async def RestartWorkflow(self, request: pb.RestartWorkflowRequest, context: Any) -> pb.RestartWorkflowResponse:
        tenant_id = _tenant()
        try:
            if await self._cycles.describe(tenant_id, request.cycle_id) is None:
                return pb.RestartWorkflowResponse(engine=_missing(tenant_id, request.cycle_id))
            await self._cycles.restart(tenant_id, request.cycle_id, request.reason[:ERROR_LENGTH])
        except RPCError as error:
            raise _unreachable(error) from error
        log.info("workflow restarted by an operator", cycle=request.cycle_id)
        return pb.RestartWorkflowResponse(engine=await self._describe(request.cycle_id))

    async def _describe(self, cycle_id: str) -> pb.CycleEngine:
        tenant_id = _tenant()
        try:
            found = await self._cycles.describe(tenant_id, cycle_id)
        except RPCError as error:
            raise _unreachable(error) from error
        return _missing(tenant_id, cycle_id) if found is None else cycle_engine(found)

    async def _queue(self, name: str) -> pb.Queue:
        kinds = [TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY]
        if name == messages.CYCLE_QUEUE:
            kinds.append(TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
        try:
            pollers = min([await self._pollers(name, kind) for kind in kinds])
        except RPCError as error:
            raise _unreachable(error) from error
        return pb.Queue(name=name, pollers=pollers)

    async def _pollers(self, name: str, kind: TaskQueueType.ValueType) -> int:
        request = DescribeTaskQueueRequest(
            namespace=self._engine.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind
        )
        return len((await self._engine.workflow_service.describe_task_queue(request)).pollers)


def cycle_engine(found: WorkflowExecutionDescription) -> pb.CycleEngine:
    """Return what the engine knows of a workflow; errors are cut to 300 characters."""
    raw: DescribeWorkflowExecutionResponse = found.raw_description
    pending = raw.pending_workflow_task
    failing = raw.HasField("pending_workflow_task") and pending.attempt >= FAILING_ATTEMPT
    return pb.CycleEngine(
        workflow_id=found.id,
        run_id=found.run_id,
        state=STATES.get(found.status, pb.WORKFLOW_STATE_ENDED_ABNORMALLY)
        if found.status is not None
        else pb.WORKFLOW_STATE_UNSPECIFIED,
        history_length=found.history_length,
        history_bytes=raw.workflow_execution_info.history_size_bytes,
        pending_activities=[_activity(each) for each in raw.pending_activities],
        workflow_task_failing=failing,
        workflow_task_error=f"attempt {pending.attempt}" if failing else "",
        start_time=_stamp(found.start_time),
    )


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
    return activity


def _missing(tenant_id: str, cycle_id: str) -> pb.CycleEngine:
    workflow_id = messages.cycle_workflow_id(tenant_id, cycle_id)
    return pb.CycleEngine(workflow_id=workflow_id, state=pb.WORKFLOW_STATE_MISSING)


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
