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

    def __init__(self, service: str, services: Path = REPOSITORY / "services") -> None:
        self._functions: dict[tuple[Path, str], Function] = {}
        self._calls: list[Call] = []
        self._in_statements: set[str] = set()
        self._quoted = re.compile(rf"'({service}\.[a-z_]+)'")
        for file in (services / service).rglob("*.py"):
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
                raise _not_followed(ast.unparse(expression), expression, at)

    def _named(self, name: str, at: Call) -> Iterator[str]:
        """What a variable or a parameter may hold: every place that gives it something, of which there is one."""
        given = [*self._passed(name, at), *_stored(name, at)]
        for value, where in given:
            yield from self._words(value, where)
        if not given:
            raise _not_followed(f"{name}, which nobody gives anything", at.node, at)

    def _passed(self, name: str, at: Call) -> Iterator[tuple[ast.expr, Call]]:
        """What callers pass for a parameter."""
        parameters = [each.arg for each in (*at.within.args.args, *at.within.args.kwonlyargs)]
        if name in parameters:
            for caller in self._callers(at):
                yield _argument(caller, parameters.index(name), name), caller

    def _callers(self, at: Call) -> Iterator[Call]:
        name = at.within.name
        for call in self._calls:
            if isinstance(call.node.func, ast.Name) and call.node.func.id == name:
                own = call.file == at.file
                if own or (not name.startswith("_") and (call.file, name) not in self._functions):
                    yield call


def _emits(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in {"emit", "emit_each"} and len(call.args) > 2


def _argument(call: Call, position: int, name: str) -> ast.expr:
    named: Mapping[str | None, ast.expr] = {each.arg: each.value for each in call.node.keywords}
    if name in named:
        return named[name]
    if position < len(call.node.args):
        return call.node.args[position]
    raise _not_followed(f"the default of {name}", call.node, call)


def _stored(name: str, at: Call) -> Iterator[tuple[ast.expr, Call]]:
    """What the function itself puts under a name: by an assignment, or by a loop over what is written out."""
    followed: set[ast.expr] = set()
    for node in ast.walk(at.within):
        for target, value in _pairs(node):
            if isinstance(target, ast.Name) and target.id == name:
                followed.add(target)
                yield value, at
    for node in ast.walk(at.within):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) and node not in followed:
            raise _not_followed(f"what {name} holds", node, at)


def _pairs(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """What a statement gives to which targets."""
    match node:
        case ast.Assign(targets=targets, value=value):
            for target in targets:
                yield from _unpacked(target, value)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield target, value
        case ast.For(target=target, iter=ast.Tuple(elts=values) | ast.List(elts=values) | ast.Set(elts=values)):
            for value in values:
                yield from _unpacked(target, value)


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        yield from zip(target.elts, value.elts, strict=True)
    else:
        yield target, value


def _not_followed(what: str, node: ast.expr, at: Call) -> AssertionError:
    return AssertionError(f"{at.file}:{node.lineno}: cannot follow {what}")
