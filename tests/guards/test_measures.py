"""The tree holds its measures, and each measure finds what is planted."""

from pathlib import Path

import pytest

from tests.guards import measures


def test_modules_and_functions_are_short() -> None:
    assert measures.too_long() == []


def test_functions_are_mostly_very_short() -> None:
    median, p90 = measures.shape()
    assert median <= measures.MEDIAN_LIMIT
    assert p90 <= measures.P90_LIMIT


def test_no_module_is_a_junk_drawer() -> None:
    assert measures.junk_drawers() == []


def test_every_module_says_what_belongs_there() -> None:
    assert measures.undocumented_modules() == []


def test_packages_of_protos_follow_their_folders() -> None:
    assert measures.misplaced_protos() == []


def test_scores_are_computed_without_floats() -> None:
    assert measures.floats() == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "services" / "scoring" / "domain").mkdir(parents=True)
    (tmp_path / "protos" / "goals" / "v1").mkdir(parents=True)
    return tmp_path


def test_a_long_function_and_a_long_module_are_found(tree: Path) -> None:
    body = "\n".join("    x = 1" for _ in range(61))
    (tree / "services" / "long.py").write_text(f'"""Long."""\n\ndef endless() -> None:\n{body}\n')
    (tree / "services" / "wide.py").write_text("x = 1\n" * 501)
    assert measures.too_long(tree) == [
        "services/long.py: endless has 62 lines",
        "services/wide.py: 501 lines, the limit is 500",
    ]


def test_a_tree_of_long_functions_has_a_bad_shape(tree: Path) -> None:
    body = "\n".join("    x = 1" for _ in range(40))
    (tree / "services" / "long.py").write_text("\n".join(f"def f{i}() -> None:\n{body}" for i in range(20)))
    assert measures.shape(tree) == (41, 41)


def test_a_junk_drawer_is_found(tree: Path) -> None:
    (tree / "services" / "utils.py").write_text('"""Things."""\n')
    assert measures.junk_drawers(tree) == ["services/utils.py"]


def test_a_module_without_a_docstring_is_found(tree: Path) -> None:
    (tree / "services" / "mute.py").write_text("x = 1\n")
    assert measures.undocumented_modules(tree) == ["services/mute.py"]


def test_a_proto_in_another_package_is_found(tree: Path) -> None:
    (tree / "protos" / "goals" / "v1" / "goals.proto").write_text('syntax = "proto3";\npackage attune.people.v1;\n')
    assert measures.misplaced_protos(tree) == ["protos/goals/v1/goals.proto"]


def test_a_float_in_a_score_is_found(tree: Path) -> None:
    (tree / "services" / "scoring" / "domain" / "rules.py").write_text('"""Rules."""\n\nHALF = 0.5\n')
    assert measures.floats(tree) == ["services/scoring/domain/rules.py:3"]
