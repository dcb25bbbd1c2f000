"""Who leaves is told of once more when the last day has passed: then goes over to others what they still owe."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from services.people.sweeper import Sweeper
from services.runtime.clock import utc_now
from services.runtime.database import Database
from tests.people.conftest import Company
from tests.people.test_organisation import depart, in_days, rehire
from tests.people.test_servicer import STAFF

EARLY, LATE = "Pacific/Kiritimati", "Pacific/Pago_Pago"  # where days begin first and last


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

    async def told(self) -> list[dict[str, Any]]:
        """What was told of departures, oldest first."""
        rows = await self.run("SELECT payload FROM event WHERE kind = 'people.employee_departed' ORDER BY xid, id")
        return [row.payload for row in rows]

    async def pass_days(self, employee_id: str, days: int) -> None:
        """Put what was planned so many days back, as if they had passed."""
        change = "UPDATE employee SET left_on = left_on - CAST(:days AS integer) WHERE id = :id"
        await self.run(change, days=days, id=UUID(employee_id))

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
