"""Who may call what, and who may see and do what with a goal: one table, evaluated and written as SQL."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, any_, false, literal, or_, true

from services.goals.domain.errors import NotAllowed
from services.goals.domain.model import Goal
from services.goals.tables import goal as goal_table
from services.runtime.identity import Access, Grant

_GOALS = "/attune.goals.v1.GoalsService/"
_ANYBODY = Access(frozenset({"employee"}))

RPC_ACCESS: Mapping[str, Access] = {
    **{
        _GOALS + name: _ANYBODY
        for name in (
            *("CreateGoal", "GetGoal", "ListGoals", "ListGoalVersions", "ListCheckIns"),
            *("ProposeGoal", "ConfirmGoal", "RejectGoal", "CheckInGoal", "CancelGoal", "CloseGoal"),
        )
    },
    _GOALS + "ImportGoals": Access(frozenset({"hr_admin"})),
    _GOALS + "FreezeAttainments": Access(services=frozenset({"worker"})),
    _GOALS + "ListAttainments": Access(services=frozenset({"scoring"})),
}

# Who may do what, by relation to the owner. Nobody confirms, rejects or closes a goal of their own; cancelling is free
# until a goal is confirmed: from then on it binds, and its owner cannot take it out of what is scored.
MAY: Mapping[str, frozenset[str]] = {
    "see": frozenset({"owner", "line", "hr_admin", "hr_partner", "auditor"}),
    "create": frozenset({"owner", "line", "hr_admin", "hr_partner"}),
    "propose": frozenset({"owner", "line"}),
    "confirm": frozenset({"line", "hr_admin", "hr_partner"}),
    "reject": frozenset({"line", "hr_admin", "hr_partner"}),
    "check_in": frozenset({"owner"}),
    "cancel": frozenset({"owner", "line", "hr_admin"}),
    "revoke": frozenset({"line", "hr_admin"}),
    "close": frozenset({"line", "hr_admin", "hr_partner"}),
}
NOT_ON_ONESELF = frozenset({"confirm", "reject", "close", "revoke"})
WORDS = {"owner": "its owner", "line": "the managers above its owner"}


class Actor(Protocol):
    """What policy must know of a caller."""

    @property
    def employee_id(self) -> UUID | None: ...
    @property
    def roles(self) -> tuple[Grant, ...]: ...


def can(actor: Actor, action: str, goal: Goal) -> bool:
    """Return whether the actor may do it with the goal."""
    if actor.employee_id is None:
        return False
    own = actor.employee_id == goal.owner.id
    if own and action in NOT_ON_ONESELF:
        return False
    relations = {"owner"} if own else set()
    if actor.employee_id in goal.owner.manager_chain:
        relations.add("line")
    relations |= {grant.role for grant in actor.roles if _reaches(grant, goal.owner.department_path)}
    return bool(relations & MAY[action])


def require(actor: Actor, action: str, goal: Goal) -> None:
    """Raise NotAllowed unless the actor may."""
    if not can(actor, action, goal):
        allowed = ", ".join(sorted(WORDS.get(relation, relation) for relation in MAY[action]))
        never = "; nobody does it to a goal of their own" if action in NOT_ON_ONESELF else ""
        raise NotAllowed(f"to {action.replace('_', ' ')} this goal is for {allowed}{never}")


def visible(actor: Actor) -> ColumnElement[bool]:
    """Return the same rule for `see` as a condition on the table."""
    if actor.employee_id is None:
        return false()
    me = literal(actor.employee_id)
    conditions = [goal_table.c.owner_id == me, me == any_(goal_table.c.manager_chain)]
    for grant in actor.roles:
        if grant.role in MAY["see"] and grant.scope_kind == "tenant":
            conditions.append(true())
        elif grant.role in MAY["see"] and grant.scope_kind == "department" and (scope := _uuid(grant.scope_id)):
            conditions.append(literal(scope) == any_(goal_table.c.department_path))
    return or_(*conditions)


def _reaches(grant: Grant, department_path: tuple[UUID, ...]) -> bool:
    if grant.scope_kind == "tenant":
        return True
    return grant.scope_kind == "department" and _uuid(grant.scope_id) in department_path


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
