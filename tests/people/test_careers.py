"""What happens to people after they were imported, by gRPC: moves, departures, absences, roles, who sees what."""

import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.message import Message
from sqlalchemy import text

from protos.people.v1 import people_pb2
from services.runtime.database import Database
from services.runtime.errors import reason_of
from services.runtime.identity import Grant
from tests.people.conftest import Company, Stub
from tests.people.test_servicer import STAFF

Events = Callable[[], Awaitable[list[tuple[str, dict[str, Any]]]]]


async def refusal(call: Awaitable[Message]) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return reason_of(refused.value)


@pytest.fixture
async def staffed(company: Company) -> Company:
    """A company with the sample staff."""
    await company.load(STAFF)
    return company


@pytest.fixture
def events(staffed: Company, service_database: Callable[[str], Database]) -> Events:
    """The kinds and payloads of the company's events, oldest first."""

    async def read() -> list[tuple[str, dict[str, Any]]]:
        async with service_database("people").transaction(staffed.tenant_id) as connection:
            rows = await connection.execute(text("SELECT kind, payload FROM event ORDER BY xid, id"))
            return [(row.kind, row.payload) for row in rows]

    return read


def transfer(employee_id: str, **fields: str) -> people_pb2.TransferEmployeeRequest:
    return people_pb2.TransferEmployeeRequest(request_id=str(uuid4()), employee_id=employee_id, **fields)


async def test_transfer_holds_from_its_day_on(staffed: Company, events: Events) -> None:
    seller, boss, lead = await staffed.ids("S2", "C1", "S1")
    request = transfer(seller, effective_on="2027-01-01", manager_id=boss, post="Buyer", reason="asked for it")
    moved = (await staffed.people.TransferEmployee(request, **staffed.hr)).employee
    assert (moved.manager_id, moved.post, moved.level) == (boss, "Buyer", "P4")
    for day, manager in (("2026-12-31", lead), ("2027-01-01", boss), ("2030-01-01", boss)):
        asked = people_pb2.GetEmployeeRequest(code="S2", on=day)
        assert (await staffed.people.GetEmployee(asked, **staffed.hr)).employee.manager_id == manager
    kind, payload = (await events())[-1]
    assert kind == "people.employee_transferred"
    assert (payload["from_manager_id"], payload["manager_id"]) == (lead, boss)


async def test_a_transfer_between_two_others_keeps_both(staffed: Company) -> None:
    (seller,) = await staffed.ids("S2")
    for day, post in (("2027-01-01", "A"), ("2027-03-01", "C"), ("2027-02-01", "B"), ("2027-02-01", "B2")):
        await staffed.people.TransferEmployee(transfer(seller, effective_on=day, post=post), **staffed.hr)
    posts = {}
    for day in ("2026-12-31", "2027-01-31", "2027-02-01", "2027-02-28", "2027-03-01"):
        asked = people_pb2.GetEmployeeRequest(employee_id=seller, on=day)
        posts[day] = (await staffed.people.GetEmployee(asked, **staffed.hr)).employee.post
    assert list(posts.values()) == ["Seller", "A", "B2", "B2", "C"]


async def test_transfers_that_make_no_sense(staffed: Company) -> None:
    boss, lead, seller = await staffed.ids("C1", "S1", "S2")
    people, hr = staffed.people, staffed.hr
    loop = transfer(boss, effective_on="2027-01-01", manager_id=seller)
    assert await refusal(people.TransferEmployee(loop, **hr)) == "MANAGEMENT_LOOP"
    own = transfer(lead, effective_on="2027-01-01", manager_id=lead)
    assert await refusal(people.TransferEmployee(own, **hr)) == "MANAGEMENT_LOOP"
    early = transfer(seller, effective_on="2020-05-05", post="x")
    assert await refusal(people.TransferEmployee(early, **hr)) == "DATES_OUT_OF_ORDER"
    nowhere = transfer(seller, effective_on="2027-01-01", department_id=str(uuid4()))
    assert await refusal(people.TransferEmployee(nowhere, **hr)) == "DEPARTMENT_NOT_FOUND"
    nobody = transfer(str(uuid4()), effective_on="2027-01-01")
    assert await refusal(people.TransferEmployee(nobody, **hr)) == "EMPLOYEE_NOT_FOUND"
    assert await refusal(people.TransferEmployee(transfer("x", effective_on="2027-01-01"), **hr)) == "INVALID_FIELD"


async def test_departure_and_return(staffed: Company, events: Events) -> None:
    lead, seller = await staffed.ids("S1", "S2")
    people, hr = staffed.people, staffed.hr
    rehire = people_pb2.RehireEmployeeRequest(request_id="r1", employee_id=seller, hired_on="2026-11-02")
    assert await refusal(people.RehireEmployee(rehire, **hr)) == "EMPLOYEE_NOT_DEPARTED"
    depart = people_pb2.DepartEmployeeRequest(request_id="d1", employee_id=seller, left_on="2026-10-31")
    assert (await people.DepartEmployee(depart, **hr)).employee.left_on == "2026-10-31"
    kind, payload = (await events())[-1]
    assert (kind, payload) == (
        "people.employee_departed",
        {"employee_id": seller, "left_on": "2026-10-31", "manager_id": lead},
    )
    depart.request_id = "d2"
    assert await refusal(people.DepartEmployee(depart, **hr)) == "EMPLOYEE_DEPARTED"
    listed = await people.ListEmployees(people_pb2.ListEmployeesRequest(), **hr)
    assert "S2" not in {employee.code for employee in listed.employees}
    principal = people_pb2.ResolvePrincipalRequest(issuer="directory", subject="S2", tenant_id=str(staffed.tenant_id))
    gateway = staffed.callers.service("gateway", None)
    assert await refusal(people.ResolvePrincipal(principal, **gateway)) == "IDENTITY_UNKNOWN"
    back = (await people.RehireEmployee(rehire, **hr)).employee
    assert (back.hired_on, back.left_on, back.manager_id) == ("2026-11-02", "", lead)
    assert (await people.ResolvePrincipal(principal, **gateway)).principal.employee_id == seller


async def test_absence_is_told(staffed: Company, events: Events) -> None:
    (seller,) = await staffed.ids("S2")
    absence: dict[str, Any] = {"request_id": "a1", "employee_id": seller, "from": "2026-12-01", "to": "2026-12-24"}
    await staffed.people.RecordAbsence(people_pb2.RecordAbsenceRequest(**absence), **staffed.hr)
    told = {"employee_id": seller, "from": "2026-12-01", "to": "2026-12-24"}
    assert (await events())[-1] == ("people.employee_absent", told)
    wrong = people_pb2.RecordAbsenceRequest(**{**absence, "request_id": "a2", "to": "2026-11-30"})
    assert await refusal(staffed.people.RecordAbsence(wrong, **staffed.hr)) == "INVALID_FIELD"


async def test_import_tells_of_moves_and_departures_by_id(staffed: Company, events: Events) -> None:
    await staffed.load("code,name,manager_code,left_on\nS2,Song,C1,\nS3,Shi,S1,2026-12-31\n")
    seller, other, lead = await staffed.ids("S2", "S3", "S1")
    kind, payload = (await events())[-1]
    assert kind == "people.employees_imported"
    assert (payload["count"], payload["transferred"]) == (2, [seller])
    assert payload["departed"] == [{"employee_id": other, "left_on": "2026-12-31", "manager_id": lead}]
    assert "Song" not in json.dumps(await events(), default=str)


async def test_columns_that_a_file_lacks_stay_and_empty_cells_clear(staffed: Company) -> None:
    report = await staffed.load("code,name,post,city\nS2,Song,,\n")
    assert (report.updated, report.created) == (1, 0)
    asked = people_pb2.GetEmployeeRequest(code="S2")
    seller = (await staffed.people.GetEmployee(asked, **staffed.hr)).employee
    assert (seller.post, seller.level, seller.email, dict(seller.attributes)) == ("", "P4", "s2@example.com", {})
    (lead,) = await staffed.ids("S1")
    assert seller.manager_id == lead


async def test_two_people_may_swap_addresses(staffed: Company) -> None:
    report = await staffed.load("code,name,email\nS2,Song,s3@example.com\nS3,Shi,s2@example.com\n")
    assert (report.updated, report.rejected) == (2, 0)


async def test_dry_run_says_what_would_happen_and_does_nothing(staffed: Company, events: Events) -> None:
    before = await events()
    text_of_file = "code,name,department\nS2,Song,New/Place\nN1,New,New/Place\nS3,Shi,Head Office/Sales\nN2,,\n"
    report = await staffed.load(text_of_file, dry_run=True)
    assert (report.total, report.created, report.updated, report.unchanged, report.rejected) == (4, 1, 1, 1, 1)
    assert await events() == before
    assert not (await staffed.people.ResolveReferences(
        people_pb2.ResolveReferencesRequest(departments=["New/Place"]), **staffed.hr
    )).departments  # fmt: skip


async def test_contact_details_are_for_hr_and_oneself(staffed: Company) -> None:
    seller, engineer = await staffed.ids("S2", "R1")
    departments = (
        await staffed.people.ResolveReferences(
            people_pb2.ResolveReferencesRequest(departments=["Head Office/Sales"]), **staffed.hr
        )
    ).departments
    partner = Grant("hr_partner", "department", departments["Head Office/Sales"])
    request = people_pb2.ListEmployeesRequest()
    seen = {}
    for name, caller in (
        ("colleague", staffed.as_employee(engineer)),
        ("partner", staffed.as_employee(engineer, partner)),
        ("hr", staffed.hr),
    ):
        listed = (await staffed.people.ListEmployees(request, **caller)).employees
        seen[name] = {employee.code for employee in listed if employee.email}
        assert len(listed) == 6
    assert seen["colleague"] == {"R1"}
    assert seen["partner"] == {"R1", "S1", "S2", "S3"}
    assert seen["hr"] == {"ADMIN", "C1", "S1", "S2", "S3", "R1"}
    inside = transfer(seller, effective_on="2027-01-01", post="x")
    await staffed.people.TransferEmployee(inside, **staffed.as_employee(engineer, partner))
    outside = transfer(engineer, effective_on="2027-01-01", post="x")
    call = staffed.people.TransferEmployee(outside, **staffed.as_employee(engineer, partner))
    assert await refusal(call) == "NOT_ALLOWED"


async def test_roles_hold_until_revoked(staffed: Company) -> None:
    people, hr = staffed.people, staffed.hr
    lead, seller = await staffed.ids("S1", "S2")
    grant = people_pb2.GrantRoleRequest(request_id="g1", employee_id=lead, role="hr_admin")
    granted = (await people.GrantRole(grant, **hr)).grant
    grant.request_id = "g2"
    assert (await people.GrantRole(grant, **hr)).grant == granted
    by_lead = staffed.as_employee(lead, Grant("hr_admin"))
    own = (await people.ListRoles(people_pb2.ListRolesRequest(role="hr_admin"), **hr)).grants
    first = next(held for held in own if held.employee_id == str(staffed.admin_id))
    await people.RevokeRole(people_pb2.RevokeRoleRequest(request_id="r1", grant_id=first.id), **by_lead)
    # The token still says so, the rows do not.
    grant = people_pb2.GrantRoleRequest(request_id="g3", employee_id=seller, role="auditor")
    assert await refusal(people.GrantRole(grant, **hr)) == "NOT_ALLOWED"
    last = people_pb2.RevokeRoleRequest(request_id="r2", grant_id=granted.id)
    assert await refusal(people.RevokeRole(last, **by_lead)) == "LAST_ADMINISTRATOR"
    for request, reason in (
        ({"role": "king"}, "INVALID_FIELD"),
        ({"role": "auditor", "scope_kind": "galaxy"}, "INVALID_FIELD"),
        ({"role": "auditor", "scope_kind": "department"}, "INVALID_FIELD"),
        ({"role": "auditor", "scope_kind": "department", "scope_id": str(uuid4())}, "DEPARTMENT_NOT_FOUND"),
        ({"role": "auditor", "scope_kind": "group", "scope_id": str(uuid4())}, "GROUP_NOT_FOUND"),
    ):
        wrong = people_pb2.GrantRoleRequest(request_id=str(uuid4()), employee_id=seller, **request)
        assert await refusal(people.GrantRole(wrong, **by_lead)) == reason


async def test_groups_are_previewed_stored_and_told_to_the_caller(staffed: Company) -> None:
    people, hr = staffed.people, staffed.hr
    rule = json.dumps(
        {
            "all": [
                {"attribute": "department", "operator": "within", "value": "Head Office/Sales"},
                {"attribute": "tenure_months", "operator": "ge", "value": 48},
                {"attribute": "direct_reports", "operator": "eq", "value": 0},
            ]
        }
    )
    preview = await people.PreviewGroup(people_pb2.PreviewGroupRequest(rule_json=rule, on="2026-11-24"), **hr)
    assert (preview.count, [employee.code for employee in preview.sample]) == (1, ["S2"])
    group = people_pb2.CreateGroupRequest(request_id="c1", name="Old sellers", rule_json=rule)
    created = (await people.CreateGroup(group, **hr)).group
    group.request_id = "c2"
    assert await refusal(people.CreateGroup(group, **hr)) == "GROUP_TAKEN"
    broken = people_pb2.CreateGroupRequest(request_id="c3", name="x", rule_json='{"all": [{"post": 1}]}')
    assert await refusal(people.CreateGroup(broken, **hr)) == "GROUP_RULE_INVALID"
    asked = people_pb2.ResolvePrincipalRequest(issuer="directory", subject="S2", tenant_id=str(staffed.tenant_id))
    caller = (await people.ResolvePrincipal(asked, **staffed.callers.service("gateway", None))).principal
    assert list(caller.group_ids) == [created.id]


async def test_lists_are_paged_to_their_end(staffed: Company) -> None:
    codes: list[str] = []
    token = ""
    while True:
        request = people_pb2.ListEmployeesRequest(page_size=4, page_token=token)
        page = await staffed.people.ListEmployees(request, **staffed.hr)
        codes += [employee.code for employee in page.employees]
        token = page.next_page_token
        if not token:
            break
    assert codes == ["ADMIN", "C1", "R1", "S1", "S2", "S3"]
    tree = await staffed.people.ListDepartments(people_pb2.ListDepartmentsRequest(), **staffed.hr)
    assert [department.path for department in tree.departments] == [
        "Head Office",
        "Head Office/Research",
        "Head Office/Sales",
    ]
    wrong = people_pb2.ListEmployeesRequest(page_token="%%%")
    assert await refusal(staffed.people.ListEmployees(wrong, **staffed.hr)) == "INVALID_FIELD"


async def test_filters(staffed: Company) -> None:
    (lead,) = await staffed.ids("S1")

    async def codes(**fields: Any) -> list[str]:
        request = people_pb2.ListEmployeesRequest(**fields)
        return [employee.code for employee in (await staffed.people.ListEmployees(request, **staffed.hr)).employees]

    assert await codes(manager_id=lead) == ["S2", "S3"]
    assert await codes(query="sO") == ["S2"]
    assert await codes(query="%") == []


async def test_another_company_sees_nothing(staffed: Company, people: Stub) -> None:
    (seller,) = await staffed.ids("S2")
    created = await people.CreateTenant(
        people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="B", admin_email="b@example.com"),
        **staffed.callers.installation(),
    )
    stranger = staffed.callers.user(UUID(created.tenant.id), UUID(created.admin_employee_id), Grant("hr_admin"))
    batch = people_pb2.BatchGetEmployeesRequest(employee_ids=[seller, str(staffed.admin_id)])
    assert not (await people.BatchGetEmployees(batch, **stranger)).employees
    assert len((await people.BatchGetEmployees(batch, **staffed.hr)).employees) == 2
    written = people_pb2.ResolveReferencesRequest(employees=["S2", seller], departments=["Head Office"])
    found = await people.ResolveReferences(written, **stranger)
    assert not found.employees
    assert not found.departments
    assert await refusal(people.GetEmployee(people_pb2.GetEmployeeRequest(employee_id=seller), **stranger)) == (
        "EMPLOYEE_NOT_FOUND"
    )
