"""Who may call what, and how far a role reaches."""

from dataclasses import dataclass, field
from datetime import date
from uuid import UUID, uuid4

import pytest

from protos.people.v1 import people_pb2
from services.people.domain.errors import NotAllowed
from services.people.domain.group_rules import EVERYONE, Comparison, Facts, matches
from services.people.domain.model import Grant
from services.people.policy import REACHING_ROLES, RPC_ACCESS, GrantLike, reach, require_tenant_wide

TODAY = date(2026, 11, 24)
SALES, GROUP, ME = uuid4(), uuid4(), uuid4()
SELLER = Facts("S1", uuid4(), post="seller", department=SALES, department_path=(uuid4(), SALES))
ENGINEER = Facts("R1", uuid4(), post="engineer")
MYSELF = Facts("M1", ME)
RULES = {GROUP: Comparison("post", "eq", ("engineer",))}


@dataclass(frozen=True)
class Somebody:
    kind: str = "user"
    employee_id: UUID | None = ME
    roles: tuple[GrantLike, ...] = field(default=())


def test_every_method_has_a_row_and_every_row_a_method() -> None:
    service = people_pb2.DESCRIPTOR.services_by_name["PeopleService"]
    assert set(RPC_ACCESS) == {f"/{service.full_name}/{method.name}" for method in service.methods}


def can(roles: tuple[Grant, ...], action: str, whom: Facts) -> bool:
    return matches(reach(Somebody(roles=roles), action, RULES), whom, TODAY)


@pytest.mark.parametrize("action", sorted(REACHING_ROLES))
def test_scopes(action: str) -> None:
    everywhere = (Grant("hr_admin"),)
    sales = (Grant("hr_admin", "department", str(SALES)),)
    group = (Grant("hr_admin", "group", str(GROUP)),)
    assert [can(everywhere, action, whom) for whom in (SELLER, ENGINEER)] == [True, True]
    assert [can(sales, action, whom) for whom in (SELLER, ENGINEER)] == [True, False]
    assert [can(group, action, whom) for whom in (SELLER, ENGINEER)] == [False, True]
    assert [can((*sales, *group), action, whom) for whom in (SELLER, ENGINEER)] == [True, True]


def test_without_a_role_only_oneself_and_only_to_read() -> None:
    for roles in (
        (),
        (Grant("manager"),),
        (Grant("hr_admin", "group", str(uuid4())),),
        (Grant("hr_admin", "group", "?"),),
    ):
        assert not can(roles, "employee.read_contact", SELLER)
        assert can(roles, "employee.read_contact", MYSELF)
        assert not can(roles, "employee.change", MYSELF)


def test_services_reach_everyone() -> None:
    assert reach(Somebody(kind="service", employee_id=None), "employee.read_contact", {}) == EVERYONE


def test_a_department_is_not_the_company() -> None:
    require_tenant_wide(Somebody(roles=(Grant("hr_admin"),)), "tenant.change")
    with pytest.raises(NotAllowed):
        require_tenant_wide(Somebody(roles=(Grant("hr_admin", "department", str(SALES)),)), "tenant.change")
