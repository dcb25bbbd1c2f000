"""What an operator's command does in Temporal: ends what would act on rows that are no more, and deletes a tenant's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, timedelta
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    PollActivityTaskQueueRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.jobs.engine import prepare
from services.runtime.clock import new_id, utc_now
from workflows import messages
from workflows.queues import WORK, pollers_of

_LOOK_AGAIN_SECONDS = 0.5
_GONE_SECONDS = 60.0
_QUIET_SECONDS = 3.0  # lists of Temporal's other stores are renewed each second
_NOTED_SECONDS = 30.0
_POLL = timedelta(seconds=_NOTED_SECONDS)
_KNOWN_SECONDS = 120.0  # a server looks for new attributes once a minute
_RUNNING = f"ExecutionStatus = 'Running' AND AttuneKind IN ('{messages.REVIEW_CYCLE}', '{messages.SCHEDULED_LAUNCH}')"


@asynccontextmanager
async def _within(seconds: float, what: str) -> AsyncIterator[None]:
    """Let something take so long. Raises TimeoutError that says what was waited for, and how long."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise TimeoutError(f"{what} within {seconds:.0f} s") from error


async def make_ready(engine: Client, seconds: float = _KNOWN_SECONDS) -> None:
    """Make the namespace and the attributes, which a new Temporal lacks, and wait until workflows can be found by them.

    Rights of Temporal's operators are wanted only where something is missing: who manages it may give them to nobody.
    Raises TimeoutError when workflows cannot be found, RPCError when what is missing may not be made.
    """
    async with _within(seconds, "Temporal did not find workflows by Attune's search attributes"):
        while not await _finds_workflows(engine):
            await prepare(engine)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _finds_workflows(engine: Client) -> bool:
    try:
        await engine.count_workflows(_RUNNING)
    except RPCError as error:
        if error.status not in (RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.NOT_FOUND):
            raise
        return False
    return True


async def polled_seconds_ago(engine: Client) -> Mapping[str, float]:
    """Return how long ago each worker asked for work last, for those of the last minutes."""
    seen: dict[str, float] = {}
    for queue in messages.QUEUES:
        for kind in WORK:
            for poller in await pollers_of(engine, queue, kind):
                ago = (utc_now() - poller.last_access_time.ToDatetime(tzinfo=UTC)).total_seconds()
                seen[poller.identity] = max(0.0, min(ago, seen.get(poller.identity, ago)))
    return seen


async def clock_ahead_seconds(engine: Client) -> float:
    """Return how far this machine's clock is ahead of that by which Temporal notes when it is asked for work.

    Asks for work as a worker does, of a queue that has none, and reads what was noted. Not less than it is.
    """
    queue, identity = "attune-operations", f"attune-operations {new_id()}"
    ask = PollActivityTaskQueueRequest(namespace=engine.namespace, task_queue=TaskQueue(name=queue), identity=identity)
    asking = asyncio.ensure_future(engine.workflow_service.poll_activity_task_queue(ask, timeout=_POLL))
    try:
        async with _within(_NOTED_SECONDS, "Temporal did not tell what time it has"):
            while True:
                for poller in await pollers_of(engine, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):
                    if poller.identity == identity:
                        return (utc_now() - poller.last_access_time.ToDatetime(tzinfo=UTC)).total_seconds()
                if asking.done() and (refused := asking.exception()):
                    raise refused
                await asyncio.sleep(0.05)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


async def count_of(engine: Client, tenant_id: UUID) -> int:
    """Return how many workflows a tenant has, finished ones too."""
    return (await engine.count_workflows(f"AttuneTenant = '{tenant_id}'")).count


async def end_all(engine: Client, reason: str) -> int:
    """Terminate every running workflow of Attune: the rows start again what they want. Return how many.

    Lists follow by a second or so what was begun and ended, so it is done when nothing has been listed for a while.
    Raises TimeoutError when Temporal goes on listing what has been ended.
    """
    ended, asked, clock = 0, set[tuple[str, str | None]](), asyncio.get_running_loop().time
    seen = clock()  # something that was not yet asked to end
    while True:
        listed = {(found.id, found.run_id) async for found in engine.list_workflows(_RUNNING)}
        for workflow_id, run_id in listed - asked:
            ended += await _terminate(engine, workflow_id, run_id, reason)
            seen = clock()
        asked |= listed
        if not listed and clock() >= seen + _QUIET_SECONDS:
            return ended
        if listed and clock() > seen + _GONE_SECONDS:
            raise TimeoutError(f"Temporal did not let go of all running workflows within {_GONE_SECONDS:.0f} s")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def delete_tenant(engine: Client, tenant_id: UUID) -> int:
    """Delete a tenant's schedules and workflows, finished ones too; return how many.

    Raises TimeoutError when Temporal goes on listing some.
    """
    prefix = messages.schedule_id(str(tenant_id), "")
    deleted = 0
    async for schedule in await engine.list_schedules():
        if schedule.id.startswith(prefix):
            await engine.get_schedule_handle(schedule.id).delete()
            deleted += 1
    asked: set[str] = set()
    async with _within(_GONE_SECONDS, f"Temporal did not let go of all workflows of tenant {tenant_id}"):
        while left := [found async for found in _of_tenant(engine, tenant_id)]:
            for workflow_id, run_id in left:
                await _delete(engine, workflow_id, run_id)
                asked.add(run_id)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return deleted + len(asked)


async def _of_tenant(engine: Client, tenant_id: UUID) -> AsyncIterator[tuple[str, str]]:
    async for found in engine.list_workflows(f"AttuneTenant = '{tenant_id}'"):
        yield found.id, found.run_id


async def _delete(engine: Client, workflow_id: str, run_id: str) -> None:
    """Ask for deletion, which ends what runs; done already is done."""
    request = DeleteWorkflowExecutionRequest(
        namespace=engine.namespace, workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    )
    try:
        await engine.workflow_service.delete_workflow_execution(request)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise


async def _terminate(engine: Client, workflow_id: str, run_id: str | None, reason: str) -> int:
    try:
        await engine.get_workflow_handle(workflow_id, run_id=run_id).terminate(reason=reason)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return 0
    return 1
