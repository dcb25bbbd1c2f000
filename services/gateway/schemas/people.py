"""Bodies about people and tenants."""

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from services.gateway.schemas.fields import Body, Day, Key, Name, Reason, Reference, View
from services.runtime.identity import Principal

Language = Literal["zh-CN", "en"]
Role = Literal["hr_partner", "hr_admin", "appeal_owner", "facilitator", "auditor", "operator"]


class Me(View):
    """Who is calling."""

    tenant_id: str = ""
    employee_id: str = ""
    roles: list[dict[str, str]]
    unit_path: list[str] = []
    group_ids: list[str] = []
    language: str = ""
    installation_administrator: bool = False

    @classmethod
    def of(cls, principal: Principal, language: str) -> "Me":
        """Return the principal as the caller sees it."""
        return cls(
            tenant_id=str(principal.tenant_id or ""),
            employee_id=str(principal.employee_id or ""),
            roles=[{"role": g.role, "scope_kind": g.scope_kind, "scope_id": g.scope_id} for g in principal.roles],
            unit_path=list(principal.unit_path),
            group_ids=sorted(principal.group_ids),
            language=language,
            installation_administrator=principal.kind == "installation",
        )


class CreateTenant(Body):
    """A new company."""

    name: Name
    admin_email: Annotated[Name, Field(examples=["hr@company.example"])]
    time_zone: Annotated[Name, Field(examples=["Asia/Shanghai"])] = "Asia/Shanghai"
    country: Annotated[Name, Field(max_length=2, examples=["CN"])] = "CN"
    language: Language = "zh-CN"
    edition: Literal["basic", "professional"] = "professional"


class Depart(Body):
    """Who leaves when."""

    left_on: Day
    reason: Reason


class Rehire(Body):
    """Who is back."""

    hired_on: Day
    department_id: Key | None = None
    manager_id: Key | None = None


class Absence(Body):
    """Who is away when."""

    from_: Annotated[Day, Field(alias="from")]
    to: Day
    reason: Reason


class Transfer(Body):
    """A new assignment; what is absent stays."""

    effective_on: Day
    department_id: Key | None = None
    manager_id: Key | None = None
    post: Name | None = None
    level: Name | None = None
    reason: Reason


class CreateGroup(Body):
    """A named rule."""

    name: Name
    rule: Annotated[dict[str, Any], Field(examples=[{"attribute": "level", "operator": "in", "value": ["P5", "P6"]}])]


class PreviewGroup(Body):
    """A rule to try."""

    rule: dict[str, Any]
    on: Day | None = None


class GrantRole(Body):
    """Who gets which role where."""

    employee_id: Key
    role: Role
    scope_kind: Literal["tenant", "department", "group"] = "tenant"
    scope_id: Reference | None = None


class CalendarDay(Body):
    """One day."""

    date: Day
    working: StrictBool
    name: Annotated[str, Field(max_length=200)] = ""


class SetCalendar(Body):
    """Days to override."""

    days: Annotated[list[CalendarDay], Field(min_length=1, max_length=800)]
