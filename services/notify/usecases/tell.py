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


async def void(work: NeedsInbox, subject_id: UUID) -> int:
    """What was told of a task or stage is no longer true."""
    return await work.inbox.void_subject(subject_id)


def _owing(kind: str, stage_id: UUID, employee_id: UUID, tasks: Sequence[Recipient], names: dict[str, str]) -> News:
    due = min((each.due_at for each in tasks if each.due_at), default=None)
    parameters = {**names, "count": len(tasks), "due_at": due.isoformat() if due else ""}
    if len(tasks) == 1:
        return News(employee_id, kind, "task", tasks[0].task_id, parameters)
    return News(employee_id, kind, "stage", stage_id, parameters)
