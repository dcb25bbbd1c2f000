"""One process of the stack: started, watched, started again when it dies, and stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.layout import REPOSITORY
from deploy.local.probes import Probe, until_ready
from deploy.local.processes import Identity
from deploy.local.state import ProcessState

_FIRST_DELAY_SECONDS = 0.05
_LONGEST_DELAY_SECONDS = 2.0
_STEADY_SECONDS = 5.0
_START_LIMIT_SECONDS = 120.0
_EARLY_DEATHS_ALLOWED = 5
_TAIL_LINES = 15


class StartFailed(Exception):
    """A process did not become ready; the message says why and ends with its last log lines."""


@dataclass(frozen=True)
class Program:
    """What to run, how to see that it is ready, and how to end it."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: Probe
    log: Path
    address: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    patience_seconds: float = 10.0
    user: str | None = None
    before_start: Callable[[], None] | None = None
    held_file: Path | None = None
    checkout_file: Path | None = None
    told: Callable[[], Mapping[str, str]] = dict  # asked at each start


class Child:
    """Keeps one program running until it is stopped."""

    def __init__(self, program: Program, changed: Callable[[], None]) -> None:
        self.program = program
        self.state = ProcessState(address=program.address, log=str(program.log))
        self._changed = changed
        self._stopping = False
        self._was_ready = asyncio.Event()
        self._deaths_before_ready = 0
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the program and wait until it is ready. Raises StartFailed when it keeps dying or takes too long."""
        self._keeper = asyncio.create_task(self._keep_running(), name=self.program.name)
        ready = asyncio.create_task(self._was_ready.wait())
        try:
            async with asyncio.timeout(_START_LIMIT_SECONDS):
                await asyncio.wait({ready, self._keeper}, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise self._failure(f"was not ready within {_START_LIMIT_SECONDS:.0f} s") from None
        finally:
            ready.cancel()
        if self._keeper.done() and not self._stopping:
            self._keeper.result()

    async def stop(self) -> None:
        """End the program: politely first, by force when its patience is over."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            self._show("stopping")
            _signal(process, self.program.stop_signal)
            try:
                async with asyncio.timeout(self.program.patience_seconds):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._process = None
        self.state.pid = self.state.started = None
        self._show("stopped")

    async def _keep_running(self) -> None:
        delay = _FIRST_DELAY_SECONDS
        while not self._stopping:
            await self._wait_while_held()
            begun = time.monotonic()
            code = await self._run_once()
            if self._stopping:
                return
            self._count_death(code)
            delay = _FIRST_DELAY_SECONDS if time.monotonic() - begun > _STEADY_SECONDS else delay
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY_SECONDS)

    async def _wait_while_held(self) -> None:
        held = self.program.held_file
        if held is not None and await asyncio.to_thread(held.exists):
            self._show("held")
            while await asyncio.to_thread(held.exists):  # noqa: ASYNC110 - another process removes the file
                await asyncio.sleep(_FIRST_DELAY_SECONDS)

    async def _run_once(self) -> int:
        """One life of the program, from its start to its death."""
        if self.program.before_start is not None:
            await asyncio.to_thread(self.program.before_start)
        self._process = process = await self._spawn()
        identity = Identity.of(process.pid)
        self.state.pid, self.state.started = process.pid, identity.started if identity else time.time()
        self._show("starting")
        watch = asyncio.create_task(self._watch_readiness())
        try:
            return await process.wait()
        finally:
            watch.cancel()

    async def _spawn(self) -> asyncio.subprocess.Process:
        account: dict[str, Any] = {}
        if self.program.user:
            group = pwd.getpwnam(self.program.user).pw_gid
            account = {"user": self.program.user, "group": group, "extra_groups": []}
        checkout, code = self._checkout(), {}
        if checkout != REPOSITORY:
            code = {"PYTHONPATH": str(checkout)}
        with self.program.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *self.program.command,
                env={**self.program.environment, **self.program.told(), **code},
                cwd="/" if self.program.user else checkout,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                **account,
            )

    def _checkout(self) -> Path:
        """Where the code of this life of the program is."""
        named = self.program.checkout_file
        return Path(named.read_text()) if named is not None and named.exists() else REPOSITORY

    async def _watch_readiness(self) -> None:
        await until_ready(self.program.ready)
        self._was_ready.set()
        self._show("ready")

    def _count_death(self, code: int) -> None:
        self.state.restarts += 1
        self.state.pid = self.state.started = None
        self._show("restarting")
        if not self._was_ready.is_set():
            self._deaths_before_ready += 1
            if self._deaths_before_ready >= _EARLY_DEATHS_ALLOWED:
                raise self._failure(
                    f"ended {self._deaths_before_ready} times before it was ready (last exit code {code})"
                )

    def _failure(self, what: str) -> StartFailed:
        lines = self.program.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return StartFailed(f"{self.program.name} {what}; the end of {self.program.log}:\n" + "\n".join(lines))

    def _show(self, state: str) -> None:
        self.state.state = state
        self._changed()


def _signal(process: asyncio.subprocess.Process, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(which)
