"""Who may see and do what with which row: one table that answers for a single row and as a condition for lists."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, false, literal, not_, or_, true
from sqlalchemy import func as sql

from services.reviews.domain.errors import Denied, SelfDealing
from services.reviews.domain.model import TaskKind
from services.runtime.identity import Principal

HR_ROLES = frozenset({"hr_admin", "hr_partner"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision about one row depends on; `assignee_id` is whose turn it is, `subject_id` whom it is about."""

    assignee_id: UUID | None
    subject_id: UUID | None
    kind: str = ""
    manager_chain: tuple[UUID, ...] = ()
    department_path: tuple[UUID, ...] = ()
    group_ids: frozenset[UUID] = frozenset()
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class Columns:
    """The same facts as columns of a query."""

    assignee_id: ColumnElement[Any]
    subject_id: ColumnElement[Any]
    kind: ColumnElement[Any]
    manager_chain: ColumnElement[Any]
    department_path: ColumnElement[Any]
    group_ids: ColumnElement[Any]
    confidential: ColumnElement[Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A statement about actor and row, once for a row in hand and once for the database; never null there."""

    holds: Callable[[Principal, Facts], bool]
    where: Callable[[Principal, Columns], ColumnElement[bool]]

    def __and__(self, other: "Condition") -> "Condition":
        return Condition(
            lambda actor, row: self.holds(actor, row) and other.holds(actor, row),
            lambda actor, columns: and_(self.where(actor, columns), other.where(actor, columns)),
        )

    def __or__(self, other: "Condition") -> "Condition":
        return Condition(
            lambda actor, row: self.holds(actor, row) or other.holds(actor, row),
            lambda actor, columns: or_(self.where(actor, columns), other.where(actor, columns)),
        )

    def __invert__(self) -> "Condition":
        return Condition(
            lambda actor, row: not self.holds(actor, row),
            lambda actor, columns: not_(self.where(actor, columns)),
        )


def acting_for(actor: Principal) -> UUID | None:
    """Whose duties the caller does: their own, or those of the person they act on behalf of."""
    return actor.on_behalf_of or actor.employee_id


def _same(column: ColumnElement[Any], person: UUID | None) -> ColumnElement[bool]:
    return sql.coalesce(column == person, false()) if person else false()


def _within(column: ColumnElement[Any], value: object) -> ColumnElement[bool]:
    return sql.coalesce(literal(value) == sql.any(column), false())


def _unit(scope_id: str) -> UUID | None:
    """A scope is an id, or a path of ids whose last one counts; anything else covers nobody."""
    try:
        return UUID(scope_id.rstrip("/").rsplit("/", 1)[-1])
    except ValueError:
        return None


def _covers(actor: Principal, roles: frozenset[str], row: Facts) -> bool:
    for grant in actor.roles:
        if grant.role not in roles:
            continue
        if grant.scope_kind == "tenant":
            return True
        if grant.scope_kind == "department" and _unit(grant.scope_id) in row.department_path:
            return True
        if grant.scope_kind == "group" and _unit(grant.scope_id) in row.group_ids:
            return True
    return False


def _covers_where(actor: Principal, roles: frozenset[str], columns: Columns) -> ColumnElement[bool]:
    found: list[ColumnElement[bool]] = [false()]
    for grant in actor.roles:
        if grant.role not in roles:
            continue
        if grant.scope_kind == "tenant":
            found.append(true())
        elif grant.scope_kind == "department" and (department := _unit(grant.scope_id)):
            found.append(_within(columns.department_path, department))
        elif grant.scope_kind == "group" and (group := _unit(grant.scope_id)):
            found.append(_within(columns.group_ids, group))
    return or_(*found)


def holder_of(*roles: str) -> Condition:
    """The actor holds one of the roles with a scope that covers the participant."""
    names = frozenset(roles)
    return Condition(
        lambda actor, row: _covers(actor, names, row), lambda actor, columns: _covers_where(actor, names, columns)
    )


def of_kind(*kinds: TaskKind) -> Condition:
    names = [kind.value for kind in kinds]
    return Condition(lambda _, row: row.kind in names, lambda _, columns: columns.kind.in_(names))


ACTING = Condition(
    lambda actor, row: acting_for(actor) is not None and row.assignee_id == acting_for(actor),
    lambda actor, columns: _same(columns.assignee_id, acting_for(actor)),
)
IN_PERSON = Condition(
    lambda actor, _: actor.on_behalf_of is None, lambda actor, _: false() if actor.on_behalf_of else true()
)
SUBJECT = Condition(
    lambda actor, row: actor.employee_id is not None and row.subject_id == actor.employee_id,
    lambda actor, columns: _same(columns.subject_id, actor.employee_id),
)
LINE_MANAGER = Condition(
    lambda actor, row: actor.employee_id in row.manager_chain,
    lambda actor, columns: _within(columns.manager_chain, actor.employee_id) if actor.employee_id else false(),
)
CONFIDENTIAL = Condition(lambda _, row: row.confidential, lambda _, columns: columns.confidential)

UNDELEGABLE = of_kind(TaskKind.SELF_REVIEW, TaskKind.GOAL_SETTING, TaskKind.ACKNOWLEDGEMENT)
ASSIGNEE = ACTING & (IN_PERSON | ~UNDELEGABLE)
"""Whose turn it is, or who acts for them where that is possible (product.md §2)."""

HR = holder_of(*HR_ROLES) & ~(CONFIDENTIAL & SUBJECT)
AUDITOR = holder_of("auditor")
OPERATOR = holder_of("operator")
PEERS = of_kind(TaskKind.PEER_REVIEW)
APPEALS = of_kind(TaskKind.APPEAL)
OWN_PEERS = SUBJECT & PEERS
"""Who rates somebody as a peer, and what they say, is told to that person by no role that they hold (product.md §2)."""
REVIEW = of_kind(TaskKind.SELF_REVIEW, TaskKind.MANAGER_REVIEW)

RULES: Mapping[str, Condition] = {
    # State: that somebody owes something. A manager may not learn who the peers are, nor that their judgement is
    # disputed: who appeals against it has to go on working for them.
    "task.see": ASSIGNEE | (LINE_MANAGER & ~PEERS & ~APPEALS) | ((HR | AUDITOR | OPERATOR) & ~OWN_PEERS),
    # Content: what was answered. Peers' answers are nobody's but their author's and the auditor's.
    "task.read": ASSIGNEE
    | ((LINE_MANAGER & ~SUBJECT) & REVIEW)
    | (HR & ~PEERS & ~SUBJECT)
    | (AUDITOR & ~OWN_PEERS)
    | (SUBJECT & of_kind(TaskKind.SELF_REVIEW)),
    "task.edit": ASSIGNEE,
    "task.return": ((LINE_MANAGER & ~PEERS) | HR) & ~SUBJECT & ~ASSIGNEE,
    "task.administer": HR & ~OWN_PEERS,
    # Actual values: who provides them, whom they are about, and their line; HR enters any but their own.
    "actual.see": ASSIGNEE | SUBJECT | LINE_MANAGER | HR | AUDITOR,
    "actual.administer": HR & ~SUBJECT,
    "participant.see": SUBJECT | LINE_MANAGER | HR | AUDITOR | OPERATOR,
    "dispute.see": SUBJECT | HR | AUDITOR | OPERATOR,
    "appeal.see": ASSIGNEE | SUBJECT | HR | AUDITOR,
    "appeal.decide": ASSIGNEE & ~SUBJECT,
    "appeal.assign": HR & ~SUBJECT,
    "appeal.withdraw": SUBJECT,
    "interview.see": ASSIGNEE | SUBJECT | HR | AUDITOR,
    "interview.schedule": ASSIGNEE & ~SUBJECT,
    "interview.record": ASSIGNEE | SUBJECT,
}


def can(actor: Principal, action: str, row: Facts) -> bool:
    """Whether the actor may do this with this row."""
    return RULES[action].holds(actor, row)


def where(actor: Principal, action: str, columns: Columns) -> ColumnElement[bool]:
    """The condition that selects exactly the rows for which `can` is true."""
    return RULES[action].where(actor, columns)


def require(actor: Principal, action: str, row: Facts) -> None:
    """Denied unless `can`; SelfDealing where only being the subject stands in the way."""
    if can(actor, action, row):
        return
    if SUBJECT.holds(actor, row):
        raise SelfDealing("nobody does this on themselves")
    raise Denied("this is not for you to see or do")
