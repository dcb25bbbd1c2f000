"""Fixtures of workflow tests: the run's Temporal server, and a cycle of its own for each test."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from tests.security.conftest import world
from tests.temporal import temporal_client, temporal_server
from tests.waiting import until
from workflows import messages
from workflows.client import Cycles

__all__ = ["temporal_client", "temporal_server", "world"]


@dataclass
class Engine:
    """The engine as one test uses it: ids of its own, and everything it started ended afterwards."""

    client: Client
    tenant_id: str = field(default_factory=lambda: str(uuid4()))
    cycle_id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def cycles(self) -> Cycles:
        return Cycles(self.client)

    @property
    def handle(self) -> WorkflowHandle[None, None]:
        """The cycle's workflow, whichever run is the latest."""
        return self.client.get_workflow_handle(messages.cycle_workflow_id(self.tenant_id, self.cycle_id))

    async def hint(self) -> None:
        await self.cycles.hint(self.tenant_id, self.cycle_id)

    async def state(self) -> WorkflowExecutionStatus | None:
        described = await self.cycles.describe(self.tenant_id, self.cycle_id)
        return described.status if described else None

    async def ended(self) -> None:
        """Wait until the workflow completed."""

        async def completed() -> bool:
            return await self.state() is WorkflowExecutionStatus.COMPLETED

        await until(completed)


@pytest.fixture
async def engine(temporal_client: Client) -> AsyncIterator[Engine]:
    """The engine with a cycle of the test's own."""
    engine = Engine(temporal_client)
    yield engine
    if await engine.state() is WorkflowExecutionStatus.RUNNING:
        with suppress(RPCError):  # it may end in between
            await engine.handle.terminate("the test is over")
