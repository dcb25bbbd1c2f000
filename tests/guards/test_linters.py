"""Each linter that `make check` runs refuses a planted violation, with the repository's own configuration."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guards.measures import ROOT

BIN = Path(sys.executable).parent


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "buf.yaml", ".importlinter"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import os\n", "F401"),
        ("from datetime import datetime\n\nx = datetime.now()\n", "DTZ005"),
        ("import datetime\n\nx = datetime.datetime.utcnow()\n", "TID251"),
        ("import time\n\ntime.sleep(1)\n", "TID251"),
        ("from unittest.mock import MagicMock\n\nx = MagicMock()\n", "TID251"),
        ("from . import x\n\ny = x\n", "TID252"),
        ('print("x")\n', "T201"),
        ('x = eval("1")\n', "S307"),
        ("def f(a=[]):\n    return a\n", "B006"),
        ("x = 1  # noqa\n", "PGH004"),
    ],
)
def test_ruff_refuses(plant: Path, code: str, rule: str) -> None:
    (plant / "services").mkdir()
    (plant / "services" / "planted.py").write_text(code)
    result = run("ruff", "check", "--no-cache", "services", cwd=plant)
    assert result.returncode == 1
    assert rule in result.stdout


def test_ruff_refuses_a_function_that_branches_too_much(plant: Path) -> None:
    branches = "\n".join(f"    if a == {i}:\n        return {i}" for i in range(11))
    (plant / "planted.py").write_text(f"def f(a: int) -> int:\n{branches}\n    return 0\n")
    assert "C901" in run("ruff", "check", "--no-cache", "planted.py", cwd=plant).stdout


def test_mypy_refuses_an_untyped_function(plant: Path) -> None:
    (plant / "services").mkdir()
    (plant / "services" / "planted.py").write_text("def f(a):\n    return a\n")
    result = run("mypy", "--no-incremental", "services/planted.py", cwd=plant)
    assert result.returncode == 1
    assert "no-untyped-def" in result.stdout


CONTRACTS = {
    "Services are independent of one another": ("services/goals/domain/rules.py", "import services.people\n"),
    "Layers inside each service": ("services/goals/policy.py", "import services.goals.usecases\n"),
    "Domain is pure": ("services/goals/domain/rules.py", "import sqlalchemy\n"),
    "Protobuf only at the edge": ("services/goals/usecases/__init__.py", "import protos.goals\n"),
    "Use cases hold no SQL": ("services/goals/usecases/__init__.py", "import sqlalchemy\n"),
    "Workflows know services only by protos": ("workflows/review_cycle.py", "import services.people\n"),
    "Workflow code does no input or output": ("workflows/review_cycle.py", "import grpc\n"),
    "The runtime is closed and at the bottom": ("services/runtime/extra.py", "x = 1\n"),
    "The runtime imports no service": ("services/runtime/clock.py", "import services.people\n"),
    "The gateway has no database and no workflow code": ("services/gateway/__init__.py", "import sqlalchemy\n"),
    "The command line is a client of the gateway": ("cli/__init__.py", "import services.people\n"),
}


@pytest.fixture
def skeleton(plant: Path) -> Path:
    """The shape of the tree without its content: every package and module exists and is empty."""
    for folder in ("services", "workflows", "cli", "deploy", "protos"):
        for path in (ROOT / folder).rglob("*.py"):
            if "node_modules" not in path.parts:
                empty = plant / path.relative_to(ROOT)
                empty.parent.mkdir(parents=True, exist_ok=True)
                empty.touch()
                for parent in empty.relative_to(plant).parents:
                    if parent.parts:
                        (plant / parent / "__init__.py").touch()
    return plant


@pytest.mark.parametrize("contract", CONTRACTS)
def test_import_contract_is_broken_by(skeleton: Path, contract: str) -> None:
    module, code = CONTRACTS[contract]
    (skeleton / module).write_text(code)
    result = run("lint-imports", "--no-cache", cwd=skeleton)
    assert result.returncode == 1, result.stdout
    assert f"{contract} BROKEN" in result.stdout


def test_every_import_contract_is_planted_once() -> None:
    names = [
        line.removeprefix("name = ")
        for line in (ROOT / ".importlinter").read_text().splitlines()
        if line.startswith("name = ")
    ]
    assert sorted(names) == sorted(CONTRACTS)


PROTO = """// About planted things.
syntax = "proto3";

package attune.planted.v1;

// Thing is a thing.
message Thing {
  // Id.
  string id = 1;
}
"""


def planted_proto(plant: Path, text: str) -> Path:
    path = plant / "protos" / "planted" / "v1" / "planted.proto"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_buf_refuses_what_is_not_commented(plant: Path) -> None:
    planted_proto(plant, PROTO.replace("  // Id.\n", ""))
    result = run("buf", "lint", cwd=plant)
    assert result.returncode != 0
    assert "non-empty comment" in result.stdout


def test_buf_refuses_a_breaking_change(plant: Path) -> None:
    planted_proto(plant, PROTO)
    assert run("buf", "build", "-o", "baseline.binpb", cwd=plant).returncode == 0
    planted_proto(plant, PROTO.replace("string id = 1", "int64 id = 1"))
    result = run("buf", "breaking", "--against", "baseline.binpb", cwd=plant)
    assert result.returncode != 0
    assert "changed type" in result.stdout


def test_deptry_refuses_an_unused_dependency(plant: Path) -> None:
    (plant / "services").mkdir()
    (plant / "services" / "planted.py").write_text('"""Nothing is used."""\n')
    result = run("deptry", ".", cwd=plant)
    assert result.returncode == 1
    assert "DEP002" in result.stderr + result.stdout
