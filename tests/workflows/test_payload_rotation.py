"""A workflow that waits while its payload key is rotated reads what was written before, and ends."""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from workflows.codec import ENCODING, PayloadUnreadable, data_converter

OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@workflow.defn(name="Remember")
class Remember:
    """Keeps what it was started with until it is told more."""

    def __init__(self) -> None:
        self._more = ""

    @workflow.signal
    async def add(self, word: str) -> None:
        """Tell it more."""
        self._more = word

    @workflow.run
    async def run(self, word: str) -> str:
        """Return both."""
        await workflow.wait_condition(lambda: bool(self._more))
        return f"{word} {self._more}"


def keyed(client: Client, keys: str) -> Client:
    """Return the client as a process with these keys has it."""
    settings = client.config()
    settings["data_converter"] = data_converter(keys)
    return Client(**settings)


@asynccontextmanager
async def working(client: Client, keys: str, queue: str) -> AsyncIterator[None]:
    """A worker with these keys, restarted with each use."""
    async with Worker(
        keyed(client, keys),
        task_queue=queue,
        workflows=[Remember],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=0,  # every task reads the whole history, as after a restart
    ):
        yield


async def keys_used(handle: WorkflowHandle[object, object]) -> list[bytes]:
    """Return which key encrypted each payload of the history, in order."""
    found = []
    async for event in handle.fetch_history_events():
        for attributes in (
            event.workflow_execution_started_event_attributes.input,
            event.workflow_execution_signaled_event_attributes.input,
            event.workflow_execution_completed_event_attributes.result,
        ):
            for payload in attributes.payloads:
                assert payload.metadata["encoding"] == ENCODING
                found.append(payload.metadata["key"])
    return found


async def test_what_was_written_before_is_read_and_what_is_written_after_has_the_new_key(
    temporal_client: Client,
) -> None:
    queue, name = f"rotation-{uuid4()}", f"rotation-{uuid4()}"
    async with working(temporal_client, OLD, queue):
        await keyed(temporal_client, OLD).start_workflow("Remember", "first", id=name, task_queue=queue)
    async with working(temporal_client, f"{OLD},{NEW}", queue):  # step 1: read by both, written by the old
        pass
    async with working(temporal_client, f"{NEW},{OLD}", queue):  # step 2: written by the new
        handle = keyed(temporal_client, f"{NEW},{OLD}").get_workflow_handle(name, result_type=str)
        await handle.signal("add", "then")
        assert await handle.result() == "first then"
    old, *new = await keys_used(handle)
    assert len(new) == 2
    assert set(new) != {old}
    assert len(set(new)) == 1
    assert await keyed(temporal_client, NEW).get_workflow_handle(name, result_type=str).result() == "first then"
    with pytest.raises(PayloadUnreadable):
        await keyed(temporal_client, OLD).get_workflow_handle(name, result_type=str).result()


async def test_a_step_taken_too_early_loses_nothing(temporal_client: Client) -> None:
    queue, name = f"rotation-{uuid4()}", f"rotation-{uuid4()}"
    client = keyed(temporal_client, OLD)
    handle = await client.start_workflow("Remember", "first", id=name, task_queue=queue)
    await handle.signal("add", "then")
    async with working(temporal_client, NEW, queue):  # cannot read what stands there
        described = await handle.describe()
        assert described.close_time is None
    async with working(temporal_client, f"{NEW},{OLD}", queue):
        answer = keyed(temporal_client, f"{NEW},{OLD}").get_workflow_handle(name, result_type=str)
        assert await answer.result() == "first then"
