"""B8: the history that one cycle leaves in the engine, with four reminders a stage: neither long nor growing with N."""

import json
import time
from dataclasses import dataclass
from uuid import UUID

from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from tests.bench import commands
from tests.bench.company import PERIOD, TEMPLATE, hire, launch
from tests.bench.figures import Figure, at_most, median, size
from tests.bench.standing import Standing, Tenant
from tests.waiting import until
from tests.workflows.runs import events_of_stages, runs_of
from workflows import messages
from workflows.review_cycle import ReviewCycle
from workflows.worker import RUNNER

SIZES = (100, 3_000)
QUICK_SIZES = (10, 40)
A_STAGE, A_RUN, KILOBYTES, GROWTH, REPLAY_SECONDS = 100, 600, 128, 1.2, 0.5  # the gates
REPLAYS = 5
PATIENCE_SECONDS = 600.0
NAME = "Reminded"
WINDOW = "40 seconds"  # long enough for a stage of thousands to open before its first reminder falls due
REMINDERS = "reminders: [{before: 16 seconds}, {before: 12 seconds}, {before: 8 seconds}, {before: 4 seconds}]"
STAGES = (  # each but the first and the release with tasks that are owed until the end
    ("open", "open", "", "1 seconds"),
    ("self_review", "self_review", "open", WINDOW),
    ("manager_review", "manager_review", "self_review", WINDOW),
    ("calibration", "calibration", "manager_review", WINDOW),
    ("release", "release", "calibration", "1 seconds"),
    ("acknowledgement", "acknowledgement", "release", WINDOW),
    ("interview", "interview", "acknowledgement", WINDOW),
)
PROCESS = "process:\n" + "\n".join(
    f"  - {{key: {key}, kind: {kind}, name: {key}, after: [{after}], length: {length}"
    f"{', on_timeout: submit_draft' if kind == 'manager_review' else ''}"
    f"{', ' + REMINDERS if length == WINDOW else ''}}}"
    for key, kind, after, length in STAGES
)
# Every manager has drafted a review; they are handed in when the stage closes.
DRAFTS = """
UPDATE reviews.task SET draft = $3 WHERE tenant_id = $1 AND kind = 'manager_review'
AND stage_id IN (SELECT id FROM reviews.stage WHERE cycle_id = $2)
"""
DRAFT = json.dumps({"work/results": {"value": "3"}, "work/conduct": {"value": "2"}})
REMINDED = """
SELECT s.key, min(t.reminder_count) AS fewest, max(t.reminder_count) AS most FROM reviews.task t
JOIN reviews.stage s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id WHERE s.tenant_id = $1 AND s.cycle_id = $2
GROUP BY s.key
"""


@dataclass(frozen=True)
class Story:
    """What the engine kept of one cycle."""

    people: int
    runs: tuple[WorkflowHistory, ...]
    bytes: int  # of the largest run

    @property
    def events(self) -> int:
        """Of all runs."""
        return sum(len(run.events) for run in self.runs)

    @property
    def longest(self) -> WorkflowHistory:
        """The run with the most events."""
        return max(self.runs, key=lambda run: len(run.events))


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Let a cycle of each size run to its end, and look at what the engine kept."""
    stories = [await play(standing, people) for people in (QUICK_SIZES if quick else SIZES)]
    figures = [figure for story in stories for figure in await figures_of(story)]
    return [*figures, growth(stories[0], stories[-1])]


async def play(standing: Standing, people: int) -> Story:
    """A cycle from its launch to its end, in which everybody is reminded four times in each stage."""
    tenant = await standing.tenant(f"History {people}")
    async with standing.admin() as admin:
        await hire(admin, tenant.id, people)
    await tenant.api.post("/templates", {"source": source(), "publish": True})
    body = {"name": NAME, "period": PERIOD, "template": NAME, "population": {"everyone": True}}
    cycle_id = str((await tenant.api.post("/cycles", body))["id"])
    await launch(tenant, cycle_id)
    await until(lambda: _drafted(standing, tenant, cycle_id, people), PATIENCE_SECONDS, "the managers' tasks were made")
    engine = await connect(standing)
    workflow_id = messages.cycle_workflow_id(tenant.id, cycle_id)
    await until(lambda: _closed(tenant, cycle_id), PATIENCE_SECONDS, "the cycle closed")
    await engine.get_workflow_handle(workflow_id).result()
    await _check(standing, tenant, cycle_id)
    runs = tuple(await runs_of(engine, workflow_id))
    return Story(people, runs, max([await _bytes(engine, workflow_id, run) for run in runs]))


def source() -> str:
    """The template of the benches with this process."""
    return TEMPLATE[: TEMPLATE.index("process:")].replace("name: Bench", f"name: {NAME}", 1) + PROCESS


async def connect(standing: Standing) -> Client:
    """A client of the stack's engine."""
    wiring = standing.stack.wiring()
    return await Client.connect(wiring.temporal_address, namespace=wiring.namespace)


async def _drafted(standing: Standing, tenant: Tenant, cycle_id: str, people: int) -> bool:
    async with standing.admin() as admin:
        done = await admin.execute(DRAFTS, UUID(tenant.id), UUID(cycle_id), DRAFT)
    return int(done.split()[-1]) == people - 1  # nobody reviews the root of the tree


async def _closed(tenant: Tenant, cycle_id: str) -> bool:
    return bool((await tenant.api.get(f"/cycles/{cycle_id}"))["state"] == "closed")


async def _check(standing: Standing, tenant: Tenant, cycle_id: str) -> None:
    """What is measured is what was meant: four reminders for everybody."""
    async with standing.admin() as admin:
        rows = await admin.fetch(REMINDED, UUID(tenant.id), UUID(cycle_id))
    reminded = {row["key"]: (row["fewest"], row["most"]) for row in rows}
    assert reminded == {key: (4, 4) for key, *_, length in STAGES if length == WINDOW}, reminded


async def _bytes(engine: Client, workflow_id: str, run: WorkflowHistory) -> int:
    described = await engine.get_workflow_handle(workflow_id, run_id=run.run_id).describe()
    return int(described.raw_description.workflow_execution_info.history_size_bytes)


async def replay_seconds(run: WorkflowHistory) -> float:
    """How long a worker needs that has to replay a whole run; the middle of several times."""
    taken = []
    for _ in range(REPLAYS):
        replayer = Replayer(workflows=[ReviewCycle], workflow_runner=RUNNER)
        begun = time.perf_counter()
        await replayer.replay_workflow(run)
        taken.append(time.perf_counter() - begun)
    return median(taken)


async def figures_of(story: Story) -> list[Figure]:
    """The gates of one size."""
    work, longest = f"history, {size(story.people)}", len(story.longest.events)
    of_stage = max(events_of_stages(run) for run in story.runs)
    seconds = await replay_seconds(story.longest)
    shape = f"{story.events} events in {len(story.runs)} runs"
    return [
        _figure(f"{work}, events a stage", f"{of_stage}", shape, at_most(of_stage, A_STAGE)),
        _figure(f"{work}, events a run", f"{longest}", shape, at_most(longest, A_RUN)),
        _figure(f"{work}, KB a run", f"{story.bytes / 1024:.1f}", shape, at_most(story.bytes / 1024, KILOBYTES)),
        _figure(f"{work}, s to replay a run", f"{seconds:.3f}", shape, at_most(seconds, REPLAY_SECONDS), REPLAYS),
    ]


def growth(small: Story, large: Story) -> Figure:
    """How the events grow with the people."""
    ratio = large.events / small.events
    work = f"history, events({size(large.people)}) / events({size(small.people)})"
    gate, met = at_most(ratio, GROWTH)
    return Figure("B8", work, f"{ratio:.2f}", f"{large.events}", f"{small.events}", 1, gate, met)


def _figure(work: str, value: str, shape: str, gate: tuple[str, bool], runs: int = 1) -> Figure:
    return Figure("B8", work, value, shape, "4 096 events, the engine's advice", runs, *gate)


if __name__ == "__main__":
    commands.run(measure, engine=True)
