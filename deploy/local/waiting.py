"""Waiting for a condition in synchronous code."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOK_AGAIN_SECONDS = 0.05


class WaitedTooLong(Exception):
    """The condition did not become true in time; the message says which."""


def until(condition: Callable[[], bool], seconds: float | None, otherwise: str) -> None:
    """Look again and again until the condition holds; without a limit when `seconds` is none.

    Raises WaitedTooLong with what `otherwise` says.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    while not condition():
        if deadline is not None and time.monotonic() > deadline:
            raise WaitedTooLong(f"{otherwise} within {seconds:.0f} s")
        time.sleep(_LOOK_AGAIN_SECONDS)  # noqa: TID251 - synchronous by purpose: no loop is blocked
