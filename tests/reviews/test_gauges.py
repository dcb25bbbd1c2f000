"""What the metrics tell of all companies together, and that the system role learns no more than that."""

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.reviews.domain.model import StageKind, StageState, TaskKind, TaskState
from services.reviews.gauges import Gauges
from services.reviews.usecases.tick import Tick, tick
from services.runtime.clock import new_id
from services.runtime.database import Database
from tests.postgres import DatabaseUrls
from tests.reviews.seed import Seed
from tests.reviews.worlds import World, member, spine
from tests.waiting import until


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def company(database: Database, **given: object) -> Seed:
    """One task in time, one overdue, one overdue but extended, one done, in a self review an hour past its due."""
    seed = await Seed(database).cycle(**given)
    stage = await seed.stage(due_at=seed.now - timedelta(hours=1))
    await seed.task(stage, new_id())
    await seed.task(stage, new_id(), due_override=seed.now + timedelta(days=1))
    await seed.task(stage, new_id(), state=TaskState.SUBMITTED)
    later = await seed.stage(StageKind.PEER_REVIEW, blocked_reason="UNREACHABLE")
    await seed.task(later, new_id(), TaskKind.PEER_REVIEW)
    return seed


async def test_all_companies_are_counted_together_and_what_is_not_under_way_is_not(database: Database) -> None:
    gauges = Gauges(database)
    first = await company(database)
    second = await company(database)
    await company(database, ended_at=first.now)
    await company(database, launched_at=None)
    waiting = await Seed(database).cycle(release_mode="manual")
    await waiting.stage(StageKind.RELEASE, due_at=waiting.now - timedelta(days=9))
    await gauges.count()
    assert value("attune_tasks_open", kind="self_review") == 4
    assert value("attune_tasks_overdue", kind="self_review") == 2
    assert (value("attune_tasks_open", kind="peer_review"), value("attune_tasks_overdue", kind="peer_review")) == (2, 0)
    late = value("attune_stage_overdue_seconds", kind="self_review")
    assert late is not None
    assert 3600 <= late < 7200
    assert value("attune_stage_overdue_seconds", kind="release") is None  # it waits for HR
    assert (value("attune_cycles_live"), value("attune_cycles_blocked")) == (3, 2)
    for seed in (first, second):
        async with seed.database.transaction(seed.tenant_id) as connection:
            await connection.execute(text("UPDATE cycle SET state = 'paused'"))
            await connection.execute(text("UPDATE stage SET blocked_reason = ''"))
    await gauges.count()
    assert (value("attune_tasks_open", kind="self_review"), value("attune_tasks_overdue", kind="self_review")) == (4, 0)
    assert value("attune_stage_overdue_seconds", kind="self_review") == 0
    assert value("attune_cycles_blocked") == 0


async def test_what_cannot_be_counted_is_not_told(
    database: Database, database_urls: Callable[[str], DatabaseUrls]
) -> None:
    await Gauges(database).count()
    assert value("attune_cycles_live") is not None
    urls = database_urls("reviews")
    without_right = Database("reviews", urls.app, urls.system.replace("reviews_system", "people_system"))
    counting = asyncio.ensure_future(Gauges(without_right).run())
    await until(lambda: math.isnan(value("attune_cycles_live") or 0))
    assert value("attune_tasks_open", kind="self_review") is None
    counting.cancel()
    await asyncio.gather(counting, return_exceptions=True)
    await without_right.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT draft FROM task",
        "SELECT assignee_id FROM task",
        "UPDATE task SET state = 'x'",
        "SELECT definition FROM stage",
    ],
)
async def test_the_system_role_counts_and_reads_nothing_else(database: Database, statement: str) -> None:
    async with database.system_transaction() as connection:
        await connection.execute(text("SELECT count(*), min(kind) FROM task"))
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.system_transaction() as connection:
            await connection.execute(text(statement))


async def test_how_late_a_stage_closed_is_known_once_it_is_committed(database: Database) -> None:
    world = World(database)
    await world.launch(spine(start={"early_close": True}), [member(2, [1])])
    await world.turn()
    [(key, kind)] = await world.rows(
        "SELECT key, kind FROM stage WHERE cycle_id = :cycle_id AND state = 'open' LIMIT 1"
    )
    before = value("attune_stage_lateness_seconds_count", kind=kind) or 0
    await world.execute(
        "UPDATE stage SET due_at = clock_timestamp() - interval '7 seconds', early_close = false"
        " WHERE tenant_id = :tenant_id AND key = :key", key=key,
    )  # fmt: skip
    async with world.work() as work:
        await tick(work, Tick(world.cycle_id, await world.now()))
        assert (value("attune_stage_lateness_seconds_count", kind=kind) or 0) == before
        [note] = work.after_commit
    note()
    assert value("attune_stage_lateness_seconds_count", kind=kind) == before + 1
    within = REGISTRY.get_sample_value("attune_stage_lateness_seconds_bucket", {"kind": kind, "le": "5.0"}) or 0
    assert within <= before
    assert (await world.stage(key)).state is not StageState.OPEN
