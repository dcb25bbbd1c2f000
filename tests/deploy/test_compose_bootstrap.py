"""What compose has PostgreSQL's image do on an empty volume, done to an empty server by the same script."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from deploy.local import postgres
from deploy.local.layout import REPOSITORY
from deploy.local.stack import Stack
from tests.deploy.compose import composed, passwords
from tests.waiting import until

PASSWORD = "it's $HOME; a \\password"
INIT = "/docker-entrypoint-initdb.d/"


@pytest.fixture
def server() -> Iterator[Stack]:
    """A server of its own that asks Temporal's role for a password, and nobody else."""
    with tempfile.TemporaryDirectory(prefix="attune-initdb-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", only=("postgres",), tied=True)
        stack.start()
        try:
            access = stack.layout.postgres / "pg_hba.conf"
            access.write_text("local all temporal scram-sha-256\n" + access.read_text())
            yield stack
        finally:
            stack.stop()


def scripts() -> list[Path]:
    """The scripts that are mounted for the image to run, in its order."""
    mounts = composed()["postgres"]["volumes"]
    return [REPOSITORY / each["source"] for each in mounts if each["target"].startswith(INIT)]


def run(script: Path, server: Stack, password: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the image does: an executable one as a program, against the socket, by the file's variables."""
    told = composed(variables={**passwords(), "TEMPORAL_PASSWORD": password})["postgres"]["environment"]
    path = f"{postgres.binary('psql').parent}:/usr/bin:/bin"
    environment = {"PATH": path, "PGHOST": str(server.layout.socket_dir), **told}
    return subprocess.run([str(script)], env=environment, capture_output=True, text=True, check=False)


async def temporal(server: Stack, password: str, database: str = "postgres") -> asyncpg.Connection:
    return await asyncpg.connect(
        host=str(server.layout.socket_dir), user="temporal", password=password, database=database
    )


async def refuses(server: Stack, password: str) -> bool:
    try:
        await (await temporal(server, password)).close()
    except asyncpg.InvalidPasswordError:
        return True
    return False


@pytest.mark.enable_socket
async def test_temporal_gets_a_role_that_makes_its_own_databases_and_no_more(server: Stack) -> None:
    (script,) = scripts()
    done = run(script, server, PASSWORD)
    assert done.returncode == 0, done.stderr
    administrator = await asyncpg.connect(postgres.superuser_url(server.layout))
    await administrator.execute("SELECT pg_reload_conf()")
    rights = (
        "SELECT rolsuper, rolcreaterole, rolbypassrls, rolreplication, rolcreatedb FROM pg_roles WHERE rolname = $1"
    )
    assert tuple(await administrator.fetchrow(rights, "temporal")) == (False, False, False, False, True)
    await until(lambda: refuses(server, "another"), what="the server asks Temporal's role for its password")
    own = await temporal(server, PASSWORD)
    await own.execute("CREATE DATABASE temporal")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await own.execute("CREATE ROLE another")
    for connection in (own, administrator):
        await connection.close()


@pytest.mark.enable_socket
def test_a_script_that_fails_stops_the_image(server: Stack) -> None:
    """Here because the role is there already; the image ends with its volume half made, and says why."""
    (script,) = scripts()
    assert run(script, server, PASSWORD).returncode == 0
    again = run(script, server, PASSWORD)
    assert again.returncode != 0
    assert 'role "temporal" already exists' in again.stderr


TOOL = """#!/bin/sh
echo "$@" >> "$SAID"
case "$*" in *$FAILS*) exit 1 ;; esac
"""


def make_schema(folder: Path, fails: str) -> tuple[int, list[str]]:
    """Run the script of Temporal's schema with a tool that tells what it was asked for; its exit code, and that."""
    tool, said = folder / "temporal-sql-tool", folder / "said"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    service = composed()["temporal-schema"]
    (script,) = (REPOSITORY / each["source"] for each in service["volumes"] if each["target"] in service["entrypoint"])
    told = {**service["environment"], "PATH": f"{folder}:/usr/bin:/bin", "SAID": str(said), "FAILS": fails}
    done = subprocess.run([service["entrypoint"][0], str(script)], env=told, capture_output=True, check=False)
    return done.returncode, said.read_text().splitlines()


def test_both_schemas_of_temporal_are_made_as_its_role_and_brought_up_to_date(tmp_path: Path) -> None:
    code, said = make_schema(tmp_path, "setup-schema")  # which says no where it has been done before
    assert code == 0
    assert [line.split("--database ")[1].split()[:2] for line in said] == [
        [database, verb]
        for database in ("temporal", "temporal_visibility")
        for verb in ("create-database", "setup-schema", "update-schema")
    ]
    assert all("--endpoint postgres --port 5432 --user temporal " in line for line in said)


@pytest.mark.parametrize("verb", ["create-database", "update-schema"])
def test_a_schema_that_could_not_be_made_stops_the_job(verb: str, tmp_path: Path) -> None:
    code, said = make_schema(tmp_path, verb)
    assert code != 0
    assert verb in said[-1]
