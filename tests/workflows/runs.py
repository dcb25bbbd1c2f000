"""Reads what the engine recorded of a workflow, all runs of it."""

from collections.abc import AsyncIterator
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from workflows.messages import Deed, Step

JUMP = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIME_SKIPPING_TRANSITIONED


async def runs_of(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """The runs from the first of the present chain to the latest; what was terminated is another chain."""
    runs: list[WorkflowHistory] = []
    run_id: str | None = None
    while run_id != "":
        history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        runs.insert(0, history)
        run_id = history.events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return runs


def events_of_stages(history: WorkflowHistory) -> int:
    """The events of a run without those of the launch before it, and without the jumps of time, which only tests make.

    A run ends with the stage that closes, so that no stage has more of them.
    """
    enrolled = 0
    for place, event in enumerate(history.events, 1):
        completed = event.activity_task_completed_event_attributes
        if completed.scheduled_event_id and _name(history, completed.scheduled_event_id) == Step.ENROL:
            enrolled = place
    return sum(event.event_type != JUMP for event in history.events[enrolled:])


def _name(history: WorkflowHistory, event_id: int) -> str:
    return str(history.events[event_id - 1].activity_task_scheduled_event_attributes.activity_type.name)


async def deeds_of(client: Client, history: WorkflowHistory, step: Step) -> AsyncIterator[Deed]:
    """What the workflow asked this step to do, in order."""
    for event in history.events:
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_type.name == step:
                decoded: list[Any] = await client.data_converter.decode(scheduled.input.payloads, [Deed])
                yield decoded[0]
