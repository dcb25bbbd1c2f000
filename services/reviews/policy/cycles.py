"""Who runs cycles: HR of the whole tenant; HR partners of a department or group extend for those they cover."""

from services.reviews.domain.errors import Denied
from services.runtime.identity import Principal

ADMINISTRATORS = frozenset({"hr_admin"})
EXTENDERS = frozenset({"hr_admin", "hr_partner"})


def holds_for_tenant(actor: Principal, roles: frozenset[str]) -> bool:
    """Whether one of the roles was granted for the whole tenant."""
    return any(grant.role in roles and grant.scope_kind == "tenant" for grant in actor.roles)


def require_administrator(actor: Principal) -> None:
    """Denied unless HR administrator of the tenant; services act by the table of RPCs alone."""
    if actor.kind == "user" and not holds_for_tenant(actor, ADMINISTRATORS):
        raise Denied("this takes an HR administrator of the whole company")


def require_extender(actor: Principal) -> None:
    """Denied unless HR of the tenant: a deadline that is moved concerns everybody in the stage."""
    if not holds_for_tenant(actor, EXTENDERS):
        raise Denied("this takes HR of the whole company")
