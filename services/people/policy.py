"""Who may call what, and over whom a role reaches: one rule that is both evaluated and written as SQL."""

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from services.people.domain.errors import NotAllowed
from services.people.domain.group_rules import EVERYONE, Comparison, Either, Rule, uuid_or_none
from services.people.domain.model import Role, ScopeKind
from services.runtime.identity import Access

_PREFIX = "/attune.people.v1.PeopleService/"
_READERS = frozenset({"gateway", "worker", "goals", "reviews", "notify"})

_ANYBODY = Access(frozenset({"employee"}), _READERS)
_HR = Access(frozenset({Role.HR_ADMIN, Role.HR_PARTNER}))
_ADMINISTRATOR = Access(frozenset({Role.HR_ADMIN}))
_INSTALLATION = Access(frozenset({"installation_admin"}))

RPC_ACCESS: Mapping[str, Access] = {
    _PREFIX + name: access
    for name, access in {
        "ResolvePrincipal": Access(services=frozenset({"gateway"})),
        "CreateTenant": _INSTALLATION,
        "ListTenants": _INSTALLATION,
        "GetTenant": _ANYBODY,
        "LinkIdentity": _ADMINISTRATOR,
        "ImportEmployees": _ADMINISTRATOR,
        "ListEmployees": _ANYBODY,
        "GetEmployee": _ANYBODY,
        "BatchGetEmployees": _ANYBODY,
        "DepartEmployee": _HR,
        "RehireEmployee": _HR,
        "RecordAbsence": _HR,
        "TransferEmployee": _HR,
        "ListDepartments": _ANYBODY,
        "CreateGroup": _ADMINISTRATOR,
        "ListGroups": Access(frozenset({Role.HR_ADMIN, Role.HR_PARTNER, Role.AUDITOR}), _READERS),
        "PreviewGroup": _HR,
        "GrantRole": _ADMINISTRATOR,
        "RevokeRole": _ADMINISTRATOR,
        "ListRoles": Access(frozenset({Role.HR_ADMIN, Role.AUDITOR}), _READERS),
        "ListCalendarDays": _ANYBODY,
        "SetCalendarDays": _ADMINISTRATOR,
        "ResolveReferences": _ANYBODY,
        "FreezePopulation": Access(services=frozenset({"worker", "reviews"})),
        "PageFrozenMembers": Access(services=frozenset({"worker", "reviews"})),
    }.items()
}

# Names, posts and departments are open to every colleague; what stands here is not.
REACHING_ROLES: Mapping[str, frozenset[str]] = {
    "employee.read_contact": frozenset({Role.HR_ADMIN, Role.HR_PARTNER, Role.AUDITOR}),
    "employee.change": frozenset({Role.HR_ADMIN, Role.HR_PARTNER}),
    "tenant.change": frozenset({Role.HR_ADMIN}),
}
ONESELF_TOO = frozenset({"employee.read_contact"})


class GrantLike(Protocol):
    """A role with its scope, wherever it was read from."""

    @property
    def role(self) -> str: ...
    @property
    def scope_kind(self) -> str: ...
    @property
    def scope_id(self) -> str: ...


class Actor(Protocol):
    """What policy must know of a caller."""

    @property
    def kind(self) -> str: ...
    @property
    def employee_id(self) -> UUID | None: ...
    @property
    def roles(self) -> tuple[GrantLike, ...]: ...


def reach(actor: Actor, action: str, groups: Mapping[UUID, Rule]) -> Rule:
    """Over whom the actor may do it, as a rule about employees; services reach everyone of their tenant."""
    if actor.kind == "service":
        return EVERYONE
    parts: list[Rule] = []
    for grant in actor.roles:
        if grant.role in REACHING_ROLES[action]:
            if grant.scope_kind == ScopeKind.TENANT:
                return EVERYONE
            parts += _scoped(grant, groups)
    if action in ONESELF_TOO and actor.employee_id is not None:
        parts.append(Comparison("id", "eq", (actor.employee_id,)))
    return Either(tuple(parts))


def _scoped(grant: GrantLike, groups: Mapping[UUID, Rule]) -> list[Rule]:
    scope_id = uuid_or_none(grant.scope_id)
    if scope_id is None:
        return []
    if grant.scope_kind == ScopeKind.DEPARTMENT:
        return [Comparison("department", "within", (scope_id,))]
    return [groups[scope_id]] if scope_id in groups else []


def group_scopes(actor: Actor) -> frozenset[UUID]:
    """The groups whose rules `reach` needs."""
    ids = (uuid_or_none(grant.scope_id) for grant in actor.roles if grant.scope_kind == ScopeKind.GROUP)
    return frozenset(scope_id for scope_id in ids if scope_id is not None)


def require_tenant_wide(actor: Actor, action: str) -> None:
    """Raise NotAllowed unless the actor may do it for the whole tenant."""
    if reach(actor, action, {}) != EVERYONE:
        raise NotAllowed("this needs the role for the whole company")
