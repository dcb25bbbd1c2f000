"""Redis of the local stack: the server on PATH, or a stand-in in a process of its own."""

from __future__ import annotations

import shutil
import sys

from deploy.local.layout import Layout
from deploy.local.ports import LOOPBACK

STAND_IN_NOTE = "no redis-server on PATH: an in-memory stand-in takes its place (it carries wake-ups, no facts)"


def command(layout: Layout, port: int, server: str | None) -> tuple[str, ...]:
    """The server without persistence, or the stand-in where there is no server."""
    if server is None:
        return (sys.executable, "-m", "deploy.local.redis_stand_in", str(port))
    return (
        server, "--bind", LOOPBACK, "--port", str(port), "--dir", str(layout.redis), "--save", "", "--appendonly", "no",
    )  # fmt: skip


def server_on_path() -> str | None:
    """Where redis-server is, if it is installed."""
    return shutil.which("redis-server")
