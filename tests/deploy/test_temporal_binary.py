"""The order in which a Temporal server is looked for."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from deploy.local import temporal_binary
from deploy.local.temporal_binary import SERVER_NAME, Search, TemporalMissing
from deploy.local.waiting import until


@dataclass
class Told:
    lines: list[str] = field(default_factory=list)

    def __call__(self, line: str) -> None:
        self.lines.append(line)


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def search(tmp_path: Path, path: Path | None = None) -> tuple[Search, Told]:
    told = Told()
    return Search(tmp_path / "kept", tmp_path / "cache", told, search_path=str(path or tmp_path / "nothing")), told


def test_the_command_on_path_comes_first(tmp_path: Path) -> None:
    installed = program(tmp_path / "installed" / "temporal")
    program(tmp_path / "kept" / SERVER_NAME)
    looking, told = search(tmp_path, installed.parent)
    found = asyncio.run(looking.find())
    assert (found.path, found.kind) == (installed, "cli")
    assert str(installed) in told.lines[0]


def test_a_kept_server_is_used_before_the_cache(tmp_path: Path) -> None:
    kept = program(tmp_path / "kept" / SERVER_NAME)
    program(tmp_path / "cache" / SERVER_NAME)
    looking, _ = search(tmp_path)
    assert asyncio.run(looking.find()).path == kept


def test_a_server_in_the_users_cache_is_kept_and_said_aloud(tmp_path: Path) -> None:
    program(tmp_path / "cache" / SERVER_NAME, "cached")
    looking, told = search(tmp_path)
    found = asyncio.run(looking.find())
    assert found.path == tmp_path / "kept" / SERVER_NAME
    assert found.path.read_text() == "cached"
    assert str(tmp_path / "cache") in told.lines[0]
    assert [file.name for file in (tmp_path / "kept").iterdir()] == [SERVER_NAME]


def test_what_go_built_earlier_is_reused_only_in_our_version(tmp_path: Path) -> None:
    bin_dir, go_path = tmp_path / "tools", tmp_path / "gopath"
    program(go_path / "bin" / "server", "built by go")
    facts = (
        "server: go1.26.8\n\tpath\tgo.temporal.io/server/cmd/server\n\tmod\tgo.temporal.io/server\tv{version}\th1:x\n"
    )
    for version, matches in (("1.31.0", False), (temporal_binary.VERSION, True)):
        script = f"""#!/bin/sh
if [ "$1" = env ]; then echo; echo {go_path}; exit; fi
printf '{facts.format(version=version)}'
"""
        program(bin_dir / "go", script)
        looking, _ = search(tmp_path, bin_dir)
        if matches:
            assert asyncio.run(temporal_binary.built_by_go(looking)).path.read_text() == "built by go"
        else:
            with pytest.raises(temporal_binary.NoLuck):
                asyncio.run(temporal_binary.built_by_go(looking))


def test_a_build_is_kept_for_this_stack_and_for_the_user(tmp_path: Path) -> None:
    bin_dir = tmp_path / "tools"
    program(
        bin_dir / "go",
        "#!/bin/sh\necho example.org/package >&2\nprintf built > $GOBIN/server\nchmod +x $GOBIN/server\n",
    )
    looking, told = search(tmp_path, bin_dir)
    found = asyncio.run(temporal_binary.built(looking))
    assert found.path.read_text() == "built"
    assert (tmp_path / "cache" / SERVER_NAME).read_text() == "built"
    assert "neither found nor downloadable" in told.lines[0]
    assert [file.name for file in (tmp_path / "kept").iterdir()] == [SERVER_NAME]


def test_a_failed_build_tells_the_last_line(tmp_path: Path) -> None:
    bin_dir = tmp_path / "tools"
    program(bin_dir / "go", "#!/bin/sh\necho go: version 1.20 is too old >&2\nexit 1\n")
    looking, _ = search(tmp_path, bin_dir)
    with pytest.raises(temporal_binary.NoLuck, match=r"1\.20 is too old"):
        asyncio.run(temporal_binary.built(looking))


def test_a_silent_download_is_given_up(tmp_path: Path) -> None:
    looking, _ = search(tmp_path)
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    with pytest.raises(temporal_binary.NoLuck, match="no progress"):
        asyncio.run(temporal_binary.downloaded(looking, command=sleeper, silence_seconds=0.6))
    until(lambda: not started_for(tmp_path), 5, "the download was not ended")


def started_for(tmp_path: Path) -> list[int]:
    commands = psutil.process_iter(["pid", "cmdline"])
    return [p.info["pid"] for p in commands if any(str(tmp_path) in part for part in p.info["cmdline"] or ())]


def test_a_failed_download_tells_why(tmp_path: Path) -> None:
    looking, _ = search(tmp_path)
    complaining = [sys.executable, "-c", "raise SystemExit('host not reachable')"]
    with pytest.raises(temporal_binary.NoLuck, match="host not reachable"):
        asyncio.run(temporal_binary.downloaded(looking, command=complaining))


def test_when_nothing_works_every_way_is_named(tmp_path: Path) -> None:
    async def download(search: Search) -> temporal_binary.TemporalBinary:
        return await temporal_binary.downloaded(
            search, command=[sys.executable, "-c", "raise SystemExit('no network')"]
        )

    ways = tuple(
        (title, download if way is temporal_binary.downloaded else way) for title, way in temporal_binary.LOOKUPS
    )
    looking, _ = search(tmp_path)
    with pytest.raises(TemporalMissing) as missing:
        asyncio.run(looking.find(ways))
    for words in ("TEMPORAL_ADDRESS", "on PATH", "kept by this stack", "no network", "build with Go"):
        assert words in str(missing.value)
