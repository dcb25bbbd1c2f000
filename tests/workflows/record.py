"""Records histories of real runs for the replay tests: `python -m tests.workflows.record`, after a wanted change."""

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory

from tests.bench.company import hire
from tests.bench.history import NAME, connect, play, source
from tests.bench.standing import Standing, standing
from tests.waiting import until
from workflows import messages
from workflows.client import Cycles
from workflows.messages import Step

FOLDER = Path(__file__).parent / "histories"
PEOPLE = 12
MINUTES = 60.0
NAMES = frozenset({"identity", "binaryChecksum", "buildId"})


async def main() -> None:
    """Play on a stack of its own, and replace what was recorded before."""
    async with standing(engine=True) as opened:
        engine = await connect(opened)
        recorded = await plain_cycle(opened) | await blocked_cycle(opened)
        recorded |= await unknown_cycle(opened, engine) | await scheduled_launch(opened, engine)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for name, history in recorded.items():
        (FOLDER / f"{name}.json").write_text(as_text(history), encoding="utf-8")


async def plain_cycle(opened: Standing) -> dict[str, WorkflowHistory]:
    """From the launch to the end, with four reminders a stage."""
    story = await play(opened, PEOPLE)
    return {f"cycle-{number}": run for number, run in enumerate(story.runs, 1)}


async def blocked_cycle(opened: Standing) -> dict[str, WorkflowHistory]:
    """The same, with scoring gone while the reviews are scored; those runs in which that was reported."""
    playing = asyncio.create_task(play(opened, PEOPLE))
    async with opened.admin() as admin:

        async def stands(question: str) -> bool:
            return bool(await admin.fetchval(f"SELECT count(*) FROM reviews.stage WHERE {question}"))

        await until(lambda: stands("key = 'manager_review' AND state = 'open'"), MINUTES, "the managers' turn")
        async with held(opened, "scoring"):
            await until(lambda: stands("blocked_reason <> ''"), 5 * MINUTES, "scoring was missed")
    story = await playing
    reported = [run for run in story.runs if any(is_report(event) for event in run.events)]
    return {f"cycle-blocked-{number}": run for number, run in enumerate(reported, 1)}


@asynccontextmanager
async def held(opened: Standing, process: str) -> AsyncIterator[None]:
    """A process that is down for as long."""
    await asyncio.to_thread(opened.stack.hold, process)
    try:
        yield
    finally:
        await asyncio.to_thread(opened.stack.release, process)


async def unknown_cycle(opened: Standing, engine: Client) -> dict[str, WorkflowHistory]:
    """A workflow without rows, later terminated: every look fails for good, is reported and repeated."""
    tenant, cycle_id = await opened.tenant("Nobody"), str(uuid4())
    await Cycles(engine).hint(tenant.id, cycle_id)
    handle = engine.get_workflow_handle(messages.cycle_workflow_id(tenant.id, cycle_id))

    async def reported_twice() -> bool:
        return sum(is_report(event) for event in (await handle.fetch_history()).events) >= 2

    await until(reported_twice, MINUTES, "the cycle was missed twice")
    await handle.terminate("recorded")
    return {"cycle-unknown": await handle.fetch_history()}


async def scheduled_launch(opened: Standing, engine: Client) -> dict[str, WorkflowHistory]:
    """A recurring cycle, launched out of turn."""
    tenant = await opened.tenant("Recurring")
    async with opened.admin() as admin:
        await hire(admin, tenant.id, PEOPLE)
    await tenant.api.post("/templates", {"source": source(), "publish": True})
    body = {"name": "Monthly", "kind": "month", "business_day": 5, "template": NAME}
    made = await tenant.api.post("/cycle-schedules", body)
    handle = engine.get_schedule_handle(messages.schedule_id(tenant.id, made["id"]))
    query = f"WorkflowType = '{messages.SCHEDULED_LAUNCH}' AND ExecutionStatus = 'Completed'"
    found: list[str] = []

    async def known() -> bool:
        return handle.id in [each.id async for each in await engine.list_schedules()]

    async def launched() -> bool:
        found[:] = [each.id async for each in engine.list_workflows(query)]
        return bool(found)

    await until(known, MINUTES, "the bridge made the schedule")
    await handle.trigger()
    await until(launched, MINUTES, "the cycle was launched")
    return {"scheduled-launch": await engine.get_workflow_handle(found[0]).fetch_history()}


def is_report(event: HistoryEvent) -> bool:
    """Whether the workflow reported something here."""
    return event.activity_task_scheduled_event_attributes.activity_type.name == Step.REPORT_BLOCKED


def as_text(history: WorkflowHistory) -> str:
    """JSON with a line for each event, without the names of processes and machines."""
    events = [without_names(event) for event in history.to_json_dict()["events"]]
    lines = ",\n".join(json.dumps(event, separators=(",", ":")) for event in events)
    return f'{{"events":[\n{lines}\n]}}\n'


def without_names(value: Any) -> Any:
    """The value with neutral names where the engine notes who polled on which machine."""
    if isinstance(value, dict):
        return {key: "worker" if key in NAMES else without_names(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_names(each) for each in value]
    return "worker" if isinstance(value, str) and socket.gethostname() in value else value


if __name__ == "__main__":
    asyncio.run(main())
