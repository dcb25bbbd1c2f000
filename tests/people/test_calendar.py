"""Working days of a country and a company."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.people.domain.calendar import Calendar, CalendarDay, check_country, check_zone
from services.people.domain.errors import Invalid

CHINA = Calendar("CN", "zh-CN")
DAYS = st.dates(min_value=date(2024, 1, 1), max_value=date(2026, 12, 31))


@pytest.mark.parametrize(
    ("day", "workday"),
    [
        (date(2026, 10, 1), False),  # National Day
        (date(2026, 10, 10), True),  # a Saturday worked instead
        (date(2026, 10, 17), False),  # an ordinary Saturday
        (date(2026, 10, 19), True),  # an ordinary Monday
    ],
)
def test_national_days(day: date, workday: bool) -> None:
    assert CHINA.day(day).workday is workday


def test_names_are_in_the_language_of_the_company() -> None:
    assert CHINA.day(date(2026, 10, 1)).name == "国庆节"
    assert Calendar("CN", "en").day(date(2026, 10, 1)).name == "National Day"


def test_the_company_has_the_last_word() -> None:
    day = date(2026, 10, 1)
    calendar = Calendar("CN", "en", {day: CalendarDay(day, True, "stocktaking", overridden=True)})
    assert calendar.day(day) == CalendarDay(day, True, "stocktaking", overridden=True)


def test_over_national_day() -> None:
    assert CHINA.add_workdays(date(2026, 9, 30), 1) == date(2026, 10, 8)


@given(DAYS, st.integers(1, 40))
def test_adding_workdays_counts_workdays(start: date, count: int) -> None:
    end = CHINA.add_workdays(start, count)
    passed = [start + timedelta(days=offset) for offset in range(1, (end - start).days + 1)]
    assert sum(CHINA.day(day).workday for day in passed) == count
    assert CHINA.day(end).workday


@given(DAYS, st.integers(0, 40))
def test_there_and_back(start: date, count: int) -> None:
    assert CHINA.add_workdays(CHINA.add_workdays(start, count), -count) <= start or not CHINA.day(start).workday


def test_what_is_not_known_is_refused() -> None:
    for wrong in (
        lambda: check_zone("Asia/Atlantis"),
        lambda: check_country("XX"),
        lambda: CHINA.add_workdays(date.max, 751),
    ):
        with pytest.raises(Invalid):
            wrong()
    assert (check_zone("Asia/Shanghai"), check_country("CN")) == ("Asia/Shanghai", "CN")


def test_a_calendar_without_workdays_is_refused_and_does_not_hang() -> None:
    start = date(2026, 1, 1)
    free = {start + timedelta(days=n): CalendarDay(start + timedelta(days=n), False) for n in range(1000)}
    with pytest.raises(Invalid):
        Calendar("CN", "en", free).add_workdays(start, 1)
