"""Typed helpers for those who start, wake, describe or restart workflows."""

import asyncio
from datetime import timedelta

from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode, TLSConfig

from services.runtime.telemetry import log
from workflows import messages, policies
from workflows.codec import data_converter
from workflows.messages import CycleRef
from workflows.settings import EngineSettings

CONNECT_SECONDS = 1.0
ANSWER = timedelta(seconds=5)


async def connect(settings: EngineSettings, runtime: Runtime | None = None) -> Client:
    """Connect to the engine, for as long as it takes: it may start later than we do."""
    while True:
        try:
            return await Client.connect(
                settings.temporal_address,
                namespace=settings.temporal_namespace,
                data_converter=data_converter(settings.payload_keys),
                tls=_tls(settings),
                api_key=settings.temporal_api_key or None,
                runtime=runtime,
            )
        except RuntimeError as error:
            log.warning("waiting for the engine", address=settings.temporal_address, error=str(error)[:200])
            await asyncio.sleep(CONNECT_SECONDS)


def _tls(settings: EngineSettings) -> TLSConfig | bool:
    if not settings.temporal_tls:
        return False
    authority, certificate, key = (
        file.read_bytes() if file else None
        for file in (
            settings.temporal_tls_ca_file,
            settings.temporal_tls_certificate_file,
            settings.temporal_tls_key_file,
        )
    )
    return TLSConfig(server_root_ca_cert=authority, client_cert=certificate, client_private_key=key)


class Cycles:
    """The workflows of review cycles."""

    def __init__(self, engine: Client, look_again_seconds: float = messages.LOOK_AGAIN_SECONDS) -> None:
        self._engine = engine
        self._look_again_seconds = look_again_seconds

    async def hint(self, tenant_id: str, cycle_id: str) -> None:
        """Wake a cycle's workflow; start it when it does not run. Raises RPCError when the engine cannot be reached."""
        cycle = CycleRef(tenant_id, cycle_id, self._look_again_seconds)
        await self._engine.start_workflow(
            messages.REVIEW_CYCLE,
            cycle,
            id=messages.cycle_workflow_id(tenant_id, cycle_id),
            task_queue=messages.CYCLE_QUEUE,
            task_timeout=policies.WORKFLOW_TASK,
            start_signal=messages.HINT,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            search_attributes=messages.cycle_attributes(cycle),
            rpc_timeout=ANSWER,
        )

    async def describe(self, tenant_id: str, cycle_id: str) -> WorkflowExecutionDescription | None:
        """Return what the engine knows of a cycle's workflow; None when it knows none."""
        handle = self._engine.get_workflow_handle(messages.cycle_workflow_id(tenant_id, cycle_id))
        try:
            return await handle.describe(rpc_timeout=ANSWER)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise

    async def runs(self, tenant_id: str, cycle_id: str) -> bool:
        """Return whether the cycle has a running workflow."""
        described = await self.describe(tenant_id, cycle_id)
        return described is not None and described.status is WorkflowExecutionStatus.RUNNING

    async def restart(self, tenant_id: str, cycle_id: str, reason: str) -> None:
        """End the cycle's workflow, if there is one, and start it anew: the rows know everything."""
        handle = self._engine.get_workflow_handle(messages.cycle_workflow_id(tenant_id, cycle_id))
        try:
            await handle.terminate(reason=reason, rpc_timeout=ANSWER)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        await self.hint(tenant_id, cycle_id)
