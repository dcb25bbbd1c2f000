"""Creating a goal and taking it through its states."""

from dataclasses import dataclass, replace
from uuid import UUID

from services.goals import policy
from services.goals.domain import rules
from services.goals.domain.errors import EtagMismatch, GoalNotFound, OwnerUnknown
from services.goals.domain.model import Goal, GoalState, Owner
from services.goals.usecases.ports import NeedsGoals


@dataclass(frozen=True, slots=True)
class CreateGoal:
    """A goal to create; its owner's standing is filled in before the transaction."""

    goal: Goal
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class ChangeGoal:
    """A goal to change, as its caller knows it; an empty etag accepts any."""

    goal_id: UUID
    etag: str = ""
    reason: str = ""


async def create_goal(work: NeedsGoals, command: CreateGoal) -> Goal:
    """Create a goal in draft."""
    if command.owner is None or command.owner.departed:
        raise OwnerUnknown("the owner does not work here; name an employee who does", field="goal.owner_id")
    measures = rules.single_weight(command.goal.measures)
    goal = replace(command.goal, owner=command.owner, measures=measures, create_time=await work.now())
    policy.require(work.principal, "create", goal)
    rules.require_sound(goal)
    await work.goals.add([goal], work.principal.actor)
    await _tell(work, goal, "created")
    return goal


async def propose_goal(work: NeedsGoals, command: ChangeGoal) -> Goal:
    """Ask the owner's manager to confirm."""
    goal = await _take(work, command, "propose")
    return await _save(work, replace(goal, state=GoalState.PROPOSED, reason=""), "proposed", "")


async def confirm_goal(work: NeedsGoals, command: ChangeGoal) -> Goal:
    """Make a proposed goal binding."""
    goal = await _take(work, command, "confirm")
    state = rules.state_when_confirmed(goal, (await work.now()).date())
    return await _save(work, replace(goal, state=state), "confirmed", "")


async def reject_goal(work: NeedsGoals, command: ChangeGoal) -> Goal:
    """Send a proposed goal back with a reason."""
    goal = await _take(work, command, "reject")
    return await _save(work, replace(goal, state=GoalState.REJECTED, reason=command.reason), "rejected", command.reason)


async def cancel_goal(work: NeedsGoals, command: ChangeGoal) -> Goal:
    """Cancel with a reason; a frozen attainment leaves it out. Its owner may until it is confirmed."""
    goal = await _take(work, command, "cancel")
    if goal.state in rules.BINDING:
        policy.require(work.principal, "revoke", goal)
    return await _save(work, replace(goal, state=GoalState.CANCELED, reason=command.reason), "canceled", command.reason)


async def close_goal(work: NeedsGoals, command: ChangeGoal) -> Goal:
    """Settle as achieved or missed by its value."""
    goal = await _take(work, command, "close")
    return await _save(work, replace(goal, state=rules.settled_state(goal)), "closed", "")


async def _take(work: NeedsGoals, command: ChangeGoal, action: str) -> Goal:
    goal = await work.goals.lock(command.goal_id, work.principal)
    if goal is None:
        raise GoalNotFound("there is no such goal that you may see")
    policy.require(work.principal, action, goal)
    if command.etag and command.etag != str(goal.version):
        raise EtagMismatch(f"the goal is at version {goal.version} by now; read it again", field="etag")
    rules.require_state(goal, action)
    return goal


async def _save(work: NeedsGoals, goal: Goal, what: str, note: str) -> Goal:
    saved = replace(goal, version=goal.version + 1)
    await work.goals.save(saved, work.principal.actor)
    await _tell(work, saved, what, note)
    return saved


async def _tell(work: NeedsGoals, goal: Goal, what: str, note: str = "") -> None:
    facts = {"owner_id": str(goal.owner.id), "state": goal.state.value}
    payload = facts | {"manager_id": str(goal.owner.manager_chain[0]) if goal.owner.manager_chain else ""}
    await work.emit(f"goals.goal_{what}", "goal", goal.id, goal.version, payload)
    await work.audit(f"goal.{what}", "goal", goal.id, detail=facts, note=note)
