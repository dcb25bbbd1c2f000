"""`./attune operations …`: an operator's commands on the local stack, and those that only it needs: backup, restore."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from deploy.local import backup
from deploy.local.environment import Wiring
from deploy.local.layout import Layout
from deploy.local.migrate import MigrationFailed
from deploy.local.state import read_state
from deploy.names import SIGNERS
from deploy.operations.__main__ import Commands, run, tell
from deploy.operations.reach import Installation, Refused
from deploy.operations.restored import settle


def local_wiring() -> Wiring:
    """Return the addresses of the local stack. Raises Refused when it does not run."""
    state = read_state(Layout.default())
    if state is None or not state.is_current():
        raise Refused("the stack is not running; start it with ./attune up")
    return state.wiring()


def local_installation() -> Installation:
    """Return the local stack as the commands reach it. Raises Refused when it does not run."""
    return backup.installation_of(local_wiring())


def require_no_process() -> None:
    """Raise Refused while the stack runs what acts on its rows."""
    state = read_state(Layout.default())
    running = {} if state is None else state.identities()
    if busy := [name for name in SIGNERS if name in running and running[name].is_alive()]:
        raise Refused(f"{', '.join(busy)} runs; stop the stack and start `./attune up --only postgres,temporal`")


async def make_backup(installation: Installation, given: argparse.Namespace) -> None:
    size = await backup.backup(local_wiring(), given.file)
    tell(f"wrote {given.file}, {size} bytes")


async def after_restore(installation: Installation, given: argparse.Namespace) -> None:
    require_no_process()
    await settle(installation, tell)


async def restore_backup(installation: Installation, given: argparse.Namespace) -> None:
    require_no_process()
    try:
        await backup.restore(local_wiring(), given.file, os.environ, tell)
    except MigrationFailed as failed:
        raise Refused(str(failed)) from failed


def main(arguments: list[str] | None = None) -> int:
    """Run one command on the local stack."""
    commands = Commands("attune operations", after_restore)
    commands.add("backup", make_backup, "Back the database up, while it runs.").add_argument("file", type=Path)
    restoring = commands.add("restore", restore_backup, "Restore the database; of Attune nothing may run.")
    restoring.add_argument("file", type=Path)
    return run(commands, local_installation, arguments)


if __name__ == "__main__":
    sys.exit(main())
