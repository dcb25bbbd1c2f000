"""Versions of the worker: a new one works on nothing until it is made current, then on what is in flight, too."""

from __future__ import annotations

from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from deploy.jobs import version
from tests.waiting import until
from tests.workflows.conftest import Engine
from workflows import messages
from workflows.settings import WorkerSettings
from workflows.worker import build_worker


def settings(build_id: str) -> WorkerSettings:
    return WorkerSettings(identity_key_file=Path("key"), identity_keys_dir=Path("keys"), build_id=build_id)


async def test_a_version_works_when_it_is_current(engine: Engine, temporal_client: Client) -> None:
    served: list[str] = []

    def worker(build_id: str) -> Worker:
        @activity.defn(name=messages.Step.TICK)
        async def tick(_: messages.Look) -> messages.Sight:
            served.append(build_id)
            return messages.Sight(finished=build_id == "build-2", next_in_seconds=0.2)

        return build_worker(temporal_client, messages.CYCLE_QUEUE, [tick], settings(build_id))

    async with worker("build-1"):
        await version.make_current(temporal_client, "build-1")
        await engine.hint()
        await until(lambda: len(served) > 1)
        async with worker("build-2"):
            await until(lambda: len(served) > 4)
            assert set(served) == {"build-1"}
            await version.make_current(temporal_client, "build-2")
            await engine.ended()
    assert served[-1] == "build-2"
    assert version.DEPLOYMENT == messages.DEPLOYMENT
