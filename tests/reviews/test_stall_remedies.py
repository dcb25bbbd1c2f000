"""Every remedy that is offered, taken by the role that it names: it is accepted, and clears what it says it clears."""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.reviews.domain.actuals import Entry
from services.reviews.domain.stalls import Remedy
from services.reviews.usecases.actuals import PutActuals, put_actuals
from services.reviews.usecases.appeal_commands import AssignAppeal, assign_appeal
from services.reviews.usecases.run_cycle import ChangeCycle, pause_cycle, release_cycle, resume_cycle
from services.reviews.usecases.run_stage import CloseStage, ReopenStage, close_stage, reopen_stage
from services.reviews.usecases.task_commands import (
    ExtendTask,
    ReassignTask,
    RemindTasks,
    extend_task,
    reassign_task,
    remind_tasks,
)
from services.runtime.clock import new_id
from services.runtime.database import Database
from tests.reviews.seed import Seed
from tests.reviews.stall_causes import CAUSES, DAY, HOUR, WHY, Company, owed_value

LATER = timedelta(days=60)
ELSEWHERE = "restart_workflow"  # of the engine, which has its own tests


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture
def companies(database: Database) -> Callable[[], Awaitable[Company]]:
    async def found() -> Company:
        return Company(await Seed(database).cycle(trace_id="launch"))

    return found


async def take(company: Company, remedy: Remedy) -> None:
    """Make the call that the remedy names, with what else it needs, as somebody who has its role and no other."""
    _, path, *fixed = remedy.call.split(" ", 2)
    found, _, verb = path.removeprefix("/v1/").partition(":")
    names = found.split("/")
    until = datetime.now(UTC) + LATER
    given = json.loads(fixed[0]) if fixed else {}
    ids = [UUID(each) for each in given.pop("ids", [])]
    commands: Mapping[str, Callable[[], tuple[Any, Any]]] = {
        "tasks:remind": lambda: (remind_tasks, RemindTasks(tuple(ids), WHY)),
        "tasks:reassign": lambda: (reassign_task, ReassignTask(UUID(names[1]), "E1", WHY, new_id())),
        "tasks:extend": lambda: (extend_task, ExtendTask(UUID(names[1]), until, WHY)),
        "appeals:assign": lambda: (assign_appeal, AssignAppeal(UUID(names[1]), new_id(), WHY)),
        "cycles:resume": lambda: (resume_cycle, ChangeCycle(UUID(names[1]), WHY)),
        "cycles:release": lambda: (release_cycle, ChangeCycle(UUID(names[1]), WHY)),
        "stages:close": lambda: (close_stage, CloseStage(UUID(names[1]), names[3], WHY, **given)),
        "stages:reopen": lambda: (reopen_stage, ReopenStage(UUID(names[1]), names[3], until, WHY)),
        "actuals:": lambda: (put_actuals, PutActuals(UUID(names[1]), (), WHY)),
    }
    use_case, command = commands[f"{'stages' if 'stages' in names else names[-1] if not verb else names[0]}:{verb}"]()
    if use_case is put_actuals:
        command = PutActuals(command.cycle_id, await values(company), WHY)
    done = await company.command(use_case, command, by=company.seed.person(new_id(), remedy.role))
    if use_case is remind_tasks:
        assert [outcome.code for outcome in done] == ["OK"] * len(ids)
    if use_case is put_actuals:
        assert (done.failed, done.stored > 0) == ((), True)


async def values(company: Company) -> tuple[Entry, ...]:
    """A value for everything that a provider owes."""
    owed = await company.seed.rows("SELECT participant_id, item FROM provider")
    return tuple(Entry(index, row.item, "12", participant_id=row.participant_id) for index, row in enumerate(owed))


async def offered(company: Company) -> dict[tuple[str, str], Remedy]:
    """Remedies by cause and action."""
    rows = (await company.stalled()).rows
    return {(row.cause, remedy.action): remedy for row in rows for remedy in row.remedies if remedy.action != ELSEWHERE}


CLEARED: Mapping[str, frozenset[str]] = {
    "OVERDUE_SEEN": frozenset({"extend"}),
    "OVERDUE_UNDELIVERED": frozenset({"extend", "reassign"}),  # the new one's message has not failed
    "ASSIGNEE_LEFT": frozenset({"reassign"}),
    "ASSIGNEE_ON_LEAVE": frozenset({"reassign", "extend"}),
    "NO_ASSIGNEE": frozenset({"reassign"}),
    "RETURNED": frozenset(),
    "BARRIER_HELD": frozenset({"close_stage"}),
    "CALIBRATION_OPEN": frozenset(),
    "APPEAL_STALLED": frozenset({"assign"}),
    "ACTUAL_MISSING": frozenset({"enter_actuals"}),
    "FORMULA_ERROR": frozenset(),
    "RELEASE_PENDING": frozenset({"release"}),
    "ACTIVITY_RETRYING": frozenset(),
    "CYCLE_PAUSED": frozenset({"resume"}),
}
"""By which remedies a cause is gone at once. By the others somebody is asked: it is gone when they have done it."""


@pytest.mark.parametrize("cause", CAUSES)
async def test_every_remedy_is_accepted_and_clears_what_it_can(
    companies: Callable[[], Awaitable[Company]], cause: str
) -> None:
    company = await companies()
    await CAUSES[cause](company)
    actions = {action for _, action in await offered(company)}
    cleared = set()
    for action in actions:
        again = await companies()
        await CAUSES[cause](again)
        await take(again, (await offered(again))[cause, action])
        if cause not in {row.cause for row in (await again.stalled()).rows}:
            cleared.add(action)
    assert cleared == CLEARED[cause]


async def sheet_late(company: Company) -> object:
    """A provider's sheet, which HR may fill in as well."""
    participant, _ = await company.seed.participant(new_id())
    await owed_value(company.seed, participant)
    return await company.owes(-HOUR, "data_entry", participant_id=None, subject_id=None)


async def own_review_of_somebody_gone(company: Company) -> object:
    who = new_id()
    left = (datetime.now(UTC) - 2 * DAY).date().isoformat()
    await company.follow("people.employee_departed", employee_id=str(who), left_on=left, manager_id=None)
    return await company.owes(who=who, kind="self_review")


async def own_review_of_somebody_away(company: Company) -> object:
    who = new_id()
    days = {"from": company.seed.now.date().isoformat(), "to": (company.seed.now + 30 * DAY).date().isoformat()}
    await company.follow("people.employee_absent", employee_id=str(who), **days)
    return await company.owes(who=who, kind="self_review")


async def late_while_closing(company: Company) -> object:
    """What the worker has not ended yet."""
    task, _ = await company.owes(-HOUR)
    closing = "UPDATE stage SET state = 'closing', epoch = 2, closing_at = now() RETURNING id"
    return await company.seed.rows(closing), task


MORE = {
    cause.__name__: cause
    for cause in (sheet_late, own_review_of_somebody_gone, own_review_of_somebody_away, late_while_closing)
}


@pytest.mark.parametrize("cause", MORE)
async def test_what_is_offered_elsewhere_is_accepted_too(
    companies: Callable[[], Awaitable[Company]], cause: str
) -> None:
    company = await companies()
    await MORE[cause](company)
    wanted = await offered(company)
    assert wanted
    for each in wanted:
        again = await companies()
        await MORE[cause](again)
        await take(again, (await offered(again))[each])


@pytest.mark.parametrize("cause", ["OVERDUE_SEEN", "RETURNED", "CALIBRATION_OPEN", "APPEAL_STALLED", "BARRIER_HELD"])
async def test_who_has_just_been_reminded_is_not_to_be_reminded_again(
    companies: Callable[[], Awaitable[Company]], cause: str
) -> None:
    company = await companies()
    await CAUSES[cause](company)
    before = await offered(company)
    if remind := before.get((cause, "remind")):
        await take(company, remind)
    assert (cause, "remind") not in await offered(company)
    assert remind or cause == "APPEAL_STALLED", "an appeal without owner has nobody to remind"


@pytest.mark.parametrize("cause", [cause for cause in CAUSES if cause != "CYCLE_PAUSED"])
async def test_in_a_paused_cycle_what_is_offered_is_accepted(
    companies: Callable[[], Awaitable[Company]], cause: str
) -> None:
    async def paused() -> Company:
        company = await companies()
        await CAUSES[cause](company)
        await company.command(pause_cycle, ChangeCycle(company.seed.cycle_id, WHY))
        return company

    company = await paused()
    rows = (await company.stalled()).rows
    assert all(row.remedies for row in rows)
    for each in await offered(company):
        again = await paused()
        await take(again, (await offered(again))[each])
