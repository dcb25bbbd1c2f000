"""Numbers, lengths and forms as a template writes them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reviews.convert.template_text import read_template_text
from services.reviews.domain.form_body import content_hash, form_body, plain_number
from services.reviews.domain.model import Span, Unit
from services.reviews.domain.template_reader import read_length, read_number, read_weight
from tests.reviews.test_template_text import GOOD


@pytest.mark.parametrize(
    ("written", "span"),
    [
        ("5 business days", Span(5, Unit.BUSINESS_DAYS)),
        ("1 business day", Span(1, Unit.BUSINESS_DAYS)),
        ({"business_days": 5}, Span(5, Unit.BUSINESS_DAYS)),
        ("5个工作日", Span(5, Unit.BUSINESS_DAYS)),
        ("7 days", Span(7, Unit.CALENDAR_DAYS)),
        ("2 weeks", Span(14, Unit.CALENDAR_DAYS)),
        ("7天", Span(7, Unit.CALENDAR_DAYS)),
        ("12 hours", Span(12, Unit.HOURS)),
        ("3 minutes", Span(180, Unit.SECONDS)),
        ("20 seconds", Span(20, Unit.SECONDS)),
        ({"seconds": 20}, Span(20, Unit.SECONDS)),
    ],
)
def test_lengths(written: object, span: Span) -> None:
    assert read_length(written) == span


@pytest.mark.parametrize("written", ["", "days", "5", "5 moons", -1, None, {}, {"days": -1}, {"days": 1, "hours": 2}])
def test_what_is_no_length_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="is not a length"):
        read_length(written)


def test_a_percentage_is_a_ratio_but_a_weight_is_in_per_cent() -> None:
    assert read_number("120%") == Decimal("1.2")
    assert read_number(95) == Decimal(95)
    assert read_weight("40%") == read_weight(40) == Decimal(40)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9))
def test_plain_numbers_read_back(number: Decimal) -> None:
    assert read_number(plain_number(number)) == number
    assert "E" not in plain_number(number)


def test_a_form_has_normal_numbers_and_every_default() -> None:
    read = read_template_text(GOOD.replace("target: 100", "target: 95%"))
    assert read.body is not None
    form = form_body(read.body)
    results, conduct = form["sections"]
    assert results["indicators"][0]["target"] == "0.95"
    assert results["weight"] == "70"
    assert [point["points"] for point in conduct["indicators"][0]["scale"]["points"]] == ["100", "50"]
    assert form["raters"] == {"self": "0", "manager": "100"}
    assert (form["missing_relation"], form["ceiling"]) == ("renormalise", "120")
    assert "process" not in form
    assert "grades" not in form


def test_equal_forms_have_equal_hashes_however_they_are_written() -> None:
    first = read_template_text(GOOD).body
    second = read_template_text(GOOD.replace("weight: 70", "weight: 70.0%").replace("from: 60", "from: 61")).body
    other = read_template_text(GOOD.replace("target: 100", "target: 101")).body
    assert first is not None
    assert second is not None
    assert other is not None
    assert content_hash(form_body(first)) == content_hash(form_body(second))
    assert content_hash(form_body(first)) != content_hash(form_body(other))
