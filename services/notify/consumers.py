"""What notify does about events of other services; messages arise here and nowhere else."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from services.notify.domain.model import News
from services.notify.store import NotifyWork
from services.notify.usecases.ports import TaskRange
from services.notify.usecases.tell import Telling, end_task
from services.runtime.eventlog import Event

Handler = Callable[[NotifyWork, Event], Awaitable[None]]


class Line(NamedTuple):
    """Whom an event tells what."""

    kind: str
    recipient: str  # field of the payload
    subject_type: str
    subject: str = ""  # field of the payload; empty for the event's own aggregate


PERSONAL: Mapping[str, Sequence[Line]] = {
    "reviews.task_opened": [Line("task_assigned", "assignee_id", "task", "task_id")],
    "reviews.task_reassigned": [Line("task_assigned", "assignee_id", "task", "task_id")],
    "reviews.task_returned": [Line("task_returned", "assignee_id", "task", "task_id")],
    "reviews.task_reminded": [Line("task_reminded", "assignee_id", "task", "task_id")],
    "reviews.stage_extended": [Line("stage_extended", "owner_id", "stage", "stage_id")],
    "reviews.cycle_paused": [Line("cycle_paused", "owner_id", "cycle", "cycle_id")],
    "reviews.cycle_resumed": [Line("cycle_resumed", "owner_id", "cycle", "cycle_id")],
    "reviews.cycle_canceled": [Line("cycle_canceled", "owner_id", "cycle", "cycle_id")],
    "reviews.appeal_filed": [Line("appeal_filed", "owner_id", "appeal", "appeal_id")],
    "reviews.appeal_decided": [Line("appeal_decided", "employee_id", "appeal", "appeal_id")],
    "reviews.appeal_declined": [Line("appeal_decided", "employee_id", "appeal", "appeal_id")],
    "reviews.appeal_amended": [Line("appeal_amended", "employee_id", "participant", "participant_id")],
    "reviews.interview_scheduled": [
        Line("interview_scheduled", "employee_id", "interview", "interview_id"),
        Line("interview_to_hold", "manager_id", "interview", "interview_id"),
    ],
    "goals.goal_proposed": [Line("goal_proposed", "manager_id", "goal")],
    "goals.goal_confirmed": [Line("goal_confirmed", "owner_id", "goal")],
    "goals.goal_rejected": [Line("goal_rejected", "owner_id", "goal")],
}
BULK: Mapping[str, str] = {"reviews.tasks_opened": "tasks_opened", "reviews.tasks_reminded": "tasks_reminded"}
ENDING_CHUNKS = ("reviews.tasks_withdrawn", "reviews.tasks_expired")
REASSIGNED, WITHDRAWN = "reviews.task_reassigned", "reviews.task_withdrawn"


def handlers(telling: Telling) -> Mapping[str, Handler]:
    """Return what is done about each kind of event."""

    async def on_personal(work: NotifyWork, event: Event) -> None:
        """Those named are concerned; nobody, where the field is empty."""
        if event.kind == REASSIGNED:
            await on_task_ended(work, event)
        lines = [line for line in PERSONAL[event.kind] if event.payload.get(line.recipient)]
        await telling.tell(work, event.id, event.create_time, [_news(line, event) for line in lines])

    async def on_bulk(work: NotifyWork, event: Event) -> None:
        """A chunk of tasks: everybody who owes some is told once; to acknowledge is to be told of one's result."""
        kind = BULK[event.kind]
        if kind == "tasks_opened" and event.payload.get("kind") == "acknowledgement":
            kind = "result_released"
        await telling.tell_of_tasks(work, event.id, event.create_time, kind, _range(event.payload))

    async def on_task_ended(work: NotifyWork, event: Event) -> None:
        """What was told of it is void."""
        await end_task(work, UUID(event.payload["stage_id"]), UUID(event.payload["task_id"]))

    async def on_chunk_ended(work: NotifyWork, event: Event) -> None:
        """What was told of a chunk is void, but to those who got more time."""
        await telling.end_range(work, _range(event.payload))

    return {
        **dict.fromkeys(PERSONAL, on_personal),
        **dict.fromkeys(BULK, on_bulk),
        **dict.fromkeys(ENDING_CHUNKS, on_chunk_ended),
        WITHDRAWN: on_task_ended,
    }


def _news(line: Line, event: Event) -> News:
    facts = event.payload
    subject_id = UUID(facts[line.subject]) if line.subject else event.aggregate_id
    due_at = facts.get("scheduled_at") or facts.get("until") or facts.get("due_at") or ""
    parameters = {"due_at": str(due_at)}
    recipient_id = UUID(facts[line.recipient])
    if line.subject_type != "task":
        return News(recipient_id, line.kind, line.subject_type, subject_id, parameters)
    return News(recipient_id, line.kind, "task", subject_id, parameters, (subject_id,), UUID(facts["stage_id"]))


def _range(payload: Mapping[str, Any]) -> TaskRange:
    cycle_id, stage_id, first, last = (UUID(payload[name]) for name in ("cycle_id", "stage_id", "first", "last"))
    return TaskRange(cycle_id, stage_id, first, last, str(payload.get("reminder") or ""))
