"""What reviews keeps of assignees as other services tell of it: who left, who is away, whom no message reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Employment:
    """Somebody's last day, or that they came back; `version` is of the employee."""

    employee_id: UUID
    left_on: date | None
    version: int


@dataclass(frozen=True, slots=True)
class Absent:
    """Days away, both included."""

    employee_id: UUID
    from_on: date
    to_on: date


@dataclass(frozen=True, slots=True)
class Delivery:
    """Whether a message that asks for these tasks reached its recipient by this channel; an error says that not."""

    recipient_id: UUID
    task_ids: Sequence[UUID]
    channel: str
    since: datetime
    error: str = ""


class Assignees(Protocol):
    async def keep_employment(self, told: Employment) -> None: ...
    async def keep_absence(self, told: Absent) -> None: ...
    async def keep_undelivered(self, told: Delivery) -> None: ...
    async def forget_undelivered(self, told: Delivery) -> None: ...


class NeedsAssignees(Protocol):
    @property
    def assignees(self) -> Assignees: ...


async def follow_employment(work: NeedsAssignees, told: Employment) -> None:
    """Keep the newest word on whether somebody works here."""
    await work.assignees.keep_employment(told)


async def follow_absence(work: NeedsAssignees, told: Absent) -> None:
    """Keep when somebody is away."""
    await work.assignees.keep_absence(told)


async def follow_delivery(work: NeedsAssignees, told: Delivery) -> None:
    """Keep that a message failed, until a later one reached the same person for the same task."""
    if told.error:
        await work.assignees.keep_undelivered(told)
    else:
        await work.assignees.forget_undelivered(told)
