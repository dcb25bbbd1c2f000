"""The commands of the local stack, as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import REPOSITORY
from deploy.local.waiting import until

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def attune(tmp_path: Path) -> Iterator[Run]:
    """Runs `attune` with a data directory of its own; the stack is stopped at the end."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ATTUNE_DATA_DIR": str(tmp_path / "data"), "COLUMNS": "200"}
        command = [sys.executable, "-m", "cli", *arguments]
        return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)

    yield run
    run("down")


def parsed(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def test_up_status_logs_down(attune: Run) -> None:
    up = attune("up", "--only", "postgres,redis", "--free-ports")
    assert up.returncode == 0, up.stderr
    assert "ok  postgres" in up.stderr
    status = attune("status", "--json")
    assert status.returncode == 0
    assert {name: process["state"] for name, process in parsed(status)["processes"].items()} == {
        "postgres": "ready",
        "redis": "ready",
    }
    assert attune("up").returncode == 1
    again = attune("up", "--only", "redis", "--json")
    assert parsed(again)["supervisor"] == parsed(status)["supervisor"]
    assert "postgres" in parsed(attune("logs", "--json"))
    down = attune("down", "--json")
    assert parsed(down) == {"stopped": True}
    assert attune("status").returncode == 1


def test_an_interrupted_up_can_be_run_again(attune: Run, tmp_path: Path) -> None:
    environment = {**os.environ, "ATTUNE_DATA_DIR": str(tmp_path / "data")}
    command = [sys.executable, "-m", "cli", "up", "--only", "postgres", "--free-ports"]
    hearing = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # tests in the background ignore it, as do children
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=hearing
    ) as up:
        until((tmp_path / "data" / "state.json").exists, 20, "the supervisor did not begin")
        up.send_signal(signal.SIGINT)
        _, complaint = up.communicate()
    assert up.returncode == 1
    assert "`up` follows it again" in complaint
    assert attune("up", "--only", "postgres", "--free-ports").returncode == 0


def test_nothing_runs(attune: Run) -> None:
    status = attune("status", "--json")
    assert status.returncode == 1
    assert parsed(status)["state"] == "stopped"
    assert parsed(attune("down", "--json")) == {"stopped": False}
    assert attune("logs").returncode == 1


@pytest.mark.parametrize("arguments", [["logs", "payroll"], ["up", "--only", "payroll"], ["fly"]])
def test_wrong_usage_is_2(attune: Run, arguments: list[str]) -> None:
    assert attune(*arguments).returncode == 2


def test_a_failed_start_is_1_and_says_why(attune: Run, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "redis").write_text("in the way")
    failed = attune("up", "--only", "redis", "--free-ports")
    assert failed.returncode == 1
    assert "redis" in failed.stderr
