"""Backup and restore of the local stack's database; elsewhere its own tools do that, and `restored` follows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from deploy.local import migrate, postgres
from deploy.local.environment import DATABASE, Wiring
from deploy.names import SERVICES
from deploy.operations.reach import Installation, Refused
from deploy.operations.restored import Tell, require_stopped, settle


async def backup(wiring: Wiring, file: Path) -> int:
    """Write the whole database as of one instant, in pg_dump's custom format, for its owner only; return the bytes.

    Nothing stops for it. A backup that was interrupted leaves no file of that name.
    """
    url = wiring.admin_database_url()
    partial = file.with_name(file.name + ".partial")
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    await _run("pg_dump", "--format=custom", f"--file={partial}", f"--dbname={url}")
    size = os.stat(partial).st_size
    os.replace(partial, file)
    return size


async def restore(
    wiring: Wiring, installation: Installation, file: Path, environment: Mapping[str, str], tell: Tell
) -> None:
    """Put a backup in the place of the database, which is kept under another name; migrate it and make it safe.

    Raises Refused when processes of Attune run or the file is no backup; the database is then as it was.
    """
    await migrate.bootstrap(wiring)  # a new server knows no roles yet
    await require_stopped(installation)
    await _run("pg_restore", "--list", str(file))
    aside = f"{DATABASE}_before_{datetime.now(UTC):%Y%m%dt%H%M%S}"
    await _on_server(wiring, f"ALTER DATABASE {DATABASE} RENAME TO {aside}")
    tell(f"the database until now is kept as {aside}")
    try:
        await _fill(wiring, file)
        await migrate.bootstrap(wiring)
        await migrate.migrate_all(wiring, SERVICES, environment)
    except BaseException:
        await _on_server(wiring, f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await _on_server(wiring, f"ALTER DATABASE {aside} RENAME TO {DATABASE}")
        raise
    tell(f"restored {file} and brought the schemas up to date")
    await settle(installation, tell)


async def _fill(wiring: Wiring, file: Path) -> None:
    """Make the database from a backup; roles come first, for the backup names them, and their schemas with it."""
    await migrate.bootstrap(wiring)
    database = await asyncpg.connect(wiring.admin_database_url())
    try:
        await database.execute(f"DROP SCHEMA {', '.join(SERVICES)} CASCADE")
    finally:
        await database.close()
    url = wiring.admin_database_url()
    await _run("pg_restore", "--single-transaction", "--exit-on-error", f"--dbname={url}", str(file))


async def _on_server(wiring: Wiring, statement: str) -> None:
    server = await asyncpg.connect(wiring.admin_url)
    try:
        await server.execute(statement)
    finally:
        await server.close()


async def _run(program: str, *arguments: str) -> None:
    """Run a program of PostgreSQL. Raises Refused with what it says when it fails."""
    child = await asyncio.create_subprocess_exec(
        str(postgres.binary(program)), *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, complaint = await child.communicate()
    if child.returncode:
        raise Refused(f"{program} failed: {complaint.decode(errors='replace').strip()}")
