"""Makes a version of the worker the one that cycles go on with: `python -m deploy.jobs.version`; repeatable."""

from __future__ import annotations

import asyncio
import os
import sys

from pydantic import Field
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.jobs.engine import EngineJobSettings, connect

DEPLOYMENT = "attune"
WAIT_SECONDS = 300.0


class VersionJobSettings(EngineJobSettings):
    """The engine, and the version."""

    build_id: str = Field(min_length=1, validation_alias="ATTUNE_WORKER_BUILD_ID")


async def make_current(client: Client, build_id: str) -> None:
    """Make the version current as soon as its workers are known. Raises RPCError when they are not in five minutes."""
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace, deployment_name=DEPLOYMENT, build_id=build_id, ignore_missing_task_queues=True
    )
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            unknown = error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
            if not unknown or asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.5)
        else:
            return


async def _run(settings: VersionJobSettings) -> None:
    await make_current(await connect(settings), settings.build_id)


def main() -> int:
    """Make the version of the environment current."""
    settings = VersionJobSettings()
    asyncio.run(_run(settings))
    print(f"cycles go on with version {settings.build_id} of the worker")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    outcome = main()
    sys.stdout.flush()
    os._exit(outcome)  # as in deploy.jobs.engine
