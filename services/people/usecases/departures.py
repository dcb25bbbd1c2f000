"""Telling of departures once the last day has passed, however it was recorded, and of those that are none after all."""

from datetime import date
from typing import Protocol

from services.people.usecases.days import today
from services.people.usecases.needs import HasDepartures, HasTenants

# Told of in one look. Followers take each by itself, maybe a hundred a second, and what else happens in the company,
# and in others of the same partition of the log, comes after: a company that closes a site keeps them ten seconds.
CHUNK = 1000


class NeedsDepartures(HasTenants, HasDepartures, Protocol):
    """A transaction that looks for who has left."""


async def tell_of_departures(work: NeedsDepartures) -> int:
    """Tell of those whose last day has passed without anybody having been told since, and take back what is not so.

    Returns of how many; at most a chunk of each. A departure that is recorded ahead of its day is told at once, too,
    and hands nothing over then.
    """
    day = await today(work)
    return await _tell_of_leavers(work, day) + await _tell_of_stayers(work, day)


async def _tell_of_leavers(work: NeedsDepartures, day: date) -> int:
    gone = await work.departures.passed(day, CHUNK)
    payloads = [
        {
            "employee_id": str(each.employee_id),
            "left_on": each.left_on.isoformat(),
            "manager_id": str(each.manager_id or ""),
        }
        for each in gone
    ]
    told = [(each.employee_id, each.version, payload) for each, payload in zip(gone, payloads, strict=True)]
    await work.emit_each("people.employee_departed", "employee", told)
    details = {each.employee_id: {"left_on": each.left_on.isoformat()} for each in gone}
    await work.audit_each("employee.left", "employee", details)
    return len(gone)


async def _tell_of_stayers(work: NeedsDepartures, day: date) -> int:
    """Followers hear that somebody is back: to them a last day that was put off is none until it has passed."""
    staying = await work.departures.taken_back(day, CHUNK)
    payloads = [{"employee_id": str(each.employee_id), "hired_on": _text(each.hired_on)} for each in staying]
    told = [(each.employee_id, each.version, payload) for each, payload in zip(staying, payloads, strict=True)]
    await work.emit_each("people.employee_rehired", "employee", told)
    details = {
        each.employee_id: {"former_left_on": _text(each.former_left_on), "left_on": _text(each.left_on)}
        for each in staying
    }
    await work.audit_each("employee.stay", "employee", details)
    return len(staying)


def _text(day: date | None) -> str:
    return day.isoformat() if day else ""
