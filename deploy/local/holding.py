"""The lock that lets one supervisor at a time own a data directory."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from typing import TextIO

from deploy.local.layout import Layout
from deploy.local.processes import Identity, identity_from_json
from deploy.local.waiting import WaitedTooLong, until

# The exit code of a supervisor that found another one at work.
ALREADY_RUNNING = 3
# A killed program keeps its lock until the last of its threads is gone.
_RELEASE_SECONDS = 3.0


@contextlib.contextmanager
def lock(layout: Layout) -> Iterator[None]:
    """Hold the data directory and say who does. Raises BlockingIOError when somebody else holds it."""
    layout.root.mkdir(parents=True, exist_ok=True)
    with layout.lock_file.open("a") as file:
        _take(layout, file)
        own = Identity.of(os.getpid())
        file.truncate(0)
        file.write(json.dumps(asdict(own)) if own else "")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def _take(layout: Layout, file: TextIO) -> None:
    def taken() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if holder(layout) is not None:
                raise
            return False
        return True

    try:
        until(taken, _RELEASE_SECONDS, "the lock was not released")
    except WaitedTooLong as error:
        raise BlockingIOError(str(error)) from None


def holder(layout: Layout) -> Identity | None:
    """The program that took the lock last, while it runs."""
    try:
        taken_by = identity_from_json(json.loads(layout.lock_file.read_text()))
    except (FileNotFoundError, ValueError):
        return None
    return taken_by if taken_by is not None and taken_by.is_alive() else None
