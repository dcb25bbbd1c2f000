"""The value of a compiled formula, exact; what cannot be computed is a typed result, never an exception."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.scoring.domain.formula.check import COMPARISONS, EXPONENT_LIMIT
from services.scoring.domain.formula.tree import Binary, Call, Literal, Name, Node, Unary, Value

MAGNITUDE_LIMIT = Fraction(10) ** 15
PRECISION_LIMIT = 4096
PLACES_LIMIT = 12


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no value: DIVISION_BY_ZERO, MISSING_VALUE, OVERFLOW or NOT_A_NUMBER; `name` is what is missing."""

    code: str
    at: int
    name: str = ""


Outcome = Value | Failure
Values = Mapping[str, Value | None]


def evaluate(tree: Node, values: Values) -> Outcome:
    """The value of a type-checked tree, an exact rational; failures pass upwards until IFERROR or the top."""
    match tree:
        case Literal():
            return _bounded(tree.value, tree.at)
        case Name():
            value = values.get(tree.name)
            return Failure("MISSING_VALUE", tree.at, tree.name) if value is None else _bounded(value, tree.at)
        case Unary():
            return _unary(tree, evaluate(tree.operand, values))
        case Binary():
            return _binary(tree, evaluate(tree.left, values), values)
        case Call():
            return _call(tree, values)


def _bounded(value: Value, at: int) -> Outcome:
    """The value, or OVERFLOW when it is beyond 10^15 or its exact form needs more than 4 096 bits."""
    if isinstance(value, (bool, str)):
        return value
    wide = value.numerator.bit_length() + value.denominator.bit_length() > PRECISION_LIMIT
    return Failure("OVERFLOW", at) if wide or abs(value) > MAGNITUDE_LIMIT else value


def _unary(node: Unary, operand: Outcome) -> Outcome:
    if not isinstance(operand, Fraction):
        return operand
    return -operand if node.operator == "-" else _bounded(operand / 100, node.at)


def _binary(node: Binary, left: Outcome, values: Values) -> Outcome:
    if isinstance(left, Failure):
        return left
    right = evaluate(node.right, values)
    if isinstance(right, Failure):
        return right
    if node.operator in COMPARISONS:
        return _compare(node.operator, left, right)
    if isinstance(left, str) or isinstance(right, str):
        return Failure("NOT_A_NUMBER", node.at)
    return _arithmetic(node, Fraction(left), Fraction(right))


def _compare(operator: str, left: Value, right: Value) -> bool:
    if operator in ("=", "<>"):
        return (left == right) is (operator == "=")
    first, second = Fraction(left), Fraction(right)
    return {"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second}[operator]


def _arithmetic(node: Binary, left: Fraction, right: Fraction) -> Outcome:
    match node.operator:
        case "+":
            return _bounded(left + right, node.at)
        case "-":
            return _bounded(left - right, node.at)
        case "*":
            return _bounded(left * right, node.at)
        case "/":
            return Failure("DIVISION_BY_ZERO", node.at) if right == 0 else _bounded(left / right, node.at)
        case _:
            return _power(node, left, right)


def _power(node: Binary, base: Fraction, exponent: Fraction) -> Outcome:
    """Integer exponents of at most 64 either way only: others would leave the rationals."""
    if base == 0 and exponent < 0:
        return Failure("DIVISION_BY_ZERO", node.at)
    if exponent.denominator != 1 or (base == 0 and exponent == 0):
        return Failure("NOT_A_NUMBER", node.at)
    if abs(exponent) > EXPONENT_LIMIT:
        return Failure("OVERFLOW", node.at)
    return _bounded(base ** int(exponent), node.at)


def _call(node: Call, values: Values) -> Outcome:
    first = node.arguments[0]
    if node.function == "ISBLANK":
        return isinstance(first, Name) and values.get(first.name) is None
    value = evaluate(first, values)
    if node.function == "IFERROR":
        return evaluate(node.arguments[1], values) if isinstance(value, Failure) else value
    if isinstance(value, Failure):
        return value
    if node.function == "IF":
        return evaluate(node.arguments[1 if value else 2], values)
    return _over_all(node, [value, *(evaluate(argument, values) for argument in node.arguments[1:])])


def _over_all(node: Call, outcomes: Sequence[Outcome]) -> Outcome:
    values: list[Value] = []
    for outcome in outcomes:
        if isinstance(outcome, Failure):
            return outcome
        values.append(outcome)
    if node.function in LOGIC:
        return LOGIC[node.function]([bool(value) for value in values])
    numbers = [Fraction(value) for value in values]
    if node.function in ROUNDINGS:
        return _round(node, numbers)
    return _bounded(NUMERIC[node.function](numbers), node.at)


def _round(node: Call, numbers: Sequence[Fraction]) -> Outcome:
    places = numbers[1] if len(numbers) > 1 else Fraction(0)
    if places.denominator != 1:
        return Failure("NOT_A_NUMBER", node.at)
    if abs(places) > PLACES_LIMIT:
        return Failure("OVERFLOW", node.at)
    scale = Fraction(10) ** int(places)
    magnitude = abs(numbers[0]) * scale
    rounded = Fraction(ROUNDINGS[node.function](magnitude)) / scale
    return rounded if numbers[0] >= 0 else -rounded


LOGIC: Mapping[str, Callable[[Sequence[bool]], bool]] = {"AND": all, "OR": any, "NOT": lambda given: not given[0]}
ROUNDINGS: Mapping[str, Callable[[Fraction], int]] = {
    "ROUND": lambda magnitude: math.floor(magnitude + Fraction(1, 2)),
    "ROUNDUP": math.ceil,
    "ROUNDDOWN": math.floor,
}
NUMERIC: Mapping[str, Callable[[Sequence[Fraction]], Fraction]] = {
    "MIN": min,
    "MAX": max,
    "SUM": lambda numbers: sum(numbers, Fraction(0)),
    "AVERAGE": lambda numbers: sum(numbers, Fraction(0)) / len(numbers),
    "ABS": lambda numbers: abs(numbers[0]),
    "INT": lambda numbers: Fraction(math.floor(numbers[0])),
}
