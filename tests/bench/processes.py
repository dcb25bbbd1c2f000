"""B11: memory and time to readiness of every process, against a process that imports the same modules and no more."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from deploy.local import programs
from deploy.local.layout import REPOSITORY
from tests.bench import commands
from tests.bench.figures import Figure, at_most, median
from tests.bench.standing import Standing

RUNS, QUICK_RUNS = 5, 2
MEMORY_GATE, TIME_GATE = 1.3, 2.0
READY_SECONDS = 120.0
NAMES = ("gateway", "people", "goals", "reviews", "scoring", "notify", "bridge", "worker")
IMPORTED = "imported"
MIB = 1024 * 1024


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Each process in turn: bare imports, then the process itself in the place of the stack's own."""
    runs = QUICK_RUNS if quick else RUNS
    figures: list[Figure] = []
    for name in NAMES:
        await asyncio.to_thread(standing.stack.hold, name)
        try:
            bare, whole = [], []
            for _ in range(runs):
                bare.append(await _imports(standing, name))
                whole.append(await _process(standing, name))
        finally:
            await asyncio.to_thread(standing.stack.release, name)
        await asyncio.to_thread(standing.stack.wait_ready, READY_SECONDS)
        figures += [_figure(name, "memory", bare, whole, runs), _figure(name, "ready", bare, whole, runs)]
    return figures


async def _imports(standing: Standing, name: str) -> Mapping[str, float]:
    """What the modules of a process need by themselves: to the end of the last import."""
    module = programs.MODULES[name] + ("" if name in ("worker", "bridge") else ".__main__")
    told = f"import {module}; print({IMPORTED!r}, flush=True); import time; time.sleep(60)"
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", told),
        cwd=REPOSITORY,
        env=standing.stack.environment(name),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            while (await process.stdout.readline()).strip() != IMPORTED.encode():
                assert process.returncode is None, f"the modules of {name} cannot be imported"
        seconds = time.perf_counter() - begun
        return {"ready": seconds, "memory": _memory(process.pid)}
    finally:
        await _end(process)


async def _process(standing: Standing, name: str) -> Mapping[str, float]:
    """The process until it says that it is ready."""
    program = programs.own_program(standing.stack.wiring(), name, standing.stack.environment(name))
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *program.command,
        cwd=REPOSITORY,
        env=dict(program.environment),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not await program.ready():
                assert process.returncode is None, f"{name} has ended"
                await asyncio.sleep(0.02)
        seconds = time.perf_counter() - begun
        return {"ready": seconds, "memory": _memory(process.pid)}
    finally:
        await _end(process)


def _memory(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss)


async def _end(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _figure(
    name: str, what: str, bare: Sequence[Mapping[str, float]], whole: Sequence[Mapping[str, float]], runs: int
) -> Figure:
    ratio = median(ours[what] / theirs[what] for ours, theirs in zip(whole, bare, strict=True))
    words, met = at_most(ratio, MEMORY_GATE if what == "memory" else TIME_GATE)
    ours, theirs = (_shown(what, median(run[what] for run in of)) for of in (whole, bare))
    return Figure("B11", f"{name}: {what}", f"{ratio:.2f}", ours, f"bare imports {theirs}", runs, words, met)


def _shown(what: str, value: float) -> str:
    return f"{value / MIB:.0f} MiB" if what == "memory" else f"{value:.2f} s"


if __name__ == "__main__":
    commands.run(measure, engine=True)
