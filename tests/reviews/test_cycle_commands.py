"""HR's commands on a running cycle with everybody in flight, and the races they are in."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from services.reviews.domain.errors import (
    CyclePaused,
    CycleReleased,
    CycleStateInvalid,
    Denied,
    EtagMismatch,
    NotLater,
    ReasonRequired,
    StageNotOpen,
    StageStateInvalid,
    TaskNotFound,
)
from services.reviews.domain.model import CycleState, Reminder, Span, StageState, Unit
from services.reviews.store.locks import stage_lock_key
from services.reviews.usecases.list_stalled import StallFilter, list_stalled
from services.reviews.usecases.open_stage import Session
from services.reviews.usecases.run_cycle import (
    ChangeCycle,
    cancel_cycle,
    pause_cycle,
    release_cycle,
    resume_cycle,
)
from services.reviews.usecases.run_stage import (
    CloseStage,
    ExtendStage,
    ReopenStage,
    close_stage,
    extend_stage,
    reopen_stage,
)
from services.reviews.usecases.view_cycle import get_progress, get_timeline
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal
from tests.reviews.worlds import World, employee, member, spine

CREW = [member(1, []), *(member(number, [1]) for number in range(2, 7))]
QUICK = {"start": {"early_close": True}}


@pytest.fixture
async def world(service_database: Callable[[str], Database]) -> World:
    world = World(service_database("reviews"), sessions=(Session(new_id(), employee(1)),))
    await world.launch(spine(**QUICK, self={"reminders": (Reminder(Span(30, Unit.HOURS)),)}), CREW)
    await world.turn()
    return world


async def command(world: World, use_case: Callable[..., Any], kind: Callable[..., Any], **fields: Any) -> Any:
    fields = {"cycle_id": world.cycle_id, "reason": "because"} | fields
    return await world.run(use_case, kind(**fields), world.hr)


async def test_extending_a_stage_moves_one_row_and_nothing_closes_before(world: World) -> None:
    stage = await world.stage("self")
    assert stage.due_at is not None
    until = stage.due_at + timedelta(hours=5)
    await command(world, extend_stage, ExtendStage, stage="self", until=until)
    await world.skip(hours=4)
    await world.turn()
    assert (await world.stage("self")).state is StageState.OPEN
    assert not await world.rows("SELECT 1 FROM task WHERE due_override IS NOT NULL AND tenant_id = :tenant_id")
    await world.skip(hours=3, seconds=1)
    await world.turn()
    assert (await world.stage("self")).state is StageState.CLOSED


async def test_extending_a_person_holds_the_barrier_and_shows_as_a_stall(world: World) -> None:
    stage = await world.stage("self")
    assert stage.due_at is not None
    until = stage.due_at + timedelta(hours=5)
    extended = await command(world, extend_stage, ExtendStage, stage="self", until=until, participant="E000003")
    assert extended.tasks == 1
    await world.skip(hours=3)
    await world.turn()
    assert (await world.stage("self")).state is StageState.CLOSING
    assert await world.tasks("self") == {"expired": 4, "open": 1}
    page = await world.run(list_stalled, StallFilter(world.cycle_id), world.hr)
    assert {row.cause for row in page.rows} == {"BARRIER_HELD"}
    await world.submit_all("self")
    await world.turn()
    assert (await world.stage("self")).state is StageState.CLOSED
    assert await world.tasks("manager") == {"open": 5}


async def test_closing_a_stage_that_extensions_hold_ends_them_once(world: World) -> None:
    stage = await world.stage("self")
    assert stage.due_at is not None
    far = stage.due_at + timedelta(days=30)
    await command(world, extend_stage, ExtendStage, stage="self", until=far, participant="E000003")
    await world.skip(hours=3)
    await world.turn()
    assert await world.tasks("self") == {"expired": 4, "open": 1}
    closings = (await world.events()).count("stage_closing")
    with pytest.raises(StageStateInvalid):
        await command(world, close_stage, CloseStage, stage="self")
    assert await world.tasks("self") == {"expired": 4, "open": 1}, "closing twice takes nobody's time"
    ended = await command(world, close_stage, CloseStage, stage="self", end_extensions=True)
    assert (ended.stage.state, ended.tasks) == (StageState.CLOSING, 1)
    with pytest.raises(StageStateInvalid, match="waits for no extension"):
        await command(world, close_stage, CloseStage, stage="self", end_extensions=True)
    await world.turn()
    assert (await world.stage("self")).state is StageState.CLOSED
    assert await world.tasks("self") == {"expired": 5}
    events = await world.events()
    assert events.count("stage_extensions_ended") == 1
    assert events.count("stage_closing") == closings, "the stage itself closes once"


async def test_an_open_stage_is_closed_with_or_without_those_who_were_given_longer(world: World) -> None:
    far = await world.now() + timedelta(days=30)
    await command(world, extend_stage, ExtendStage, stage="self", until=far, participant="E000003")
    ended = await command(world, close_stage, CloseStage, stage="self", end_extensions=True)
    assert (ended.stage.state, ended.tasks) == (StageState.CLOSING, 1)
    await world.turn()
    assert await world.tasks("self") == {"expired": 5}


async def test_in_a_paused_cycle_the_barrier_is_held_however_long_the_pause(world: World) -> None:
    stage = await world.stage("self")
    assert stage.due_at is not None
    await command(
        world, extend_stage, ExtendStage, stage="self", until=stage.due_at + timedelta(hours=5), participant="E000003"
    )
    await world.skip(hours=3)
    await world.turn()
    await command(world, pause_cycle, ChangeCycle)
    await world.skip(days=2)
    page = await world.run(list_stalled, StallFilter(world.cycle_id), world.hr)
    assert "BARRIER_HELD" in {row.cause for row in page.rows}
    await command(world, resume_cycle, ChangeCycle)
    page = await world.run(list_stalled, StallFilter(world.cycle_id), world.hr)
    assert {row.cause for row in page.rows} == {"BARRIER_HELD"}


async def test_a_department_is_extended_with_its_subtree_and_what_expired_comes_back(world: World) -> None:
    await command(world, close_stage, CloseStage, stage="self")
    stage = await world.stage("self")
    assert stage.state is StageState.CLOSING
    assert stage.due_at is not None
    until = stage.due_at + timedelta(hours=1)
    assert (
        await command(world, extend_stage, ExtendStage, stage="self", until=until, department="Head office")
    ).tasks == 5
    await world.turn()
    assert await world.tasks("self") == {"open": 5}


async def test_commands_refuse_what_makes_no_sense(world: World) -> None:
    stage = await world.stage("self")
    assert stage.due_at is not None
    later, earlier = stage.due_at + timedelta(hours=1), stage.due_at - timedelta(minutes=1)
    with pytest.raises(NotLater):
        await command(world, extend_stage, ExtendStage, stage="self", until=earlier)
    with pytest.raises(ReasonRequired):
        await command(world, extend_stage, ExtendStage, stage="self", until=later, reason=" ")
    with pytest.raises(TaskNotFound):
        await command(world, extend_stage, ExtendStage, stage="self", until=later, participant="nobody")
    with pytest.raises(EtagMismatch):
        await command(world, extend_stage, ExtendStage, stage="self", until=later, etag="77")
    with pytest.raises(StageStateInvalid):
        await command(world, close_stage, CloseStage, stage="manager")
    with pytest.raises(StageStateInvalid):
        await command(world, reopen_stage, ReopenStage, stage="self", until=later)
    with pytest.raises(StageNotOpen):
        await command(world, release_cycle, ChangeCycle)
    with pytest.raises(CycleStateInvalid):
        await command(world, resume_cycle, ChangeCycle)
    partner = Principal(world.tenant_id, "user", "user", employee(9), (Grant("hr_partner", "department", "x"),))
    with pytest.raises(Denied):
        await world.run(extend_stage, ExtendStage(world.cycle_id, "self", later, "because"), partner)
    with pytest.raises(Denied):
        await world.run(pause_cycle, ChangeCycle(world.cycle_id, "because"), partner)


async def test_a_pause_stops_the_clock_and_resuming_moves_what_had_not_passed(world: World) -> None:
    due = (await world.stage("self")).due_at
    planned = (await world.stage("manager")).open_at
    assert due is not None
    assert planned is not None
    later = due + timedelta(hours=1)
    await command(world, extend_stage, ExtendStage, stage="self", until=later, participant=str(employee(2)))
    await command(world, pause_cycle, ChangeCycle)
    assert (await world.cycle()).state is CycleState.PAUSED
    with pytest.raises(CyclePaused):
        await command(world, close_stage, CloseStage, stage="self")
    await world.skip(hours=10)
    assert not (await world.turn()).due
    await command(world, resume_cycle, ChangeCycle)
    moved = (await world.stage("self")).due_at
    assert moved is not None
    assert timedelta(hours=10) <= moved - due < timedelta(hours=10, minutes=1)
    assert (await world.stage("manager")).open_at == planned + (moved - due)
    (override,) = await world.rows(
        "SELECT due_override FROM task WHERE due_override IS NOT NULL AND tenant_id = :tenant_id"
    )
    assert override == (later + (moved - due),)
    assert not (await world.stage("self")).paused


async def test_reopening_gives_back_what_expired_and_keeps_what_was_done(world: World) -> None:
    await world.submit_all("self", but=[employee(2)])
    await world.skip(hours=2, minutes=1)
    await world.turn()
    assert await world.tasks("self") == {"accepted": 4, "expired": 1}
    until = await world.now() + timedelta(hours=3)
    await command(world, reopen_stage, ReopenStage, stage="self", until=until)
    epoch = (await world.stage("self")).epoch
    await world.turn()
    stage = await world.stage("self")
    assert (stage.state, stage.epoch) == (StageState.OPEN, epoch)
    assert await world.tasks("self") == {"submitted": 4, "open": 1}
    rows = await world.rows("SELECT count(*) FROM task WHERE kind = 'manager_review' AND input_changed")
    assert rows == [(5,)]
    await world.skip(hours=4)
    await world.turn()
    assert await world.tasks("self") == {"accepted": 4, "expired": 1}


async def test_a_canceled_cycle_takes_its_tasks_out_of_the_lists(world: World) -> None:
    with pytest.raises(ReasonRequired):
        await command(world, cancel_cycle, ChangeCycle, reason="")
    await command(world, cancel_cycle, ChangeCycle)
    assert (await world.turn()).finished
    assert await world.tasks("self") == {"withdrawn": 5}
    assert (await world.cycle()).state is CycleState.CANCELED


async def test_a_release_is_given_once_and_ends_reopening(world: World) -> None:
    while not await world.tasks("calibration"):
        await world.skip(hours=2)
        await world.turn()
    await world.submit_all("calibration", "accepted")
    page = await world.run(list_stalled, StallFilter(world.cycle_id), world.hr)
    assert [row.cause for row in page.rows] == []
    await world.skip(hours=2)
    await world.turn()
    await world.skip(hours=5)
    await world.turn()
    page = await world.run(list_stalled, StallFilter(world.cycle_id), world.hr)
    assert [(row.cause, row.remedies[0].action) for row in page.rows] == [("RELEASE_PENDING", "release")]
    await command(world, release_cycle, ChangeCycle)
    with pytest.raises(StageNotOpen):
        await command(world, release_cycle, ChangeCycle)
    await world.turn()
    assert (await world.cycle()).state is CycleState.RELEASED
    with pytest.raises(CycleReleased):
        await command(world, reopen_stage, ReopenStage, stage="self", until=await world.now() + timedelta(hours=1))


async def test_progress_and_timeline(world: World) -> None:
    await world.submit_all("self", but=[employee(2), employee(3)])
    progress = await world.run(get_progress, world.cycle_id, world.hr)
    counts = {stage.key: progress.counts.get(stage.id) for stage in progress.stages}
    assert (counts["self"].owed, counts["self"].done, counts["manager"]) == (5, 3, None)
    assert dict(progress.participants) == {"in_review": 5, "exempt": 1}
    timeline = await world.run(get_timeline, world.cycle_id, world.hr)
    assert [entry.kind for entry in timeline if entry.stage == "start"] == [
        "stage_opening",
        "stage_opened",
        "stage_closing",
        "stage_closed",
    ]
    assert [entry.kind for entry in timeline if entry.stage == "release"] == ["stage_opening", "stage_due"]


async def test_no_write_comes_after_the_close_though_writers_never_stop(world: World) -> None:
    """Writers hold the shared lock and read the stage after it; the closer's lock is exclusive."""
    stage = await world.stage("self")
    closed = asyncio.Event()
    late: list[str] = []

    async def write(under_way: asyncio.Event) -> None:
        while not closed.is_set():
            async with world.work() as work:
                seen = await work.stages.share(stage.id)
                if seen.state is StageState.OPEN:
                    await asyncio.sleep(0.005)
                    await work.emit("reviews.task_submitted", "task", new_id(), seen.epoch, {"epoch": seen.epoch})
                elif seen.epoch == stage.epoch:
                    late.append("the epoch did not move")
            under_way.set()

    async def close() -> None:
        for under_way in writers:
            await under_way.wait()
        await command(world, close_stage, CloseStage, stage="self")
        closed.set()

    writers = [asyncio.Event() for _ in range(6)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(write(each) for each in writers), close())
    assert not late
    written = "SELECT count(*) FROM event WHERE tenant_id = :tenant_id AND kind = 'reviews.task_submitted'"
    assert (await world.rows(written))[0][0] >= len(writers), "each has written before the close"
    rows = await world.rows(
        "SELECT count(*) FROM event w WHERE w.tenant_id = :tenant_id AND w.kind = 'reviews.task_submitted' AND w.xid >"
        " (SELECT c.xid FROM event c WHERE c.tenant_id = :tenant_id AND c.kind = 'reviews.stage_closing'"
        "  AND c.payload ->> 'stage' = 'self')"
        " AND (w.payload ->> 'epoch')::int <> :epoch",
        epoch=stage.epoch,
    )
    assert rows == [(0,)]


def test_the_lock_of_a_stage_has_one_key() -> None:
    stage_id = new_id()
    assert stage_lock_key(stage_id) == stage_lock_key(stage_id)
    assert -(2**63) <= stage_lock_key(stage_id) < 2**63
