"""The compose file's own commands, run in its order as plain processes with its environment and nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.jobs.health import serving
from deploy.local.ports import LOOPBACK, Claims, choose
from deploy.local.stack import Stack
from deploy.local.waiting import until
from tests.deploy.compose import JOBS, PROCESSES, composed
from tests.deploy.image import lay_out

pytestmark = pytest.mark.enable_socket
STARTS_WITHIN = 120.0
# uvicorn ends by the signal that it was sent, when all is done.
ENDED = (0, -15)
ORDER = ("people", "goals", "reviews", "scoring", "notify", "worker", "bridge", "gateway")


@dataclass
class Machine:
    """What stands in for Docker: addresses and folders that containers would see, as this machine has them."""

    folder: Path
    root: Path
    servers: Mapping[str, str]
    ports: Mapping[str, str]
    services: Mapping[str, Any]
    running: dict[str, subprocess.Popen[bytes]]

    def here(self, name: str, text: str) -> str:
        """A value as it has to be on this machine."""
        for pattern, address in self.servers.items():
            text = re.sub(pattern, address, text)
        for port, free in self.ports.items():
            text = re.sub(rf"(?<![\d]){port}(?!\d)", free, text)
        text = re.sub(rf"\b({'|'.join(PROCESSES)}):(?=\d+$)", f"{LOOPBACK}:", text)
        for volume in self.services[name].get("volumes", []):
            inside = volume.get("volume", {}).get("subpath", "")
            text = text.replace(volume["target"], str(self.folder / "keys" / inside))
        return LOOPBACK if text == "0.0.0.0" else text  # noqa: S104 - the container's, not ours

    def command(self, name: str, given: list[str]) -> list[str]:
        """A command as it has to be on this machine."""
        return [sys.executable if part == "python" else self.here(name, part) for part in given]

    def environment(self, name: str) -> dict[str, str]:
        """What the process is told, and where programs are found; nothing of this program's environment.

        All is on one machine here, which production mode refuses; the file's own values are shown to it elsewhere.
        """
        told = {**self.services[name].get("environment", {}), "ATTUNE_MODE": "local"}
        return {"PATH": os.environ["PATH"], **{key: self.here(name, str(value)) for key, value in told.items()}}

    def run(self, name: str) -> str:
        """Run a job to its end."""
        command = self.command(name, self.services[name]["command"])
        done = subprocess.run(
            command, cwd=self.root, env=self.environment(name), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str) -> None:
        """Start a process and wait until its health check passes."""
        with (self.folder / f"{name}.log").open("wb") as log:
            self.running[name] = subprocess.Popen(
                self.command(name, self.services[name]["command"]),
                cwd=self.root, env=self.environment(name), stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        check = self.services[name]["healthcheck"]["test"][4:]
        urls = [self.here(name, url) for url in check]

        def healthy() -> bool:
            assert self.running[name].poll() is None, (self.folder / f"{name}.log").read_text()[-2000:]
            return all(serving(url) for url in urls)

        until(healthy, STARTS_WITHIN, f"{name} did not get healthy")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The file's processes, all healthy, over a database, a Redis and an engine of their own."""
    folder = tmp_path_factory.mktemp("compose")
    stack = Stack(folder / "stack", "free", only=("postgres", "redis", "temporal"), tied=True)
    claims = Claims()
    free, _ = choose("free", {}, claims)
    documented = [50051, 50052, 50053, 50054, 50055, 50056, 9051, 9052, 9053, 9054, 9055, 9056, 9057, 9080, 8080]
    stack.start()
    try:
        wiring = stack.wiring()
        where = wiring.admin_url.partition("?")[2]
        servers = {
            r"postgresql://.*": f"postgresql://postgres@/postgres?{where}",
            r"@postgres:5432/attune$": f"@/attune?{where}",
            r"redis://redis:6379/0": wiring.redis_url,
            r"temporal:7233": wiring.temporal_address,
        }
        ports = {
            str(port): str(each) for port, each in zip(documented, list(free.values())[: len(documented)], strict=True)
        }
        root = lay_out(folder / "image")
        machine = Machine(folder, root, servers, ports, composed("trial"), {})
        try:
            (folder / "keys").mkdir()
            for job in JOBS:
                machine.run(job)
            for name in ORDER:
                machine.start(name)
            yield machine
        finally:
            for process in machine.running.values():
                process.kill()
                process.wait()
    finally:
        stack.stop()
        claims.close()


def test_jobs_can_be_run_again(machine: Machine) -> None:
    for job in JOBS:
        assert machine.run(job)


def test_the_processes_know_one_another(machine: Machine) -> None:
    """A company is made through the gateway: both tokens, the service and its rows are as they should be."""
    base = machine.here("gateway", f"http://{LOOPBACK}:8080")

    def post(path: str, body: object, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Idempotency-Key": "compose-1"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(base + path, json.dumps(body).encode(), headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
            return json.load(reply)

    token = post("/v1/dev/token", {"installation": True})["token"]
    assert post("/v1/tenants", {"name": "Compose", "admin_email": "hr@compose.example"}, token)["name"] == "Compose"


def test_a_process_that_is_told_to_end_ends_within_its_grace(machine: Machine) -> None:
    for name in reversed(ORDER):
        grace = float(machine.services[name]["stop_grace_period"].removesuffix("s"))
        process = machine.running[name]
        process.terminate()
        process.wait(grace)
        assert process.returncode in ENDED, (name, (machine.folder / f"{name}.log").read_text()[-1000:])
