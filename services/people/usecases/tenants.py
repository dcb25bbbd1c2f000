"""Creating and naming companies, and tying sign-ins to their employees."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.people.domain.calendar import check_country, check_zone
from services.people.domain.errors import EmployeeNotFound, IdentityTaken, Invalid
from services.people.domain.group_rules import EVERYONE
from services.people.domain.model import (
    BEGINNING,
    Assignment,
    Edition,
    Employee,
    Page,
    Role,
    RoleGrant,
    ScopeKind,
    Tenant,
)
from services.people.domain.staff_file import CellRefused, parse_email
from services.people.policy import require_tenant_wide
from services.people.usecases.days import own_tenant, today
from services.people.usecases.needs import HasEmployees, HasGrants, HasTenants

ADMINISTRATOR_CODE = "ADMIN"
MAX_NAME = 200
MAX_IDENTITY = 500


class NeedsNewTenant(HasEmployees, HasGrants, Protocol):
    """A transaction of the tenant that is about to be."""


@dataclass(frozen=True, slots=True)
class CreateTenant:
    """A new company; its ids are made of the request's id, so that a repetition means the same one."""

    tenant_id: UUID
    administrator_id: UUID
    grant_id: UUID
    name: str
    admin_email: str
    zone: str
    country: str
    language: str
    edition: Edition


@dataclass(frozen=True, slots=True)
class LinkIdentity:
    """A sign-in and whose it is."""

    issuer: str
    subject: str
    employee_id: UUID


@dataclass(frozen=True, slots=True)
class Paging:
    """A page of something ordered by id."""

    after: UUID | None
    limit: int


@dataclass(frozen=True, slots=True)
class AskTenant:
    """Which company is the caller's."""


async def create_tenant(work: NeedsNewTenant, command: CreateTenant) -> tuple[Tenant, UUID]:
    """Create a company with employee ADMIN, its first HR administrator; return both."""
    _check(command)
    tenant = await work.tenants.add(
        Tenant(command.tenant_id, command.name, command.zone, command.country, command.language, command.edition)
    )
    await work.employees.add(_administrator(command))
    await work.grants.add(RoleGrant(command.grant_id, command.administrator_id, Role.HR_ADMIN, ScopeKind.TENANT, ""))
    payload = {"tenant_id": str(tenant.id), "edition": tenant.edition.value}
    await work.emit("people.tenant_created", "tenant", tenant.id, tenant.version, payload)
    await work.audit("tenant.create", "tenant", tenant.id, detail=payload)
    return tenant, command.administrator_id


async def list_tenants(work: HasTenants, asked: Paging) -> Page[Tenant]:
    """Companies by id."""
    return Page.cut(await work.tenants.page(asked.after, asked.limit + 1), asked.limit)


async def get_tenant(work: HasTenants, asked: AskTenant) -> Tenant:
    """The caller's company."""
    return await own_tenant(work)


async def link_identity(work: HasEmployees, command: LinkIdentity) -> None:
    """Tie an issuer and subject to an employee; the same link twice is one, another one is refused."""
    require_tenant_wide(work.principal, "tenant.change")
    for name, value in (("issuer", command.issuer), ("subject", command.subject)):
        if not 0 < len(value) <= MAX_IDENTITY or not value.isprintable():
            raise Invalid(f"between 1 and {MAX_IDENTITY} characters", field=name)
    if await work.employees.get(command.employee_id, await today(work), EVERYONE) is None:
        raise EmployeeNotFound("there is no such employee", field="employee_id")
    if not await work.tenants.link(command.issuer, command.subject, command.employee_id):
        if await work.tenants.employee_of(command.issuer, command.subject) == command.employee_id:
            return
        raise IdentityTaken("this sign-in belongs to somebody else", field="subject")
    await work.audit("identity.link", "employee", command.employee_id, detail={})


def _check(command: CreateTenant) -> None:
    name = command.name
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"between 1 and {MAX_NAME} characters", field="name")
    check_zone(command.zone)
    check_country(command.country)
    if command.language not in ("zh-CN", "en"):
        raise Invalid("zh-CN or en", field="language")
    try:
        parse_email(command.admin_email)
    except CellRefused:
        raise Invalid("not an e-mail address", field="admin_email") from None


def _administrator(command: CreateTenant) -> Employee:
    return Employee(
        id=command.administrator_id,
        code=ADMINISTRATOR_CODE,
        name=ADMINISTRATOR_CODE,
        email=command.admin_email,
        mobile="",
        language="",
        hired_on=None,
        left_on=None,
        attributes={},
        version=1,
        assignment=Assignment(BEGINNING, None, None, None, (), "", ""),
        on_staff=False,
    )
