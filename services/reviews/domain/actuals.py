"""What was achieved: who may enter which value, until when, and what counts as a value."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.reviews.domain.model import Actual
from services.reviews.domain.template_reader import read_number

LARGEST = Decimal(10) ** 15
MOST_PLACES = 6
YES_NO = {"1": "1", "0": "0", "yes": "1", "no": "0", "true": "1", "false": "0", "是": "1", "否": "0"}

MESSAGES: Mapping[str, str] = {
    "PARTICIPANT_UNKNOWN": "nobody of this cycle has this id or code; 本周期没有此人",
    "ITEM_UNKNOWN": "the form of this person has no such item that needs a value; 此人的考评表没有这个需要完成值的指标",
    "VALUE_INVALID": "write a number, at most 6 decimal places, or a percentage; 请填写数字（至多 6 位小数）或百分比",
    "NOT_YES_OR_NO": "write 1 or 0, yes or no; 请填写 1 或 0、是 或 否",
    "NOT_A_COUNT": "write a whole number, not below 0; 请填写不小于 0 的整数",
    "NOT_PROVIDER": "another person provides this value; 该完成值由其他人提供",
    "LOCKED": "the stage has closed; HR may correct it with a reason; 环节已关闭，可由人力资源说明原因后更正",
    "TWICE": "this value occurs twice; 该完成值重复",
    "REASON_REQUIRED": "give a reason for the correction; 更正需要填写原因",
    "COLUMN_UNKNOWN": "no indicator of this cycle has this key or name; 本周期没有此列对应的指标",
    "CODE_COLUMN_MISSING": "the file has no column code; 文件缺少工号列",
    "TAKES_NO_PART": "this person does not take part any more; 此人已不参加考核",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as sent; `index` is its place in the request, or its line in the file."""

    index: int
    item: str
    value: str
    participant_id: UUID | None = None
    code: str = ""
    evidence: tuple[dict[str, Any], ...] = ()
    column: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one value was not taken."""

    index: int
    id: str
    code: str
    column: str = ""

    @property
    def message(self) -> str:
        return MESSAGES.get(self.code, self.code)


@dataclass(frozen=True, slots=True)
class Target:
    """A participant, with who provides which item."""

    participant_id: UUID
    code: str
    form_id: UUID | None
    takes_part: bool
    administered: bool  # the caller is HR for this person, and not this person
    providers: Mapping[str, UUID] = field(default_factory=dict)
    latest: Mapping[str, Actual] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides about a batch: the caller, the items of each form with their method, whether values are locked."""

    caller: UUID | None
    items: Mapping[UUID, Mapping[str, str]]  # form → item → method
    locked: bool
    extended: Collection[UUID] = ()  # providers who were given longer
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A value to be written, on top of the one before."""

    target: Target
    item: str
    value: Decimal | None
    evidence: tuple[dict[str, Any], ...]
    correction: bool
    before: Actual | None


def judge(
    entries: Iterable[Entry], targets: Iterable[Target], rules: Rules
) -> tuple[list[Accepted], list[Failure], int]:
    """What is written, what is refused and why, and how many values equal what is there."""
    by_id: dict[object, Target] = {}
    for target in targets:
        by_id |= {target.participant_id: target, target.code: target}
    accepted: list[Accepted] = []
    failures: list[Failure] = []
    unchanged = 0
    seen: set[tuple[UUID, str]] = set()
    for entry in entries:
        found = by_id.get(entry.participant_id or entry.code)
        outcome = _judged(entry, found, rules, seen)
        if isinstance(outcome, str):
            subject = str(entry.participant_id or entry.code)
            failures.append(Failure(entry.index, subject, outcome, entry.column or entry.item))
        elif outcome.before and (outcome.before.value, outcome.before.evidence) == (outcome.value, outcome.evidence):
            unchanged += 1
        else:
            accepted.append(outcome)
    return accepted, failures, unchanged


def _judged(entry: Entry, target: Target | None, rules: Rules, seen: set[tuple[UUID, str]]) -> Accepted | str:
    if target is None:
        return "PARTICIPANT_UNKNOWN"
    method = rules.items.get(target.form_id, {}).get(entry.item) if target.form_id else None
    if method is None:
        return "ITEM_UNKNOWN"
    if not target.takes_part:
        return "TAKES_NO_PART"
    refusal = _refusal(entry, target, rules)
    if refusal:
        return refusal
    if (target.participant_id, entry.item) in seen:
        return "TWICE"
    seen.add((target.participant_id, entry.item))
    value = read_value(entry.value, method)
    if isinstance(value, str):
        return value
    before = target.latest.get(entry.item)
    return Accepted(target, entry.item, value, entry.evidence, rules.locked, before)


def _refusal(entry: Entry, target: Target, rules: Rules) -> str:
    provides = target.providers.get(entry.item) == rules.caller and rules.caller is not None
    if not provides and not target.administered:
        return "NOT_PROVIDER"
    if not rules.locked or (provides and rules.caller in rules.extended):
        return ""
    if not target.administered:
        return "LOCKED"
    return "" if rules.reason else "REASON_REQUIRED"


def read_value(written: str, method: str) -> Decimal | str | None:
    """The value, or the code of what is wrong with it; an empty text takes a value back. 120% is 1.2."""
    text = written.strip()
    if not text:
        return None
    if method == "yes_no":
        answer = YES_NO.get(text.lower())
        return Decimal(answer) if answer else "NOT_YES_OR_NO"
    try:
        value = read_number(text.replace(",", "")) if len(text) <= 40 else None
    except ValueError:
        value = None
    if value is None or not value.is_finite() or abs(value) > LARGEST or _places(value) > MOST_PLACES:
        return "VALUE_INVALID"
    if method == "occurrence" and (value < 0 or value != value.to_integral_value()):
        return "NOT_A_COUNT"
    return value


def _places(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def items_needing_actuals(form: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(item, method, name) of every indicator of a form body that needs a value."""
    for section in form.get("sections", ()):
        for indicator in section["indicators"]:
            if indicator["kind"] == "quantitative" or "method" in indicator:
                yield f"{section['key']}/{indicator['key']}", indicator.get("method", "ratio"), indicator["name"]
