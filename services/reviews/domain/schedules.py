"""Recurring cycles: which period a launch judges, and on which instants launches fall."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import Invalid
from services.reviews.domain.model import CycleKind, CycleSchedule, Period

MONTHS: Mapping[CycleKind, int] = {
    CycleKind.MONTH: 1,
    CycleKind.QUARTER: 3,
    CycleKind.HALF_YEAR: 6,
    CycleKind.YEAR: 12,
}
KNOWN_LAUNCHES = 12
LATEST_DAY = 20


def period_containing(kind: CycleKind, day: date) -> Period:
    """The calendar period of the kind in which the day lies."""
    length = MONTHS[kind]
    month = (day.month - 1) // length * length + 1
    start = date(day.year, month, 1)
    return Period(kind, start, _after_months(start, length) - timedelta(days=1))


def judged_period(schedule: CycleSchedule, nominal_at: datetime) -> Period:
    """The period before the one in which the nominal launch falls, in the schedule's zone; never computed from now."""
    day = Calendar(schedule.zone, {}).local(nominal_at).date()
    return period_containing(schedule.kind, period_containing(schedule.kind, day).start - timedelta(days=1))


def launch_times(schedule: CycleSchedule, after: datetime, calendar: Calendar) -> Iterator[datetime]:
    """The launches later than `after`, without end: the n-th business day of each period at the local time."""
    start = period_containing(schedule.kind, calendar.local(after).date()).start
    while True:
        day = calendar.nth_business_day(start - timedelta(days=1), schedule.launch_day)
        at = calendar.at_wall(day, schedule.launch_time)
        if at > after:
            yield at
        start = _after_months(start, MONTHS[schedule.kind])


def name_of(schedule: CycleSchedule, period: Period) -> str:
    """The schedule's name with its period: 2026-09, 2026 Q3, 2026 H2, 2026."""
    start = period.start
    words = {
        CycleKind.MONTH: f"{start.year}-{start.month:02}",
        CycleKind.QUARTER: f"{start.year} Q{(start.month + 2) // 3}",
        CycleKind.HALF_YEAR: f"{start.year} H{1 if start.month == 1 else 2}",
    }
    return f"{schedule.name} {words.get(schedule.kind, str(start.year))}"


def read_schedule_kind(written: str) -> CycleKind:
    """Only calendar periods recur."""
    try:
        kind = CycleKind(written)
    except ValueError:
        kind = CycleKind.CUSTOM
    if kind not in MONTHS:
        raise Invalid(f"kind is one of {', '.join(MONTHS)}", field="schedule.kind")
    return kind


def read_launch_day(written: int) -> int:
    if not 1 <= written <= LATEST_DAY:
        raise Invalid(f"business_day is 1 to {LATEST_DAY}", field="schedule.business_day")
    return written


def read_launch_time(written: str) -> time:
    """HH:MM, local; 09:00 where none is given."""
    try:
        return time.fromisoformat(written or "09:00").replace(tzinfo=None)
    except ValueError:
        raise Invalid("at is a local time such as 09:00", field="schedule.at") from None


def _after_months(start: date, months: int) -> date:
    month = start.month - 1 + months
    return date(start.year + month // 12, month % 12 + 1, 1)
