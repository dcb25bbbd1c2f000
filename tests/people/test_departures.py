"""Who leaves is told of once more when the last day has passed: then goes over to others what they still owe."""

import asyncio
import functools
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from alembic import command
from sqlalchemy import event, text
from structlog.testing import capture_logs

from services.people.sweeper import Sweeper
from services.people.usecases.departures import CHUNK
from services.runtime.clock import utc_now
from services.runtime.database import Database
from services.runtime.database.migration import configuration
from tests.people.conftest import Company, Stub, new_company
from tests.people.test_organisation import depart, in_days, rehire
from tests.people.test_servicer import STAFF
from tests.postgres import PostgresServer, in_thread, migrate, open_database, urls_of
from tests.waiting import until

EARLY, LATE = "Pacific/Kiritimati", "Pacific/Pago_Pago"  # where days begin first and last
GRANTS = (("REVOKE SELECT ON", "FROM"), ("GRANT SELECT ON", "TO"))


@pytest.fixture
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("people")


class Office:
    """A company and the log of people, as far as departures go."""

    def __init__(self, company: Company, database: Database) -> None:
        self.company, self._database = company, database

    async def run(self, statement: str, **values: Any) -> list[Any]:
        async with self._database.transaction(self.company.tenant_id) as connection:
            rows = await connection.execute(text(statement), values)
            return list(rows.all()) if rows.returns_rows else []

    async def told(self, kind: str = "people.employee_departed") -> list[dict[str, Any]]:
        """What was told of departures, oldest first."""
        rows = await self.run("SELECT payload FROM event WHERE kind = :kind ORDER BY xid, id", kind=kind)
        return [row.payload for row in rows]

    async def told_of(self, employee_id: str) -> list[str]:
        """The kinds of what was told of one person, by the version that followers go by."""
        told = "SELECT kind FROM event WHERE aggregate_id = :id ORDER BY version"
        return [row.kind.rpartition("_")[2] for row in await self.run(told, id=UUID(employee_id))]

    async def leave(self, *codes: str, left_on: str) -> None:
        """Load a file with their last day, empty where they stay."""
        await self.company.load("\n".join(["code,name,left_on", *(f"{code},Somebody,{left_on}" for code in codes)]))

    async def pass_days(self, employee_id: str, days: int) -> None:
        """Put what was planned so many days back, as if they had passed."""
        moved = ", ".join(f"{each} = {each} - CAST(:days AS integer)" for each in ("left_on", "left_told"))
        await self.run(f"UPDATE employee SET {moved} WHERE id = :id", days=days, id=UUID(employee_id))

    async def sweep(self) -> None:
        await Sweeper(self._database).tell_of_departures()

    async def versions(self) -> list[int]:
        kind = "people.employee_departed"
        return [row.version for row in await self.run("SELECT version FROM event WHERE kind = :kind", kind=kind)]


@pytest.fixture
async def office(company: Company, database: Database) -> Office:
    await company.load(STAFF)
    return Office(company, database)


async def test_a_planned_departure_is_told_again_when_its_day_has_passed_and_only_once(office: Office) -> None:
    lead, seller = await office.company.ids("S1", "S2")
    await depart(office.company, seller, in_days(30))
    await office.sweep()
    assert len(await office.told()) == 1, "nobody has left yet"
    await office.pass_days(seller, 32)
    for _ in range(2):
        await office.sweep()
    planned, passed = await office.told()
    assert planned == {"employee_id": seller, "left_on": in_days(30), "manager_id": lead}
    assert passed == planned | {"left_on": in_days(-2)}
    first, second = await office.versions()
    assert second > first, "followers ignore what is not newer"
    audited = await office.run("SELECT subject_id FROM audit_entry WHERE action = 'employee.left'")
    assert [str(row.subject_id) for row in audited] == [seller]


async def test_a_departure_that_was_told_after_its_day_is_not_told_again(office: Office) -> None:
    [seller] = await office.company.ids("S2")
    await depart(office.company, seller, in_days(-3))
    await office.sweep()
    assert len(await office.told()) == 1
    await rehire(office.company, seller, in_days(-1))
    await depart(office.company, seller, in_days(20))
    await office.pass_days(seller, 22)
    await office.sweep()
    assert len(await office.told()) == 3, "who came back leaves again"


async def test_who_leaves_by_a_file_is_told_of_too(office: Office) -> None:
    lead, seller = await office.company.ids("S1", "S2")
    await office.company.load(f"code,name,left_on\nS2,Er,{in_days(-4)}\n")
    assert await office.told() == []
    await office.sweep()
    assert await office.told() == [{"employee_id": seller, "left_on": in_days(-4), "manager_id": lead}]


@pytest.mark.parametrize(("zone", "told"), [(EARLY, 1), (LATE, 0)])
async def test_the_day_passes_in_the_tenants_own_zone(office: Office, zone: str, told: int) -> None:
    [seller] = await office.company.ids("S2")
    await office.run("UPDATE tenant SET zone = :zone", zone=zone)
    yesterday: date = utc_now().astimezone(ZoneInfo(EARLY)).date() - timedelta(days=1)
    await office.run("UPDATE employee SET left_on = :day WHERE id = :id", day=yesterday, id=UUID(seller))
    await office.sweep()
    assert len(await office.told()) == told


async def test_several_sweeps_at_once_tell_of_each_leaver_once(office: Office, database: Database) -> None:
    lines = [f"L{number},Leaver {number},{in_days(-2)}" for number in range(600)]
    await office.company.load("\n".join(["code,name,left_on", *lines]))
    await asyncio.gather(*(Sweeper(database).tell_of_departures() for _ in range(3)))
    told = await office.told()
    assert len(told) == len({each["employee_id"] for each in told}) == 600


@pytest.mark.parametrize("days", [None, 30])
async def test_a_file_takes_back_a_departure_and_a_later_one_on_the_same_day_is_told(
    office: Office, days: int | None
) -> None:
    left_on = in_days(days) if days else ""
    [seller] = await office.company.ids("S2")
    await office.leave("S2", left_on=in_days(-4))
    await office.sweep()
    await office.leave("S2", left_on=left_on)
    for _ in range(2):
        await office.sweep()
    assert await office.told_of(seller) == ["departed", "rehired"]
    assert await office.told("people.employee_rehired") == [{"employee_id": seller, "hired_on": "2020-05-06"}]
    audited = await office.run("SELECT detail FROM audit_entry WHERE action = 'employee.stay'")
    assert [row.detail for row in audited] == [{"former_left_on": in_days(-4), "left_on": left_on}]
    await office.leave("S2", left_on=in_days(-4))
    await office.sweep()
    assert await office.told_of(seller) == ["departed", "rehired", "departed"]


@pytest.mark.parametrize(("days", "told"), [(None, ["departed", "rehired"]), (20, ["departed"] * 2)])
async def test_a_file_takes_back_what_a_command_has_planned(office: Office, days: int | None, told: list[str]) -> None:
    left_on = in_days(days) if days else ""
    [seller] = await office.company.ids("S2")
    await depart(office.company, seller, in_days(20))
    await office.leave("S2", left_on="")
    await office.leave("S2", left_on=left_on)
    await office.sweep()
    if left_on:
        await office.pass_days(seller, 22)
    await office.sweep()
    assert await office.told_of(seller) == told


async def test_what_is_left_falls_to_the_nearest_manager_who_is_still_there(office: Office) -> None:
    boss, *gone = await office.company.ids("C1", "S1", "S2")
    await office.leave("S1", "S2", left_on=in_days(-4))
    await office.sweep()
    assert {each["employee_id"]: each["manager_id"] for each in await office.told()} == dict.fromkeys(gone, boss)
    [other] = await office.company.ids("S3")
    await depart(office.company, other, in_days(-2))
    assert (await office.told())[-1] == {"employee_id": other, "left_on": in_days(-2), "manager_id": boss}


async def test_a_manager_who_leaves_before_a_planned_last_day_is_passed_over(office: Office) -> None:
    boss, lead, early, late = await office.company.ids("C1", "S1", "S2", "S3")
    await depart(office.company, lead, in_days(10))
    await depart(office.company, early, in_days(9))
    await depart(office.company, late, in_days(20))
    assert [each["manager_id"] for each in await office.told()] == [boss, lead, boss]


async def test_where_everybody_above_has_left_nobody_is_named_and_a_circle_ends(office: Office) -> None:
    boss, lead, seller = await office.company.ids("C1", "S1", "S2")
    await office.leave("C1", "S1", "S2", left_on=in_days(-4))
    await office.sweep()
    assert [each["manager_id"] for each in await office.told()] == [""] * 3
    circle = "UPDATE assignment SET manager_id = :lead WHERE employee_id = :boss"
    await office.run(circle, lead=UUID(lead), boss=UUID(boss))
    await office.leave("S2", left_on=in_days(-3))
    await office.sweep()
    assert (await office.told())[-1] == {"employee_id": seller, "left_on": in_days(-3), "manager_id": ""}


async def test_many_leavers_are_told_of_in_few_statements_and_at_a_pace(office: Office, database: Database) -> None:
    lines = [f"L{number},Leaver {number},{in_days(-2)}" for number in range(CHUNK + 1)]
    await office.company.load("\n".join(["code,name,left_on", *lines]))
    statements: list[str] = []

    def count(*call: Any) -> None:
        statements.append(call[2])

    event.listen(database.app.sync_engine, "before_cursor_execute", count)
    try:
        await office.sweep()
    finally:
        event.remove(database.app.sync_engine, "before_cursor_execute", count)
    assert len([each for each in statements if "INSERT" in each]) == 2
    assert len(await office.told()) == CHUNK
    audited = await office.run("SELECT count(DISTINCT subject_id) FROM audit_entry WHERE action = 'employee.left'")
    assert audited == [(CHUNK,)]
    await office.sweep()
    assert len(await office.told()) == CHUNK + 1


async def test_a_company_of_which_nothing_can_be_told_keeps_no_other_waiting(office: Office, people: Stub) -> None:
    """Tenants come in the order of their ids."""
    other = Office(await new_company(people, office.company.callers), office._database)
    first, second = sorted((office, other), key=lambda each: each.company.tenant_id)
    await second.company.load(f"code,name,left_on\nX1,Xi,{in_days(-2)}\n")
    await first.run("UPDATE tenant SET zone = 'Nowhere/Atall'")
    with capture_logs() as logged:
        await first.sweep()
    assert len(await second.told()) == 1
    lines = [each for each in logged if each.get("tenant") == str(first.company.tenant_id)]
    assert [(each["event"], each["reason"]) for each in lines] == [("telling of departures failed", "INTERNAL")]


async def test_departures_are_told_of_while_nothing_can_be_forgotten(office: Office, postgres: PostgresServer) -> None:
    [seller] = await office.company.ids("S2")
    await office.leave("S2", left_on=in_days(-4))
    name = str(office._database.app.url.database)
    closed, opened = (f"{verb} people.frozen_population {word} people_system" for verb, word in GRANTS)
    postgres.execute(name, closed)
    loops = [asyncio.ensure_future(work()) for work in Sweeper(office._database, every_seconds=60).loops]

    async def told() -> bool:
        return await office.told_of(seller) == ["departed"]

    try:
        await until(told)
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        postgres.execute(name, opened)


async def test_an_upgrade_tells_of_those_who_left_of_late(postgres: PostgresServer) -> None:
    urls = urls_of(postgres, "people", postgres.create_database())
    name, tenant_id = urls.app.partition("?")[0].rpartition("/")[2], uuid4()
    in_thread(functools.partial(asyncio.to_thread, command.upgrade, configuration("people", urls.owner), "0004"))
    company = f"'{tenant_id}', 'A', 'Asia/Shanghai', 'CN', 'en', 'professional'"
    postgres.execute(name, f"INSERT INTO people.tenant (tenant_id, name, zone, country, language, edition)"
        f" VALUES ({company})")  # fmt: skip
    for code, left_on in (("A", in_days(-400)), ("B", in_days(-40)), ("C", in_days(-20)), ("D", in_days(20))):
        row = f"'{tenant_id}', gen_random_uuid(), '{code}', '{code}', '{left_on}'"
        postgres.execute(name, f"INSERT INTO people.employee (tenant_id, id, code, name, left_on) VALUES ({row})")
    migrate("people", urls.owner)
    database = open_database("people", urls)
    try:
        await Sweeper(database).tell_of_departures()
        async with database.transaction(tenant_id) as connection:
            told = text("SELECT payload ->> 'left_on' FROM event WHERE kind = 'people.employee_departed'")
            assert list((await connection.execute(told)).scalars()) == [in_days(-20)]
            guarded = text("SELECT relforcerowsecurity FROM pg_class WHERE oid = CAST('people.employee' AS regclass)")
            assert await connection.scalar(guarded)
    finally:
        await database.dispose()
