"""A real Temporal server for tests: one a run, shared by its workers; each test module has its own namespace."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client

from deploy.jobs import engine
from deploy.local.stack import Stack
from tests.postgres import locked


@dataclass(frozen=True)
class TemporalServer:
    """Where the server of this run answers."""

    address: str

    async def new_namespace(self) -> Client:
        """Register a namespace of its own with Attune's search attributes, and connect to it."""
        namespace = f"test-{uuid4().hex[:12]}"
        await engine.register(engine.EngineJobSettings(temporal_address=self.address, temporal_namespace=namespace))
        return await Client.connect(self.address, namespace=namespace)


@contextmanager
def running_temporal(directory: Path) -> Iterator[TemporalServer]:
    """Start the server in the directory, or join the one that another worker of this run has started there."""
    directory.mkdir(parents=True, exist_ok=True)
    stack = Stack(directory / "stack", ports="free", only=["temporal"])
    with locked(directory / "lock"):
        stack.start()
        _count(directory, 1)
    try:
        yield TemporalServer(stack.address("temporal"))
    finally:
        with locked(directory / "lock"):
            if _count(directory, -1) == 0:
                stack.stop()
            else:
                stack.leave()


def _count(directory: Path, change: int) -> int:
    """The number of workers that use the server, after one came or went."""
    file = directory / "users.json"
    users = (json.loads(file.read_text()) if file.exists() else 0) + change
    file.write_text(json.dumps(users))
    return int(users)


@pytest.fixture(scope="session")
def temporal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    """The Temporal server of this run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with running_temporal(shared / "temporal") as server:
        yield server


@pytest.fixture(scope="module")
async def temporal_client(temporal_server: TemporalServer) -> Client:
    """A client of a namespace that only this module uses, so that no other worker takes its tasks."""
    return await temporal_server.new_namespace()
