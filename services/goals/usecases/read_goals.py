"""Reading goals, their versions and check-ins."""

from dataclasses import dataclass
from uuid import UUID

from services.goals.domain.errors import GoalNotFound
from services.goals.domain.model import CheckIn, Goal
from services.goals.usecases.ports import GoalFilter, NeedsGoals

FIRST_VERSION = 2**62


@dataclass(frozen=True, slots=True)
class ListGoals:
    """A page of goals; `everybody` asks for all that the caller may see."""

    wanted: GoalFilter
    everybody: bool
    after: UUID | None
    limit: int


@dataclass(frozen=True, slots=True)
class OfGoal:
    """A page of what belongs to one goal; `after` is the last key of the page before."""

    goal_id: UUID
    after: str
    limit: int


async def get_goal(work: NeedsGoals, goal_id: UUID) -> Goal:
    """Return one goal."""
    goal = await work.goals.get(goal_id, work.principal)
    if goal is None:
        raise GoalNotFound("there is no such goal that you may see")
    return goal


async def list_goals(work: NeedsGoals, asked: ListGoals) -> list[Goal]:
    """Return one more than the page holds, so that the next page is known."""
    wanted = asked.wanted
    if wanted.owner_id is None and not asked.everybody:
        wanted = GoalFilter(work.principal.employee_id, wanted.state, wanted.period_start, wanted.period_end)
    return await work.goals.page(wanted, work.principal, asked.after, asked.limit + 1)


async def list_versions(work: NeedsGoals, asked: OfGoal) -> list[Goal]:
    """Return versions, newest first, one more than the page holds."""
    goal = await get_goal(work, asked.goal_id)
    before = int(asked.after) if asked.after.isdigit() else FIRST_VERSION
    return await work.goals.versions(goal, before, asked.limit + 1)


async def list_check_ins(work: NeedsGoals, asked: OfGoal) -> list[CheckIn]:
    """Return check-ins, newest first, one more than the page holds."""
    goal = await get_goal(work, asked.goal_id)
    return await work.goals.check_ins(goal.id, UUID(asked.after) if asked.after else None, asked.limit + 1)
