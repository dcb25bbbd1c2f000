"""What goals does about events of people: live goals follow their owners through the organisation."""

from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from services.goals.store import GoalsWork
from services.goals.usecases.standing import Standing
from services.runtime.eventlog import Event

Handler = Callable[[GoalsWork, Event], Awaitable[None]]


def handlers(standing: Standing) -> Mapping[str, Handler]:
    """Return what is done about each kind of event."""

    async def on_employee_moved(work: GoalsWork, event: Event) -> None:
        """Own goals and those of the line below get the new departments and managers."""
        await standing.refresh(work, [UUID(event.payload["employee_id"])])

    async def on_employees_imported(work: GoalsWork, event: Event) -> None:
        """The same for everybody whom a staff file has moved."""
        await standing.refresh(work, [UUID(each) for each in event.payload["transferred"]])

    kinds = ("people.employee_transferred", "people.employee_departed", "people.employee_rehired")
    return {**dict.fromkeys(kinds, on_employee_moved), "people.employees_imported": on_employees_imported}
