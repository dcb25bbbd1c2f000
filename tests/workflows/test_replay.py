"""Histories of real runs are replayed by today's workflows: what is under way must survive a new release."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.workflow import NondeterminismError

from workflows import messages, policies
from workflows.launcher import ScheduledLaunch
from workflows.messages import CycleRef, LaunchedCycle, NominalLaunch, ScheduleRef, Step
from workflows.review_cycle import ReviewCycle
from workflows.worker import RUNNER

RECORDED = sorted((Path(__file__).parent / "histories").glob("*.json"))
NAMES = [file.stem for file in RECORDED]
PERSONAL = ("Person ", ".example", "comment", "Bench", "Recurring", "Monthly")


def history_of(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(file.stem, file.read_text(encoding="utf-8"))


async def replay(file: Path, *changed: type, runner: WorkflowRunner = RUNNER) -> None:
    """Raises NondeterminismError when the workflow would have done something else."""
    replayer = Replayer(workflows=changed or (ReviewCycle, ScheduledLaunch), workflow_runner=runner)
    await replayer.replay_workflow(history_of(file))


@pytest.mark.parametrize("file", RECORDED, ids=NAMES)
async def test_today_s_workflows_replay_what_was_recorded(file: Path) -> None:
    await replay(file)


@workflow.defn(name=messages.REVIEW_CYCLE)
class SleepsFirst(ReviewCycle):
    """An incompatible change: a timer that no recorded run has."""

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        await asyncio.sleep(1)
        await super().run(cycle)


@workflow.defn(name=messages.REVIEW_CYCLE)
class LooksLoudly(ReviewCycle):
    """An incompatible change: each look is an activity that the engine schedules."""

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        await super().run(cycle)

    async def _tick(self, look: messages.Look) -> messages.Sight:
        sight: messages.Sight = await workflow.execute_activity(
            Step.TICK, look, result_type=messages.Sight, **policies.options(Step.TICK)
        )
        return sight


@workflow.defn(name=messages.SCHEDULED_LAUNCH)
class LaunchesTwice(ScheduledLaunch):
    """An incompatible change: the launch is repeated."""

    @workflow.run
    async def run(self, schedule: ScheduleRef) -> LaunchedCycle:
        nominal = NominalLaunch(schedule, workflow.info().typed_search_attributes[messages.SCHEDULED_START])
        step = Step.CREATE_SCHEDULED_CYCLE
        await workflow.execute_activity(step, nominal, result_type=LaunchedCycle, **policies.options(step))
        return await super().run(schedule)


CHANGES = [
    (change, file)
    for change in (SleepsFirst, LooksLoudly, LaunchesTwice)
    for file in RECORDED
    if file.stem.startswith("scheduled") == (change is LaunchesTwice)
]


@pytest.mark.parametrize(
    ("change", "file"), CHANGES, ids=[f"{change.__name__}-{file.stem}" for change, file in CHANGES]
)
async def test_an_incompatible_change_is_found(change: type, file: Path) -> None:
    with pytest.raises(NondeterminismError):
        await replay(file, change, runner=UnsandboxedWorkflowRunner())


def test_each_step_and_each_end_of_a_run_was_recorded() -> None:
    events = [event for file in RECORDED for event in history_of(file).events]
    scheduled = {event.activity_task_scheduled_event_attributes.activity_type.name for event in events} - {""}
    looks = {event.marker_recorded_event_attributes.marker_name for event in events} - {""}
    assert scheduled == set(Step) - {Step.SETTLE_STAGE}, "today every kind that settles has steps of its own"
    assert looks == {"core_local_activity"}
    last = {history_of(file).events[-1].WhichOneof("attributes") for file in RECORDED}
    assert last == {
        f"workflow_execution_{end}_event_attributes" for end in ("continued_as_new", "completed", "terminated")
    }


@pytest.mark.parametrize("file", RECORDED, ids=NAMES)
def test_no_person_and_no_machine_is_named(file: Path) -> None:
    written = "\n".join(texts(json.loads(file.read_text(encoding="utf-8"))))
    assert [word for word in PERSONAL if word in written] == []


def texts(value: Any) -> Iterator[str]:
    """Every text in a history, what is packed into payloads too."""
    if isinstance(value, dict):
        if set(value) >= {"metadata", "data"}:
            yield b64decode(value["data"]).decode()
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value
