"""The local stack as the CLI, tests and chaos see it: start it, stop it, ask it, kill parts of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.local import leftovers, steps
from deploy.local.environment import Wiring, process_environment
from deploy.local.holding import ALREADY_RUNNING, holder, lock
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.ports import PortMode
from deploy.local.state import Progress, StackState, read_progress, read_state
from deploy.local.waiting import WaitedTooLong, until

# Stopping waits for every process's patience, PostgreSQL's last.
_STOP_LIMIT_SECONDS = 90.0


class StackFailed(Exception):
    """The stack could not do what was asked; the message says why."""


StackErrors = (StackFailed, WaitedTooLong)


class Stack:
    """One stack in one data directory; any number run side by side with `ports="free"`.

    A `tied` stack stops when the program that started it ends, however it ends; one that is not stays up.
    `only` names the processes to start (what they need is added); `environment` overrides the caller's; `checkout` is
    whose code and migrations to start with, this one's where none is named; `told` are variables of single processes.
    """

    def __init__(
        self,
        data_dir: Path | str | None = None,
        ports: PortMode = "standard",
        *,
        only: Iterable[str] = steps.PROCESSES,
        environment: Mapping[str, str] | None = None,
        tied: bool = False,
        checkout: Path = REPOSITORY,
        told: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.layout = Layout.at(data_dir) if data_dir else Layout.default()
        self._ports: PortMode = ports
        self._only = steps.with_needs(frozenset(only)) & frozenset((*steps.EVERY_PROCESS, steps.DATABASE_STEP))
        self._environment = {**os.environ, **(environment or {})}
        self._tied = tied
        self._checkout = checkout
        self._told = told or {}
        self._supervisor: subprocess.Popen[bytes] | None = None

    def start(self, tell: Callable[[Progress], None] | None = None) -> bool:
        """Start the stack unless it runs, follow its progress until it is ready; false when it ran already.

        Raises StackFailed with the reason when it cannot start.
        """
        state = self._settled_state()
        began = state is None
        if state is None:
            self._spawn()
        elif missing := self._only - frozenset(state.steps):
            raise StackFailed(f"the stack runs without {', '.join(sorted(missing))}; stop it first (./attune down)")
        self._follow(tell or (lambda _: None))
        return began

    def part(self, *names: str) -> Stack:
        """The same stack of which only these processes, and what they need, are to run; for while it is stopped."""
        options: dict[str, Any] = {"tied": self._tied, "checkout": self._checkout, "told": self._told}
        return Stack(self.layout.root, self._ports, only=names, environment=self._environment, **options)

    def stop(self) -> bool:
        """Stop the stack, or what a killed supervisor left of it; false when nothing ran."""
        try:
            supervisor = holder(self.layout)
            if supervisor is not None:
                supervisor.send(signal.SIGTERM)
                until(lambda: not supervisor.is_alive(), _STOP_LIMIT_SECONDS, "the supervisor did not stop")
            return self._end_leftovers() or supervisor is not None
        finally:
            self._reap()

    def leave(self) -> None:
        """Let the stack go on without this program; somebody else stops it."""
        if self._supervisor is not None and not self._tied:
            self._supervisor.returncode = 0  # else Python complains of a child that is meant to outlive us
            self._supervisor = None

    def state(self) -> StackState | None:
        """What the supervisor last wrote; it may be dead."""
        return read_state(self.layout)

    def running(self) -> StackState:
        """The state of a stack whose supervisor runs. Raises StackFailed otherwise."""
        state = self.state()
        if state is None or not state.is_current():
            raise StackFailed("the stack is not running; start it with ./attune up")
        return state

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until every process is ready, e.g. after a kill. Raises StackFailed when that takes too long."""
        until(lambda: self.running().all_ready(), seconds, "the stack did not become ready again")

    def pid(self, name: str) -> int:
        """The pid of a process of this stack. Raises StackFailed when it has none just now."""
        process = self.running().processes.get(name)
        if process is None or process.pid is None:
            raise StackFailed(f"{name} is not running")
        return process.pid

    def kill(self, name: str) -> int:
        """Kill a process (SIGKILL) and wait until it is gone; its pid. The supervisor starts it again."""
        return self.signal(name, signal.SIGKILL)

    def hold(self, name: str) -> None:
        """Kill a process and keep it down until it is released."""
        self.layout.held_file(name).touch()
        self.kill(name)
        until(lambda: self.running().processes[name].state == "held", _STOP_LIMIT_SECONDS, f"{name} was not held")

    def release(self, name: str) -> None:
        """Let the supervisor start a held process again."""
        self.layout.held_file(name).unlink(missing_ok=True)
        until(lambda: self.running().processes[name].state != "held", _STOP_LIMIT_SECONDS, f"{name} was not released")

    def replace(self, name: str, checkout: Path, seconds: float = 60.0) -> None:
        """End a process politely and let the code of a checkout take its place; returns when that is ready."""
        self.layout.checkout_file(name).write_text(str(checkout))
        self._renew(name, f"{name} was not ready from {checkout}", seconds)

    def _renew(self, name: str, complaint: str, seconds: float) -> None:
        ended = self.signal(name, signal.SIGTERM)

        def replaced() -> bool:
            process = self.running().processes[name]
            return process.state == "ready" and process.pid != ended

        until(replaced, seconds, complaint)

    def tell(self, name: str, variables: Mapping[str, str], seconds: float = 60.0) -> None:
        """Tell a process something of its own instead of what it was told before, and have it start anew with that."""
        self.layout.told_file(name).write_text(json.dumps(dict(variables)))
        self._renew(name, f"{name} was not ready with what it was told", seconds)

    def signal(self, name: str, which: signal.Signals) -> int:
        """Send a signal to a process and, when that ends it, wait until it is gone; its pid."""
        identity = self.running().identities().get(name)
        if identity is None:
            raise StackFailed(f"{name} is not running")
        with contextlib.suppress(ProcessLookupError):
            os.kill(identity.pid, which)
        if which in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            until(lambda: not identity.is_alive(), _STOP_LIMIT_SECONDS, f"{name} did not end")
        return identity.pid

    def address(self, name: str) -> str:
        """Where a process answers: host and port, a URL for the gateway, Redis and PostgreSQL (superuser)."""
        return self.wiring().address(name)

    def environment(self, name: str) -> dict[str, str]:
        """The environment that a process of this stack gets, for a program that acts in its place."""
        return {**process_environment(self.wiring(), name, self._environment), **self.layout.told(name)}

    def wiring(self) -> Wiring:
        """The addresses of the running stack."""
        return self.running().wiring()

    def _spawn(self) -> None:
        self.layout.make()
        self.layout.tell(self._told)
        with self.layout.log("supervisor").open("wb") as log:
            self._supervisor = subprocess.Popen(
                [
                    sys.executable, "-m", "deploy.local.supervisor", "--data-dir", str(self.layout.root),
                    "--ports", self._ports, "--only", ",".join(sorted(self._only)), *(["--tied"] if self._tied else []),
                    "--checkout", str(self._checkout),
                ],
                cwd=REPOSITORY,
                env={**self._environment, "PYTHONPATH": str(REPOSITORY)},
                stdin=subprocess.PIPE if self._tied else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _settled_state(self) -> StackState | None:
        """The state of a running supervisor; one that is just stopping is waited for."""

        def settled() -> bool:
            state = self._current()
            return state is None or state.state in ("starting", "ready")

        until(settled, _STOP_LIMIT_SECONDS, "the stack is stopping and did not end")
        return self._current()

    def _current(self) -> StackState | None:
        state = self.state()
        return state if state is not None and state.is_current() else None

    def _follow(self, tell: Callable[[Progress], None]) -> None:
        """Pass on the progress of the running supervisor until the stack is ready; a build may take minutes."""
        told = 0

        def is_ready() -> bool:
            nonlocal told
            state = self.state()
            identity = state.supervisor_identity() if state else None
            if state is None or identity is None or not identity.is_alive():
                if not self._is_coming():
                    raise StackFailed(self._why(state))
                return False
            for line in read_progress(self.layout, identity.pid, told):
                told += 1
                tell(line)
            return state.state == "ready"

        until(is_ready, None, "the stack did not become ready")

    def _is_coming(self) -> bool:
        """Whether a supervisor started just now, by us or by another at the same time, has yet to write its state."""
        if self._supervisor is None:
            return False
        code = self._supervisor.poll()
        return code is None or (code == ALREADY_RUNNING and holder(self.layout) is not None)

    def _why(self, state: StackState | None) -> str:
        own = self._supervisor is None or (state is not None and state.supervisor.get("pid") == self._supervisor.pid)
        if state is not None and own and state.error:
            return state.error
        log = self.layout.log("supervisor")
        words = log.read_text(errors="replace").strip() if log.exists() else ""
        return f"the supervisor ended: {words or 'it was stopped or killed'}"

    def _end_leftovers(self) -> bool:
        if not self.layout.root.exists():
            return False
        try:
            with lock(self.layout):
                return bool(leftovers.end_leftovers(self.layout))
        except BlockingIOError:
            raise StackFailed("another program is just starting or stopping this stack; try again") from None

    def _reap(self) -> None:
        """Collect the supervisor when it was our child."""
        if self._supervisor is not None:
            self._supervisor.wait()
            if self._supervisor.stdin is not None:
                self._supervisor.stdin.close()
            self._supervisor = None
