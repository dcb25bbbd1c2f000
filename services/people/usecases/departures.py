"""Telling of departures once the last day has passed, however and whenever it was recorded."""

from typing import Protocol

from services.people.usecases.days import today
from services.people.usecases.needs import HasEmployees

CHUNK = 500  # leavers told of in one transaction


class NeedsDepartures(HasEmployees, Protocol):
    """A transaction that looks for who has left."""


async def tell_of_departures(work: NeedsDepartures) -> int:
    """Tell of those whose last day has passed without anybody having been told since; return of how many.

    A departure that is recorded ahead of its day is told at once, too, and hands nothing over then.
    """
    departures = await work.employees.departed_before(await today(work), CHUNK)
    for each in departures:
        payload = {
            "employee_id": str(each.employee_id),
            "left_on": each.left_on.isoformat(),
            "manager_id": str(each.manager_id or ""),
        }
        await work.emit("people.employee_departed", "employee", each.employee_id, each.version, payload)
        await work.audit("employee.left", "employee", each.employee_id, detail={"left_on": each.left_on.isoformat()})
    return len(departures)
