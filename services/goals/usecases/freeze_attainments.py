"""Freezing what everybody attained in a period, and reading it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.goals.domain.errors import FreezeNotFound, Invalid
from services.goals.domain.model import Attainment
from services.goals.usecases.ports import NeedsFreezes


@dataclass(frozen=True, slots=True)
class FreezeAttainments:
    """A period to freeze, both days included."""

    freeze_id: UUID
    period_start: date
    period_end: date
    as_of: datetime


@dataclass(frozen=True, slots=True)
class ListAttainments:
    """Whose attainments are wanted."""

    freeze_id: UUID
    employee_ids: Sequence[UUID]


async def freeze_attainments(work: NeedsFreezes, command: FreezeAttainments) -> int:
    """Freeze once; return how many goals are in it."""
    if command.period_end < command.period_start:
        raise Invalid("the period ends before it begins", field="period_end")
    return await work.freezes.make(command.freeze_id, command.period_start, command.period_end, command.as_of)


async def list_attainments(work: NeedsFreezes, asked: ListAttainments) -> list[Attainment]:
    """Return frozen attainments; raises FreezeNotFound when nothing was frozen under the id."""
    if await work.freezes.size(asked.freeze_id) is None:
        raise FreezeNotFound("nothing was frozen under this id")
    return await work.freezes.of(asked.freeze_id, asked.employee_ids)
