"""What goals does about events of people: live goals follow their owners through the organisation."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from uuid import UUID

from services.goals.store import GoalsWork
from services.goals.usecases.standing import Standing
from services.runtime.eventlog import Event

ONE_DAY = timedelta(days=1)  # what is of today here may be of tomorrow where the tenant lives
Handler = Callable[[GoalsWork, Event], Awaitable[None]]


def handlers(standing: Standing) -> Mapping[str, Handler]:
    """Return what is done about each kind of event."""

    async def on_employee_moved(work: GoalsWork, event: Event) -> None:
        """Own goals and those of the line below get the new departments and managers, again when the day has come."""
        employee_id = UUID(event.payload["employee_id"])
        day = event.payload.get("effective_on") or event.payload.get("hired_on")
        if day and date.fromisoformat(day) >= (event.create_time - ONE_DAY).date():
            await work.standings.plan(employee_id, date.fromisoformat(day))
        await standing.refresh(work, [employee_id])

    async def on_employees_imported(work: GoalsWork, event: Event) -> None:
        """The same for everybody whom a staff file has moved."""
        await standing.refresh(work, [UUID(each) for each in event.payload["transferred"]])

    kinds = ("people.employee_transferred", "people.employee_departed", "people.employee_rehired")
    return {**dict.fromkeys(kinds, on_employee_moved), "people.employees_imported": on_employees_imported}
