"""Frozen populations against a plain reading of the organisation, and the rules of repeating and paging."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.people.domain.departments import Department
from services.people.domain.errors import FreezeDiffers, FreezeNotFound, GroupNotFound
from services.people.domain.model import (
    BEGINNING,
    Assignment,
    Edition,
    Employee,
    FrozenPage,
    MemberProblem,
    Population,
    Tenant,
)
from services.people.domain.reporting import line_of, on_a_loop
from services.people.store import PeopleWork
from services.people.usecases.freezes import (
    FreezePopulation,
    PageFrozenMembers,
    freeze_population,
    page_frozen_members,
)
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LEFT = date(2026, 11, 1)


@dataclass(frozen=True)
class Person:
    """A line of a made-up organisation: manager and department by number, and whether the person has left."""

    manager: int | None
    department: int | None
    left: bool


@st.composite
def organisations(draw: st.DrawFn) -> list[Person]:
    size = draw(st.integers(1, 9))
    other = st.one_of(st.none(), st.integers(0, size - 1))
    department = st.one_of(st.none(), st.integers(0, 2))
    return [Person(draw(other), draw(department), draw(st.integers(0, 9)) == 0) for _ in range(size)]


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("people")


def work_of(connection: object, tenant_id: UUID) -> PeopleWork:
    return PeopleWork(connection, Origin(Principal(tenant_id, "service", "worker"), tenant_id))  # type: ignore[arg-type]


async def found(work: PeopleWork, organisation: list[Person]) -> tuple[list[UUID], list[UUID]]:
    """Make the tenant with its people; ids of people and departments by number."""
    await work.tenants.add(Tenant(work.tenant_id, "x", "Asia/Shanghai", "CN", "en", Edition.BASIC))
    departments = [uuid4() for _ in range(3)]
    await work.departments.add([Department(one, f"D{n}", (one,), f"D{n}") for n, one in enumerate(departments)])
    people = [uuid4() for _ in organisation]
    for number, person in enumerate(organisation):
        department = None if person.department is None else departments[person.department]
        place = Assignment(BEGINNING, None, department, None, (), "", "")
        left_on = LEFT if person.left else None
        await work.employees.add(Employee(people[number], f"E{number}", "x", "", "", "", None, left_on, {}, 1, place))
    for number, person in enumerate(organisation):
        if person.manager is not None:
            await work.connection.execute(
                text("UPDATE assignment SET manager_id = :m WHERE tenant_id = :t AND employee_id = :e"),
                {"m": people[person.manager], "t": work.tenant_id, "e": people[number]},
            )
    return people, departments


def chains(page: FrozenPage) -> dict[str, list[UUID]]:
    return {code: unpack(chain) for code, chain in zip(page.codes, page.manager_chains, strict=True)}


def unpack(packed: bytes) -> list[UUID]:
    return [UUID(bytes=packed[start : start + 16]) for start in range(0, len(packed), 16)]


def expected_problem(number: int, organisation: list[Person], manager_of: dict[int, int | None]) -> MemberProblem:
    if number in on_a_loop(manager_of):
        return MemberProblem.MANAGER_LOOP
    if manager_of[number] is not None:
        return MemberProblem.NONE
    below = sum(number in (person, *line_of(person, manager_of)) for person in manager_of)
    if organisation[number].manager is None and below * 2 > len(manager_of):
        return MemberProblem.ROOT
    return MemberProblem.NO_MANAGER


def expected_head(department: int | None, organisation: list[Person], manager_of: dict[int, int | None]) -> int | None:
    members = [number for number in manager_of if organisation[number].department == department]
    outside = {None, *(number for number in manager_of if number not in members)}
    tops = [number for number in members if manager_of[number] in outside]
    if department is None or not tops:
        return None
    if len(tops) == 1 and len(members) > 1:
        return tops[0]
    managers = {manager_of[number] for number in tops}
    return managers.pop() if len(managers) == 1 else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
@given(organisation=organisations())
async def test_frozen_facts_are_those_of_the_organisation(database: Database, organisation: list[Person]) -> None:
    tenant_id, freeze_id = uuid4(), uuid4()
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        people, _ = await found(work, organisation)
        await freeze_population(work, FreezePopulation(freeze_id, Population(everyone=True), NOW, ()))
        page = await page_frozen_members(work, PageFrozenMembers(freeze_id, None, 100))
    employed = {number for number, person in enumerate(organisation) if not person.left}
    manager_of = {n: m if (m := organisation[n].manager) in employed else None for n in employed}
    assert set(page.codes) == {f"E{number}" for number in employed}
    assert chains(page) == {f"E{n}": [people[m] for m in line_of(n, manager_of)] for n in employed}
    by_code = {code: index for index, code in enumerate(page.codes)}
    for number in employed:
        index = by_code[f"E{number}"]
        assert page.problems[index] == expected_problem(number, organisation, manager_of)
        head = expected_head(organisation[number].department, organisation, manager_of)
        assert page.department_heads[index] == ("" if head is None else str(people[head]))
    assert list(page.employee_ids) == [byte for one in sorted(unpack(page.employee_ids)) for byte in one.bytes]


async def test_population_is_a_union_less_the_excluded(database: Database) -> None:
    tenant_id, freeze_id = uuid4(), uuid4()
    organisation = [Person(None, 0, False), Person(0, 0, False), Person(0, 1, False), Person(0, None, False)]
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        people, departments = await found(work, organisation)
        population = Population(
            department_ids=(departments[0],), employee_ids=(people[3],), exclude_employee_ids=(people[1],)
        )
        command = FreezePopulation(freeze_id, population, NOW, ())
        assert await freeze_population(work, command) == 2
        page = await page_frozen_members(work, PageFrozenMembers(freeze_id, None, 100))
        assert set(page.codes) == {"E0", "E3"}
        # The chain is that of the whole company, whoever takes part.
        assert chains(page)["E3"] == [people[0]]


async def test_a_freeze_never_changes(database: Database) -> None:
    tenant_id = uuid4()
    everyone = FreezePopulation(uuid4(), Population(everyone=True), NOW, ())
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        people, _ = await found(work, [Person(None, 0, False), Person(0, 0, False)])
        assert await freeze_population(work, everyone) == 2
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        await work.employees.set_employment(people[1], None, LEFT, NOW.date())
        assert await freeze_population(work, everyone) == 2
        other = FreezePopulation(everyone.freeze_id, Population(employee_ids=(people[0],)), NOW, ())
        with pytest.raises(FreezeDiffers):
            await freeze_population(work, other)


async def test_the_day_is_that_of_the_company(database: Database) -> None:
    """At 17:00 UTC of the last day it is already the next day in Shanghai."""
    tenant_id = uuid4()
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        await found(work, [Person(None, 0, False), Person(0, 0, True)])
        for hour, members in ((15, 2), (16, 1)):
            instant = datetime(LEFT.year, LEFT.month, LEFT.day, hour, 0, tzinfo=UTC)
            command = FreezePopulation(uuid4(), Population(everyone=True), instant, ())
            assert await freeze_population(work, command) == members


async def test_unknown_ids_are_refused(database: Database) -> None:
    tenant_id = uuid4()
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        await found(work, [Person(None, 0, False)])
        with pytest.raises(FreezeNotFound):
            await page_frozen_members(work, PageFrozenMembers(uuid4(), None, 10))
        with pytest.raises(GroupNotFound):
            await freeze_population(work, FreezePopulation(uuid4(), Population(everyone=True), NOW, (uuid4(),)))


async def test_nothing_of_it_is_seen_by_another_tenant(database: Database) -> None:
    tenant_id, freeze_id = uuid4(), uuid4()
    async with database.transaction(tenant_id) as connection:
        work = work_of(connection, tenant_id)
        await found(work, [Person(None, 0, False)])
        await freeze_population(work, FreezePopulation(freeze_id, Population(everyone=True), NOW, ()))
    async with database.transaction(uuid4()) as connection:
        for table in ("employee", "assignment", "department", "frozen_population", "frozen_member", "tenant"):
            count = await connection.scalar(
                text(f"SELECT count(*) FROM {table} WHERE tenant_id = :t"), {"t": tenant_id}
            )
            assert count == 0
