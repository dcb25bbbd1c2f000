"""What a person answers to a form: its stored shape, and everything that can be wrong with it, found at once."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

from services.reviews.domain.errors import AnswersInvalid, Violation
from services.reviews.domain.form_body import plain_number

MAX_ANSWERS = 500
MAX_TEXT = 10_000
MAX_EVIDENCE = 20
MAX_NAME = 200
MAX_URL = 2_000
MAX_VALUE = Decimal(10) ** 15
MAX_PLACES = 6
DECIMAL = re.compile(r"-?[0-9]{1,16}(\.[0-9]{1,12})?")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")
RATED_KINDS = frozenset({"qualitative"})
"""Only these must be answered: a quantitative one has its actual, a goal its progress, the others arise rarely."""

Document = dict[str, Any]
"""Item → {value, text, choices, evidence}, empty parts left out, decimals as plain text: the stored shape."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A link to something outside, and the hash of what it pointed at."""

    name: str
    url: str
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it was sent; `value` is a decimal in text."""

    item: str
    value: str = ""
    text: str = ""
    choices: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


def answers_document(answers: Iterable[Answer]) -> Document:
    """The stored shape of well-formed answers; equal answers give equal documents."""
    return {answer.item: _stored(answer) for answer in answers}


def answers_of(document: Mapping[str, Any]) -> list[Answer]:
    """The answers of a stored document, in the order of their items."""
    return [_read(item, stored) for item, stored in sorted(document.items())]


def malformed(answers: Sequence[Answer], comment: str = "") -> list[Violation]:
    """What is wrong with the answers whatever the form: numbers, lengths, links, items named twice."""
    found: list[Violation] = []
    if len(answers) > MAX_ANSWERS:
        return [("answers", "TOO_MANY", f"at most {MAX_ANSWERS} answers")]
    found += _text_problems("comment", comment, MAX_TEXT)
    seen: set[str] = set()
    for index, answer in enumerate(answers):
        pointer = f"answers/{index}"
        if answer.item in seen:
            found.append((f"{pointer}/item", "TWICE", "the item is answered twice"))
        seen.add(answer.item)
        found += _malformed_answer(pointer, answer)
    return found


def unfitting(form: Mapping[str, Any] | None, answers: Sequence[Answer], *, complete: bool) -> list[Violation]:
    """What does not fit the form: unknown items, values off the scale; where `complete`, required items left out."""
    items = form_items(form)
    found: list[Violation] = []
    for index, answer in enumerate(answers):
        item = items.get(answer.item)
        if item is None:
            found.append((f"answers/{index}/item", "UNKNOWN_ITEM", "the form has no such item"))
        else:
            found += _unfitting_answer(f"answers/{index}", item, answer, form or {})
    if complete:
        answered = {answer.item: answer for answer in answers}
        found += _missing(items, answered)
    return found


def form_items(form: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """The indicators of a form by `section/indicator`."""
    sections = (form or {}).get("sections", ())
    return {f"{section['key']}/{item['key']}": item for section in sections for item in section["indicators"]}


def require_valid(violations: Sequence[Violation]) -> None:
    """AnswersInvalid with all of the violations, if there are any."""
    if violations:
        raise AnswersInvalid("the answers do not fit the form", violations=violations)


def is_required(item: Mapping[str, Any]) -> bool:
    """Whether a submission must answer the item."""
    return bool(item.get("required", True)) and item["kind"] in RATED_KINDS and "method" not in item


def _missing(items: Mapping[str, Mapping[str, Any]], answered: Mapping[str, Answer]) -> Iterator[Violation]:
    for key, item in items.items():
        if is_required(item) and not _answers(item, answered.get(key)):
            yield f"answers/{key}", "REQUIRED", f"{item['name']} must be answered"


def _answers(item: Mapping[str, Any], answer: Answer | None) -> bool:
    if answer is None:
        return False
    parts = {
        "rating": answer.value,
        "number": answer.value,
        "choice": answer.choices,
        "multi_choice": answer.choices,
        "text": answer.text.strip(),
        "evidence": answer.evidence,
    }
    return bool(parts.get(item.get("question", "rating"), True))


def _unfitting_answer(
    pointer: str, item: Mapping[str, Any], answer: Answer, form: Mapping[str, Any]
) -> Iterator[Violation]:
    question = item.get("question", "rating")
    if answer.value and _decimal(answer.value) is not None:
        yield from _value_problems(f"{pointer}/value", question, item, Decimal(answer.value), form)
    if answer.choices:
        yield from _choice_problems(f"{pointer}/choices", question, item, answer.choices)


def _value_problems(
    pointer: str, question: str, item: Mapping[str, Any], value: Decimal, form: Mapping[str, Any]
) -> Iterator[Violation]:
    points = item.get("scale", {}).get("points")
    if question == "rating" and points:
        allowed = [Decimal(point["value"]) for point in points]
        if value not in allowed:
            listed = ", ".join(plain_number(number) for number in allowed)
            yield pointer, "NOT_ON_SCALE", f"the value must be one of {listed}"
    elif item["kind"] == "veto":
        if value not in (0, 1):
            yield pointer, "OUT_OF_RANGE", "the value must be 0 (no) or 1 (yes)"
    elif question in {"rating", "number"}:
        largest = _largest(item, form)
        if largest is not None and not 0 <= value <= largest:
            yield pointer, "OUT_OF_RANGE", f"the value must be from 0 to {plain_number(largest)}"
    else:
        yield pointer, "NO_VALUE_WANTED", "this item is not answered by a value"


def _largest(item: Mapping[str, Any], form: Mapping[str, Any]) -> Decimal | None:
    """Largest number that a rater may give; None for a remark on what an actual decides."""
    if item["kind"] == "quantitative" or "method" in item:
        return None
    caps = {"bonus": form.get("bonus_cap"), "deduction": form.get("deduction_cap")}
    own = (item.get("cap") or caps[item["kind"]]) if item["kind"] in caps else None
    written = own or form.get("ceiling", "120")
    return Decimal(written)


def _choice_problems(
    pointer: str, question: str, item: Mapping[str, Any], choices: Sequence[str]
) -> Iterator[Violation]:
    if question not in {"choice", "multi_choice"}:
        yield pointer, "NO_CHOICE_WANTED", "this item is not answered by a choice"
        return
    allowed = [choice["value"] for choice in item.get("choices", ())]
    if question == "choice" and len(choices) > 1:
        yield pointer, "TOO_MANY", "only one choice is possible"
    if len(set(choices)) < len(choices):
        yield pointer, "TWICE", "a choice is named twice"
    for choice in choices:
        if choice not in allowed:
            yield pointer, "UNKNOWN_CHOICE", f"{choice[:100]} is none of the choices"


def _malformed_answer(pointer: str, answer: Answer) -> Iterator[Violation]:
    yield from _text_problems(f"{pointer}/item", answer.item, MAX_NAME)
    if not answer.item:
        yield f"{pointer}/item", "REQUIRED", "name the item"
    if answer.value:
        yield from _number_problems(f"{pointer}/value", answer.value)
    yield from _text_problems(f"{pointer}/text", answer.text, MAX_TEXT)
    for choice in answer.choices:
        yield from _text_problems(f"{pointer}/choices", choice, MAX_NAME)
    yield from malformed_evidence(pointer, answer.evidence)


def malformed_evidence(pointer: str, evidence: Sequence[Evidence]) -> Iterator[Violation]:
    """What is wrong with links: http or https with a host, the hash in 64 hexadecimal digits."""
    if len(evidence) > MAX_EVIDENCE:
        yield f"{pointer}/evidence", "TOO_MANY", f"at most {MAX_EVIDENCE} pieces of evidence"
        return
    for index, item in enumerate(evidence):
        at = f"{pointer}/evidence/{index}" if pointer else f"evidence/{index}"
        yield from _text_problems(f"{at}/name", item.name, MAX_NAME)
        if not _is_link(item.url):
            yield f"{at}/url", "INVALID_URL", "the link must begin with http:// or https:// and name a host"
        if item.sha256 and not SHA256.fullmatch(item.sha256):
            yield f"{at}/sha256", "INVALID_SHA256", "the hash must be 64 hexadecimal digits"


def evidence_document(evidence: Iterable[Evidence]) -> list[dict[str, str]]:
    """The stored shape of evidence."""
    return [
        {"name": item.name, "url": item.url} | ({"sha256": item.sha256.lower()} if item.sha256 else {})
        for item in evidence
    ]


def text_problems(pointer: str, text: str, limit: int = MAX_TEXT) -> list[Violation]:
    """What is wrong with a text whatever it says: its length, or a character that cannot be stored."""
    return list(_text_problems(pointer, text, limit))


def _text_problems(pointer: str, text: str, limit: int) -> Iterator[Violation]:
    if len(text) > limit:
        yield pointer, "TOO_LONG", f"at most {limit} characters"
    if "\x00" in text:
        yield pointer, "INVALID_CHARACTER", "the character U+0000 cannot be stored"


def _number_problems(pointer: str, text: str) -> Iterator[Violation]:
    number = _decimal(text)
    if number is None:
        yield pointer, "NOT_A_NUMBER", "the value must be a decimal number such as 4 or 87.5"
    elif abs(number) >= MAX_VALUE or _places(number) > MAX_PLACES:
        yield pointer, "OUT_OF_RANGE", f"at most 15 digits before and {MAX_PLACES} after the decimal point"


def _decimal(text: str) -> Decimal | None:
    if not DECIMAL.fullmatch(text):
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        return None


def _places(number: Decimal) -> int:
    exponent = number.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _is_link(url: str) -> bool:
    if not url or len(url) > MAX_URL or any(character <= " " for character in url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _stored(answer: Answer) -> Document:
    parts: Document = {
        "value": plain_number(Decimal(answer.value) + 0) if answer.value else "",
        "text": answer.text,
        "choices": list(answer.choices),
        "evidence": evidence_document(answer.evidence),
    }
    return {name: part for name, part in parts.items() if part}


def _read(item: str, stored: Mapping[str, Any]) -> Answer:
    return Answer(
        item=item,
        value=stored.get("value", ""),
        text=stored.get("text", ""),
        choices=tuple(stored.get("choices", ())),
        evidence=tuple(
            Evidence(piece.get("name", ""), piece.get("url", ""), piece.get("sha256", ""))
            for piece in stored.get("evidence", ())
        ),
    )
