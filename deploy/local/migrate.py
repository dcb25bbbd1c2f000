"""Brings the database up to date: the database itself, roles and schemas, then each service's own migrations."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from deploy.jobs import database
from deploy.local.environment import Wiring, migration_environment
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.state import read_state
from deploy.names import ROLE_KINDS, SERVICES

ROLES = tuple(f"{service}_{role}" for service in SERVICES for role in ROLE_KINDS)
# Beside the data that it speaks of: with them it is deleted.
_STAMP_NAME = "attune.migrated.json"
_BOOTSTRAP = "bootstrap"


class MigrationFailed(Exception):
    """A service could not migrate; the message holds the end of its output."""


def new_role_passwords() -> dict[str, str]:
    """A random password for every role, for a server that asks for one."""
    return {role: secrets.token_urlsafe(24) for role in ROLES}


async def prepare_database(
    wiring: Wiring,
    services: Sequence[str],
    inherited: Mapping[str, str],
    report: Callable[[str], None],
    checkout: Path = REPOSITORY,
) -> bool:
    """Bootstrap, and migrate these services; false when the embedded database was brought to that very point before."""
    embedded = not wiring.role_passwords
    stamp = wiring.layout.postgres / _STAMP_NAME
    digests = {name: _digest(name, checkout) for name in (_BOOTSTRAP, *services)}
    done: dict[str, str] = json.loads(stamp.read_text()) if embedded and stamp.exists() else {}
    behind = [name for name, digest in digests.items() if done.get(name) != digest]
    if not behind:
        return False
    report("making roles and schemas …")
    await bootstrap(wiring)
    late = [service for service in services if service in behind]
    report("migrating " + ", ".join(late) + " …")
    await migrate_all(wiring, late, inherited, checkout)
    if embedded:
        stamp.write_text(json.dumps({**done, **digests}))
    return True


async def bootstrap(wiring: Wiring) -> None:
    """Make the database, its roles and schemas; repeatable."""
    await database.bootstrap(wiring.admin_url, wiring.database, wiring.role_passwords)


async def migrate_all(
    wiring: Wiring, services: Sequence[str], inherited: Mapping[str, str], checkout: Path = REPOSITORY
) -> None:
    """Run the services' migrations side by side. Raises MigrationFailed with the output of those that failed."""
    complaints = await asyncio.gather(*(_migrate(wiring, service, inherited, checkout) for service in services))
    if any(complaints):
        raise MigrationFailed("\n".join(filter(None, complaints)))


async def _migrate(wiring: Wiring, service: str, inherited: Mapping[str, str], checkout: Path) -> str:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"services.{service}", "migrate",
        cwd=checkout, env={**migration_environment(wiring, service, inherited), "PYTHONPATH": str(checkout)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = await child.communicate()
    except asyncio.CancelledError:
        if child.returncode is None:
            child.kill()
        raise
    wiring.layout.log(f"migrate-{service}").write_bytes(output)
    if child.returncode == 0:
        return ""
    return f"{service} could not migrate:\n" + "\n".join(output.decode(errors="replace").splitlines()[-20:])


def _digest(name: str, checkout: Path) -> str:
    """What the roles, or a service's schema, are made from."""
    total = hashlib.sha256()
    for file in _sources(name, checkout):
        total.update(str(file.relative_to(checkout)).encode() + b"\0" + file.read_bytes())
    return total.hexdigest()


def _sources(name: str, checkout: Path) -> Iterable[Path]:
    yield checkout / database.BOOTSTRAP.relative_to(REPOSITORY)
    if name != _BOOTSTRAP:
        yield from sorted((checkout / "services" / name / "migrations").rglob("*.py"))
        yield from sorted((checkout / "services" / "runtime").rglob("*.py"))


def main() -> int:
    """Migrate the database of the running stack."""
    layout = Layout.default()
    state = read_state(layout)
    if state is None or not state.is_current():
        print("the stack is not running; start it with ./attune up", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    wiring = state.wiring()
    asyncio.run(bootstrap(wiring))
    asyncio.run(migrate_all(wiring, SERVICES, os.environ))
    print("schemas are up to date")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
