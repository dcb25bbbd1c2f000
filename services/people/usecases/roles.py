"""Granting and revoking roles."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.people.domain.errors import (
    DepartmentNotFound,
    EmployeeNotFound,
    GrantNotFound,
    GroupNotFound,
    Invalid,
    LastAdministrator,
    NotAllowed,
)
from services.people.domain.group_rules import EVERYONE, uuid_or_none
from services.people.domain.model import Page, Role, RoleGrant, ScopeKind
from services.people.policy import require_tenant_wide
from services.people.usecases.days import today
from services.people.usecases.needs import HasDepartments, HasEmployees, HasGrants, Transaction
from services.runtime.clock import new_id


class NeedsRoles(HasEmployees, HasDepartments, HasGrants, Protocol):
    """A transaction that changes roles."""


class NeedsGrants(Transaction, HasGrants, Protocol):
    """A transaction that reads roles."""


@dataclass(frozen=True, slots=True)
class GrantRole:
    """A role for somebody over a scope."""

    employee_id: UUID
    role: Role
    scope_kind: ScopeKind
    scope_id: str


@dataclass(frozen=True, slots=True)
class ListRoles:
    """A page of grants by id."""

    role: str
    employee_id: UUID | None
    after: UUID | None
    limit: int


async def grant_role(work: NeedsRoles, command: GrantRole) -> RoleGrant:
    """Grant a role; granting what is held already changes nothing."""
    await _require_administrator(work)
    day = await today(work)
    holder = await work.employees.get(command.employee_id, day, EVERYONE)
    if holder is None or (holder.left_on is not None and holder.left_on < day):
        raise EmployeeNotFound("nobody with this id works here", field="employee_id")
    scope_id = await _scope(work, command)
    asked = RoleGrant(new_id(), command.employee_id, command.role, command.scope_kind, scope_id)
    grant = await work.grants.add(asked)
    if grant.id == asked.id:
        await work.emit("people.role_granted", "role_grant", grant.id, 1, {"employee_id": str(grant.employee_id)})
        detail = {"role": grant.role.value, "scope_kind": grant.scope_kind.value, "scope_id": grant.scope_id}
        await work.audit("role.grant", "employee", grant.employee_id, detail=detail)
    return grant


async def revoke_role(work: NeedsRoles, grant_id: UUID) -> None:
    """End a grant; the last HR administrator of the whole company stays."""
    await _require_administrator(work)
    grant = await work.grants.get(grant_id)
    if grant is None:
        raise GrantNotFound("there is no such grant", field="grant_id")
    if (
        grant.role is Role.HR_ADMIN
        and grant.scope_kind is ScopeKind.TENANT
        and len(await work.grants.holders(Role.HR_ADMIN, ScopeKind.TENANT)) == 1
    ):
        raise LastAdministrator("a company keeps one HR administrator")
    await work.grants.revoke(grant_id)
    await work.emit("people.role_revoked", "role_grant", grant.id, 2, {"employee_id": str(grant.employee_id)})
    detail = {"role": grant.role.value, "scope_kind": grant.scope_kind.value, "scope_id": grant.scope_id}
    await work.audit("role.revoke", "employee", grant.employee_id, detail=detail)


async def list_roles(work: NeedsGrants, asked: ListRoles) -> Page[RoleGrant]:
    """Grants that hold, by id."""
    found = await work.grants.page(asked.role, asked.employee_id, asked.after, asked.limit + 1)
    return Page.cut(found, asked.limit)


async def _require_administrator(work: NeedsRoles) -> None:
    """The caller's token is not enough here: the role must hold at this moment, and nobody may change it meanwhile."""
    require_tenant_wide(work.principal, "tenant.change")
    await work.grants.lock()
    employee_id = work.principal.employee_id
    held = await work.grants.held_by(employee_id) if employee_id else []
    if not any(grant.role is Role.HR_ADMIN and grant.scope_kind is ScopeKind.TENANT for grant in held):
        raise NotAllowed("you are no longer an HR administrator of the whole company")


async def _scope(work: NeedsRoles, command: GrantRole) -> str:
    """The scope's id as it is stored: none for the tenant, else of something that exists."""
    if command.scope_kind is ScopeKind.TENANT:
        if command.scope_id:
            raise Invalid("the whole company needs no id", field="scope_id")
        return ""
    scope_id = uuid_or_none(command.scope_id)
    if scope_id is None:
        raise Invalid("an id is needed", field="scope_id")
    if command.scope_kind is ScopeKind.DEPARTMENT and not await work.departments.exists(scope_id):
        raise DepartmentNotFound("there is no such department", field="scope_id")
    if command.scope_kind is ScopeKind.GROUP and scope_id not in await work.groups.rules([scope_id]):
        raise GroupNotFound("there is no such group", field="scope_id")
    return str(scope_id)
