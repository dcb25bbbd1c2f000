"""One supervised process: starts, dies, comes back, stops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from deploy.local.child import Child, Program, StartFailed
from deploy.local.probes import Probe
from deploy.local.processes import Identity

LISTENS = """
import pathlib, signal, sys
ready = pathlib.Path(sys.argv[1])
ready.write_text("")
signal.sigwait({signal.SIGTERM} if sys.argv[2] == "polite" else {signal.SIGUSR2})
"""


def file_exists(path: Path) -> Probe:
    async def ask() -> bool:
        return await asyncio.to_thread(path.exists)

    return ask


def dummy(tmp_path: Path, *, polite: bool = True, script: str = LISTENS, patience: float = 5.0) -> Program:
    ready = tmp_path / "ready"
    stubborn = "" if polite else "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    return Program(
        name="dummy",
        command=(sys.executable, "-c", stubborn + script, str(ready), "polite" if polite else "stubborn"),
        environment={"PATH": os.environ["PATH"]},
        ready=file_exists(ready),
        log=tmp_path / "dummy.log",
        patience_seconds=patience,
        before_start=lambda: ready.unlink(missing_ok=True),
    )


@contextlib.asynccontextmanager
async def running(program: Program) -> AsyncIterator[Child]:
    child = Child(program, lambda: None)
    try:
        await child.start()
        yield child
    finally:
        await child.stop()


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - another process makes it true
            await asyncio.sleep(0)


def test_a_killed_process_comes_back_ready(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(dummy(tmp_path)) as child:
            first = child.state.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)
            await eventually(lambda: child.state.pid != first and child.state.state == "ready")
            assert child.state.restarts == 1

    asyncio.run(scenario())


def test_a_process_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(dummy(tmp_path)) as child:
            assert child.state.pid is not None
            os.kill(child.state.pid, signal.SIGTERM)
            await eventually(lambda: child.state.restarts == 1 and child.state.state == "ready")

    asyncio.run(scenario())


@pytest.mark.parametrize("polite", [True, False])
def test_stop_ends_even_a_process_that_will_not(tmp_path: Path, polite: bool) -> None:
    async def scenario() -> Identity:
        async with running(dummy(tmp_path, polite=polite, patience=0.5)) as child:
            identity = Identity.of(child.state.pid or 0)
            assert identity is not None
        assert (child.state.state, child.state.pid) == ("stopped", None)
        return identity

    assert not asyncio.run(scenario()).is_alive()


def test_a_process_that_keeps_dying_fails_with_its_last_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(dummy(tmp_path, script="raise SystemExit('no key file')")):
            pass

    with pytest.raises(StartFailed, match=r"(?s)dummy ended 5 times.*no key file"):
        asyncio.run(scenario())


def test_a_recycled_pid_is_no_longer_the_process() -> None:
    own = Identity.of(os.getpid())
    assert own is not None
    assert own.is_alive()
    assert not Identity(own.pid, own.started - 60).is_alive()
