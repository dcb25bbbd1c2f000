"""Tenants, identities and principals."""

from uuid import NAMESPACE_OID, UUID, uuid5

from protos.people.v1 import people_pb2
from services.people.convert.fields import from_instant, from_key, from_uuid, to_id_key, to_optional_uuid, to_page_size
from services.people.convert.fields import to_uuid as _uuid
from services.people.domain.errors import Invalid
from services.people.domain.model import Caller, Edition, Grant, Page, Tenant
from services.people.usecases.principal import ResolvePrincipal
from services.people.usecases.tenants import AskTenant, CreateTenant, LinkIdentity, Paging

_EDITIONS = {
    people_pb2.EDITION_UNSPECIFIED: Edition.PROFESSIONAL,
    people_pb2.EDITION_BASIC: Edition.BASIC,
    people_pb2.EDITION_PROFESSIONAL: Edition.PROFESSIONAL,
}
_EDITIONS_OUT = {Edition.BASIC: people_pb2.EDITION_BASIC, Edition.PROFESSIONAL: people_pb2.EDITION_PROFESSIONAL}


def create_tenant(request: people_pb2.CreateTenantRequest) -> CreateTenant:
    """The new company; its ids follow from the request's id."""
    if request.edition not in _EDITIONS:
        raise Invalid("no such edition", field="edition")
    tenant_id = uuid5(NAMESPACE_OID, f"attune tenant {request.request_id}")
    return CreateTenant(
        tenant_id=tenant_id,
        administrator_id=uuid5(tenant_id, "administrator"),
        grant_id=uuid5(tenant_id, "administrator's grant"),
        name=request.name,
        admin_email=request.admin_email,
        zone=request.time_zone or "Asia/Shanghai",
        country=request.country or "CN",
        language=request.language or "zh-CN",
        edition=_EDITIONS[request.edition],
    )


def create_tenant_reply(created: tuple[Tenant, UUID]) -> people_pb2.CreateTenantResponse:
    """The company and its administrator."""
    return people_pb2.CreateTenantResponse(tenant=_tenant(created[0]), admin_employee_id=str(created[1]))


def list_tenants(request: people_pb2.ListTenantsRequest) -> Paging:
    """Which page."""
    return Paging(to_id_key(request.page_token), to_page_size(request.page_size))


def list_tenants_reply(page: Page[Tenant]) -> people_pb2.ListTenantsResponse:
    """A page of companies."""
    token = from_key(page.items[-1].id, more=True) if page.more else ""
    return people_pb2.ListTenantsResponse(tenants=[_tenant(item) for item in page.items], next_page_token=token)


def get_tenant(request: people_pb2.GetTenantRequest) -> AskTenant:
    """Nothing is asked but whose."""
    return AskTenant()


def get_tenant_reply(tenant: Tenant) -> people_pb2.GetTenantResponse:
    """The company."""
    return people_pb2.GetTenantResponse(tenant=_tenant(tenant))


def link_identity(request: people_pb2.LinkIdentityRequest) -> LinkIdentity:
    """The sign-in and whose it is."""
    return LinkIdentity(request.issuer, request.subject, _uuid(request.employee_id, "employee_id"))


def link_identity_reply(_: None) -> people_pb2.LinkIdentityResponse:
    """Done."""
    return people_pb2.LinkIdentityResponse()


def resolve_principal(request: people_pb2.ResolvePrincipalRequest) -> ResolvePrincipal:
    """The sign-in."""
    if not request.issuer or not request.subject:
        raise Invalid("issuer and subject are needed", field="subject")
    return ResolvePrincipal(request.issuer, request.subject, to_optional_uuid(request.tenant_id, "tenant_id"))


def resolve_principal_reply(caller: Caller) -> people_pb2.ResolvePrincipalResponse:
    """The caller as the services see them."""
    return people_pb2.ResolvePrincipalResponse(
        principal=people_pb2.Principal(
            tenant_id=from_uuid(caller.tenant_id),
            employee_id=from_uuid(caller.employee_id),
            grants=[_grant(grant, caller.employee_id) for grant in caller.grants],
            unit_path=[str(step) for step in caller.unit_path],
            group_ids=[str(group_id) for group_id in caller.group_ids],
            installation_administrator=caller.installation_administrator,
            language=caller.language,
        )
    )


def _grant(grant: Grant, employee_id: UUID | None) -> people_pb2.Grant:
    return people_pb2.Grant(
        id=from_uuid(grant.id),
        employee_id=from_uuid(employee_id),
        role=grant.role,
        scope_kind=grant.scope_kind,
        scope_id=grant.scope_id,
    )


def _tenant(tenant: Tenant) -> people_pb2.Tenant:
    return people_pb2.Tenant(
        id=str(tenant.id),
        name=tenant.name,
        time_zone=tenant.zone,
        country=tenant.country,
        language=tenant.language,
        edition=_EDITIONS_OUT[tenant.edition],
        create_time=from_instant(tenant.create_time),
    )
