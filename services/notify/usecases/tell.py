"""What an event tells whom: one message per event and person."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.notify.domain.model import News
from services.notify.usecases.ports import NeedsInbox, Recipient, Reviews, TaskRange


class Telling:
    """Puts news into inboxes; `channels` are those that are configured."""

    def __init__(self, reviews: Reviews, channels: Sequence[str]) -> None:
        self._reviews, self._channels = reviews, channels

    async def tell(self, work: NeedsInbox, event_id: UUID, at: datetime, news: Sequence[News]) -> int:
        """Tell each of these people; repeated it changes nothing."""
        return await work.inbox.tell(event_id, at, news, self._channels)

    async def tell_of_tasks(self, work: NeedsInbox, event_id: UUID, at: datetime, kind: str, tasks: TaskRange) -> int:
        """Tell everybody who owes one of the tasks how many they owe, in one message.

        Reviews is asked inside the consumer's transaction, which holds nothing but its own cursor.
        """
        found = await self._reviews.recipients(work.tenant_id, tasks)
        owed: dict[UUID, list[Recipient]] = defaultdict(list)
        for each in found.people:
            owed[each.employee_id].append(each)
        names = {"cycle": found.cycle, "stage": found.stage, "zone": found.zone}
        news = [_owing(kind, tasks.stage_id, employee_id, theirs, names) for employee_id, theirs in owed.items()]
        return await self.tell(work, event_id, at, news)

    async def end_range(self, work: NeedsInbox, tasks: TaskRange) -> int:
        """A chunk of tasks has ended: what was told of them is void, but to those whom reviews names as still owing."""
        found = await self._reviews.recipients(work.tenant_id, tasks)
        owed = [(each.task_id, each.employee_id) for each in found.people]
        return await work.inbox.end_tasks(tasks.stage_id, tasks.first, tasks.last, owed)


async def end_task(work: NeedsInbox, stage_id: UUID, task_id: UUID) -> int:
    """What was told of a task is no longer true for those who were told so far."""
    return await work.inbox.end_tasks(stage_id, task_id, task_id, ())


def _owing(kind: str, stage_id: UUID, employee_id: UUID, tasks: Sequence[Recipient], names: dict[str, str]) -> News:
    due = min((each.due_at for each in tasks if each.due_at), default=None)
    parameters = {**names, "count": len(tasks), "due_at": due.isoformat() if due else ""}
    ids = tuple(each.task_id for each in tasks)
    subject = ("task", ids[0]) if len(ids) == 1 else ("stage", stage_id)
    return News(employee_id, kind, *subject, parameters, ids, stage_id)
