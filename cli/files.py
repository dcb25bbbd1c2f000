"""Files that users write: sheets as they are, YAML and JSON with the line of everything in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from cli.output import Exit, Failure

FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, show_default=False, help="The file to read.")
]
PREFIX = "tag:yaml.org,2002:"


@dataclass(frozen=True)
class Document:
    """A YAML or JSON file: its text, its value, and the line on which each pointer stands."""

    path: Path
    text: str
    value: Any
    lines: Mapping[str, int]

    def place(self, pointer: str) -> str:
        """Return `file:line` of a JSON pointer, of what encloses it where it is absent itself, or nothing."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return f"{self.path}:{self.lines[pointer]}" if pointer else ""

    def mapping(self) -> dict[str, Any]:
        """Return the value; raises Failure where it is no mapping."""
        if not isinstance(self.value, dict):
            raise Failure(f"{self.path}: expected fields such as `name: …`", Exit.USAGE)
        return self.value


def read_bytes(path: Path) -> bytes:
    """Return the content of a file."""
    return path.read_bytes()


def read_text(path: Path) -> str:
    """Return the text of a file; raises Failure where it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Failure(f"{path}: the file is not UTF-8 text", Exit.USAGE) from None


def read_document(path: Path) -> Document:
    """Read a YAML or JSON file; raises Failure with the line where it cannot be read."""
    text = read_text(path)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
        value = _value(root, path)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Failure(f"{path}:{line}: this is not YAML: {error.problem}", Exit.USAGE) from None
    except YAMLError as error:
        raise Failure(f"{path}: this is not YAML: {error}", Exit.USAGE) from None
    return Document(path, text, value, dict(_lines(root, "")))


def _value(node: Node | None, path: Path) -> Any:
    """Return the plain value of a node; instants and dates stay as they are written."""
    if isinstance(node, MappingNode):
        return _fields(node, path)
    if isinstance(node, SequenceNode):
        return [_value(each, path) for each in node.value]
    return _scalar(node) if isinstance(node, ScalarNode) else None


def _fields(node: MappingNode, path: Path) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in node.value:
        if key.value in fields:
            raise Failure(f"{path}:{key.start_mark.line + 1}: {key.value} is written twice", Exit.USAGE)
        fields[str(key.value)] = _value(value, path)
    return fields


def _scalar(node: ScalarNode) -> Any:
    kind, text = str(node.tag).removeprefix(PREFIX), str(node.value)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    number = {"int": int, "float": float}.get(kind)
    return _number(number, text) if number else text


def _number(kind: type[int] | type[float], text: str) -> int | float | str:
    """Return the number, or the text where the number is not written like that: 0012 is a code, not twelve."""
    try:
        return kind(text) if str(kind(text)) == text else text
    except ValueError:
        return text


def _lines(node: Node | None, pointer: str) -> Iterator[tuple[str, int]]:
    if node is None:
        return
    yield pointer, node.start_mark.line + 1
    if isinstance(node, MappingNode):
        for key, value in node.value:
            yield from _lines(value, f"{pointer}/{key.value}")
            yield f"{pointer}/{key.value}", key.start_mark.line + 1
    elif isinstance(node, SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, f"{pointer}/{number}")
