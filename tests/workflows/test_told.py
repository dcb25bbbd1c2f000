"""The follower of emits finds each kind that code can tell, and says where it cannot."""

from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.workflows.told import Told

EMIT = 'await work.emit(f"goals.{kind}", "goal", goal.id, 1, {})'


def kinds(folder: Path, code: str) -> set[str]:
    """What a service of this one file tells."""
    file = folder / "goals" / "usecases" / "change_goal.py"
    file.parent.mkdir(parents=True)
    file.write_text(dedent(code), encoding="utf-8")
    return set(Told("goals", folder).kinds())


def emitting(*before: str) -> str:
    return "async def change(work, goal, kinds):\n" + indent("\n".join((*before, EMIT)), "    ")


@pytest.mark.parametrize(
    "before",
    [
        'kind = "moved" if goal.open else "kept"',
        'kind: str = "moved" if goal.open else "kept"',
        'kind, by = "moved", 1\nif goal.closed:\n    kind = "kept"',
        'for kind in ("moved", "kept"):\n    pass',
        'for kind, by in [("moved", 1), ("kept", 2)]:\n    pass',
    ],
)
def test_what_is_written_out_is_followed(tmp_path: Path, before: str) -> None:
    assert kinds(tmp_path, emitting(before)) == {"goals.moved", "goals.kept"}


def test_what_callers_pass_is_followed(tmp_path: Path) -> None:
    code = f"""
        async def tell(work, kind, *, goal):
            {EMIT}

        async def move(work, goal):
            await work.emit_each("goals.shared", "goal", [])
            await tell(work, "moved", goal=goal)
            await tell(work, kind="kept", goal=goal)
    """
    assert kinds(tmp_path, code) == {"goals.moved", "goals.kept", "goals.shared"}


@pytest.mark.parametrize(
    ("code", "line", "what"),
    [
        (emitting("for kind in kinds:", "    pass"), 2, "what kind holds"),
        (emitting('kind = "moved"', "for kind in kinds:", "    pass"), 3, "what kind holds"),
        (emitting('kind = "moved"', 'kind += "_away"'), 3, "what kind holds"),
        (emitting("kind, by = goal.last"), 2, "what kind holds"),
        (emitting("kind: str"), 2, "what kind holds"),
        (emitting("kind = goal.last()"), 2, "goal.last()"),
        (emitting(), 2, "kind, which nobody gives anything"),
        (f"async def tell(work, goal, kind):\n    {EMIT}", 2, "kind, which nobody gives anything"),
        (
            f'async def tell(work, goal, kind="moved"):\n    {EMIT}\n\ndef move(work, goal):\n    tell(work, goal)',
            5,
            "the default of kind",
        ),
    ],
)
def test_what_is_not_followed_is_named_with_its_place(tmp_path: Path, code: str, line: int, what: str) -> None:
    with pytest.raises(AssertionError) as refused:
        kinds(tmp_path, code)
    assert str(refused.value).endswith(f"change_goal.py:{line}: cannot follow {what}")
