"""The main flows of people by gRPC, as the processes around it use them."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import grpc
import pytest
from sqlalchemy import event, text

from protos.people.v1 import people_pb2
from services.runtime.database import Database
from services.runtime.errors import reason_of
from services.runtime.identity import Grant
from tests.people.conftest import DIRECTORY_ISSUER, INSTALLATION, Callers, Company, Stub

STAFF = """code,name,email,department,manager_code,post,level,hired_on,city
C1,Chen,c1@example.com,Head Office,,CEO,M5,2015-01-01,Beijing
S1,Sun,s1@example.com,Head Office/Sales,C1,Sales lead,M3,2018-03-01,Beijing
S2,Song,s2@example.com,Head Office/Sales,S1,Seller,P4,2020-05-06,Shanghai
S3,Shi,s3@example.com,Head Office/Sales,S1,Seller,P5,2024-05-06,Shanghai
R1,Ren,r1@example.com,Head Office/Research,C1,Engineer,P6,2021-09-01,Beijing
"""


def uuids(packed: bytes) -> list[str]:
    return [str(UUID(bytes=packed[start : start + 16])) for start in range(0, len(packed), 16)]


def freeze_of_everyone(freeze_id: str | None = None) -> people_pb2.FreezePopulationRequest:
    request = people_pb2.FreezePopulationRequest(
        freeze_id=freeze_id or str(uuid4()), population=people_pb2.Population(everyone=True)
    )
    request.as_of.FromDatetime(datetime(2026, 11, 24, 3, tzinfo=UTC))
    return request


async def test_tenant_is_created_once_per_request(people: Stub, callers: Callers) -> None:
    request = people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="A", admin_email="a@example.com")
    first = await people.CreateTenant(request, **callers.installation())
    again = await people.CreateTenant(request, **callers.installation())
    assert first == again
    assert (first.tenant.time_zone, first.tenant.country, first.tenant.language) == ("Asia/Shanghai", "CN", "zh-CN")
    listed = await people.ListTenants(people_pb2.ListTenantsRequest(page_size=500), **callers.installation())
    assert [tenant.id for tenant in listed.tenants].count(first.tenant.id) == 1


async def test_import_then_principal(company: Company) -> None:
    report = await company.load(STAFF)
    assert (report.total, report.created, report.rejected) == (5, 5, 0)
    again = await company.load(STAFF)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 5)
    (seller, lead) = await company.ids("S2", "S1")
    request = people_pb2.ResolvePrincipalRequest(
        issuer=DIRECTORY_ISSUER, subject="S1@Example.com", tenant_id=str(company.tenant_id)
    )
    answer = await company.people.ResolvePrincipal(request, **company.callers.service("gateway", None))
    assert answer.principal.employee_id == lead
    assert [grant.role for grant in answer.principal.grants] == ["employee", "manager"]
    assert len(answer.principal.unit_path) == 2
    link = people_pb2.LinkIdentityRequest(
        request_id=str(uuid4()), issuer="oidc", subject=str(uuid4()), employee_id=seller
    )
    await company.people.LinkIdentity(link, **company.hr)
    request = people_pb2.ResolvePrincipalRequest(issuer="oidc", subject=link.subject)
    answer = await company.people.ResolvePrincipal(request, **company.callers.service("gateway", None))
    assert (answer.principal.employee_id, answer.principal.tenant_id) == (seller, str(company.tenant_id))
    assert [grant.role for grant in answer.principal.grants] == ["employee"]


async def test_installation_administrator_has_no_tenant(people: Stub, callers: Callers) -> None:
    issuer, subject = INSTALLATION.split()
    request = people_pb2.ResolvePrincipalRequest(issuer=issuer, subject=subject)
    principal = (await people.ResolvePrincipal(request, **callers.service("gateway", None))).principal
    assert principal.installation_administrator
    assert not principal.tenant_id


async def test_population_is_frozen_with_facts(company: Company) -> None:
    await company.load(STAFF)
    rule = '{"attribute": "department", "operator": "within", "value": "Head Office/Sales"}'
    group = await company.people.CreateGroup(
        people_pb2.CreateGroupRequest(request_id=str(uuid4()), name="Sales", rule_json=rule), **company.hr
    )
    request = freeze_of_everyone()
    request.group_ids.append(group.group.id)
    frozen = await company.people.FreezePopulation(request, **company.worker)
    again = await company.people.FreezePopulation(request, **company.worker)
    assert frozen.count == again.count == 5  # the account ADMIN is not one of the staff
    rows: dict[str, tuple[list[str], int, str, str, list[str]]] = {}
    after, pages = "", 0
    while True:
        page = await company.people.PageFrozenMembers(
            people_pb2.PageFrozenMembersRequest(freeze_id=request.freeze_id, after_employee_id=after, page_size=4),
            **company.worker,
        )
        pages += 1
        for index, code in enumerate(page.codes):
            rows[code] = (
                uuids(page.manager_chains[index]),
                page.problems[index],
                page.department_names[index],
                page.department_heads[index],
                uuids(page.group_ids[index]),
            )
        if page.last:
            break
        after = uuids(page.employee_ids)[-1]
    assert pages == 2
    ceo, lead = await company.ids("C1", "S1")
    assert rows["S2"] == ([lead, ceo], 0, "Head Office/Sales", lead, [group.group.id])
    assert rows["C1"][:2] == ([], people_pb2.MEMBER_PROBLEM_ROOT)
    assert "ADMIN" not in rows
    assert rows["R1"] == ([ceo], 0, "Head Office/Research", ceo, [])


async def test_calendar_has_national_days_and_overrides(company: Company) -> None:
    request = people_pb2.ListCalendarDaysRequest(to="2026-10-10")
    setattr(request, "from", "2026-09-30")
    days = {day.date: day for day in (await company.people.ListCalendarDays(request, **company.worker)).days}
    assert not days["2026-10-01"].working
    assert days["2026-10-10"].working  # a Saturday that is worked instead
    change = people_pb2.SetCalendarDaysRequest(
        request_id=str(uuid4()), days=[people_pb2.CalendarDay(date="2026-10-01", working=True, name="stocktaking")]
    )
    await company.people.SetCalendarDays(change, **company.hr)
    answer = await company.people.ListCalendarDays(request, **company.worker)
    day = next(day for day in answer.days if day.date == "2026-10-01")
    assert (day.working, day.overridden, answer.time_zone) == (True, True, "Asia/Shanghai")


async def test_an_employee_may_not_import(company: Company) -> None:
    await company.load(STAFF)
    (seller,) = await company.ids("S2")
    request = people_pb2.ImportEmployeesRequest(
        request_id="x", content=b"code,name\n", format=people_pb2.FILE_FORMAT_CSV
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.people.ImportEmployees(request, **company.as_employee(seller))
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.people.ImportEmployees(
            request, **company.as_employee(seller, Grant("hr_admin", "department", str(uuid4())))
        )
    assert reason_of(refused.value) == "NOT_ALLOWED"


async def test_an_account_is_staff_once_a_file_names_it(company: Company) -> None:
    await company.load("code,name,manager_code\nC1,Chen,ADMIN\n")
    assert (await company.people.FreezePopulation(freeze_of_everyone(), **company.worker)).count == 2


async def test_personal_data_stays_out_of_events_and_audit(
    company: Company, service_database: Callable[[str], Database]
) -> None:
    await company.load("code,name,email,mobile,birthday\nX1,Canary Jones,canary@example.com,13800138000,1990-01-01\n")
    query = "SELECT to_jsonb(e)::text FROM event e UNION ALL SELECT to_jsonb(a)::text FROM audit_entry a"
    async with service_database("people").transaction(company.tenant_id) as connection:
        written = "\n".join((await connection.execute(text(query))).scalars())
    assert "people.employees_imported" in written
    assert not [canary for canary in ("Canary", "canary@", "13800138000", "1990", "admin@") if canary in written]


async def test_statements_do_not_grow_with_the_file(
    company: Company, service_database: Callable[[str], Database]
) -> None:
    executed: list[str] = []
    engine = service_database("people").app.sync_engine

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        executed.append(statement)

    counts = []
    for size in (10, 2000):
        lines = [
            f"P{size}-{n},Person {n},D{size}/{n % 7},{f'P{size}-{(n - 1) // 8}' if n else ''}" for n in range(size)
        ]
        event.listen(engine, "before_cursor_execute", count)
        executed.clear()
        report = await company.load("\n".join(["code,name,department,manager_code", *lines]))
        await company.people.FreezePopulation(freeze_of_everyone(), **company.worker)
        event.remove(engine, "before_cursor_execute", count)
        assert report.created == size
        counts.append(len(executed))
    assert counts[0] == counts[1]
