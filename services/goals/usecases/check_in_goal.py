"""Reporting progress."""

from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from services.goals import policy
from services.goals.domain import rules
from services.goals.domain.errors import GoalNotFound, Invalid
from services.goals.domain.model import CheckIn, Goal, GoalState, Measure, Mode
from services.goals.usecases.ports import NeedsGoals


@dataclass(frozen=True, slots=True)
class CheckInGoal:
    """A report; without a measure it is the only one's."""

    id: UUID
    goal_id: UUID
    measure_id: UUID | None
    value: Decimal | None
    done: bool
    confidence: int | None
    note: str


async def check_in_goal(work: NeedsGoals, command: CheckInGoal) -> tuple[Goal, CheckIn]:
    """Record value, confidence and note; only the owner's word counts."""
    goal = await work.goals.lock(command.goal_id, work.principal)
    if goal is None:
        raise GoalNotFound("there is no such goal that you may see")
    policy.require(work.principal, "check_in", goal)
    rules.require_state(goal, "check_in")
    measure = _measure(goal, command)
    now = await work.now()
    reported = replace(measure, done=command.done, confidence=command.confidence)
    if command.value is not None:
        reported = replace(reported, value=command.value)
    active = GoalState.ACTIVE if goal.period_start <= now.date() else goal.state
    saved = replace(goal.with_measure(reported), state=active, version=goal.version + 1)
    author = goal.owner.id
    report = CheckIn(
        command.id, goal.id, measure.id, command.value, command.done, command.confidence, command.note, author, now
    )
    await work.goals.add_check_in(report)
    await work.goals.save(saved, work.principal.actor)
    payload = {"owner_id": str(goal.owner.id), "check_in_id": str(report.id)}
    await work.emit("goals.goal_checked_in", "goal", goal.id, saved.version, payload)
    await work.audit("goal.check_in", "goal", goal.id, detail={"check_in_id": str(report.id)})
    return saved, report


def _measure(goal: Goal, command: CheckInGoal) -> Measure:
    if command.measure_id is None and len(goal.measures) == 1:
        found: Measure | None = goal.measures[0]
    else:
        found = goal.measure(command.measure_id) if command.measure_id else None
    if found is None:
        raise Invalid("name one of the goal's measures", field="measure_id")
    if goal.mode is not Mode.MBO and command.value is None:
        raise Invalid("a number is needed for this measure", field="value")
    return found
