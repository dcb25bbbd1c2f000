"""Moves the time of one test cycle, in the engine and in reviews, by bounded steps."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing._timeskipping import TimeSkipper, TimeSkippingConfig

from tests.workflows.company import Company
from workflows import messages
from workflows.client import Cycles

LOOK_AGAIN_SECONDS = 400 * 24 * 3600.0  # never on the way: nothing but the next instant wakes the cycle
SKIPS = 100_000  # at the engine's default of 200 a session ends silently


@dataclass
class VirtualTime:
    """The time of one cycle; it runs on like the real one, and jumps when told to."""

    company: Company
    cycle_id: str
    engine: Client

    def __post_init__(self) -> None:
        config = TimeSkippingConfig(enabled=False, max_session_skip_count=SKIPS)
        self._skipper = TimeSkipper(self.engine, config=config)
        self.cycles = Cycles(self._skipper.client, LOOK_AGAIN_SECONDS)
        workflow_id = messages.cycle_workflow_id(str(self.company.tenant_id), self.cycle_id)
        self.handle = self._skipper.client.get_workflow_handle(workflow_id)

    async def hint(self) -> None:
        """Wake the workflow, or start it."""
        await self.cycles.hint(str(self.company.tenant_id), self.cycle_id)

    async def runs(self) -> bool:
        """Whether the workflow runs."""
        return await self.cycles.runs(str(self.company.tenant_id), self.cycle_id)

    async def now(self) -> datetime:
        """The time of the workflow; the real one when it begins, and again after it was terminated."""
        return await self._skipper.get_current_time(self.handle)

    async def move_to(self, target: datetime) -> None:
        """Let time pass up to the target and no further: in reviews first, whose clock may not fall behind."""
        await self.company.set_clock(self.cycle_id, target)
        while (left := target - await self.now()) > timedelta(0):
            try:
                await self._skipper.fast_forward(self.handle, left)
            except RPCError:
                if not await self.runs():  # the cycle has come to its end on the way
                    return
                raise
