"""What notify does about events of other services; messages arise here and nowhere else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from services.notify.domain.model import News
from services.notify.store import NotifyWork
from services.notify.usecases.ports import TaskRange
from services.notify.usecases.tell import Telling, void
from services.runtime.eventlog import Event

Handler = Callable[[NotifyWork, Event], Awaitable[None]]

# Event → kind of message, who is told (a field of the payload), and what it is about.
PERSONAL: Mapping[str, tuple[str, str, str, str]] = {
    "reviews.task_opened": ("task_assigned", "assignee_id", "task", "task_id"),
    "reviews.task_reassigned": ("task_assigned", "assignee_id", "task", "task_id"),
    "reviews.task_returned": ("task_returned", "assignee_id", "task", "task_id"),
    "reviews.task_reminded": ("task_reminded", "assignee_id", "task", "task_id"),
    "reviews.appeal_filed": ("appeal_filed", "owner_id", "appeal", "appeal_id"),
    "reviews.appeal_decided": ("appeal_decided", "employee_id", "appeal", "appeal_id"),
    "reviews.appeal_amended": ("appeal_amended", "employee_id", "participant", "participant_id"),
    "reviews.interview_scheduled": ("interview_scheduled", "employee_id", "interview", "interview_id"),
    "goals.goal_proposed": ("goal_proposed", "manager_id", "goal", ""),
    "goals.goal_confirmed": ("goal_confirmed", "owner_id", "goal", ""),
    "goals.goal_rejected": ("goal_rejected", "owner_id", "goal", ""),
}
BULK: Mapping[str, str] = {"reviews.tasks_opened": "tasks_opened", "reviews.tasks_reminded": "tasks_reminded"}
VOIDING: Mapping[str, str] = {"reviews.task_withdrawn": "task_id", "reviews.tasks_withdrawn": "stage_id"}


def handlers(telling: Telling) -> Mapping[str, Handler]:
    """Return what is done about each kind of event."""

    async def on_personal(work: NotifyWork, event: Event) -> None:
        """One person is concerned; nobody, where the field is empty."""
        kind, who, subject_type, subject = PERSONAL[event.kind]
        recipient = event.payload.get(who)
        if recipient:
            subject_id = UUID(event.payload[subject]) if subject else event.aggregate_id
            news = News(UUID(recipient), kind, subject_type, subject_id, _parameters(event.payload))
            await telling.tell(work, event.id, event.create_time, [news])

    async def on_bulk(work: NotifyWork, event: Event) -> None:
        """A chunk of tasks: everybody who owes some is told once."""
        await telling.tell_of_tasks(work, event.id, event.create_time, BULK[event.kind], _range(event.payload))

    async def on_withdrawn(work: NotifyWork, event: Event) -> None:
        """What was told is marked void."""
        await void(work, UUID(event.payload[VOIDING[event.kind]]))

    return {
        **dict.fromkeys(PERSONAL, on_personal),
        **dict.fromkeys(BULK, on_bulk),
        **dict.fromkeys(VOIDING, on_withdrawn),
    }


def _range(payload: Mapping[str, Any]) -> TaskRange:
    cycle_id, stage_id, first, last = (UUID(payload[name]) for name in ("cycle_id", "stage_id", "first", "last"))
    return TaskRange(cycle_id, stage_id, first, last, str(payload.get("reminder") or ""))


def _parameters(payload: Mapping[str, Any]) -> dict[str, str]:
    due_at = payload.get("scheduled_at") or payload.get("due_at") or ""
    return {"due_at": str(due_at)}
