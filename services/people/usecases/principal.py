"""Who a sign-in is, and what it may do."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol
from uuid import UUID

from services.people.domain.errors import IdentityUnknown, Invalid
from services.people.domain.group_rules import EVERYONE, Facts, matches
from services.people.domain.model import Caller, Employee, Grant
from services.people.usecases.days import today
from services.people.usecases.needs import HasEmployees, HasGrants


class NeedsCaller(HasEmployees, HasGrants, Protocol):
    """A transaction of the tenant in which somebody signs in."""


@dataclass(frozen=True, slots=True)
class ResolvePrincipal:
    """A verified sign-in; `directory` where its subject is an employee's code or address."""

    issuer: str
    subject: str
    tenant_id: UUID | None
    directory: bool = False


@dataclass(frozen=True, slots=True)
class SignInRules:
    """Whose subjects are looked up in the staff list, and who administers the installation."""

    directory_issuers: frozenset[str]
    installation_administrators: frozenset[str]

    def administers_installation(self, asked: ResolvePrincipal) -> bool:
        """Whether the sign-in is an administrator of the installation."""
        return f"{asked.issuer} {asked.subject}" in self.installation_administrators


INSTALLATION_ADMINISTRATOR = Caller(None, None, (Grant("installation_admin"),), (), (), True, "en")
TenantsOf = Callable[[str, str], Awaitable[Collection[UUID]]]
AllTenants = Callable[[], Awaitable[Collection[UUID]]]


def in_named_tenant(asked: ResolvePrincipal, rules: SignInRules) -> ResolvePrincipal:
    """The sign-in with what the rules say of its issuer."""
    return replace(asked, directory=asked.issuer in rules.directory_issuers)


async def find_tenant(
    asked: ResolvePrincipal, rules: SignInRules, tenants_of: TenantsOf, all_tenants: AllTenants
) -> ResolvePrincipal:
    """Name the tenant where the token did not: the only one that knows the identity, or the only one there is."""
    directory = asked.issuer in rules.directory_issuers
    known = await tenants_of(asked.issuer, asked.subject)
    if not known and directory:
        known = await all_tenants()
    if len(known) > 1:
        raise Invalid("this sign-in is known in several companies; name one", field="tenant_id")
    if not known:
        raise IdentityUnknown("this sign-in belongs to nobody here")
    return replace(asked, tenant_id=next(iter(known)), directory=directory)


async def resolve_principal(work: NeedsCaller, asked: ResolvePrincipal) -> Caller:
    """The employee, granted and derived roles, unit path and groups of a sign-in, as of now."""
    employee_id = await work.tenants.employee_of(asked.issuer, asked.subject)
    if employee_id is None and asked.directory:
        employee_id = await work.employees.by_subject(asked.subject)
    day = await today(work)
    employee = await work.employees.get(employee_id, day, EVERYONE) if employee_id else None
    if employee is None or not employee.employed_on(day):
        raise IdentityUnknown("this sign-in belongs to nobody who works here")
    reports = await work.employees.direct_reports(employee.id, day)
    derived = ("employee", "manager") if reports else ("employee",)
    held = await work.grants.held_by(employee.id)
    granted = (Grant(grant.role.value, grant.scope_kind.value, grant.scope_id, grant.id) for grant in held)
    return Caller(
        tenant_id=work.tenant_id,
        employee_id=employee.id,
        grants=(*(Grant(role) for role in derived), *granted),
        unit_path=employee.department_path,
        group_ids=await _groups(work, employee, reports, day),
        installation_administrator=False,
        language=employee.language,
    )


async def _groups(work: NeedsCaller, employee: Employee, reports: int, day: date) -> tuple[UUID, ...]:
    facts = facts_of(employee, reports)
    rules = await work.groups.rules()
    return tuple(sorted(group_id for group_id, rule in rules.items() if matches(rule, facts, day)))


def facts_of(employee: Employee, direct_reports: int = 0) -> Facts:
    """What group rules and scopes may ask about an employee."""
    place = employee.assignment
    return Facts(
        code=employee.code,
        id=employee.id,
        post=place.post,
        language=employee.language,
        level=place.level,
        department=place.department_id,
        department_path=employee.department_path,
        manager=place.manager_id,
        hired_on=employee.hired_on,
        direct_reports=direct_reports,
        attributes=employee.attributes,
    )
