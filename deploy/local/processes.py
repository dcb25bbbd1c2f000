"""Operating system processes by identity (pid and start time), and how those left over are ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from deploy.local.waiting import WaitedTooLong, until

# Every process of a stack carries its data directory in this variable: one whose pid was never recorded is found too.
MARK = "ATTUNE_STACK"

# Start times are computed from the boot time, which a clock adjustment moves a little.
_START_TOLERANCE_SECONDS = 2.0


@dataclass(frozen=True)
class Identity:
    """A process that a recycled pid cannot be mistaken for."""

    pid: int
    started: float

    @staticmethod
    def of(pid: int) -> Identity | None:
        """The identity of a running process; none when it is gone or only waits to be reaped."""
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else Identity(pid, process.create_time())
        except psutil.NoSuchProcess:
            return None

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return self.process() is not None

    def send(self, which: signal.Signals) -> None:
        """Send a signal, unless the process is gone."""
        process = self.process()
        if process is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(which)

    def process(self) -> psutil.Process | None:
        """The process itself while it runs."""
        found = Identity.of(self.pid)
        if found is None or abs(found.started - self.started) > _START_TOLERANCE_SECONDS:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.pid)
        return None


def marked(data_dir: str) -> Iterator[psutil.Process]:
    """The running processes that carry the mark of this data directory, the caller excepted."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == data_dir:
                yield process


def end(processes: Iterable[psutil.Process], *, first: signal.Signals, patience: float) -> None:
    """Ask processes to end, wait at most `patience` seconds, then kill those still there."""
    asked = list(processes)
    for which in (first, signal.SIGKILL):
        for process in filter(_is_running, asked):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(which)
        with contextlib.suppress(WaitedTooLong):
            until(lambda: not any(map(_is_running, asked)), patience, "processes did not end")


def _is_running(process: psutil.Process) -> bool:
    """Whether a process still does anything: one that only waits to be reaped by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def identity_from_json(value: Any) -> Identity | None:
    """Read back what `state.json` recorded of a process."""
    if isinstance(value, dict) and isinstance(value.get("pid"), int) and isinstance(value.get("started"), int | float):
        return Identity(value["pid"], float(value["started"]))
    return None
