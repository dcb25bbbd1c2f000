"""Restore on the local stack: whatever is killed, the database is the old one or a safe one; no password is shown."""

import asyncio
import base64
import json
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from deploy.jobs.database import bootstrap, scram_verifier
from deploy.local.backup import backup
from deploy.local.environment import Wiring
from deploy.local.layout import REPOSITORY
from deploy.local.stack import Stack
from tests.waiting import until

STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
file = next(word.partition("=")[2] for word in sys.argv if word.startswith("--file="))
told = {{"arguments": sys.argv[1:], "password": os.environ.get("PGPASSWORD")}}
Path(file).write_text(json.dumps(told))
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """PostgreSQL with all schemas, and Temporal; none of Attune's processes."""
    stack = Stack(tmp_path_factory.mktemp("local"), ports="free", only=["database", "temporal"], tied=True)
    stack.start()
    yield stack
    stack.stop()


@pytest.fixture
async def admin(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    """The superuser, on no database of Attune's."""
    connection = await asyncpg.connect(stack.wiring().admin_url)
    yield connection
    await connection.close()


class Commands:
    """An operator's commands on the stack."""

    def __init__(self, stack: Stack) -> None:
        self._environment = {**stack.environment("none"), "ATTUNE_DATA_DIR": str(stack.layout.root)}

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start a command."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local.operations", *arguments),
            cwd=REPOSITORY, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip

    async def run(self, *arguments: str) -> str:
        """Run a command to its good end; return what it said."""
        command = await self.begin(*arguments)
        said, _ = await command.communicate()
        assert command.returncode == 0, said.decode()
        return said.decode()

    async def kill_at(self, words: str, *arguments: str) -> None:
        """Kill a command as soon as it says so."""
        command = await self.begin(*arguments)
        assert command.stdout is not None
        said = b""
        while words.encode() not in said:
            line = await command.stdout.readline()
            assert line, said.decode()
            said += line
        command.kill()
        await command.wait()


async def on(wiring: Wiring, statement: str) -> list[asyncpg.Record]:
    """Run a statement on the database that the processes would use."""
    connection = await asyncpg.connect(wiring.admin_database_url())
    try:
        return list(await connection.fetch(statement))
    finally:
        await connection.close()


@asynccontextmanager
async def not_renamed(wiring: Wiring) -> AsyncIterator[None]:
    """Let nobody give the database another name meanwhile: a command that is to be killed does not get further."""
    holding = await asyncpg.connect(wiring.admin_url)
    try:
        async with holding.transaction():
            await holding.execute(f"COMMENT ON DATABASE {wiring.database} IS 'kept by this transaction'")
            yield
    finally:
        await holding.close()


async def ended(admin: asyncpg.Connection) -> None:
    """End what a killed command asked of the server, and wait until its sessions are gone."""

    async def gone() -> bool:
        waiting = "FROM pg_stat_activity WHERE query LIKE 'ALTER DATABASE%' AND wait_event_type = 'Lock'"
        await admin.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        left = f"SELECT (SELECT count(*) {waiting}) + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')"
        return bool(await admin.fetchval(left) == 0)

    await until(gone)


MARKS = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
HOLDS = "SELECT reason FROM notify.send_hold"


async def test_a_restore_that_was_killed_leaves_the_database_as_it_was(
    stack: Stack, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    wiring, commands, dump = stack.wiring(), Commands(stack), str(tmp_path / "attune.dump")
    await on(wiring, "CREATE TABLE public.backed_up ()")
    await commands.run("backup", dump)
    await on(wiring, "ALTER TABLE public.backed_up RENAME TO written_since")
    async with not_renamed(wiring):
        for words in ("held: nothing goes outside", "notify: log epoch"):
            await commands.kill_at(words, "restore", dump)
            await ended(admin)
            assert [row["relname"] for row in await on(wiring, MARKS)] == ["written_since"], words
    said = await commands.run("restore", dump)
    assert "the database until now is kept as attune_before_" in said
    assert [row["relname"] for row in await on(wiring, MARKS)] == ["backed_up"]
    assert [row["reason"] for row in await on(wiring, HOLDS)] == ["restored"]
    databases = [
        row["datname"] for row in await admin.fetch("SELECT datname FROM pg_database WHERE datname ~ 'attune'")
    ]
    assert [name[:14] for name in sorted(databases)] == ["attune", "attune_before_"]


async def test_who_is_connected_is_named_and_nothing_of_the_restore_is_left(
    stack: Stack, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    wiring, commands, dump = stack.wiring(), Commands(stack), str(tmp_path / "attune.dump")
    await commands.run("backup", dump)
    await on(wiring, "CREATE TABLE public.kept ()")
    idle = await asyncpg.connect(wiring.admin_database_url(), server_settings={"application_name": "psql"})
    command = await commands.begin("restore", dump)
    said, _ = await command.communicate()
    await idle.close()
    assert command.returncode == 1
    assert said.decode().splitlines()[-1] == (
        "attune operations: psql of postgres is connected to the database, which could not be replaced and is as it"
        " was; end that and repeat this. Workflows were ended: the bridge starts them again from the rows"
    )
    assert "kept" in [row["relname"] for row in await on(wiring, MARKS)]
    assert not await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'attune_restoring'")
    await on(wiring, "DROP TABLE public.kept")


async def test_two_restores_do_not_get_in_each_others_way(
    stack: Stack, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    await admin.execute("SELECT pg_advisory_lock(hashtext('attune.restore'))")
    command = await Commands(stack).begin("restore", str(tmp_path / "any"))
    said, _ = await command.communicate()
    assert (command.returncode, said.decode()) == (1, "attune operations: another restore is running\n")


async def test_what_is_no_backup_leaves_nothing_behind(stack: Stack, admin: asyncpg.Connection, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no backup")
    command = await Commands(stack).begin("restore", str(tmp_path / "none"))
    said, _ = await command.communicate()
    assert command.returncode == 1
    assert said.decode().startswith("attune operations: pg_restore failed: ")
    assert not await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'attune_restoring'")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://admin:s%40cret@db.example:5433/postgres?sslmode=require",
        "postgresql://db.example/x?password=s@cret",
    ],
)
async def test_no_password_stands_in_the_arguments_of_a_program(stack: Stack, tmp_path: Path, url: str) -> None:
    program = tmp_path / "pg_dump"
    program.write_text(STAND_IN)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    await backup(replace(stack.wiring(), admin_url=url), tmp_path / "dump", lambda _: program)
    told = json.loads((tmp_path / "dump").read_text())
    assert told["password"] == "s@cret"
    assert "cret" not in " ".join(told["arguments"])
    assert [
        word for word in told["arguments"] if "db.example" in word and word.endswith(("/attune", "sslmode=require"))
    ]
    assert os.stat(tmp_path / "dump").st_mode & 0o077 == 0


async def test_no_password_stands_in_the_log_of_the_server(stack: Stack, admin: asyncpg.Connection) -> None:
    wiring = stack.wiring()
    await admin.execute("ALTER SYSTEM SET log_statement = 'all'")
    await admin.execute("SELECT pg_reload_conf()")

    def logged(words: str) -> bool:
        return words in stack.layout.log("postgres").read_text()

    try:
        await bootstrap(wiring.admin_url, wiring.database, {"reviews_app": "correct horse"})
        await until(lambda: logged("ALTER ROLE reviews_app PASSWORD 'SCRAM-SHA-256$"))
    finally:
        await admin.execute("ALTER SYSTEM RESET log_statement")
        await admin.execute("SELECT pg_reload_conf()")
    assert not logged("correct horse")


async def test_what_is_kept_of_a_password_is_what_the_server_would_keep(admin: asyncpg.Connection) -> None:
    await admin.execute("CREATE ROLE somebody PASSWORD 'correct ''horse'")
    kept = await admin.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'somebody'")
    salt = base64.b64decode(kept.split("$")[1].partition(":")[2])
    assert scram_verifier("correct 'horse", salt) == kept
    assert scram_verifier("correct 'horse") != kept
    with pytest.raises(ValueError, match="printable ASCII"):
        scram_verifier("pässword")
