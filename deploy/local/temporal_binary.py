"""Where the Temporal server's program comes from: found, kept, downloaded or built, in a fixed order."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VERSION = "1.32.0"
SERVER_MODULE = "go.temporal.io/server"
SERVER_NAME = f"temporal-server-{VERSION}"
CLI_NAME = "temporal"
_DOWNLOAD = (sys.executable, "-m", "deploy.local.temporal_download")
_TELL_EVERY_SECONDS = 5.0

Report = Callable[[str], None]


@dataclass(frozen=True)
class TemporalBinary:
    """A program that can serve: Temporal's own command (`cli`) or the plain server."""

    path: Path
    kind: Literal["cli", "server"]


class TemporalMissing(Exception):
    """No way led to a Temporal server; the message names each and why it failed."""


class NoLuck(Exception):
    """One way did not lead to a server; the message is the reason."""


@dataclass(frozen=True)
class Search:
    """What the lookups work with: `kept` is the stack's own directory of programs, `cache` the user's."""

    kept: Path
    cache: Path
    report: Report
    search_path: str | None = None

    def which(self, name: str) -> str | None:
        """Where a program is on the search path, PATH unless another was given."""
        return shutil.which(name, path=self.search_path)

    async def find(self, lookups: Sequence[tuple[str, Lookup]] | None = None) -> TemporalBinary:
        """The first program that a lookup finds. Raises TemporalMissing with every reason when none does."""
        reasons = []
        for title, lookup in lookups or LOOKUPS:
            try:
                return await lookup(self)
            except NoLuck as reason:
                reasons.append(f"  {title}: {reason}")
                if lookup in (downloaded, built):
                    self.report(f"{title} failed: {reason}")
        raise TemporalMissing(
            "No Temporal server could be had. Set TEMPORAL_ADDRESS to a running one, or make one of these work:\n"
            + "\n".join(reasons)
        )


def user_cache(environment: Mapping[str, str]) -> Path:
    """The directory where programs built once are kept for other checkouts of the same user."""
    root = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "attune" / "bin"


async def _on_path(search: Search) -> TemporalBinary:
    found = search.which("temporal")
    if found is None:
        raise NoLuck("not installed")
    search.report(f"using {found} from PATH")
    return TemporalBinary(Path(found), "cli")


async def _kept(search: Search) -> TemporalBinary:
    return _in_directory(search.kept)


async def _cached(search: Search) -> TemporalBinary:
    found = _in_directory(search.cache)
    kept = search.kept / found.path.name
    _copy(found.path, kept)
    search.report(f"reusing the server kept earlier in {search.cache}")
    return TemporalBinary(kept, found.kind)


def _in_directory(directory: Path) -> TemporalBinary:
    if os.access(directory / SERVER_NAME, os.X_OK):
        return TemporalBinary(directory / SERVER_NAME, "server")
    if os.access(directory / CLI_NAME, os.X_OK):
        return TemporalBinary(directory / CLI_NAME, "cli")
    raise NoLuck(f"nothing in {directory}")


async def built_by_go(search: Search) -> TemporalBinary:
    """The server in Go's own directory of programs, if it is this version."""
    if (go := search.which("go")) is None:
        raise NoLuck("no Go installed")
    places = (await _output(go, "env", "GOBIN", "GOPATH")).splitlines()
    folders = [*(Path(p) for p in places[:1] if p), *(Path(p) / "bin" for p in ":".join(places[1:]).split(":") if p)]
    for built in (folder / "server" for folder in folders):
        if os.access(built, os.X_OK) and _is_our_server(await _output(go, "version", "-m", str(built))):
            search.report(f"reusing the server that Go built earlier in {built.parent}")
            _copy(built, search.kept / SERVER_NAME)
            return TemporalBinary(search.kept / SERVER_NAME, "server")
    raise NoLuck("no server of this version built earlier")


def _is_our_server(build_facts: str) -> bool:
    return any(line.split()[:3] == ["mod", SERVER_MODULE, f"v{VERSION}"] for line in build_facts.splitlines())


async def downloaded(
    search: Search, command: Sequence[str] = _DOWNLOAD, silence_seconds: float = 15.0
) -> TemporalBinary:
    """What Temporal's SDK downloads; given up when no byte arrives for `silence_seconds`."""
    folder = search.kept / "download"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    search.report("downloading Temporal's development server …")
    child = await asyncio.create_subprocess_exec(
        *command, str(folder),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        complaint = await _while_growing(child, folder, search.report, silence_seconds)
        programs = [p for p in folder.iterdir() if p.name.startswith("temporal") and os.access(p, os.X_OK)]
        if child.returncode or not programs:
            raise NoLuck(complaint or "no program arrived")
        programs[0].replace(search.kept / CLI_NAME)
        with contextlib.suppress(OSError):
            _copy(search.kept / CLI_NAME, search.cache / CLI_NAME)
        return TemporalBinary(search.kept / CLI_NAME, "cli")
    finally:
        await _end_group(child)
        shutil.rmtree(folder, ignore_errors=True)


async def _while_growing(
    child: asyncio.subprocess.Process, folder: Path, report: Report, silence_seconds: float
) -> str:
    """Wait for the download as long as bytes arrive; the last line of its complaint, if any."""
    complaint = asyncio.create_task(child.stderr.read()) if child.stderr else None
    size, since, told = 0, time.monotonic(), time.monotonic()
    while child.returncode is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await child.wait()
        now, arrived = time.monotonic(), _size(folder)
        if arrived > size:
            size, since = arrived, now
        elif now - since > silence_seconds:
            raise NoLuck(f"no progress within {silence_seconds:.0f} s")
        if now - told > _TELL_EVERY_SECONDS and size:
            report(f"downloading Temporal's development server: {size / 1e6:.0f} MB")
            told = now
    lines = (await complaint).decode(errors="replace").strip().splitlines() if complaint else []
    return lines[-1] if lines else ""


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


async def built(search: Search) -> TemporalBinary:
    """What Go builds from the module proxy; kept for this stack and for the user."""
    if (go := search.which("go")) is None:
        raise NoLuck("no Go installed")
    async with _alone(search):
        with contextlib.suppress(NoLuck):
            return await _cached(search)  # somebody else built it while we waited
        await _build(search, go)
    return TemporalBinary(search.kept / SERVER_NAME, "server")


@contextlib.asynccontextmanager
async def _alone(search: Search) -> AsyncIterator[None]:
    """One build at a time for this user: two would take twice as long and find the same."""
    search.cache.mkdir(parents=True, exist_ok=True)
    told = False
    with (search.cache / "build.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told:
                    search.report("another stack is building the server; waiting for it")
                told = True
                await asyncio.sleep(0.5)
        yield


async def _build(search: Search, go: str) -> None:
    folder = search.kept / "build"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    search.report(f"neither found nor downloadable: building Temporal {VERSION} with Go (once; minutes on two cores)")
    child = await asyncio.create_subprocess_exec(
        go, "install", "-v", f"{SERVER_MODULE}/cmd/server@v{VERSION}",
        cwd=folder, env={**os.environ, "GOBIN": str(folder)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        last = await _while_building(child, search.report)
        if child.returncode:
            raise NoLuck(f"go install failed: {last}")
        (folder / "server").replace(search.kept / SERVER_NAME)
    finally:
        await _end_group(child)
        shutil.rmtree(folder, ignore_errors=True)
    with contextlib.suppress(OSError):
        _copy(search.kept / SERVER_NAME, search.cache / SERVER_NAME)
        search.report(f"built; a copy is kept in {search.cache} for other checkouts")


async def _while_building(child: asyncio.subprocess.Process, report: Report) -> str:
    """Tell how many modules and packages are done until Go ends; its last line."""
    if child.stderr is None:
        return ""
    fetched = compiled = 0
    begun = told = time.monotonic()
    last = ""
    async for raw in child.stderr:
        last = raw.decode(errors="replace").strip() or last
        fetched, compiled = (fetched + 1, compiled) if "downloading" in last else (fetched, compiled + 1)
        now = time.monotonic()
        if now - told > _TELL_EVERY_SECONDS:
            report(f"building Temporal: {fetched} modules fetched, {compiled} packages compiled, {now - begun:.0f} s")
            told = now
    await child.wait()
    return last


Lookup = Callable[[Search], Awaitable[TemporalBinary]]

# The order is the specification; TEMPORAL_ADDRESS comes before all of these.
LOOKUPS: tuple[tuple[str, Lookup], ...] = (
    ("`temporal` on PATH", _on_path),
    ("kept by this stack", _kept),
    ("kept for this user", _cached),
    ("built by Go earlier", built_by_go),
    ("download by Temporal's SDK", downloaded),
    (f"build with Go 1.26.8 or newer ({SERVER_MODULE} v{VERSION})", built),
)


async def _output(*command: str) -> str:
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await child.communicate()
    return out.decode(errors="replace")


def _copy(source: Path, target: Path) -> None:
    """A whole copy or none; a link where the file system allows one, for the program has 200 MB."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    try:
        partial.hardlink_to(source)
    except OSError:
        shutil.copy2(source, partial)
    partial.replace(target)
    partial.unlink(missing_ok=True)  # a rename between two links of one file leaves both


async def _end_group(child: asyncio.subprocess.Process) -> None:
    """End a child and what it started, if anything is left of it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
