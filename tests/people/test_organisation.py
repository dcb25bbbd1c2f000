"""The organisation over time: moves in the past and the future, lines that would loop one day, scopes, the tree."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.people.v1 import people_pb2
from services.people.domain.departments import Department, DepartmentTree
from services.people.domain.staff_file import CellRefused
from services.runtime.clock import utc_now
from services.runtime.identity import Grant
from tests.people.conftest import Company
from tests.people.test_careers import refusal, transfer
from tests.people.test_servicer import STAFF
from tests.people.test_staff_file import BROKEN_ROWS, GOOD, HEADER

STANDING = "code,name,email,manager_code\nK1,Kim,k1@example.com,\nK2,Kay,,K1\n"


def in_days(days: int) -> str:
    """A day counted from today; tenants' zones are at most a day away from it."""
    return (utc_now().date() + timedelta(days=days)).isoformat()


@pytest.fixture
async def staffed(company: Company) -> Company:
    """A company with the sample staff."""
    await company.load(STAFF)
    return company


async def on(company: Company, code: str, day: str) -> people_pb2.Employee:
    """An employee as of a day."""
    asked = people_pb2.GetEmployeeRequest(code=code, on=day)
    found: people_pb2.GetEmployeeResponse = await company.people.GetEmployee(asked, **company.hr)
    return found.employee


async def depart(company: Company, employee_id: str, left_on: str) -> people_pb2.Employee:
    request = people_pb2.DepartEmployeeRequest(request_id=str(uuid4()), employee_id=employee_id, left_on=left_on)
    answer: people_pb2.DepartEmployeeResponse = await company.people.DepartEmployee(request, **company.hr)
    return answer.employee


async def rehire(company: Company, employee_id: str, hired_on: str, **fields: str) -> people_pb2.Employee:
    request = people_pb2.RehireEmployeeRequest(
        request_id=str(uuid4()), employee_id=employee_id, hired_on=hired_on, **fields
    )
    answer: people_pb2.RehireEmployeeResponse = await company.people.RehireEmployee(request, **company.hr)
    return answer.employee


@pytest.mark.parametrize(("code", "column", "lines"), BROKEN_ROWS)
async def test_broken_rows_are_reported_and_the_good_one_loads(
    company: Company, code: str, column: str, lines: Sequence[str]
) -> None:
    await company.load(STANDING)
    report = await company.load("\n".join([HEADER, GOOD, *lines]))
    assert (code, column) in {(error.code, error.column) for error in report.errors}
    assert all(error.line >= 3 and error.message for error in report.errors)
    assert (report.total, report.created, report.rejected) == (1 + len(lines), 1, len(lines))
    listed = await company.people.ListEmployees(people_pb2.ListEmployeesRequest(), **company.hr)
    assert {employee.code for employee in listed.employees} == {"ADMIN", "K1", "K2", "A1"}


async def test_a_report_of_many_faults_stays_within_what_an_answer_can_hold(company: Company) -> None:
    lines = [f"!{n},,nobody,x,,,,??,soon,never,,fr," for n in range(2_000)]
    report = await company.load("\n".join([HEADER, GOOD, *lines]))
    assert (report.total, report.created, report.rejected, len(report.errors)) == (2_001, 1, 2_000, 10_001)
    last = report.errors[-1]
    assert (last.code, last.message[:5]) == ("MORE_PROBLEMS", "6000 ")


async def test_a_transfer_into_the_past_ends_where_the_next_assignment_begins(staffed: Company) -> None:
    (seller,) = await staffed.ids("S2")
    await staffed.people.TransferEmployee(transfer(seller, effective_on="2026-06-01", post="Buyer"), **staffed.hr)
    await staffed.people.TransferEmployee(transfer(seller, effective_on="2026-03-01", post="Clerk"), **staffed.hr)
    days = ("2026-02-28", "2026-03-01", "2026-05-31", "2026-06-01", in_days(0))
    posts = [(await on(staffed, "S2", day)).post for day in days]
    assert posts == ["Seller", "Clerk", "Clerk", "Buyer", "Buyer"]


async def test_a_transfer_of_today_holds_today_and_one_of_tomorrow_does_not(staffed: Company) -> None:
    seller, boss, lead = await staffed.ids("S2", "C1", "S1")
    await staffed.people.TransferEmployee(transfer(seller, effective_on=in_days(2), manager_id=boss), **staffed.hr)
    current = await staffed.people.GetEmployee(people_pb2.GetEmployeeRequest(code="S2"), **staffed.hr)
    assert current.employee.manager_id == lead
    await staffed.people.TransferEmployee(transfer(seller, effective_on=in_days(-1), manager_id=boss), **staffed.hr)
    current = await staffed.people.GetEmployee(people_pb2.GetEmployeeRequest(code="S2"), **staffed.hr)
    assert current.employee.manager_id == boss


async def test_a_line_that_would_loop_only_one_day_is_refused_today(staffed: Company) -> None:
    """From February Sun is to be below Song; so Song cannot come below Sun's colleague who stays above her then."""
    lead, seller, engineer = await staffed.ids("S1", "S2", "R1")
    people, hr = staffed.people, staffed.hr
    await people.TransferEmployee(transfer(seller, effective_on="2027-01-01", manager_id=engineer), **hr)
    await people.TransferEmployee(transfer(lead, effective_on="2027-02-01", manager_id=seller), **hr)
    # On 1 December the engineer may still come below the lead; from February on that would close the circle.
    for day in ("2026-12-01", "2027-01-31", "2027-02-01", "2027-06-01"):
        looping = transfer(engineer, effective_on=day, manager_id=lead)
        assert await refusal(people.TransferEmployee(looping, **hr)) == "MANAGEMENT_LOOP", day


async def test_a_line_that_ends_before_it_would_loop_is_fine(staffed: Company) -> None:
    lead, seller, engineer, boss = await staffed.ids("S1", "S2", "R1", "C1")
    people, hr = staffed.people, staffed.hr
    await people.TransferEmployee(transfer(engineer, effective_on="2027-01-15", manager_id=boss, post="E"), **hr)
    await people.TransferEmployee(transfer(lead, effective_on="2027-02-01", manager_id=engineer), **hr)
    await people.TransferEmployee(transfer(engineer, effective_on="2026-12-01", manager_id=lead), **hr)
    managers = [(await on(staffed, "R1", day)).manager_id for day in ("2026-12-01", "2027-01-15", "2027-02-01")]
    assert managers == [lead, boss, boss]
    assert (await on(staffed, "S1", "2027-02-01")).manager_id == engineer
    assert seller


async def test_a_departure_in_the_future_may_be_corrected_and_leaves_one_at_work(staffed: Company) -> None:
    (seller,) = await staffed.ids("S2")
    assert (await depart(staffed, seller, in_days(30))).left_on == in_days(30)
    assert (await depart(staffed, seller, in_days(60))).left_on == in_days(60)
    principal = people_pb2.ResolvePrincipalRequest(issuer="directory", subject="S2", tenant_id=str(staffed.tenant_id))
    found = await staffed.people.ResolvePrincipal(principal, **staffed.callers.service("gateway", None))
    assert found.principal.employee_id == seller
    after = transfer(seller, effective_on=in_days(61), post="x")
    assert await refusal(staffed.people.TransferEmployee(after, **staffed.hr)) == "DATES_OUT_OF_ORDER"
    assert await refusal(depart(staffed, seller, "2020-05-05")) == "DATES_OUT_OF_ORDER"  # before the first day


async def test_nobody_is_rehired_while_still_at_work(staffed: Company) -> None:
    (seller,) = await staffed.ids("S2")
    await depart(staffed, seller, in_days(30))
    assert await refusal(rehire(staffed, seller, in_days(40))) == "EMPLOYEE_NOT_DEPARTED"
    assert (await on(staffed, "S2", in_days(0))).left_on == in_days(30)


async def test_rehired_into_another_place(staffed: Company) -> None:
    seller, boss, lead = await staffed.ids("S2", "C1", "S1")
    await depart(staffed, seller, "2026-10-31")
    assert await refusal(rehire(staffed, seller, "2026-10-31")) == "DATES_OUT_OF_ORDER"
    back = await rehire(staffed, seller, "2026-11-10", manager_id=boss)
    assert (back.hired_on, back.left_on, back.manager_id, back.id) == ("2026-11-10", "", boss, seller)
    assert (await on(staffed, "S2", "2026-10-30")).manager_id == lead
    assert await refusal(rehire(staffed, seller, "2026-11-11")) == "EMPLOYEE_NOT_DEPARTED"


async def test_a_manager_who_has_left_is_nobodys_new_manager(staffed: Company) -> None:
    lead, seller, engineer = await staffed.ids("S1", "S2", "R1")
    await depart(staffed, lead, in_days(10))
    there = transfer(engineer, effective_on=in_days(11), manager_id=lead)
    assert await refusal(staffed.people.TransferEmployee(there, **staffed.hr)) == "EMPLOYEE_DEPARTED"
    sooner = transfer(engineer, effective_on=in_days(9), manager_id=lead)
    assert (await staffed.people.TransferEmployee(sooner, **staffed.hr)).employee.manager_id == lead
    assert seller


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"employee_id": str(UUID(int=9))}, "EMPLOYEE_NOT_FOUND"),
        ({"employee_id": "x"}, "INVALID_FIELD"),
        ({"from": "soon"}, "INVALID_FIELD"),
        ({"to": ""}, "INVALID_FIELD"),
        ({"request_id": ""}, "REQUEST_ID_REQUIRED"),
    ],
)
async def test_absences_that_make_no_sense(staffed: Company, fields: dict[str, str], reason: str) -> None:
    (seller,) = await staffed.ids("S2")
    sound = {"request_id": str(uuid4()), "employee_id": seller, "from": "2026-12-01", "to": "2026-12-24"}
    request = people_pb2.RecordAbsenceRequest(**{**sound, **fields})
    assert await refusal(staffed.people.RecordAbsence(request, **staffed.hr)) == reason


async def test_one_day_away_is_from_and_to_the_same_day(staffed: Company) -> None:
    (seller,) = await staffed.ids("S2")
    day: dict[str, Any] = {"request_id": "a", "employee_id": seller, "from": "2026-12-01", "to": "2026-12-01"}
    request = people_pb2.RecordAbsenceRequest(**day)
    await staffed.people.RecordAbsence(request, **staffed.hr)
    await staffed.people.RecordAbsence(request, **staffed.hr)


async def test_a_partner_of_a_group_reaches_its_members_alone(staffed: Company) -> None:
    seller, engineer, lead = await staffed.ids("S2", "R1", "S1")
    rule = json.dumps({"attribute": "post", "operator": "eq", "value": "Seller"})
    made = await staffed.people.CreateGroup(
        people_pb2.CreateGroupRequest(request_id="g", name="Sellers", rule_json=rule), **staffed.hr
    )
    grant = people_pb2.GrantRoleRequest(
        request_id="r", employee_id=engineer, role="hr_partner", scope_kind="group", scope_id=made.group.id
    )
    await staffed.people.GrantRole(grant, **staffed.hr)
    asked = people_pb2.ResolvePrincipalRequest(issuer="directory", subject="R1", tenant_id=str(staffed.tenant_id))
    principal = (await staffed.people.ResolvePrincipal(asked, **staffed.callers.service("gateway", None))).principal
    held = [(each.role, each.scope_kind, each.scope_id) for each in principal.grants if each.role == "hr_partner"]
    assert held == [("hr_partner", "group", made.group.id)]
    partner = staffed.as_employee(engineer, Grant(*held[0]))
    await staffed.people.TransferEmployee(transfer(seller, effective_on=in_days(1), level="P9"), **partner)
    for outside in (lead, engineer):
        moved = transfer(outside, effective_on=in_days(1), level="P9")
        assert await refusal(staffed.people.TransferEmployee(moved, **partner)) == "NOT_ALLOWED"
    # Whoever is a seller no more is out of reach from then on.
    await staffed.people.TransferEmployee(transfer(seller, effective_on="2026-11-01", post="Buyer"), **staffed.hr)
    again = transfer(seller, effective_on=in_days(2), level="P8")
    assert await refusal(staffed.people.TransferEmployee(again, **partner)) == "NOT_ALLOWED"


async def test_departments_stay_one_tree_over_imports(company: Company) -> None:
    await company.load("code,name,department\nA,Ann,Head/Sales/North\nB,Ben,Head/Sales\n")
    await company.load("code,name,department\nA,Ann,Head/Research\nC,Cay,Head/Sales/North\nD,Dee,/Head\n")
    listed = await company.people.ListDepartments(people_pb2.ListDepartmentsRequest(), **company.hr)
    tree = {each.path: each for each in listed.departments}
    assert sorted(tree) == ["Head", "Head/Research", "Head/Sales", "Head/Sales/North"]
    for path, department in tree.items():
        above = path.rpartition("/")[0]
        assert list(department.path_ids) == [*(tree[above].path_ids if above else ()), department.id]
    placed = {code: (await on(company, code, in_days(1))).department_id for code in "ABCD"}
    assert placed == {
        "A": tree["Head/Research"].id,
        "B": tree["Head/Sales"].id,
        "C": tree["Head/Sales/North"].id,
        "D": tree["Head"].id,
    }


PATHS = st.lists(
    st.lists(st.sampled_from(["A", "B", " C", "D7", ""]), min_size=1, max_size=4).map("/".join), max_size=12
)


@given(PATHS, st.integers(0, 12))
def test_a_grown_tree_has_no_loop_and_no_twin(paths: list[str], cut: int) -> None:
    """Whether it grows in one file or two."""
    departments: list[Department] = []
    for part in (paths[:cut], paths[cut:]):
        tree, taken = DepartmentTree(departments, uuid4), []
        for text in part:
            try:
                tree.resolve(text)
            except CellRefused:
                continue
            taken.append(text)
        departments += tree.grown_for(taken)
    by_id = {department.id: department for department in departments}
    assert len({department.path_names for department in departments}) == len(departments) == len(by_id)
    for department in departments:
        assert department.path[-1] == department.id
        assert [by_id[step].name for step in department.path] == department.path_names.split("/")
        assert len(set(department.path)) == len(department.path)
        if department.parent_id is not None:
            assert by_id[department.parent_id].path == department.path[:-1]
