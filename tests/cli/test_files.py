"""Files that users write: plain values, and the line of everything in them."""

from pathlib import Path
from typing import Any

import pytest

from cli.files import Document, read_document
from cli.output import Failure, Grid, aligned

TEXT = """\
# a comment
name: 季度 # another
period: {start: 2026-07-01, end: "2026-09-30"}
start: 2027-01-04T09:00:00+08:00
forms:
  - match: {department: A/B}
    template: &one 一
  - match: {}
    template: *one
population:
  everyone: true
  exclude: [C001, 0012]
days: 3
share: 0.5
nothing:
"""


def read(folder: Path, text: str) -> Document:
    file = folder / "file.yaml"
    file.write_text(text, encoding="utf-8")
    return read_document(file)


def test_values_stay_as_they_are_written(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT).mapping() == {
        "name": "季度",
        "period": {"start": "2026-07-01", "end": "2026-09-30"},
        "start": "2027-01-04T09:00:00+08:00",
        "forms": [{"match": {"department": "A/B"}, "template": "一"}, {"match": {}, "template": "一"}],
        "population": {"everyone": True, "exclude": ["C001", "0012"]},
        "days": 3,
        "share": 0.5,
        "nothing": None,
    }


@pytest.mark.parametrize(
    ("pointer", "line"),
    [("/name", 2), ("/forms/1/template", 9), ("/population/exclude/1", 12), ("/population/unknown", 10), ("/x", 0)],
)
def test_a_pointer_has_a_line(tmp_path: Path, pointer: str, line: int) -> None:
    document = read(tmp_path, TEXT)
    assert document.place(pointer) == (f"{document.path}:{line}" if line else "")


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "a: 1\na: 2", "\tb: 1", "a: *none"])
def test_what_cannot_be_read_names_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(Failure, match=r"file\.yaml:\d+"):
        read(tmp_path, text)


@pytest.mark.parametrize(("text", "value"), [("{}", {}), ('{"a": [1, "b"]}', {"a": [1, "b"]})])
def test_json_is_read_too(tmp_path: Path, text: str, value: Any) -> None:
    assert read(tmp_path, text).value == value


def test_columns_line_up_beside_chinese() -> None:
    assert aligned(Grid(("a", "b"), [("研发", "1"), ("x", "2")])) == ["a     b", "研发  1", "x     2"]
