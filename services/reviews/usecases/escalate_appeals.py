"""Tell the owner of a cycle of appeals that nobody decided in time."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.model import Appeal, Cycle
from services.reviews.usecases.outcome_ports import AppealView, tell_of_appeal
from services.reviews.usecases.task_ports import Teller

AT_ONCE = 500


class OverdueAppeals(Protocol):
    async def lock_overdue(self, cycle_id: UUID, now: datetime, size: int) -> list[AppealView]: ...
    async def save(self, changed: Appeal) -> Appeal: ...
    async def mark_escalated(self, task_ids: Sequence[UUID], now: datetime) -> None: ...


class NeedsOverdueAppeals(Teller, Protocol):
    @property
    def appeals(self) -> OverdueAppeals: ...


async def escalate_appeals(work: NeedsOverdueAppeals, cycle: Cycle, now: datetime) -> int:
    """Once for each deadline that passes; the appeal stays with its owner, HR may assign it to another."""
    overdue = await work.appeals.lock_overdue(cycle.id, now, AT_ONCE)
    await work.appeals.mark_escalated([view.appeal.task_id for view in overdue if view.appeal.task_id], now)
    for view in overdue:
        escalated = await work.appeals.save(replace(view.appeal, escalated_at=now))
        facts: dict[str, Any] = {"cycle_owner_id": str(cycle.owner_id), "due_at": _written(escalated.due_at)}
        await tell_of_appeal(work, "escalated", escalated, view.employee_id, **facts)
    return len(overdue)


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
