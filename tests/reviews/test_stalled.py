"""Each cause that reviews tells of, really caused, alone and with each other one: named by one call, then remedied."""

from collections.abc import Callable
from itertools import combinations

import pytest

from services.reviews.usecases.list_stalled import StalledPage
from services.runtime.database import Database
from tests.reviews.seed import Seed
from tests.reviews.stall_causes import BY_TIME, CAUSES, LEFT_AFTER, Company


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture
async def company(database: Database) -> Company:
    return Company(await Seed(database).cycle(trace_id="launch"))


def causes(page: StalledPage) -> set[str]:
    return {row.cause for row in page.rows}


@pytest.mark.parametrize("cause", CAUSES)
async def test_each_cause_is_named_by_one_call_and_cleared_by_its_remedy(company: Company, cause: str) -> None:
    assert causes(await company.stalled()) == set()
    clear = await CAUSES[cause](company)
    page = await company.stalled()
    assert causes(page) == {cause}
    for row in page.rows:
        assert row.since is not None
        assert row.remedies
        assert row.next_action
    await clear()
    assert causes(await company.stalled()) <= LEFT_AFTER.get(cause, frozenset())


@pytest.mark.parametrize("pair", list(combinations(CAUSES, 2)), ids="+".join)
async def test_two_causes_at_once_are_both_named(company: Company, pair: tuple[str, str]) -> None:
    clears = [await CAUSES[cause](company) for cause in pair]
    paused = "CYCLE_PAUSED" in pair
    told = {cause for cause in pair if not (paused and cause in BY_TIME)}
    assert causes(await company.stalled()) == told
    await clears[1]()  # resumed before anything else is done
    left = LEFT_AFTER.get(pair[1], frozenset())
    assert {pair[0]} <= causes(await company.stalled()) <= {pair[0], *left}
    await clears[0]()
    assert causes(await company.stalled()) <= {*left, *LEFT_AFTER.get(pair[0], ())}


async def test_one_approval_is_asked_about_by_itself(company: Company) -> None:
    for cause in ("OVERDUE_SEEN", "NO_ASSIGNEE", "FORMULA_ERROR"):
        await CAUSES[cause](company)
    [late] = [row for row in (await company.stalled()).rows if row.cause == "OVERDUE_SEEN"]
    for wanted in ({"task_id": late.task_id}, {"participant_id": late.participant_id}):
        page = await company.stalled(**wanted, include_waiting=True)
        assert [row.task_id for row in page.rows if row.kind == "task"] == [late.task_id]
        assert [cycle.id for cycle in page.live] == [company.seed.cycle_id]
    [unscored] = [row for row in (await company.stalled()).rows if row.cause == "FORMULA_ERROR"]
    page = await company.stalled(participant_id=unscored.participant_id, include_waiting=True)
    assert causes(page) == {"FORMULA_ERROR"}


async def test_somebody_who_comes_back_is_no_cause_any_more(company: Company) -> None:
    await CAUSES["ASSIGNEE_LEFT"](company)
    [row] = (await company.stalled()).rows
    await company.follow("people.employee_rehired", employee_id=str(row.assignee_id), hired_on="2026-09-01")
    assert causes(await company.stalled()) == {"ASSIGNEE_LEFT"}, "an older version changes nothing"
    sent = "UPDATE departure SET version = 1 RETURNING version"
    await company.seed.rows(sent)
    await company.follow("people.employee_rehired", employee_id=str(row.assignee_id), hired_on="2026-09-01")
    assert causes(await company.stalled()) == set()
