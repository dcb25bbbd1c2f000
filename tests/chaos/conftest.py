"""A stack of its own for the campaigns."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack


@pytest.fixture(scope="session")
def chaos_stack() -> Iterator[Stack]:
    """All processes on free ports in a directory of their own; they end with the tests."""
    with tempfile.TemporaryDirectory(prefix="attune-chaos-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", tied=True)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()
