"""Reading and changing the calendar."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.people.domain.calendar import Calendar, CalendarDay
from services.people.domain.errors import Invalid
from services.people.policy import require_tenant_wide
from services.people.usecases.days import own_tenant
from services.people.usecases.needs import HasCalendar

MAX_DAYS = 800
MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class Span:
    """Days from the first to the last, both included."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class CalendarSpan:
    """Every day of a span, and the zone in which a day begins."""

    days: tuple[CalendarDay, ...]
    zone: str


async def list_calendar_days(work: HasCalendar, span: Span) -> CalendarSpan:
    """The national calendar with what HR set instead; at most 800 days."""
    if span.last < span.first:
        raise Invalid("the span ends before it begins", field="to")
    if (span.last - span.first).days >= MAX_DAYS:
        raise Invalid(f"at most {MAX_DAYS} days", field="to")
    tenant = await own_tenant(work)
    calendar = Calendar(tenant.country, tenant.language, await work.calendar.overrides(span.first, span.last))
    return CalendarSpan(tuple(calendar.span(span.first, span.last)), tenant.zone)


async def set_calendar_days(work: HasCalendar, days: Sequence[CalendarDay]) -> None:
    """Set days as worked or free, each replacing what was set before."""
    require_tenant_wide(work.principal, "tenant.change")
    if not 0 < len(days) <= MAX_DAYS or len({entry.day for entry in days}) != len(days):
        raise Invalid(f"between 1 and {MAX_DAYS} different days", field="days")
    if any(len(entry.name) > MAX_NAME or not entry.name.isprintable() for entry in days):
        raise Invalid(f"a name has at most {MAX_NAME} characters", field="days")
    await work.calendar.save(days)
    ordered = sorted(days, key=lambda entry: entry.day)
    payload = {"days": [{"date": entry.day.isoformat(), "working": entry.workday} for entry in ordered]}
    await work.emit("people.calendar_changed", "calendar", work.tenant_id, await work.tenants.bump(), payload)
    await work.audit("calendar.change", "calendar", work.tenant_id, detail=payload)
