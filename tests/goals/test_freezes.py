"""What everybody attained in a period, frozen once: nothing later changes it, nobody else sees it."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import grpc
import pytest
from sqlalchemy import event, text

from protos.goals.v1 import goals_pb2 as pb
from services.runtime.clock import utc_now
from services.runtime.database import Database
from tests.goals.conftest import Company, cancel, close, propose, refusal
from tests.waiting import until

YEAR = ("2026-01-01", "2026-12-31")


def freeze_of(
    period: tuple[str, str] = YEAR, *, freeze_id: str = "", as_of: datetime | None = None
) -> pb.FreezeAttainmentsRequest:
    request = pb.FreezeAttainmentsRequest(
        freeze_id=freeze_id or str(uuid4()), period_start=period[0], period_end=period[1]
    )
    request.as_of.FromDatetime(as_of or utc_now() + timedelta(seconds=1))
    return request


async def freeze(company: Company, request: pb.FreezeAttainmentsRequest) -> int:
    answer: pb.FreezeAttainmentsResponse = await company.goals.FreezeAttainments(
        request, **company.by_service("worker")
    )
    return answer.count


async def frozen(company: Company, freeze_id: str, *employees: UUID) -> list[pb.Attainment]:
    request = pb.ListAttainmentsRequest(freeze_id=freeze_id, employee_ids=[str(each) for each in employees])
    answer: pb.ListAttainmentsResponse = await company.goals.ListAttainments(request, **company.by_service("scoring"))
    return list(answer.attainments)


async def test_a_freeze_holds_goals_as_they_stand(company: Company) -> None:
    goal = await company.confirmed(weight="12.5")
    await company.check_in(goal, "150.25")
    request = freeze_of()
    assert await freeze(company, request) == 1
    (found,) = await frozen(company, request.freeze_id, company.owner)
    assert (found.employee_id, found.goal_id, found.goal_version) == (str(company.owner), goal.id, 4)
    assert (found.name, found.mode, found.weight, found.canceled) == ("Revenue", pb.MODE_KPI, "12.5", False)
    measure = found.measures[0]
    assert (measure.value, measure.target, measure.baseline, measure.weight) == ("150.25", "200", "0", "100")


async def test_repeating_it_changes_nothing_and_nor_does_what_comes_later(company: Company) -> None:
    goal = await company.confirmed()
    await company.check_in(goal, "100")
    request = freeze_of()
    assert await freeze(company, request) == 1
    before = await frozen(company, request.freeze_id, company.owner)
    await company.check_in(goal, "180")
    await company.confirmed(name="Another")
    await company.goals.CancelGoal(cancel(goal), **company.by(company.manager))
    request.as_of.FromDatetime(utc_now() + timedelta(hours=1))
    assert await freeze(company, request) == 1
    assert await frozen(company, request.freeze_id, company.owner) == before
    later = freeze_of()
    assert await freeze(company, later) == 2
    by_name = {each.name: each for each in await frozen(company, later.freeze_id, company.owner)}
    assert {name: each.canceled for name, each in by_name.items()} == {"Revenue": True, "Another": False}
    assert by_name["Revenue"].measures[0].value == "180"


async def test_a_late_freeze_still_holds_the_instant_it_was_asked_for(company: Company) -> None:
    goal = await company.confirmed()
    await company.check_in(goal, "100")
    instant = utc_now()
    await until(lambda: utc_now() > instant)
    await company.check_in(goal, "180")
    closed = await company.confirmed(name="Confirmed afterwards")
    await company.goals.CloseGoal(close(goal), **company.by(company.manager))
    request = freeze_of(as_of=instant)
    assert await freeze(company, request) == 1
    (found,) = await frozen(company, request.freeze_id, company.owner)
    assert (found.measures[0].value, found.goal_version) == ("100", 4)
    assert closed.id != found.goal_id


async def test_which_goals_of_a_period_count(company: Company) -> None:
    async def made(name: str, period: tuple[str, str] = YEAR) -> pb.Goal:
        return await company.confirmed(name=name, period_start=period[0], period_end=period[1])

    await company.create(name="draft")
    proposed = await company.create(name="proposed")
    await company.goals.ProposeGoal(propose(proposed), **company.by(company.owner))
    dropped = await company.create(name="never confirmed")
    await company.goals.CancelGoal(cancel(dropped), **company.by(company.owner))
    await made("running")
    done = await made("done")
    await company.goals.CloseGoal(close(done), **company.by(company.manager))
    off = await made("cancelled")
    await company.goals.CancelGoal(cancel(off), **company.by(company.manager))
    await made("ends on the first day", ("2025-06-01", "2026-04-01"))
    await made("begins on the last day", ("2026-06-30", "2026-07-01"))
    await made("before", ("2025-06-01", "2026-03-31"))
    await made("after", ("2026-07-01", "2026-07-31"))
    request = freeze_of(("2026-04-01", "2026-06-30"))
    assert await freeze(company, request) == 5
    names = {each.name: each.canceled for each in await frozen(company, request.freeze_id, company.owner)}
    assert names == {
        "running": False,
        "done": False,
        "cancelled": True,
        "ends on the first day": False,
        "begins on the last day": False,
    }


async def test_periods_are_frozen_apart(company: Company) -> None:
    for name, period in (("Q1", ("2026-01-01", "2026-03-31")), ("Q2", ("2026-04-01", "2026-06-30")), ("year", YEAR)):
        await company.confirmed(name=name, period_start=period[0], period_end=period[1])
    names = {}
    for name, period in (("Q1", ("2026-01-01", "2026-03-31")), ("Q2", ("2026-04-01", "2026-06-30")), ("year", YEAR)):
        request = freeze_of(period)
        await freeze(company, request)
        names[name] = {each.name for each in await frozen(company, request.freeze_id, company.owner)}
    assert names == {"Q1": {"Q1", "year"}, "Q2": {"Q2", "year"}, "year": {"Q1", "Q2", "year"}}


async def test_whoever_has_no_goals_has_no_attainments(company: Company) -> None:
    await company.confirmed()
    request = freeze_of()
    await freeze(company, request)
    assert await frozen(company, request.freeze_id, company.colleague, uuid4()) == []
    assert await frozen(company, request.freeze_id) == []
    assert len(await frozen(company, request.freeze_id, company.colleague, company.owner)) == 1
    empty = freeze_of(("1990-01-01", "1990-12-31"))
    assert await freeze(company, empty) == 0
    assert await frozen(company, empty.freeze_id, company.owner) == []


async def test_a_freeze_asked_for_at_once_is_made_once(company: Company) -> None:
    await company.confirmed()
    request = freeze_of()
    assert await asyncio.gather(*(freeze(company, request) for _ in range(4))) == [1, 1, 1, 1]
    assert len(await frozen(company, request.freeze_id, company.owner)) == 1


async def test_companies_may_use_one_freeze_id(company: Company) -> None:
    await company.confirmed()
    request = freeze_of()
    assert await freeze(company, request) == 1
    other = Company(company.goals, company.people, company.keyring)
    unknown = pb.ListAttainmentsRequest(freeze_id=request.freeze_id, employee_ids=[str(company.owner)])
    refused = await refusal(other.goals.ListAttainments(unknown, **other.by_service("scoring")))
    assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "FREEZE_NOT_FOUND")
    assert await freeze(other, request) == 0
    assert await frozen(other, request.freeze_id, company.owner) == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.FreezeAttainmentsRequest(freeze_id="x"), "freeze_id"),
        (pb.FreezeAttainmentsRequest(period_start="soon"), "period_start"),
        (pb.FreezeAttainmentsRequest(period_end="2025-01-01"), "period_end"),
    ],
)
async def test_what_cannot_be_frozen(company: Company, wrong: pb.FreezeAttainmentsRequest, field: str) -> None:
    request = freeze_of()
    request.MergeFrom(wrong)
    refused = await refusal(company.goals.FreezeAttainments(request, **company.by_service("worker")))
    assert (refused.code, refused.violations[0][0]) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_a_freeze_needs_its_instant(company: Company) -> None:
    request = pb.FreezeAttainmentsRequest(freeze_id=str(uuid4()), period_start=YEAR[0], period_end=YEAR[1])
    refused = await refusal(company.goals.FreezeAttainments(request, **company.by_service("worker")))
    assert refused.violations[0][0] == "as_of"


async def test_only_the_worker_freezes_and_only_scoring_reads(company: Company) -> None:
    request, read = freeze_of(), pb.ListAttainmentsRequest(freeze_id=str(uuid4()))
    for caller in (company.by_hr, company.by_service("scoring"), company.by_service("reviews")):
        refused = await refusal(company.goals.FreezeAttainments(request, **caller))
        assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    for caller in (company.by_hr, company.by_service("worker")):
        refused = await refusal(company.goals.ListAttainments(read, **caller))
        assert refused.code is grpc.StatusCode.PERMISSION_DENIED
    many = pb.ListAttainmentsRequest(freeze_id=str(uuid4()), employee_ids=[str(uuid4())] * 5001)
    refused = await refusal(company.goals.ListAttainments(many, **company.by_service("scoring")))
    assert refused.violations[0][0] == "employee_ids"


async def test_a_company_is_frozen_in_as_few_statements_as_one_person(company: Company, database: Database) -> None:
    executed: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        executed.append(statement)

    counts = []
    for size in (0, 2_000):
        await plant(company, database, size)
        event.listen(database.app.sync_engine, "before_cursor_execute", count)
        executed.clear()
        assert await freeze(company, freeze_of()) == size
        event.remove(database.app.sync_engine, "before_cursor_execute", count)
        counts.append(len(executed))
    assert counts[0] == counts[1]


async def plant(company: Company, database: Database, goals: int) -> None:
    """Insert confirmed goals of as many people."""
    async with database.transaction(company.tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO goal (tenant_id, id, owner_id, department_path, manager_chain, name, description, mode,"
                " state, weight, period_start, period_end, measures)"
                " SELECT :tenant, gen_random_uuid(), gen_random_uuid(), '{}', '{}', 'g', '', 'mbo', 'active', 100,"
                " '2026-01-01', '2026-12-31', '[]' FROM generate_series(1, :goals)"
            ),
            {"tenant": company.tenant_id, "goals": goals},
        )
        await connection.execute(
            text(
                "INSERT INTO goal_version (tenant_id, goal_id, version, snapshot, author)"
                " SELECT tenant_id, id, version, to_jsonb(goal), '' FROM goal WHERE tenant_id = :tenant"
            ),
            {"tenant": company.tenant_id},
        )
