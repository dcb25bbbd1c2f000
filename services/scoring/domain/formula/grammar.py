"""From a formula's text to its tree: the grammar, full-width punctuation and syntax errors with their position."""

from fractions import Fraction
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput

from services.scoring.domain.formula.names import CONSTANTS, canonical_function, canonical_name
from services.scoring.domain.formula.problems import Problem, problem
from services.scoring.domain.formula.tree import Binary, Call, Literal, Name, Node, Unary, size_and_depth

LENGTH_LIMIT = 2000
DEPTH_LIMIT = 64
SIZE_LIMIT = 400

# Precedence and associativity are a spreadsheet's: -2^2 is 4, ^ and the rest bind from the left.
GRAMMAR = r"""
start: EQUAL? comparison
?comparison: sum | comparison (EQUAL | COMPARE) sum        -> binary
?sum: product | sum (PLUS | MINUS) product                 -> binary
?product: power | product TIMES power                      -> binary
?power: unary | power POWER unary                          -> binary
?unary: percent | MINUS unary                              -> negate
      | PLUS unary                                         -> plus
?percent: atom | percent PERCENT                           -> percent
?atom: NUMBER                                              -> number
     | TEXT                                                -> text
     | NAME                                                -> name
     | NAME "(" [comparison ("," comparison)*] ")"         -> call
     | "(" comparison ")"                                  -> group

EQUAL: "="
COMPARE: "<>" | "<=" | ">=" | "<" | ">" | "!=" | "=="
PLUS: "+"
MINUS: "-"
TIMES: "*" | "/"
POWER: "^"
PERCENT: "%"
NUMBER: /[0-9]+(\.[0-9]+)?|\.[0-9]+/
TEXT: /"[^"]*"/
NAME: /[A-Za-z_\u3400-\u9fff][A-Za-z0-9_\u3400-\u9fff]*/
%ignore /[ \t\r\n\u3000\u00a0]+/
"""

FULL_WIDTH = str.maketrans(
    "（）＞＜＝，＋－＊／％＾！；“”＂×÷−．０１２３４５６７８９", '()><=,+-*/%^!,"""*/-.0123456789'
)
SINGLE_SIGNS = {"≥": ">=", "≤": "<=", "≠": "<>"}


def half_width(text: str) -> tuple[str, list[int]]:
    """The text with full-width punctuation made plain outside quotes, and the offset as written of each character."""
    plain: list[str] = []
    offsets: list[int] = []
    quoted = False
    for offset, character in enumerate(text):
        folded = character.translate(FULL_WIDTH)
        if folded == '"':
            quoted = not quoted
        kept = character if quoted and folded != '"' else SINGLE_SIGNS.get(folded, folded)
        plain.extend(kept)
        offsets.extend([offset] * len(kept))
    return "".join(plain), [*offsets, len(text)]


class _Builder(Transformer[Token, Node]):
    """Builds the tree while parsing, so that no recursion meets a hostile text."""

    def start(self, parts: list[Any]) -> Node:
        return parts[-1]  # type: ignore[no-any-return]

    def group(self, parts: list[Any]) -> Node:
        return parts[0]  # type: ignore[no-any-return]

    def plus(self, parts: list[Any]) -> Node:
        return parts[-1]  # type: ignore[no-any-return]

    def binary(self, parts: list[Any]) -> Node:
        left, operator, right = parts
        written = {"==": "=", "!=": "<>"}.get(str(operator), str(operator))
        return Binary(written, left, right, operator.start_pos)

    def negate(self, parts: list[Any]) -> Node:
        return Unary("-", parts[1], parts[0].start_pos)

    def percent(self, parts: list[Any]) -> Node:
        return Unary("%", parts[0], parts[1].start_pos)

    def number(self, parts: list[Any]) -> Node:
        return Literal(Fraction(str(parts[0])), parts[0].start_pos)

    def text(self, parts: list[Any]) -> Node:
        return Literal(str(parts[0])[1:-1], parts[0].start_pos)

    def name(self, parts: list[Any]) -> Node:
        written = str(parts[0])
        if written.upper() in CONSTANTS:
            return Literal(CONSTANTS[written.upper()], parts[0].start_pos)
        return Name(canonical_name(written), written, parts[0].start_pos)

    def call(self, parts: list[Any]) -> Node:
        written = str(parts[0])
        arguments = tuple(part for part in parts[1:] if part is not None)
        return Call(canonical_function(written), written, arguments, parts[0].start_pos)


_PARSER = Lark(GRAMMAR, parser="lalr", transformer=_Builder())


def parse(text: str) -> Node | Problem:
    """The tree of a formula, or the first thing that is wrong with its text; positions count characters as written."""
    if not text.strip(" \t\r\n\u3000=＝"):
        return problem("EMPTY", 0)
    if len(text) > LENGTH_LIMIT:
        return problem("TOO_LONG", LENGTH_LIMIT, limit=LENGTH_LIMIT)
    plain, offsets = half_width(text)
    try:
        tree: Node = _PARSER.parse(plain)  # type: ignore[assignment]  # the transformer makes it a Node
    except UnexpectedInput as error:
        return _syntax_problem(error, plain, offsets)
    size, depth = size_and_depth(tree)
    if size > SIZE_LIMIT:
        return problem("TOO_COSTLY", 0, limit=SIZE_LIMIT)
    return problem("TOO_DEEP", 0, limit=DEPTH_LIMIT) if depth > DEPTH_LIMIT else _as_written(tree, offsets)


def _syntax_problem(error: UnexpectedInput, plain: str, offsets: list[int]) -> Problem:
    token = getattr(error, "token", None)
    start = error.pos_in_stream if error.pos_in_stream is not None else len(plain)
    if token is not None and token.type == "$END":
        return problem("INCOMPLETE", offsets[-1])
    position = offsets[max(0, min(start, len(plain)))]
    found = str(token) if token is not None else plain[start : start + 1]
    code = "UNKNOWN_CHARACTER" if isinstance(error, UnexpectedCharacters) else "UNEXPECTED"
    return problem(code, position, found=found, column=position + 1)


def _as_written(node: Node, offsets: list[int]) -> Node:
    """The tree with positions in the text as written (a sign such as ≥ stands for two plain characters)."""
    at = offsets[node.at]
    match node:
        case Unary():
            return Unary(node.operator, _as_written(node.operand, offsets), at)
        case Binary():
            return Binary(node.operator, _as_written(node.left, offsets), _as_written(node.right, offsets), at)
        case Call():
            return Call(node.function, node.written, tuple(_as_written(each, offsets) for each in node.arguments), at)
        case Name():
            return Name(node.name, node.written, at)
        case _:
            return Literal(node.value, at)
