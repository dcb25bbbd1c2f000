"""The tree of a parsed formula; `at` is the offset of a part in the text as written."""

from dataclasses import dataclass
from fractions import Fraction

Value = Fraction | bool | str


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, a truth value or a text."""

    value: Value
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A value by its canonical name; `written` is what the author typed."""

    name: str
    written: str
    at: int


@dataclass(frozen=True, slots=True)
class Unary:
    """`-` in front or `%` behind."""

    operator: str
    operand: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Binary:
    """Two parts and an operator between them."""

    operator: str
    left: "Node"
    right: "Node"
    at: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments."""

    function: str
    written: str
    arguments: tuple["Node", ...]
    at: int


Node = Literal | Name | Unary | Binary | Call


def children(node: Node) -> tuple[Node, ...]:
    """The parts directly below a node, in the order written."""
    match node:
        case Unary():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Call():
            return node.arguments
        case _:
            return ()


def size_and_depth(root: Node) -> tuple[int, int]:
    """How many nodes the tree has and how deep it is; no recursion, so that any tree can be measured."""
    size, deepest, waiting = 0, 0, [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        size += 1
        deepest = max(deepest, depth)
        waiting.extend((child, depth + 1) for child in children(node))
    return size, deepest


def names_in(root: Node) -> tuple[Name, ...]:
    """Every name of the tree in the order written."""
    found, waiting = [], [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Name):
            found.append(node)
        waiting.extend(children(node))
    return tuple(sorted(found, key=lambda name: name.at))
