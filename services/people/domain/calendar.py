"""Working days: national defaults with make-up workdays, and what HR entered instead."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import holidays

from services.people.domain.errors import Invalid

MAX_SPAN = timedelta(days=3 * 366)
MAX_WORKDAYS = 750
_LANGUAGES: Mapping[str, tuple[str, ...]] = {"zh-CN": ("zh_CN", "zh"), "en": ("en_US", "en_GB", "en")}


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One day: worked or not, why, and whether HR said so."""

    day: date
    workday: bool
    name: str = ""
    overridden: bool = False


@dataclass(frozen=True, slots=True)
class Calendar:
    """The calendar of a country with the days that HR changed."""

    country: str
    language: str = "en"
    overrides: Mapping[date, CalendarDay] | None = None

    def day(self, day: date) -> CalendarDay:
        """What kind of day it is; HR's word stands above the nation's."""
        entered = (self.overrides or {}).get(day)
        if entered is not None:
            return entered
        free, worked, weekend = _national(self.country, day.year, self.language)
        if day in worked:
            return CalendarDay(day, True, worked[day])
        if day in free:
            return CalendarDay(day, False, free[day])
        return CalendarDay(day, day.weekday() not in weekend)

    def span(self, first: date, last: date) -> list[CalendarDay]:
        """Every day from `first` to `last`, both included; at most three years."""
        if last < first:
            raise Invalid("the span ends before it begins", field="last_day")
        if last - first > MAX_SPAN:
            raise Invalid("a span holds at most three years", field="last_day")
        return [self.day(first + timedelta(days=offset)) for offset in range((last - first).days + 1)]

    def add_workdays(self, start: date, count: int) -> date:
        """The `count`-th working day after `start` (before it when negative); 0 is `start` itself, worked or not."""
        if abs(count) > MAX_WORKDAYS:
            raise Invalid(f"at most {MAX_WORKDAYS} working days", field="workdays")
        step = timedelta(days=1 if count > 0 else -1)
        day, left, idle = start, abs(count), 0
        while left:
            day += step
            worked = self.day(day).workday
            left -= worked
            idle = 0 if worked else idle + 1
            if idle > MAX_WORKDAYS:
                raise Invalid("the calendar has no working days", field="workdays")
        return day


def check_zone(zone: str) -> str:
    """The zone if it is an IANA name; anything else is refused."""
    if zone not in _zones():
        raise Invalid("not an IANA time zone", field="zone")
    return zone


def check_country(country: str) -> str:
    """The country if its public holidays are known (ISO 3166-1 alpha-2)."""
    if country not in _countries():
        raise Invalid("no holidays are known for this country", field="country")
    return country


def zone_of(zone: str) -> ZoneInfo:
    """The zone itself."""
    return ZoneInfo(zone)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


@lru_cache(maxsize=1)
def _countries() -> frozenset[str]:
    return frozenset(code for code in holidays.list_supported_countries() if len(code) == 2)


@lru_cache(maxsize=512)
def _national(country: str, year: int, language: str) -> tuple[dict[date, str], dict[date, str], frozenset[int]]:
    """Days off, weekend days that are worked instead, and the weekend, of one country and year."""
    wanted = _LANGUAGES.get(language, ())
    offered = holidays.country_holidays(country).supported_languages
    spoken = next((name for name in wanted if name in offered), None)
    known = holidays.country_holidays(country, years=year, language=spoken)
    worked = {day: "补班" if language == "zh-CN" else "Make-up workday" for day in known.weekend_workdays}
    free = {day: name for day, name in known.items() if day not in worked}
    return free, worked, frozenset(known.weekend)
