"""Score one page of a settling stage: what is needed is fetched and computed first, then stored in one transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from services.runtime.identity import Principal
from services.scoring.domain.computation import compute, needs_goals, with_goals
from services.scoring.domain.documents import content_hash
from services.scoring.domain.errors import Denied, EpochOutdated
from services.scoring.domain.model import GoalsByEmployee, Page, ScoredRow
from services.scoring.usecases.needs import NeedsScores

PAGE_LIMIT = 5_000


class Reviews(Protocol):
    """The owner of answers and forms."""

    async def page(self, tenant_id: UUID, cycle_id: UUID, after: UUID | None, size: int) -> Page: ...


class Goals(Protocol):
    """The owner of attainments."""

    async def attainments(self, tenant_id: UUID, freeze_id: str, employee_ids: Sequence[UUID]) -> GoalsByEmployee: ...


@dataclass(frozen=True, slots=True)
class ComputeScores:
    """One page of one opening of a stage; `page` and `rows` are filled in before the transaction."""

    cycle_id: UUID
    stage_id: UUID
    epoch: int
    freeze_id: str
    after: UUID | None
    size: int
    page: Page | None = None
    rows: tuple[ScoredRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Computed:
    """What became of a page."""

    rows: tuple[ScoredRow, ...]
    last: bool


class Computing:
    """Gathers a page's inputs and computes it, outside of any transaction."""

    def __init__(self, reviews: Reviews, goals: Goals) -> None:
        self._reviews = reviews
        self._goals = goals

    async def __call__(self, principal: Principal, command: ComputeScores) -> ComputeScores:
        """The command with its computed rows; the arithmetic runs in a thread so that other calls go on."""
        tenant_id = principal.tenant_id
        if tenant_id is None:
            raise Denied("scores are computed for a tenant")
        page = await self._reviews.page(tenant_id, command.cycle_id, command.after, command.size)
        if command.freeze_id and page.subjects and needs_goals(page):
            employees = [subject.employee_id for subject in page.subjects]
            page = with_goals(page, await self._goals.attainments(tenant_id, command.freeze_id, employees))
        return replace(command, page=page, rows=await asyncio.to_thread(compute, page))


async def compute_scores(work: NeedsScores, command: ComputeScores) -> Computed:
    """Store a computed page; repeating it changes nothing, and after the release nothing is written any more."""
    page = command.page
    if page is None:
        raise EpochOutdated("the page was not computed")
    newest = await work.scores.newest_epoch(command.cycle_id, command.stage_id)
    if newest is not None and newest > command.epoch:
        raise EpochOutdated(f"the stage was scored in epoch {newest}", meta={"epoch": str(newest)})
    await work.scores.save_rules(page.rules)
    if command.rows and await work.releases.find(command.cycle_id) is None:
        forms = {content_hash(form): form for form in page.forms.values()}
        missing = {row.form_hash for row in command.rows} - forms.keys()
        await work.scores.save_forms([*forms.items(), *((hash_, {}) for hash_ in missing)])
        await work.scores.save_page(command.cycle_id, command.stage_id, command.epoch, command.rows)
        await work.audit("scores.computed", "cycle", command.cycle_id, detail=_detail(command))
    return Computed(command.rows, page.last)


def _detail(command: ComputeScores) -> dict[str, object]:
    return {
        "stage_id": str(command.stage_id),
        "epoch": command.epoch,
        "first": str(command.rows[0].subject.participant_id),
        "last": str(command.rows[-1].subject.participant_id),
        "scored": sum(not row.unscored_code for row in command.rows),
        "unscored": sum(bool(row.unscored_code) for row in command.rows),
    }
