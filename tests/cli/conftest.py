"""The command line as its own process, before it the real gateway and services, and a clock turned by hand."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy.local.layout import REPOSITORY
from tests.cli.clock import Clock
from tests.security.conftest import World
from tests.security.conftest import world as world
from tests.security.test_rest_fuzz import gateway as gateway

ENDS_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What it printed for programs: standard output as a whole has to be JSON."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def problem(self) -> Any:
        """What it complained of for programs: standard error as a whole has to be JSON, standard output empty."""
        assert (self.code != 0, self.out) == (True, "")
        return json.loads(self.err)


Attune = Callable[..., Awaitable[Done]]


async def run(*arguments: object, **variables: str) -> Done:
    """Run `attune` with no other ATTUNE_ variables than these."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATTUNE_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cli", *map(str, arguments)),
        cwd=REPOSITORY,
        env={**environment, **variables, "COLUMNS": "200"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), ENDS_WITHIN_SECONDS)
    return Done(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture(scope="module")
def attune(world: World, gateway: tuple[object, str], tmp_path_factory: pytest.TempPathFactory) -> Attune:
    """`await attune("tasks", as_="E002")`: a command as somebody of the tenant, HR's administrator by default."""
    nothing = tmp_path_factory.mktemp("no-stack")

    async def as_somebody(*arguments: object, as_: str = "ADMIN", **variables: str) -> Done:
        given = {"ATTUNE_URL": gateway[1], "ATTUNE_DATA_DIR": str(nothing), "ATTUNE_TENANT": str(world.tenant_id)}
        return await run(*arguments, **{**given, "ATTUNE_AS": as_, **variables})

    return as_somebody


@pytest.fixture(scope="module")
def clock(world: World) -> Clock:
    """Performs what is due, as the worker and the consumers do, whenever a test says so."""
    return Clock(world)


@pytest.fixture(scope="module")
async def staff(attune: Attune, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company of six: E001 is the chair and leads E002, who leads the others in 销售 and 研发."""
    file = tmp_path_factory.mktemp("staff") / "staff.csv"
    file.write_text(
        "工号,姓名,邮箱,部门,上级工号,岗位,职级,入职日期\n"
        "E001,周明,e001@a.example,同频,,董事长,M3,2019-01-01\n"
        "E002,王芳,e002@a.example,同频/销售,E001,经理,M1,2020-03-01\n"
        "E003,李雷,e003@a.example,同频/销售,E002,顾问,P5,2021-03-01\n"
        "E004,韩梅,e004@a.example,同频/销售,E002,顾问,P4,2022-03-01\n"
        "E005,赵强,e005@a.example,同频/研发,E002,工程师,P5,2021-06-01\n"
        "E006,孙丽,e006@a.example,同频/研发,E002,工程师,P6,2018-06-01\n",
        encoding="utf-8",
    )
    done = await attune("people", "import", file, "--json")
    assert done.value["created"] == 6
    return file
