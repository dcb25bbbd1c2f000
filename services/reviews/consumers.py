"""What reviews does about events of other services: convert, use case; the cursor moves in the same transaction."""

from collections.abc import Awaitable, Callable, Mapping

from services.reviews.convert import events
from services.reviews.store import ReviewsWork
from services.reviews.usecases.follow_assignees import follow_absence, follow_delivery, follow_employment
from services.reviews.usecases.follow_people import change_calendar, hand_over_tasks
from services.reviews.usecases.follow_scoring import follow_amendment, follow_correction, follow_session
from services.runtime.eventlog import Event


async def on_employee_departed(work: ReviewsWork, event: Event) -> None:
    """What a leaver owes goes to their manager, with the drafts; what comes to them later shows as a stall."""
    await follow_employment(work, events.employment(event))
    await hand_over_tasks(work, events.departed(event))


async def on_employee_rehired(work: ReviewsWork, event: Event) -> None:
    """Somebody works here again."""
    await follow_employment(work, events.employment(event))


async def on_employee_absent(work: ReviewsWork, event: Event) -> None:
    """Who is away keeps others waiting."""
    await follow_absence(work, events.absent(event))


async def on_delivery(work: ReviewsWork, event: Event) -> None:
    """A message failed, or a later one arrived."""
    await follow_delivery(work, events.delivery(event))


async def on_calendar_changed(work: ReviewsWork, event: Event) -> None:
    """Dates of cycles under way that have not passed follow the calendar."""
    await change_calendar(work, events.changed_days(event))


async def on_session_committed(work: ReviewsWork, event: Event) -> None:
    """The facilitator's task is done."""
    await follow_session(work, events.session_moved(event, committed=True))


async def on_session_reopened(work: ReviewsWork, event: Event) -> None:
    """The facilitator owes the session again."""
    await follow_session(work, events.session_moved(event, committed=False))


async def on_result_amended(work: ReviewsWork, event: Event) -> None:
    """The appeal is done, and the new version waits to be acknowledged."""
    await follow_amendment(work, events.result_amended(event))


async def on_score_corrected(work: ReviewsWork, event: Event) -> None:
    """Somebody without a score has one now, or the other way round."""
    await follow_correction(work, events.score_corrected(event))


HANDLERS: Mapping[str, Callable[[ReviewsWork, Event], Awaitable[None]]] = {
    "people.employee_departed": on_employee_departed,
    "people.employee_rehired": on_employee_rehired,
    "people.employee_absent": on_employee_absent,
    "people.calendar_changed": on_calendar_changed,
    "scoring.session_committed": on_session_committed,
    "scoring.session_reopened": on_session_reopened,
    "scoring.result_amended": on_result_amended,
    "scoring.score_corrected": on_score_corrected,
    "notify.delivery_failed": on_delivery,
    "notify.delivery_made": on_delivery,
}
