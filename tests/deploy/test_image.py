"""The image: linted, small, without root, with the packages of its processes and nothing of developers'."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from deploy.local.layout import REPOSITORY
from tests.deploy.charts import topology
from tests.deploy.image import DOCKERFILE, copied, groups, instructions, lay_out, packages

LIMIT = 400e6
# python:3.11-slim-bookworm unpacked: Debian 12 without documentation and Python 3.11.
BASE_IMAGE = 135e6
BYTECODE = 1.3  # bytes of compiled code per byte of source, measured 1.2
DEVELOPERS = {"dev", "local", "cli"}
JOBS = (
    "deploy.jobs.database",
    "deploy.jobs.migrate",
    "deploy.jobs.engine",
    "deploy.jobs.version",
    "deploy.jobs.keys",
    "deploy.jobs.health",
    "deploy.operations",
)


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([str(linter), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_runs_without_root_and_holds_no_secret() -> None:
    given = instructions()
    users = [arguments for name, arguments in given if name == "USER"]
    assert users == ["10001:10001"]
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
    assert admitted == {str(path.relative_to(REPOSITORY)) for path in copied()}
    for path in copied():
        assert path.exists()
        assert not any(fnmatch.fnmatch(path.name, line) for line in lines[1:] if line[0] != "!")


def test_the_image_stays_below_its_limit(tmp_path: Path) -> None:
    size = BASE_IMAGE
    for name in packages():
        try:
            files = importlib.metadata.distribution(name).files or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform or Python
        for file in (Path(str(each.locate())) for each in files if not each.name.endswith(".pyc")):
            if file.exists():
                size += file.stat().st_size * (1 + BYTECODE if file.suffix == ".py" else 1)
    for file in lay_out(tmp_path).rglob("*"):
        if file.is_file():
            size += file.stat().st_size * (1 + BYTECODE if file.suffix == ".py" else 1)
    assert 200e6 < size < LIMIT, f"{size / 1e6:.0f} MB"


WITHOUT = """
import importlib, json, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
for name in MODULES:
    importlib.import_module(name if name.startswith(("deploy", "workflows")) else name + ".__main__")
"""


def test_every_process_starts_without_the_packages_of_developers(tmp_path: Path) -> None:
    inside = {normal(name) for name in packages()}
    owners = importlib.metadata.packages_distributions()
    absent = {module for module, names in owners.items() if not inside & {normal(name) for name in names}}
    assert {"pytest", "typer", "fakeredis"} <= absent
    modules = [*JOBS, *{each["module"] for each in topology().values()}]
    script = WITHOUT.replace("ABSENT", repr(absent)).replace("MODULES", repr(modules))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=lay_out(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
