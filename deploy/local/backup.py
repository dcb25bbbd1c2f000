"""Backup and restore of the local stack's database; elsewhere its own tools do that, and `restored` follows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

from deploy.jobs.engine import EngineJobSettings
from deploy.local import migrate, postgres
from deploy.local.environment import Wiring
from deploy.names import SERVICES
from deploy.operations.reach import KINDS, Installation, Refused
from deploy.operations.restored import Tell, require_stopped, settle

CONNECTED = (
    "SELECT DISTINCT concat(coalesce(nullif(application_name, ''), 'a session'), ' of ', usename) AS name"
    " FROM pg_stat_activity WHERE datname = ANY($1) AND backend_type = 'client backend' ORDER BY name"
)
Programs = Callable[[str], Path]  # where a program of PostgreSQL is


def installation_of(wiring: Wiring) -> Installation:
    """Return the local stack as the commands reach it; whether a worker runs is known here without asking Temporal."""
    urls = {role: wiring.database_url(role) for role in (f"{service}_{kind}" for service in SERVICES for kind in KINDS)}
    temporal = EngineJobSettings(temporal_address=wiring.temporal_address, temporal_namespace=wiring.namespace)
    return Installation(urls, temporal, quiet_seconds=0)


async def backup(wiring: Wiring, file: Path, programs: Programs = postgres.binary) -> int:
    """Write the whole database as of one instant, in pg_dump's custom format, for its owner only; return the bytes.

    Nothing stops for it. A backup that was interrupted leaves no file of that name.
    """
    partial = file.with_name(file.name + ".partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    await _run(programs("pg_dump"), "--format=custom", f"--file={partial}", url=wiring.admin_database_url())
    size = os.stat(partial).st_size
    os.replace(partial, file)
    return size


async def restore(wiring: Wiring, file: Path, environment: Mapping[str, str], tell: Tell) -> None:
    """Put a backup in the place of the database, which is kept under another name.

    The backup is read into a database beside it, migrated there and made safe, and takes its place in one transaction:
    whatever is killed, what goes by the name of the database has never to be made safe. Raises Refused when processes
    of Attune run, the file is no backup or anybody is connected; the database is then as it was. Workflows may have
    been ended by then, which come back from the rows.
    """
    async with _alone(wiring):
        await migrate.bootstrap(wiring)  # a new server knows no roles yet
        await require_stopped(installation_of(wiring))
        await _run(postgres.binary("pg_restore"), "--list", str(file))
        await _replace(wiring, file, environment, tell)


@asynccontextmanager
async def _alone(wiring: Wiring) -> AsyncIterator[None]:
    """Let one restore at a time run on a server. Raises Refused where another one does."""
    server = await asyncpg.connect(wiring.admin_url)
    try:
        if not await server.fetchval("SELECT pg_try_advisory_lock(hashtext('attune.restore'))"):
            raise Refused("another restore is running")
        yield
    finally:
        await server.close()


async def _replace(wiring: Wiring, file: Path, environment: Mapping[str, str], tell: Tell) -> None:
    """Read the backup into a database beside the present one, make it safe there, and let it take the other's place."""
    beside = replace(wiring, database=f"{wiring.database}_restoring")
    await _on_server(wiring, f"DROP DATABASE IF EXISTS {beside.database} WITH (FORCE)")
    try:
        await _fill(beside, file)
        await migrate.bootstrap(beside)
        await migrate.migrate_all(beside, SERVICES, environment)
        tell(f"restored {file} and brought the schemas up to date")
        await settle(installation_of(beside), tell)
        aside = f"{wiring.database}_before_{datetime.now(UTC):%Y%m%dt%H%M%S}"
        await _take_place(wiring, aside, beside)
    except BaseException:
        await _on_server(wiring, f"DROP DATABASE IF EXISTS {beside.database} WITH (FORCE)")
        raise
    tell(f"the database until now is kept as {aside}")


async def _take_place(wiring: Wiring, aside: str, beside: Wiring) -> None:
    """Give both databases their new names at once. Raises Refused, and names them, while others are connected."""
    names = ((wiring.database, aside), (beside.database, wiring.database))
    try:
        await _on_server(wiring, "; ".join(f"ALTER DATABASE {name} RENAME TO {new}" for name, new in names))
    except asyncpg.ObjectInUseError as error:
        server = await asyncpg.connect(wiring.admin_url)
        try:
            others = [row["name"] for row in await server.fetch(CONNECTED, [wiring.database, beside.database])]
        finally:
            await server.close()
        raise Refused(
            f"{', '.join(others) or 'somebody'} is connected to the database, which could not be replaced and is as it"
            " was; end that and repeat this. Workflows were ended: the bridge starts them again from the rows"
        ) from error


async def _fill(wiring: Wiring, file: Path) -> None:
    """Make the database from a backup; roles come first, for the backup names them, and their schemas with it."""
    await migrate.bootstrap(wiring)
    database = await asyncpg.connect(wiring.admin_database_url())
    try:
        await database.execute(f"DROP SCHEMA {', '.join(SERVICES)} CASCADE")
    finally:
        await database.close()
    program = postgres.binary("pg_restore")
    await _run(program, "--single-transaction", "--exit-on-error", str(file), url=wiring.admin_database_url())


async def _on_server(wiring: Wiring, statements: str) -> None:
    """Run statements, several of them in one transaction."""
    server = await asyncpg.connect(wiring.admin_url)
    try:
        await server.execute(statements)
    finally:
        await server.close()


async def _run(program: Path, *arguments: str, url: str = "") -> None:
    """Run a program of PostgreSQL, on a database where one is named. Raises Refused with what it says when it fails."""
    address, password = _without_password(url)
    child = await asyncio.create_subprocess_exec(
        str(program), *arguments, *([f"--dbname={address}"] if url else []),
        # Everybody on the machine may read arguments, nobody but its owner the environment.
        env={**os.environ, **({"PGPASSWORD": password} if password else {})},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await child.communicate()
    if child.returncode:
        raise Refused(f"{program.name} failed: {complaint.decode(errors='replace').strip()}")


def _without_password(url: str) -> tuple[str, str]:
    """Take the password out of a URL, wherever libpq lets it stand."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    password = dict(query).get("password") or unquote(password)
    if not password:
        return url, ""
    rest = urlencode([(name, value) for name, value in query if name != "password"], safe="/")
    return urlunsplit(parts._replace(netloc=user + at + host, query=rest)), password
