"""What people are shown of appeals."""

from dataclasses import dataclass
from uuid import UUID

from services.reviews.domain.errors import AppealNotFound
from services.reviews.policy import can
from services.reviews.usecases.outcome_ports import AppealView, NeedsAppeals


@dataclass(frozen=True, slots=True)
class GetAppeal:
    appeal_id: UUID


@dataclass(frozen=True, slots=True)
class PageAppeals:
    cycle_id: UUID | None = None
    state: str = ""  # as stored; `amending` is decided but not amended yet
    after: UUID | None = None
    size: int = 50


async def get_appeal(work: NeedsAppeals, command: GetAppeal) -> AppealView:
    view = await work.appeals.find(command.appeal_id)
    if not can(work.principal, "appeal.see", view.facts):
        raise AppealNotFound("there is no such appeal")
    return view


async def list_appeals(work: NeedsAppeals, wanted: PageAppeals) -> list[AppealView]:
    """Appeals that the caller may see, newest first."""
    return await work.appeals.page(work.principal, wanted.cycle_id, wanted.state, wanted.after, wanted.size)
