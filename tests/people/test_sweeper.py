"""Populations frozen only to check a cycle are forgotten; those of launches stay."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from protos.people.v1 import people_pb2
from services.people.sweeper import Sweeper
from services.reviews.clients import PeopleClient
from services.reviews.domain.model import Population
from services.runtime.database import Database
from tests.people.conftest import Company, Stub, new_company
from tests.people.test_careers import refusal
from tests.people.test_servicer import STAFF, uuids
from tests.postgres import PostgresServer

AS_OF = datetime(2026, 11, 24, 3, tzinfo=UTC)
KEEP = """
CREATE FUNCTION people.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'kept'; END $$;
CREATE TRIGGER keep BEFORE DELETE ON people.frozen_population FOR EACH ROW WHEN (OLD.tenant_id = '{tenant}')
    EXECUTE FUNCTION people.refuse()
"""
LET_GO = "DROP FUNCTION people.refuse CASCADE"


@pytest.fixture
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("people")


def freeze_of(*, transient: bool = False, employees: tuple[str, ...] = ()) -> people_pb2.FreezePopulationRequest:
    population = people_pb2.Population(everyone=not employees, employee_ids=employees)
    request = people_pb2.FreezePopulationRequest(freeze_id=str(uuid4()), population=population, transient=transient)
    request.as_of.FromDatetime(AS_OF)
    return request


async def count_of(company: Company, freeze_id: str) -> int:
    page = people_pb2.PageFrozenMembersRequest(freeze_id=freeze_id, page_size=5000)
    return len((await company.people.PageFrozenMembers(page, **company.worker)).codes)


async def let_expire(database: Database, company: Company) -> None:
    """Put the company's freezes that expire at all two hours into the past."""
    async with database.transaction(company.tenant_id) as connection:
        await connection.execute(text("UPDATE frozen_population SET expire_time = expire_time - interval '2 hours'"))


async def rows_of(database: Database, company: Company) -> tuple[int, int]:
    async with database.transaction(company.tenant_id) as connection:
        populations = await connection.scalar(text("SELECT count(*) FROM frozen_population"))
        return populations or 0, await connection.scalar(text("SELECT count(*) FROM frozen_member")) or 0


async def test_what_was_only_looked_at_is_forgotten(company: Company, database: Database) -> None:
    await company.load(STAFF)
    kept, checked, again = freeze_of(), freeze_of(transient=True), freeze_of(transient=True)
    for request in (kept, checked, again):
        await company.people.FreezePopulation(request, **company.worker)
    assert await Sweeper(database).sweep() == 0
    assert await count_of(company, checked.freeze_id) == 5
    await let_expire(database, company)
    assert await Sweeper(database).sweep() == 2
    page = people_pb2.PageFrozenMembersRequest(freeze_id=checked.freeze_id)
    assert await refusal(company.people.PageFrozenMembers(page, **company.worker)) == "FREEZE_NOT_FOUND"
    assert await count_of(company, kept.freeze_id) == 5
    assert await rows_of(database, company) == (1, 5)
    assert await Sweeper(database).sweep() == 0


async def test_a_check_of_a_cycle_leaves_nothing_behind(company: Company, database: Database) -> None:
    await company.load(STAFF)
    reviews, freeze_id = PeopleClient(company.people, company.callers.signers["reviews"]), uuid4()
    assert await reviews.freeze(company.tenant_id, freeze_id, Population(everyone=True), AS_OF, ()) == 5
    assert [len(page) async for page in reviews.members(company.tenant_id, freeze_id)] == [5]
    await let_expire(database, company)
    assert await Sweeper(database).sweep() == 1
    assert await rows_of(database, company) == (0, 0)


async def test_a_company_without_anything_to_forget_is_left_alone(company: Company, database: Database) -> None:
    await company.load(STAFF)
    request = freeze_of()
    await company.people.FreezePopulation(request, **company.worker)
    await let_expire(database, company)
    await Sweeper(database).sweep()
    assert await rows_of(database, company) == (1, 5)


async def test_a_repetition_need_not_say_how_long(company: Company) -> None:
    """A launch that was begun before the question existed is repeated after it."""
    await company.load(STAFF)
    request = freeze_of()
    first = await company.people.FreezePopulation(request, **company.worker)
    request.transient = True
    assert await company.people.FreezePopulation(request, **company.worker) == first


async def test_changes_after_freezing_do_not_show_in_any_page(company: Company) -> None:
    await company.load(STAFF)
    request = freeze_of()
    await company.people.FreezePopulation(request, **company.worker)

    async def pages() -> list[people_pb2.PageFrozenMembersResponse]:
        found: list[people_pb2.PageFrozenMembersResponse] = []
        after = ""
        while not (found and found[-1].last):
            page = people_pb2.PageFrozenMembersRequest(
                freeze_id=request.freeze_id, after_employee_id=after, page_size=2
            )
            found.append(await company.people.PageFrozenMembers(page, **company.worker))
            after = uuids(found[-1].employee_ids)[-1] if found[-1].employee_ids else after
        return found

    before = await pages()
    assert [len(page.codes) for page in before] == [2, 2, 1]
    seller, boss = await company.ids("S2", "C1")
    await company.load("code,name,post,manager_code\nS3,Shi,Buyer,C1\nN1,New,Clerk,C1\n")
    depart = people_pb2.DepartEmployeeRequest(request_id="d", employee_id=seller, left_on="2026-11-23")
    await company.people.DepartEmployee(depart, **company.hr)
    assert await pages() == before
    assert (await company.people.FreezePopulation(request, **company.worker)).count == 5
    assert await count_of(company, request.freeze_id) == 5
    later = freeze_of()
    assert (await company.people.FreezePopulation(later, **company.worker)).count == 5  # one came, one left
    assert UUID(boss)


async def test_an_empty_population(company: Company) -> None:
    request = freeze_of(employees=(str(uuid4()),))
    assert (await company.people.FreezePopulation(request, **company.worker)).count == 0
    page = await company.people.PageFrozenMembers(
        people_pb2.PageFrozenMembersRequest(freeze_id=request.freeze_id), **company.worker
    )
    assert (list(page.codes), page.last) == ([], True)


async def test_people_of_more_than_a_page_take_as_many_statements_as_ten(company: Company, database: Database) -> None:
    executed: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        executed.append(statement)

    counts = []
    for size in (10, 5_500):
        lines = [f"P{n},Person {n},D/{n % 50},{f'P{(n - 1) // 9}' if n else ''}" for n in range(size)]
        await company.load("\n".join(["code,name,department,manager_code", *lines]))
        request = freeze_of(transient=True)
        event.listen(database.app.sync_engine, "before_cursor_execute", count)
        executed.clear()
        assert (await company.people.FreezePopulation(request, **company.worker)).count == size
        frozen = len(executed)
        assert await count_of(company, request.freeze_id) == min(size, 5_000), "a page holds no more"
        event.remove(database.app.sync_engine, "before_cursor_execute", count)
        counts.append((frozen, len(executed)))
    assert counts[0] == counts[1]
    assert counts[0][1] <= 15
    await let_expire(database, company)
    assert await Sweeper(database).sweep() == 2
    assert await rows_of(database, company) == (0, 0)


async def test_a_company_of_which_nothing_can_be_forgotten_keeps_no_other_waiting(
    company: Company, people: Stub, database: Database, postgres: PostgresServer
) -> None:
    """Whichever comes first."""
    name, companies = str(database.app.url.database), [company, await new_company(people, company.callers)]
    for stuck, other in (companies, companies[::-1]):
        for each in companies:
            await each.people.FreezePopulation(freeze_of(transient=True), **each.worker)
            await let_expire(database, each)
        postgres.execute(name, KEEP.format(tenant=stuck.tenant_id))
        try:
            await Sweeper(database).sweep()
        finally:
            postgres.execute(name, LET_GO)
        assert [(await rows_of(database, each))[0] for each in (stuck, other)] == [1, 0]
        await Sweeper(database).sweep()
