"""Answers against a form: whatever is sent, what is wrong is named, and what is right is stored exactly."""

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.reviews.domain.answers import (
    Answer,
    Evidence,
    answers_document,
    answers_of,
    form_items,
    malformed,
    unfitting,
)
from services.reviews.domain.form_body import content_hash
from tests.reviews.seed import FORM

items = st.sampled_from([*form_items(FORM), "no/such"])
links = st.builds(
    Evidence,
    st.text(max_size=20),
    st.sampled_from(["https://files.example/a?b=c", "http://[::1]/x", "http://[", "//x", "https:///x", "mailto:a@b"])
    | st.text(max_size=30),
    st.sampled_from(["", "ab" * 32, "AB" * 32, "zz"]),
)
values = st.decimals(allow_nan=True, allow_infinity=True).map(str) | st.text(max_size=12) | st.just("")
anything = st.builds(
    Answer,
    items | st.text(max_size=30),
    values,
    st.text(max_size=50),
    st.lists(st.sampled_from(["slow", "fast", "warp"]) | st.text(max_size=5), max_size=3).map(tuple),
    st.lists(links, max_size=2).map(tuple),
)
sound = st.builds(
    Answer,
    items,
    st.decimals(min_value=-(10**12), max_value=10**12, places=4, allow_nan=False).map(
        lambda number: format(number, "f")
    ),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=50),
    st.lists(st.sampled_from(["slow", "fast"]), max_size=2, unique=True).map(tuple),
    st.just(()),
)


@given(st.lists(anything, max_size=6), st.text(max_size=20))
def test_nothing_that_is_sent_breaks_the_check(answers: list[Answer], comment: str) -> None:
    for pointer, code, message in [*malformed(answers, comment), *unfitting(FORM, answers, complete=True)]:
        assert pointer.startswith(("answers", "comment"))
        assert code.isupper()
        assert message


@given(st.lists(sound, max_size=6, unique_by=lambda answer: answer.item))
def test_sound_answers_are_stored_exactly_and_in_one_shape(answers: list[Answer]) -> None:
    assert malformed(answers) == []
    document = answers_document(answers)
    assert document == answers_document(reversed(answers))
    read = {answer.item: answer for answer in answers_of(json.loads(json.dumps(document)))}
    for answer in answers:
        stored = read[answer.item]
        assert Decimal(stored.value) == Decimal(answer.value)
        assert (stored.text, stored.choices) == (answer.text, answer.choices)
    assert content_hash(document) == content_hash(answers_document(answers_of(document)))


def test_only_what_raters_judge_must_be_answered() -> None:
    missing = [violation[0] for violation in unfitting(FORM, (), complete=True)]
    assert missing == ["answers/conduct/teamwork"]
    assert unfitting(FORM, (), complete=False) == []


def test_what_the_form_asks_for_in_another_way_does_not_count_as_an_answer() -> None:
    words = (Answer("conduct/teamwork", text="always there"),)
    assert [violation[1] for violation in unfitting(FORM, words, complete=True)] == ["REQUIRED"]


def test_a_bonus_lies_between_nothing_and_its_cap() -> None:
    for value, fits in (("0", True), ("10", True), ("10.01", False), ("-1", False)):
        assert (unfitting(FORM, (Answer("conduct/extra", value),), complete=False) == []) is fits
