"""What an operator's command does in Temporal: ends what would act on rows that are no more, and deletes a tenant's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from workflows import messages

_LOOK_AGAIN_SECONDS = 0.5
_GONE_SECONDS = 60.0
_RUNNING = f"ExecutionStatus = 'Running' AND AttuneKind IN ('{messages.REVIEW_CYCLE}', '{messages.SCHEDULED_LAUNCH}')"


async def end_all(engine: Client, reason: str) -> int:
    """Terminate every running workflow of Attune: the rows start again what they want. Return how many."""
    ended = 0
    async for found in engine.list_workflows(_RUNNING):
        ended += await _terminate(engine, found.id, found.run_id, reason)
    return ended


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
    async with asyncio.timeout(_GONE_SECONDS):
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
