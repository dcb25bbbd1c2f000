"""Stacks for the tests of the embedded stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack

MakeStack = Callable[..., Stack]


@pytest.fixture
def make_stack(tmp_path: Path) -> Iterator[MakeStack]:
    """Makes stacks on free ports; each is stopped at the end, and when this program ends otherwise."""
    made: list[Stack] = []

    def make(*only: str, name: str = "stack", tied: bool = True, **environment: str) -> Stack:
        stack = Stack(tmp_path / name, "free", only=only, environment=environment, tied=tied)
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.stop()
