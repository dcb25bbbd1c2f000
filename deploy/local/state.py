"""What the supervisor tells others about the stack: `state.json` and the lines of progress."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from deploy.local.environment import Wiring
from deploy.local.layout import Layout
from deploy.local.processes import Identity, identity_from_json

Phase = Literal["starting", "ready", "stopping", "stopped", "failed"]
StepState = Literal["working", "ready", "note", "failed"]


@dataclass
class ProcessState:
    """One process as it is now."""

    state: str = "stopped"
    pid: int | None = None
    started: float | None = None
    restarts: int = 0
    address: str = ""
    log: str = ""


@dataclass
class StackState:
    """The whole stack as it is now."""

    supervisor: dict[str, Any]
    data_dir: str
    state: Phase = "starting"
    error: str = ""
    namespace: str = ""
    admin_url: str = ""
    redis_url: str = ""
    temporal_address: str = ""
    role_passwords: dict[str, str] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    processes: dict[str, ProcessState] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def supervisor_identity(self) -> Identity | None:
        """The process that wrote this."""
        return identity_from_json(self.supervisor)

    def identities(self) -> dict[str, Identity]:
        """The recorded processes, running or not."""
        found = ((name, identity_from_json(asdict(process))) for name, process in self.processes.items())
        return {name: identity for name, identity in found if identity}

    def is_current(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        identity = self.supervisor_identity()
        return identity is not None and identity.is_alive()

    def wiring(self) -> Wiring:
        """The addresses as the supervisor recorded them."""
        return Wiring(
            layout=Layout.at(self.data_dir),
            ports=self.ports,
            admin_url=self.admin_url,
            role_passwords=self.role_passwords,
            redis_url=self.redis_url,
            temporal_address=self.temporal_address,
            namespace=self.namespace,
        )

    def all_ready(self) -> bool:
        """Whether every process is ready and the pid recorded for it still runs."""
        if self.state != "ready" or any(process.state != "ready" for process in self.processes.values()):
            return False
        return all(identity.is_alive() for identity in self.identities().values())

    def public(self) -> dict[str, Any]:
        """What may be shown: everything but passwords and addresses that hold one."""
        hidden = ("role_passwords", "admin_url", "redis_url")
        return {key: value for key, value in asdict(self).items() if key not in hidden}


def read_state(layout: Layout) -> StackState | None:
    """The last state that was written, if there is a readable one."""
    try:
        facts = json.loads(layout.state_file.read_text())
        processes = {name: ProcessState(**process) for name, process in facts.pop("processes").items()}
        return StackState(**facts, processes=processes)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def write_state(layout: Layout, state: StackState) -> None:
    """Replace the state whole, readable by its owner only (it may hold a database password)."""
    partial = layout.state_file.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
    partial.replace(layout.state_file)


@dataclass(frozen=True)
class Progress:
    """One thing said about one step."""

    run: int
    seconds: float
    step: str
    state: StepState
    text: str


class ProgressLog:
    """Writes progress as JSON lines, which `up` follows."""

    def __init__(self, layout: Layout) -> None:
        self._path: Path = layout.progress_file
        self._path.unlink(missing_ok=True)
        self._begun = time.monotonic()

    def say(self, step: str, state: StepState, text: str) -> None:
        """Append one line."""
        line = Progress(os.getpid(), round(time.monotonic() - self._begun, 2), step, state, text)
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")


def read_progress(layout: Layout, run: int, skip: int) -> Iterator[Progress]:
    """The whole lines that one run of the supervisor wrote, the first `skip` excepted."""
    try:
        text = layout.progress_file.read_text()
    except FileNotFoundError:
        return
    lines = [Progress(**json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    yield from [line for line in lines if line.run == run][skip:]
