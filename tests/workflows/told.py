"""The kinds of events that a service tells, as its code says: what each `emit` is given, followed to its words."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from deploy.local.layout import REPOSITORY

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Call:
    """A call, in which function of which file."""

    node: ast.Call
    within: Function
    file: Path


class Told:
    """Follows arguments through the functions of one service; fails for what it cannot follow."""

    def __init__(self, service: str) -> None:
        self._functions: dict[tuple[Path, str], Function] = {}
        self._calls: list[Call] = []
        self._in_statements: set[str] = set()
        self._quoted = re.compile(rf"'({service}\.[a-z_]+)'")
        for file in (REPOSITORY / "services" / service).rglob("*.py"):
            if "migrations" not in file.parts:
                self._read(file)

    def kinds(self) -> frozenset[str]:
        """Every kind that can be told, by a call or by a statement of SQL."""
        emitted = (each for each in self._calls if _emits(each.node))
        return (
            frozenset(kind for each in emitted for kind in self._words(each.node.args[0], each)) | self._in_statements
        )

    def _read(self, file: Path) -> None:
        for each in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(each, Function):
                self._functions[file, each.name] = each
                self._calls += [Call(node, each, file) for node in ast.walk(each) if isinstance(node, ast.Call)]
            elif isinstance(each, ast.Constant) and isinstance(each.value, str):
                self._in_statements.update(self._quoted.findall(each.value))

    def _words(self, expression: ast.expr, at: Call) -> Iterator[str]:
        match expression:
            case ast.Constant(value=str(word)):
                yield word
            case ast.IfExp(body=body, orelse=other):
                yield from self._words(body, at)
                yield from self._words(other, at)
            case ast.JoinedStr(values=parts):
                yield from map("".join, product(*(list(self._words(part, at)) for part in parts)))
            case ast.FormattedValue(value=value) | ast.Attribute(value=value, attr="value"):
                yield from self._words(value, at)
            case ast.Attribute(value=ast.Name(), attr=member) if member.isupper():
                yield member.lower()
            case ast.Name(id=name):
                yield from self._named(name, at)
            case _:
                raise AssertionError(f"{at.file}: cannot follow {ast.unparse(expression)}")

    def _named(self, name: str, at: Call) -> Iterator[str]:
        """What a variable or a parameter may hold."""
        parameters = [each.arg for each in (*at.within.args.args, *at.within.args.kwonlyargs)]
        if name in parameters:
            for caller in self._callers(at):
                yield from self._words(_argument(caller.node, parameters.index(name), name), caller)
            return
        for node in ast.walk(at.within):
            if isinstance(node, ast.Assign):
                for target, value in _pairs(node):
                    if isinstance(target, ast.Name) and target.id == name:
                        yield from self._words(value, at)

    def _callers(self, at: Call) -> Iterator[Call]:
        name = at.within.name
        for call in self._calls:
            if isinstance(call.node.func, ast.Name) and call.node.func.id == name:
                own = call.file == at.file
                if own or (not name.startswith("_") and (call.file, name) not in self._functions):
                    yield call


def _emits(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr == "emit" and len(call.args) > 2


def _argument(call: ast.Call, position: int, name: str) -> ast.expr:
    named: Mapping[str | None, ast.expr] = {each.arg: each.value for each in call.keywords}
    return named[name] if name in named else call.args[position]


def _pairs(assignment: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    for target in assignment.targets:
        if isinstance(target, ast.Tuple) and isinstance(assignment.value, ast.Tuple):
            yield from zip(target.elts, assignment.value.elts, strict=True)
        else:
            yield target, assignment.value
