"""Adding spans of time in a tenant's zone and business days."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from services.reviews.domain.model import Span, Unit

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days of a cycle; a day that is not listed counts as business from Monday to Friday."""

    zone: str
    days: Mapping[date, bool]

    def business(self, day: date) -> bool:
        known = self.days.get(day)
        return day.weekday() < 5 if known is None else known

    def local(self, at: datetime) -> datetime:
        return at.astimezone(ZoneInfo(self.zone))

    def at_wall(self, day: date, wall: time) -> datetime:
        """The instant of a local wall time: the first of two, and past the gap where the clock jumps over it."""
        return datetime.combine(day, wall.replace(tzinfo=None), tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def add(self, at: datetime, span: Span, *, wall: time | None = None) -> datetime:
        """The instant `span` after `at` (before it, if negative).

        Seconds and hours are elapsed time; days keep the local wall time, or take `wall`, across clock changes.
        The n-th business day is counted from the day after `at`; 0 business days is the same day.
        """
        if span.unit is Unit.SECONDS:
            return at + timedelta(seconds=span.amount)
        if span.unit is Unit.HOURS:
            return at + timedelta(hours=span.amount)
        if span.amount == 0 and wall is None:
            return at
        start = self.local(at)
        if span.unit is Unit.CALENDAR_DAYS:
            day = start.date() + timedelta(days=span.amount)
        else:
            day = self.nth_business_day(start.date(), span.amount)
        return self.at_wall(day, wall or start.time())

    def nth_business_day(self, day: date, count: int) -> date:
        """The `count`-th business day after `day` (before it, if negative)."""
        step = ONE_DAY if count >= 0 else -ONE_DAY
        left = abs(count)
        while left:
            day += step
            left -= self.business(day)
        return day

    def business_days_between(self, earlier: date, later: date) -> int:
        """Business days d with earlier < d <= later."""
        count = 0
        while earlier < later:
            earlier += ONE_DAY
            count += self.business(earlier)
        return count

    def shift(self, at: datetime, *, paused_at: datetime, resumed_at: datetime, unit: Unit) -> datetime:
        """Where an instant moves when the time from `paused_at` to `resumed_at` does not count.

        Where business days are counted, whole business days begun in the pause; within one business day the
        elapsed time; nothing for a pause that touches no business day.
        """
        elapsed = resumed_at - paused_at
        if unit is not Unit.BUSINESS_DAYS:
            return at + elapsed
        begun, ended = self.local(paused_at).date(), self.local(resumed_at).date()
        days = self.business_days_between(begun, ended)
        if days:
            return self.add(at, Span(days, Unit.BUSINESS_DAYS))
        return at + elapsed if begun == ended and self.business(begun) else at
