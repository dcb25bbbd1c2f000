"""`python -m deploy.operations`: what whoever runs an installation does to its data."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from temporalio.service import RPCError

from deploy.operations import deletion, export, restored
from deploy.operations.reach import Installation, Refused, find_installation

EVER = datetime(9999, 1, 1, tzinfo=UTC)
Command = Callable[[Installation, argparse.Namespace], Awaitable[None]]


def tell(line: str) -> None:
    """Say how it goes on, at once."""
    print(line, flush=True)  # noqa: T201 - a command's output


async def after_restore(installation: Installation, given: argparse.Namespace) -> None:
    await restored.settle(installation, tell)


async def show_sends(installation: Installation, given: argparse.Namespace) -> None:
    held = await restored.held(installation)
    if held is None:
        tell("sending")
    else:
        tell(f"held since {held.since.isoformat()}: {held.reason}")
        tell(f"{held.queued} deliveries wait, {held.queued_before} of them from before")


async def hold_sends(installation: Installation, given: argparse.Namespace) -> None:
    await restored.hold(installation, given.reason)
    tell("held: nothing goes outside until `sends-release`")


async def release_sends(installation: Installation, given: argparse.Namespace) -> None:
    held = await restored.held(installation)
    if held is None:
        tell("nothing is held")
        return
    before = {"none": None, "before": held.since, "all": EVER}[given.discard]
    discarded = await restored.release(installation, before)
    tell(f"released; {discarded} deliveries were discarded and show as unknown, the others are sent")


async def export_tenant(installation: Installation, given: argparse.Namespace) -> None:
    manifest = await export.export_tenant(installation, given.tenant, given.file)
    tell(f"wrote {given.file}: {manifest.rows} rows of {len(manifest.tables)} tables")


async def check_export(installation: Installation, given: argparse.Namespace) -> None:
    manifest = export.check(given.file)
    tell(f"{given.file} is whole: {manifest.rows} rows of tenant {manifest.tenant_id}")


async def delete_tenant(installation: Installation, given: argparse.Namespace) -> None:
    await deletion.delete_tenant(installation, given.tenant, given.name, given.grace_seconds, tell)


class Commands:
    """The commands that every installation has; others may be added."""

    def __init__(self, program: str, after_restore: Command = after_restore) -> None:
        self.parser = argparse.ArgumentParser(prog=program, description="For whoever runs the installation.")
        self._commands = self.parser.add_subparsers(required=True, metavar="COMMAND")
        self.add("restored", after_restore, "Do what has to follow a restore of the database or of Temporal.")
        self.add("sends", show_sends, "Show whether what goes outside is held.")
        self.add("sends-hold", hold_sends, "Hold what goes outside.").add_argument("--reason", required=True)
        releasing = self.add("sends-release", release_sends, "Send again.")
        says = "what of the queue is not sent: what is from before the hold, or all of it"
        releasing.add_argument("--discard", required=True, choices=("none", "before", "all"), help=says)
        self._add_tenants()

    def add(self, name: str, act: Command, says: str) -> argparse.ArgumentParser:
        """Add a command."""
        command = self._commands.add_parser(name, help=says, description=says)
        command.set_defaults(act=act)
        return command

    def _add_tenants(self) -> None:
        exporting = self.add("tenant-export", export_tenant, "Write all rows of a tenant into one archive.")
        exporting.add_argument("tenant", type=UUID)
        exporting.add_argument("file", type=Path)
        self.add("tenant-export-check", check_export, "Check an archive by its manifest.").add_argument(
            "file", type=Path
        )
        deleting = self.add("tenant-delete", delete_tenant, "Delete a tenant: rows, workflows, schedules. Repeatable.")
        deleting.add_argument("tenant", type=UUID)
        deleting.add_argument("--name", required=True, help="its name, so that nobody deletes another by mistake")
        says = "how long who was signed in may still act"
        deleting.add_argument("--grace-seconds", type=float, default=deletion.GRACE_SECONDS, help=says)


def run(commands: Commands, find: Callable[[], Installation], arguments: list[str] | None = None) -> int:
    """Run one command on the installation that is found; 1 when it was refused, the reason on standard error."""
    given = commands.parser.parse_args(arguments)
    try:
        asyncio.run(given.act(find(), given))
    except (Refused, OSError, SQLAlchemyError, asyncpg.PostgresError, RPCError) as refused:
        reason = str(getattr(refused, "orig", None) or refused)  # the driver's own words, without the statement
        reason = reason or f"gave up ({type(refused).__name__})"
        where = "Temporal: " if isinstance(refused, RPCError) else ""
        print(f"{commands.parser.prog}: {where}{reason}", file=sys.stderr)  # noqa: T201 - a command's output
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run(Commands("python -m deploy.operations"), find_installation))
