"""The check of a formula when it is saved: names, functions, types, and the rule about its weight."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from services.scoring.domain.formula.grammar import parse
from services.scoring.domain.formula.names import CHINESE_NAMES, FUNCTIONS, VALUE_NAMES, Signature, Type
from services.scoring.domain.formula.problems import Problem, problem
from services.scoring.domain.formula.tree import Binary, Call, Literal, Name, Node, Unary, names_in

EXPONENT_LIMIT = 64
TYPE_ZH = {Type.NUMBER: "数字", Type.BOOLEAN: "是/否", Type.TEXT: "文字"}
COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})


@dataclass(frozen=True, slots=True)
class Formula:
    """A formula that compiled: its text, its tree, and the canonical names that it reads."""

    text: str
    tree: Node
    names: frozenset[str]


def compile_formula(
    text: str, *, basis: str = "percent", names: Mapping[str, Type] = VALUE_NAMES
) -> Formula | tuple[Problem, ...]:
    """The compiled formula, or all that is wrong with it. `names` says which values exist, and their types.

    A formula that names the weight must have basis `points` (product.md §7); one that reads no value is refused.
    """
    tree = parse(text)
    if isinstance(tree, Problem):
        return (tree,)
    used = frozenset(name.name for name in names_in(tree))
    problems = tuple(_all_problems(tree, used, basis, names))
    return problems or Formula(text, tree, used)


def _all_problems(tree: Node, used: frozenset[str], basis: str, names: Mapping[str, Type]) -> Iterator[Problem]:
    found: list[Problem] = []
    result = _Checker(names, found.append).type_of(tree)
    yield from found
    if result not in (Type.NUMBER, None):
        yield problem("RESULT_NOT_NUMBER", tree.at, found=result.value, found_zh=TYPE_ZH[result])
    if not used:
        yield problem("REFERS_TO_NOTHING", 0)
    if "weight" in used and basis != "points":
        at = next(name.at for name in names_in(tree) if name.name == "weight")
        yield problem("WEIGHT_APPLIED_TWICE", at)


class _Checker:
    """Walks a tree once; a part whose type is unknown (its fault is reported) is None and fits anywhere."""

    def __init__(self, names: Mapping[str, Type], report: Callable[[Problem], None]) -> None:
        self._names = names
        self._report = report

    def type_of(self, node: Node) -> Type | None:
        match node:
            case Literal():
                return _literal_type(node)
            case Name():
                return self._name(node)
            case Unary():
                self._expect(node.operand, Type.NUMBER)
                return Type.NUMBER
            case Binary():
                return self._binary(node)
            case Call():
                return self._call(node)

    def _name(self, node: Name) -> Type | None:
        if node.name in self._names:
            return self._names[node.name]
        hint = _hint(node.written, [*self._names, *CHINESE_NAMES])
        self._report(problem("UNKNOWN_NAME", node.at, found=node.written, **hint))
        return None

    def _binary(self, node: Binary) -> Type:
        if node.operator not in COMPARISONS:
            self._expect(node.left, Type.NUMBER)
            self._expect(node.right, Type.NUMBER)
            self._exponent(node)
            return Type.NUMBER
        left = self.type_of(node.left)
        if node.operator in ("=", "<>"):
            self._expect(node.right, left)
        else:
            self._same(node.left, left, Type.NUMBER)
            self._expect(node.right, Type.NUMBER)
        return Type.BOOLEAN

    def _exponent(self, node: Binary) -> None:
        right = node.right
        if node.operator != "^" or not isinstance(right, Literal) or not isinstance(right.value, Fraction):
            return
        if right.value > EXPONENT_LIMIT:
            self._report(problem("EXPONENT_TOO_LARGE", right.at, limit=EXPONENT_LIMIT))

    def _call(self, node: Call) -> Type | None:
        signature = FUNCTIONS.get(node.function)
        if signature is None:
            hint = _hint(node.function, list(FUNCTIONS))
            self._report(problem("UNKNOWN_FUNCTION", node.at, found=node.written, **hint))
            for argument in node.arguments:
                self.type_of(argument)
            return None
        if not signature.minimum <= len(node.arguments) <= signature.maximum:
            self._report(
                problem(
                    "WRONG_ARGUMENTS", node.at, found=node.written, wanted=_count(signature), count=len(node.arguments)
                )
            )
            return signature.gives
        return self._typed_call(node, signature)

    def _typed_call(self, node: Call, signature: Signature) -> Type | None:
        if node.function == "IF":
            self._expect(node.arguments[0], Type.BOOLEAN)
            return self._alike(node.arguments[1], node.arguments[2])
        if node.function == "IFERROR":
            return self._alike(node.arguments[0], node.arguments[1])
        if node.function == "ISBLANK":
            if not isinstance(node.arguments[0], Name):
                self._report(problem("ISBLANK_NEEDS_NAME", node.arguments[0].at, found=node.written))
            self.type_of(node.arguments[0])
            return Type.BOOLEAN
        for argument in node.arguments:
            self._expect(argument, signature.takes)
        return signature.gives

    def _alike(self, first: Node, second: Node) -> Type | None:
        wanted = self.type_of(first)
        found = self._expect(second, wanted)
        return wanted or found

    def _expect(self, node: Node, wanted: Type | None) -> Type | None:
        found = self.type_of(node)
        self._same(node, found, wanted)
        return found

    def _same(self, node: Node, found: Type | None, wanted: Type | None) -> None:
        if found is None or wanted is None or found is wanted:
            return
        self._report(
            problem(
                "WRONG_TYPE",
                node.at,
                wanted=wanted.value,
                found=found.value,
                wanted_zh=TYPE_ZH[wanted],
                found_zh=TYPE_ZH[found],
            )
        )


def _literal_type(node: Literal) -> Type:
    if isinstance(node.value, bool):
        return Type.BOOLEAN
    return Type.TEXT if isinstance(node.value, str) else Type.NUMBER


def _count(signature: Signature) -> str:
    if signature.minimum == signature.maximum:
        return str(signature.minimum)
    return f"{signature.minimum}-{signature.maximum}"


def _hint(written: str, known: list[str]) -> dict[str, str]:
    near = difflib.get_close_matches(written, known, n=1)
    return {"hint_zh": f", 是否指 {near[0]}" if near else "", "hint_en": f"; did you mean {near[0]}" if near else ""}
