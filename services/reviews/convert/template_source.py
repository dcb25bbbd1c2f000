"""The YAML a user wrote, as plain values, with the line on which each of them stands."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from services.reviews.domain.findings import Finding, error

TAG_PREFIX = "tag:yaml.org,2002:"
LARGEST_SOURCE = 256 * 1024
LARGEST_COUNT = 50_000
DEEPEST = 40
PLAIN_INTEGER = re.compile(r"[+-]?[0-9]{1,30}")


@dataclass(frozen=True, slots=True)
class Source:
    """A document of plain values (numbers are int or Decimal, never float) and the line of every pointer in it."""

    document: object
    lines: Mapping[str, int]

    def line_of(self, pointer: str) -> int:
        """Line of the pointer, or of the nearest thing around it; 0 when nothing was read."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer, 0)

    def located(self, finding: Finding) -> Finding:
        """The finding with its line."""
        return replace(finding, line=self.line_of(finding.pointer))


def read_source(text: str) -> tuple[Source, tuple[Finding, ...]]:
    """The document of a YAML text and what is wrong with the text itself: syntax, size, a key written twice."""
    nothing = Source({}, {})
    if len(text) > LARGEST_SOURCE:
        return nothing, (error("TOO_LARGE", limit=LARGEST_SOURCE // 1024),)
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except (YAMLError, RecursionError, ValueError) as problem:
        return nothing, (_syntax(problem),)
    if root is None:
        return nothing, (replace(error("EMPTY_FILE"), line=1),)
    reader = _Reader()
    document = reader.plain(root, "", 0)
    return Source(document, reader.lines), tuple(reader.findings)


def pointer_to(parent: str, key: object) -> str:
    """JSON pointer (RFC 6901) of a key below a parent."""
    return f"{parent}/{str(key).replace('~', '~0').replace('/', '~1')}"


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self.findings: list[Finding] = []

    def plain(self, node: Node, pointer: str, depth: int) -> object:
        self.lines.setdefault(pointer, node.start_mark.line + 1)
        if depth > DEEPEST or len(self.lines) > LARGEST_COUNT:
            self._too_deep()
            return None
        if isinstance(node, MappingNode):
            return {
                key: self.plain(value, pointer_to(pointer, key), depth + 1) for key, value in self._pairs(node, pointer)
            }
        if isinstance(node, SequenceNode):
            return [self.plain(item, pointer_to(pointer, index), depth + 1) for index, item in enumerate(node.value)]
        if not isinstance(node, ScalarNode):
            return None
        if not storable_text(node.value):
            self.findings.append(replace(error("CHARACTER_NOT_ALLOWED", pointer), line=node.start_mark.line + 1))
            return None
        return _scalar(node)

    def _pairs(self, node: MappingNode, pointer: str) -> Iterator[tuple[str, Node]]:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) and storable_text(key_node.value) else "?"
            line = key_node.start_mark.line + 1
            if key in seen:
                twice = error("KEY_WRITTEN_TWICE", pointer_to(pointer, key), key=key, first=seen[key])
                self.findings.append(replace(twice, line=line))
                continue
            seen[key] = line
            self.lines[pointer_to(pointer, key)] = line
            yield key, value

    def _too_deep(self) -> None:
        if not any(finding.code == "TOO_LARGE" for finding in self.findings):
            self.findings.append(error("TOO_LARGE", limit=LARGEST_SOURCE // 1024))


def storable_text(text: str) -> bool:
    """Whether a database can keep the text: neither NUL nor half a character occurs in it."""
    return "\x00" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _scalar(node: ScalarNode) -> object:
    written = node.value
    match str(node.tag).removeprefix(TAG_PREFIX):
        case "null":
            return None
        case "bool":
            return written.lower() == "true"
        case "int" if PLAIN_INTEGER.fullmatch(written):
            return int(written)
        case "float":
            return _decimal(written)
        case _:
            return written


def _decimal(written: str) -> object:
    try:
        number = Decimal(written)
    except InvalidOperation:
        return written
    return number if number.is_finite() and abs(number.adjusted()) <= 30 else written


def _syntax(problem: Exception) -> Finding:
    if not isinstance(problem, MarkedYAMLError):
        return error("YAML_SYNTAX", problem=str(problem).splitlines()[0] if str(problem) else "unreadable")
    mark = problem.problem_mark or problem.context_mark
    said = "; ".join(part for part in (problem.context, problem.problem) if part)
    found = error("YAML_SYNTAX", problem=said)
    return replace(found, line=mark.line + 1 if mark else 0)
