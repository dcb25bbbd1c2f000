"""A stage over many people is opened and ended chunk by chunk: each row is looked at once, no chunk hides another."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text

from services.reviews.domain.bulk import NOBODY, Admission, Admitted
from services.reviews.store import ReviewsWork
from services.reviews.store.admission import id_range, instant_after
from services.reviews.store.chunks import ENDED_PAGE
from services.runtime.clock import utc_now
from services.runtime.database import Database
from tests.reviews.worlds import World, employee, member, spine

# By this connection since it last told the server, of the tables that a stage is opened from.
ROWS_READ = """
SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int FROM pg_stat_xact_user_tables
WHERE relname IN ('participant', 'rater', 'task')
"""


@pytest.fixture
def world(service_database: Callable[[str], Database]) -> World:
    return World(service_database("reviews"))


async def launch(world: World, people: int) -> None:
    process = spine(start={"early_close": True})
    await world.launch(process, [member(1, []), *(member(number, [1]) for number in range(2, people + 1))])


async def rows_read(work: ReviewsWork) -> int:
    return int((await work.connection.execute(text(ROWS_READ))).scalar_one())


@asynccontextmanager
async def admission(world: World, key: str, epoch: int = 1) -> AsyncIterator[tuple[ReviewsWork, Admission]]:
    """A transaction in which the stage's tasks are to be made."""
    stage = await world.stage(key)
    async with world.work() as work:
        now = await work.now()
        yield (
            work,
            Admission(
                replace(stage, epoch=epoch), at=now, opened_at=now, due_override=None, before=(), later=(), trace_id=""
            ),
        )


@pytest.mark.parametrize("stage_kind", ["self", "manager", "interview"])
async def test_opening_a_stage_reads_each_row_once_though_nothing_is_known_of_the_tables(
    world: World, stage_kind: str
) -> None:
    """Rows of a cycle launched a moment ago have no statistics: a bad plan compares everybody with everybody."""
    people = 1_500
    await launch(world, people)
    async with admission(world, stage_kind) as (work, made):
        before = await rows_read(work)
        admitted = await work.admissions.admit_chunk(made, None)
        read = await rows_read(work) - before
    assert admitted.opened == people - 1
    assert read < 60 * people, "more than some looks at each row, those that other tests left included"


async def test_each_chunk_is_told_of_by_a_range_that_holds_its_tasks_and_no_others(world: World) -> None:
    await launch(world, 41)
    chunks: list[Admitted] = []
    async with admission(world, "self") as (work, made):
        after: UUID | None = None
        while not chunks or not chunks[-1].last:
            chunks.append(await work.admissions.admit_chunk(made, after, size=9))
            after = chunks[-1].last_participant_id
        ids = list((await work.connection.execute(text("SELECT id FROM task"))).scalars())
    told = [sum(chunk.first_task_id <= each <= chunk.last_task_id for each in ids) for chunk in chunks]
    assert told == [chunk.opened for chunk in chunks]
    assert sum(told) == len(ids) == 40
    ends = [end for chunk in chunks for end in (chunk.first_task_id, chunk.last_task_id)]
    assert ends == sorted(ends)


async def test_a_chunk_that_is_repeated_gives_nobody_a_second_task(world: World) -> None:
    await launch(world, 21)
    async with admission(world, "manager") as (work, made):
        first = await work.admissions.admit_chunk(made, None, size=8)
        again = await work.admissions.admit_chunk(made, None, size=8)
        following = await work.admissions.admit_chunk(made, first.last_participant_id, size=8)
        late = await work.admissions.admit_chunk(made, None, size=8)
    assert [each.opened > 0 for each in (first, again, following, late)] == [True, False, True, False]
    assert first.last_task_id < following.first_task_id


async def test_a_reopened_stage_tells_of_those_who_had_no_task_and_of_no_others(world: World) -> None:
    await launch(world, 21)
    async with admission(world, "manager") as (work, made):
        await work.admissions.admit_chunk(made, None, size=12)
    await world.execute("UPDATE task SET state = 'expired' WHERE cycle_id = :cycle_id AND tenant_id = :tenant_id")
    chunks: list[Admitted] = []
    async with admission(world, "manager", epoch=2) as (work, made):
        before = {*(await work.connection.execute(text("SELECT id FROM task"))).scalars()}
        while not chunks or not chunks[-1].last:
            after = chunks[-1].last_participant_id if chunks else None
            chunks.append(await work.admissions.admit_chunk(made, after, size=5))
        ids = {*(await work.connection.execute(text("SELECT id FROM task WHERE state = 'open'"))).scalars()}
    assert before < ids, "those who had one have theirs again"
    assert len(ids) == 20
    opening = [chunk for chunk in chunks if chunk.opened]  # of the others nobody is told
    assert len(opening) < len(chunks)
    told = [{each for each in ids if chunk.first_task_id <= each <= chunk.last_task_id} for chunk in opening]
    assert [len(each) for each in told] == [chunk.opened for chunk in opening]
    assert set().union(*told) == ids - before


def test_an_instant_after_is_the_given_one_where_nothing_newer_was_made() -> None:
    at = utc_now().replace(microsecond=499_500)  # rounds to 500 ms
    made = id_range(at)
    later = instant_after(made[1], at)
    assert instant_after(None, at) == at
    assert instant_after(UUID(int=made[0].int - 1), at) == at
    assert id_range(later)[0].int == made[1].int + 1


async def test_the_tasks_to_end_are_found_without_reading_those_that_are_left_to_later_chunks(world: World) -> None:
    people, size = 1_000, 20
    await launch(world, people)
    await world.turn()
    await world.submit_all("self", but=[employee(number) for number in range(2, 200)])
    stage = await world.stage("self")
    keys = {"tenant_id": world.tenant_id, "stage_id": stage.id, "now": stage.due_at, "size": size}
    places: list[int] = []
    after = NOBODY
    async with world.work() as work:
        before = await rows_read(work)
        while page := (await work.connection.execute(ENDED_PAGE, {**keys, "after": after})).one_or_none():
            assert after < page.first <= page.last
            places.append(page.place)
            after = page.last
        read = await rows_read(work) - before
    assert places == [size] * 49 + [size - 1]
    assert read < 5 * people, "chunks that read what is left look at each row 25 times"
