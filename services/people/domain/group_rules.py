"""Group rules: a small tree of comparisons over facts about an employee on a date.

    {"all": [ … ]} · {"any": [ … ]} · {"not": … } · {"attribute": "post", "operator": "eq", "value": "engineer"}

A missing fact makes every comparison false, except `ne`, `not_in` and `missing`, which it makes true.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import UUID

from services.people.domain.errors import RuleInvalid, Violation

MAX_DEPTH: Final = 8
MAX_NODES: Final = 200
MAX_VALUES: Final = 1000
MAX_TEXT: Final = 500
OWN: Final = "attributes."

_TEXT_OPS = frozenset({"eq", "ne", "in", "not_in", "missing", "present"})
_ORDER_OPS = frozenset({"eq", "ne", "lt", "le", "gt", "ge", "missing", "present"})
_SET_OPS = frozenset({"in", "not_in"})
_BARE_OPS = frozenset({"missing", "present"})

ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "code": _TEXT_OPS,
    "post": _TEXT_OPS,
    "language": _TEXT_OPS,
    "level": _TEXT_OPS,
    "department": frozenset({"eq", "ne", "in", "not_in", "within", "not_within", "missing", "present"}),
    "manager": _TEXT_OPS,
    "hired_on": _ORDER_OPS,
    "tenure_months": _ORDER_OPS,
    "direct_reports": _ORDER_OPS - _BARE_OPS,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may ask about somebody on a date; empty text counts as missing."""

    code: str
    id: UUID | None = None
    post: str = ""
    language: str = ""
    level: str = ""
    department: UUID | None = None
    department_path: tuple[UUID, ...] = ()
    manager: UUID | None = None
    hired_on: date | None = None
    direct_reports: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)


Value = str | int | date | UUID


@dataclass(frozen=True, slots=True)
class Comparison:
    """One attribute against typed values."""

    attribute: str
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Both:
    """True when every part is (an empty one is true)."""

    parts: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """True when some part is (an empty one is false)."""

    parts: tuple["Rule", ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """True when its part is not."""

    part: "Rule"


Rule = Comparison | Both | Either | Negation
EVERYONE: Final = Both(())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tenant's own words: departments and employees by what a user writes."""

    department: Callable[[str], UUID | None] = lambda written: None
    employee: Callable[[str], UUID | None] = lambda written: None


def uuid_or_none(written: str) -> UUID | None:
    """The id that the text is, if it is one."""
    try:
        return UUID(written)
    except ValueError:
        return None


# Stored rules name departments and employees by id only.
STORED: Final = Vocabulary(uuid_or_none, uuid_or_none)


def parse_rule(tree: object, words: Vocabulary) -> Rule:
    """The typed rule of a JSON tree; raises RuleInvalid with a violation for every fault."""
    parser = _Parser(words)
    rule = parser.node(tree, "", 1)
    if parser.faults:
        raise RuleInvalid("the group rule is not valid", violations=parser.faults)
    return rule


def rule_tree(rule: Rule) -> dict[str, object]:
    """The JSON tree of a typed rule, with ids where the user may have written codes; `parse_rule` reads it back."""
    match rule:
        case Both(parts):
            return {"all": [rule_tree(part) for part in parts]}
        case Either(parts):
            return {"any": [rule_tree(part) for part in parts]}
        case Negation(part):
            return {"not": rule_tree(part)}
        case Comparison(attribute, operator, values):
            leaf: dict[str, object] = {"attribute": attribute, "operator": operator}
            if operator not in _BARE_OPS:
                written = [value if isinstance(value, int) else str(value) for value in values]
                leaf["value"] = written if operator in _SET_OPS else written[0]
            return leaf


def written_references(tree: object) -> tuple[set[str], set[str]]:
    """The texts that name departments and employees anywhere in a tree, before it is checked."""
    found: dict[str, set[str]] = {"department": set(), "manager": set()}
    waiting, seen = [tree], 0
    while waiting and seen < MAX_NODES * 4:
        part, seen = waiting.pop(), seen + 1
        if isinstance(part, Mapping):
            name, value = part.get("attribute"), part.get("value")
            if isinstance(name, str) and name in found:
                items = value if isinstance(value, list) else [value]
                found[name].update(item for item in items[:MAX_VALUES] if isinstance(item, str))
            waiting += [part[key] for key in ("all", "any", "not") if key in part]
        elif isinstance(part, list):
            waiting += part[: MAX_NODES + 1]
    return found["department"], found["manager"]


class _Parser:
    """Walks the tree once and collects every fault with its pointer."""

    def __init__(self, words: Vocabulary) -> None:
        self._words = words
        self._nodes = 0
        self.faults: list[Violation] = []

    def node(self, tree: object, at: str, depth: int) -> Rule:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            return self._fault(at, "RULE_TOO_LARGE", f"at most {MAX_NODES} parts, {MAX_DEPTH} deep")
        if not isinstance(tree, Mapping):
            return self._fault(at, "RULE_NOT_AN_OBJECT", "a rule is an object")
        if set(tree) in ({"attribute", "operator"}, {"attribute", "operator", "value"}):
            return self._comparison(tree, at)
        if len(tree) != 1 or next(iter(tree)) not in ("all", "any", "not"):
            return self._fault(at, "RULE_UNKNOWN_KEY", "write all, any, not, or attribute with operator and value")
        key, inner = next(iter(tree.items()))
        if key == "not":
            return Negation(self.node(inner, f"{at}/not", depth + 1))
        if not isinstance(inner, Sequence) or isinstance(inner, str):
            return self._fault(f"{at}/{key}", "RULE_NOT_A_LIST", f"{key} holds a list of rules")
        parts = tuple(self.node(part, f"{at}/{key}/{index}", depth + 1) for index, part in enumerate(inner))
        return Both(parts) if key == "all" else Either(parts)

    def _comparison(self, tree: Mapping[str, object], at: str) -> Rule:
        name, op = tree["attribute"], tree["operator"]
        if not isinstance(name, str) or not (name in ATTRIBUTES or _attribute_name(name)):
            return self._fault(
                f"{at}/attribute", "RULE_UNKNOWN_ATTRIBUTE", f"attributes: {', '.join(ATTRIBUTES)}, attributes.<name>"
            )
        allowed = ATTRIBUTES.get(name, _TEXT_OPS)
        if not isinstance(op, str) or op not in allowed:
            return self._fault(f"{at}/operator", "RULE_UNKNOWN_OPERATOR", f"{name} knows {', '.join(sorted(allowed))}")
        if op in _BARE_OPS:
            if "value" in tree:
                return self._fault(f"{at}/value", "RULE_VALUE_UNWANTED", f"{op} takes no value")
            return Comparison(name, op, ())
        return self._valued(name, op, tree.get("value"), f"{at}/value")

    def _valued(self, name: str, op: str, value: object, at: str) -> Rule:
        written: Sequence[object] = [value]
        if op in _SET_OPS:
            if not isinstance(value, Sequence) or isinstance(value, str) or not 0 < len(value) <= MAX_VALUES:
                return self._fault(at, "RULE_NOT_A_LIST", f"{op} takes a list of 1 to {MAX_VALUES} values")
            written = value
        values: list[Value] = []
        for item in written:
            typed = self._typed(name, item)
            if typed is None:
                return self._fault(at, "RULE_BAD_VALUE", _EXPECTED.get(name, "a text"))
            values.append(typed)
        return Comparison(name, op, tuple(values))

    def _typed(self, name: str, item: object) -> Value | None:
        if name in ("tenure_months", "direct_reports"):
            return item if isinstance(item, int) and not isinstance(item, bool) and 0 <= item <= 100_000 else None
        if not isinstance(item, str) or not item or len(item) > MAX_TEXT or not item.isprintable():
            return None
        if name == "hired_on":
            try:
                return date.fromisoformat(item)
            except ValueError:
                return None
        if name == "department":
            return self._words.department(item)
        return self._words.employee(item) if name == "manager" else item

    def _fault(self, at: str, code: str, message: str) -> Rule:
        self.faults.append((at or "/", code, message))
        return EVERYONE


_EXPECTED: Mapping[str, str] = {
    "hired_on": "a date YYYY-MM-DD",
    "tenure_months": "a whole number from 0",
    "direct_reports": "a whole number from 0",
    "department": "the id, code or A/B/C path of a department",
    "manager": "the id or code of an employee",
}


def _attribute_name(name: str) -> bool:
    return name.startswith(OWN) and len(OWN) < len(name) <= 80 and name.isprintable()


def months_between(start: date, end: date) -> int:
    """Whole months from `start` to `end`: a month is full on the same day of the next, negative before the start."""
    return (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)


def matches(rule: Rule, facts: Facts, on: date) -> bool:
    """Whether somebody with these facts belongs to the group on that date."""
    match rule:
        case Both(parts):
            return all(matches(part, facts, on) for part in parts)
        case Either(parts):
            return any(matches(part, facts, on) for part in parts)
        case Negation(part):
            return not matches(part, facts, on)
        case Comparison():
            return _holds(rule, facts, on)


def _holds(comparison: Comparison, facts: Facts, on: date) -> bool:
    values = comparison.values
    if comparison.operator in ("within", "not_within"):
        return (values[0] in facts.department_path) == (comparison.operator == "within")
    fact = _fact(comparison.attribute, facts, on)
    if fact is None:
        return comparison.operator in ("ne", "not_in", "missing")
    return _OPERATORS[comparison.operator](fact, values)


def _fact(name: str, facts: Facts, on: date) -> Value | None:
    if name.startswith(OWN):
        return facts.attributes.get(name.removeprefix(OWN)) or None
    if name == "tenure_months":
        return None if facts.hired_on is None else months_between(facts.hired_on, on)
    fact: Value | None = getattr(facts, name)
    return None if fact == "" else fact


_OPERATORS: Mapping[str, Callable[[Value, Collection[Value]], bool]] = {
    "eq": lambda fact, values: fact in values,
    "in": lambda fact, values: fact in values,
    "ne": lambda fact, values: fact not in values,
    "not_in": lambda fact, values: fact not in values,
    "missing": lambda fact, values: False,
    "present": lambda fact, values: True,
    "lt": lambda fact, values: fact < next(iter(values)),  # type: ignore[operator]
    "le": lambda fact, values: fact <= next(iter(values)),  # type: ignore[operator]
    "gt": lambda fact, values: fact > next(iter(values)),  # type: ignore[operator]
    "ge": lambda fact, values: fact >= next(iter(values)),  # type: ignore[operator]
}
