"""Plays the demo's cycle on a stack of its own, with or without faults, and tells everything that came out wrong."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from cli.client import Api, connect
from deploy.local.demo.company import sample_company
from deploy.local.demo.comparison import compare
from deploy.local.demo.crowd import Crowd
from deploy.local.demo.ledger import Ledger
from deploy.local.demo.script import write_script
from deploy.local.demo.story import LENGTHS, Story
from deploy.local.stack import Stack
from tests import invariants
from tests.waiting import until
from workflows import messages

Fault = Callable[["Campaign", str], Awaitable[None]]  # the campaign, the stage that has just opened
ALWAYS = ("reviews", "worker", "temporal", "postgres", "workflow")
SOMETIMES = ("gateway", "people", "goals", "scoring", "notify", "bridge", "redis")
PREPARED_WITHIN = 8.0  # seconds; what a machine of two cores needs that does little else
MOST_SLOWER = 5.0  # beyond which it is not the machine
COMMENTS = ("希望复核", "个人原因", "第三季度上线的项目未计入目标达成", "肯定了本期成果")


@dataclass
class Campaign:
    """One run; `plan` says what is killed how long after the opening of which stage."""

    stack: Stack
    ledger_file: Path
    plan: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    pace: float = 1.0
    crowd: Crowd | None = None
    told: list[str] = field(default_factory=list)

    async def play(self) -> list[str]:
        """Return everything that differs from the script or violates an invariant; nothing when all is well."""
        company = sample_company()
        async with connect(self.stack.address("gateway")) as http:
            api = Api(http, patience=60.0)
            with closing(Ledger(self.ledger_file)) as ledger:
                story = Story(api, company, write_script(company), self._tell, self.pace, ledger)
                self.crowd = await self._prepare(story)
                await story.launch(self.crowd)
                async with asyncio.TaskGroup() as group:
                    injecting = group.create_task(self._inject())
                    async with asyncio.timeout(story.deadline_seconds):
                        await story.follow(self.crowd)
                    injecting.cancel()
            await asyncio.to_thread(self.stack.wait_ready, 60.0)
            found = await compare(self.crowd)
            return [*found.differences, *self._spared(), *await self._settled_violations()]

    async def _prepare(self, story: Story) -> Crowd:
        """Prepare the story; on a machine that is slow at that, give people longer windows, too."""
        clock = asyncio.get_running_loop().time
        begun = clock()
        crowd = await story.prepare()
        slower = min(max(1.0, (clock() - begun) / PREPARED_WITHIN), MOST_SLOWER)
        story.pace *= slower
        story.deadline_seconds *= slower
        return crowd

    def _tell(self, line: str) -> None:
        self.told.append(line)

    def _spared(self) -> list[str]:
        """A campaign that did not kill what it planned has shown nothing."""
        planned = (name for faults in self.plan.values() for _, name in faults)
        return [f"{name} was not killed as planned" for name in planned if f"kill -9 {name}" not in self.told]

    async def _inject(self) -> None:
        async with asyncio.TaskGroup() as group:
            for stage, faults in self.plan.items():
                for delay, name in faults:
                    group.create_task(self._kill(stage, delay, name))

    async def _kill(self, stage: str, delay: float, name: str) -> None:
        await until(lambda: any(line.startswith(f"{stage}: open") for line in self.told), 600, f"{stage} opened")
        await asyncio.sleep(delay)
        self._tell(f"kill -9 {name}")
        if name == "workflow":
            await self.terminate_workflow()
        else:
            await asyncio.to_thread(self.stack.kill, name)

    async def terminate_workflow(self) -> None:
        """End the cycle's workflow by hand."""
        await (await self._workflow()).terminate(reason="by hand")

    async def _workflow(self) -> WorkflowHandle[Any, Any]:
        wiring = self.stack.wiring()
        client = await Client.connect(wiring.temporal_address, namespace=wiring.namespace)
        assert self.crowd is not None
        return client.get_workflow_handle(messages.cycle_workflow_id(self.crowd.tenant_id, self.crowd.cycle_id))

    async def _settled_violations(self) -> list[str]:
        """Wait until logs are drained and audit is sealed, then judge."""
        wiring = self.stack.wiring()
        urls = {service: wiring.database_url(f"{service}_app") for service in invariants.SERVICES}
        judged: list[str] = []

        async def well() -> bool:
            judged[:] = await invariants.violations(wiring.admin_database_url(), urls, self.ledger_file)
            return not judged

        try:
            await until(well)
        except AssertionError:
            return judged
        assert self.crowd is not None
        names = [person.name for person in self.crowd.company.people[:50]]
        canaries = [*(name for name in names if len(name) > 2), *COMMENTS]
        return [*invariants.personal_text_in(self.stack.layout.logs, canaries), *await self._workflow_view()]

    async def _workflow_view(self) -> list[str]:
        """I9 and I10 in the engine: a closed cycle's workflow has ended, and its history holds no personal text."""
        handle = await self._workflow()

        async def ended() -> bool:
            return (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING

        await until(ended, what="the workflow of a closed cycle ended")
        history = (await handle.fetch_history()).to_json()
        return [f"I10 the history holds {text!r}" for text in COMMENTS if text in history]


def seeded_plan(seed: int) -> dict[str, list[tuple[float, str]]]:
    """Return when to kill what, at random moments of random stages: those in the cycle's path, and two others."""
    dice = random.Random(seed)
    stages = ("self_review", "manager_review", "calibration", "acknowledgement")
    plan: dict[str, list[tuple[float, str]]] = {stage: [] for stage in stages}
    for name in (*ALWAYS, *dice.sample(SOMETIMES, 2)):
        stage = dice.choice(stages)
        plan[stage].append((dice.uniform(0.2, LENGTHS[stage] * 0.8), name))
    return plan
