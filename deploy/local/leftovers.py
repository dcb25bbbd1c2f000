"""Ends what a killed supervisor left running."""

from __future__ import annotations

import signal

from deploy.local import postgres, processes
from deploy.local.layout import Layout
from deploy.local.state import read_state

_PATIENCE_SECONDS = 5.0
_DATABASE_PATIENCE_SECONDS = 15.0


def end_leftovers(layout: Layout) -> list[str]:
    """End every process of this data directory that no supervisor owns any more, PostgreSQL last; their names.

    The caller holds the lock, so no supervisor runs.
    """
    state = read_state(layout)
    recorded = {name: identity.process() for name, identity in state.identities().items()} if state else {}
    alive = {name: process for name, process in recorded.items() if process is not None}
    database = alive.pop("postgres", None)
    known = {process.pid for process in (*alive.values(), *([database] if database else []))}
    strangers = [process for process in processes.marked(str(layout.root)) if process.pid not in known]
    unrecorded = [process for process in strangers if process.name() != "postgres"]
    processes.end([*alive.values(), *unrecorded], first=signal.SIGTERM, patience=_PATIENCE_SECONDS)
    if database is not None:
        processes.end([database], first=signal.SIGINT, patience=_DATABASE_PATIENCE_SECONDS)
    postgres.reap(layout)
    return [*alive, *(f"pid {process.pid}" for process in unrecorded), *(["postgres"] if database else [])]
