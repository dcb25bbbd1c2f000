"""What reviews does about events of people and scoring, each applied once however often it comes."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from services.reviews import tables
from services.reviews.consumers import HANDLERS
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.model import (
    Span,
    Stage,
    StageDefinition,
    StageKind,
    StageState,
    TaskKind,
    TaskState,
    Unit,
)
from services.reviews.store.stages import stage_row
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.eventlog import Event
from services.runtime.identity import Principal
from tests.reviews.seed import Seed

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture
async def seed(database: Database) -> Seed:
    return await Seed(database).cycle()


async def follow(
    seed: Seed, kind: str, payload: Mapping[str, Any], *, aggregate_id: UUID | None = None, version: int = 2
) -> None:
    aggregate = aggregate_id or new_id()
    event = Event(new_id(), seed.tenant_id, kind, "x", aggregate, version, payload, "", seed.now)
    reviews = Principal(tenant_id=seed.tenant_id, kind="service", name="reviews")
    async with seed.work(reviews) as work:
        await HANDLERS[kind](work, event)


async def depart(seed: Seed, employee_id: UUID, manager_id: UUID | None, left_on: date = YESTERDAY) -> None:
    payload = {
        "employee_id": str(employee_id),
        "left_on": left_on.isoformat(),
        "manager_id": str(manager_id) if manager_id else None,
    }
    await follow(seed, "people.employee_departed", payload)


async def task_row(seed: Seed, task_id: UUID) -> Any:
    [row] = await seed.rows("SELECT * FROM task WHERE id = :id", id=task_id)
    return row


async def test_a_leavers_tasks_go_with_their_drafts_to_the_manager(seed: Seed) -> None:
    leaver, manager = new_id(), new_id()
    participant, employee = await seed.participant(leaver)
    stage = await seed.stage(StageKind.MANAGER_REVIEW)
    about: dict[str, Any] = {"participant_id": participant, "subject_id": employee}
    draft = {"conduct/teamwork": {"value": "4"}}
    owed = await seed.task(stage, leaver, TaskKind.MANAGER_REVIEW, TaskState.IN_PROGRESS, draft=draft, **about)
    done = await seed.task(stage, leaver, TaskKind.MANAGER_REVIEW, TaskState.SUBMITTED, **about)
    rater = {"id": new_id(), "cycle_id": seed.cycle_id, "participant_id": participant, "relation": "manager"}
    await seed.insert(tables.rater, rater_id=leaver, **rater)
    for _ in range(2):
        await depart(seed, leaver, manager)
    row = await task_row(seed, owed)
    assert (row.assignee_id, row.draft, row.state, row.blocked_reason) == (manager, draft, "in_progress", "")
    assert (await task_row(seed, done)).assignee_id == leaver
    assert [row.rater_id for row in await seed.rows("SELECT rater_id FROM rater")] == [manager]
    [event] = await seed.rows("SELECT * FROM event WHERE kind = 'reviews.task_reassigned'")
    assert (event.payload["assignee_id"], event.payload["from_id"]) == (str(manager), str(leaver))
    assert len(await seed.rows("SELECT 1 FROM audit_entry WHERE action = 'task.reassigned'")) == 1


async def test_nobody_inherits_the_judgement_of_themselves(seed: Seed) -> None:
    leaver = new_id()
    participant, manager = await seed.participant()
    stage = await seed.stage(StageKind.PEER_REVIEW)
    task = await seed.task(stage, leaver, TaskKind.PEER_REVIEW, participant_id=participant, subject_id=manager)
    rater = {"id": new_id(), "cycle_id": seed.cycle_id, "participant_id": participant, "relation": "peer"}
    await seed.insert(tables.rater, rater_id=leaver, **rater)
    await depart(seed, leaver, manager)
    row = await task_row(seed, task)
    assert (row.assignee_id, row.blocked_reason) == (None, "NO_ASSIGNEE")
    assert row.blocked_since is not None
    assert [row.rater_id for row in await seed.rows("SELECT rater_id FROM rater")] == [leaver]


async def test_without_a_manager_in_the_event_the_snapshot_names_one(seed: Seed) -> None:
    manager = new_id()
    _, leaver = await seed.participant(manager)
    task = await seed.task(await seed.stage(), leaver, TaskKind.CUSTOM)
    nobodys = await seed.task(await seed.stage(), stranger := new_id(), TaskKind.CUSTOM)
    await depart(seed, leaver, None)
    await depart(seed, stranger, None)
    assert (await task_row(seed, task)).assignee_id == manager
    assert (await task_row(seed, nobodys)).blocked_reason == "NO_ASSIGNEE"


async def test_what_only_the_leaver_could_do_is_withdrawn(seed: Seed) -> None:
    participant, leaver = await seed.participant(new_id())
    about: dict[str, Any] = {"participant_id": participant, "subject_id": leaver}
    own = await seed.task(await seed.stage(), leaver, TaskKind.SELF_REVIEW, draft={"a/b": {"text": "x"}}, **about)
    await depart(seed, leaver, new_id())
    row = await task_row(seed, own)
    assert (row.state, row.assignee_id, row.draft) == ("withdrawn", leaver, {"a/b": {"text": "x"}})


async def test_somebody_who_leaves_later_keeps_their_tasks_and_so_do_ended_cycles(database: Database) -> None:
    ended = await Seed(database).cycle(ended_at=datetime.now(UTC), state="closed")
    leaver = new_id()
    task = await ended.task(await ended.stage(state=StageState.CLOSED), leaver, TaskKind.CUSTOM)
    await depart(ended, leaver, new_id())
    assert (await task_row(ended, task)).assignee_id == leaver
    running = await Seed(database).cycle()
    task = await running.task(await running.stage(), leaver, TaskKind.CUSTOM)
    await depart(running, leaver, new_id(), left_on=YESTERDAY + timedelta(days=30))
    assert (await task_row(running, task)).assignee_id == leaver


@pytest.mark.parametrize(("zone", "moved"), [("Pacific/Kiritimati", True), ("Pacific/Pago_Pago", False)])
async def test_the_last_day_is_one_of_the_cycles_own_zone(database: Database, zone: str, moved: bool) -> None:
    seed = await Seed(database).cycle(zone=zone)
    leaver, manager = new_id(), new_id()
    task = await seed.task(await seed.stage(), leaver, TaskKind.CUSTOM)
    await depart(seed, leaver, manager, left_on=seed.now.astimezone(ZoneInfo("Pacific/Kiritimati")).date())
    assert ((await task_row(seed, task)).assignee_id == manager) is moved


async def test_an_appeal_goes_to_somebody_who_may_decide_it(seed: Seed) -> None:
    leaver, manager = new_id(), new_id()
    participant, employee = await seed.participant(manager)
    stage = await seed.stage(StageKind.APPEALS)
    appeal = new_id()
    about: dict[str, Any] = {"participant_id": participant, "subject_id": employee, "reference_id": appeal}
    task = await seed.task(stage, leaver, TaskKind.APPEAL, **about)
    filed = {"id": appeal, "cycle_id": seed.cycle_id, "participant_id": participant, "result_id": participant}
    await seed.insert(
        tables.appeal, result_version=1, filed_by=employee, grounds="x", owner_id=leaver, task_id=task, **filed
    )
    await depart(seed, leaver, manager)
    assert (await task_row(seed, task)).assignee_id == seed.owner_id
    assert [row.owner_id for row in await seed.rows("SELECT owner_id FROM appeal")] == [seed.owner_id]


async def test_a_committed_session_ends_its_task_and_a_reopened_one_gives_it_back(seed: Seed) -> None:
    session = new_id()
    stage = await seed.stage(StageKind.CALIBRATION)
    task = await seed.task(stage, new_id(), TaskKind.CALIBRATION, reference_id=session, form_id=None)
    states = []
    for kind, version in (("committed", 2), ("committed", 2), ("reopened", 3), ("committed", 2), ("committed", 4)):
        await follow(seed, f"scoring.session_{kind}", {}, aggregate_id=session, version=version)
        states.append((await task_row(seed, task)).state)
    assert states == ["accepted", "accepted", "open", "open", "accepted"]
    kinds = [row.kind for row in await seed.rows("SELECT kind FROM event ORDER BY id")]
    assert kinds == ["reviews.task_accepted", "reviews.task_reopened", "reviews.task_accepted"]


async def test_inverted_events_of_a_session_leave_it_as_the_newer_one_says(seed: Seed) -> None:
    session = new_id()
    stage = await seed.stage(StageKind.CALIBRATION)
    task = await seed.task(stage, new_id(), TaskKind.CALIBRATION, reference_id=session, form_id=None)
    await follow(seed, "scoring.session_reopened", {}, aggregate_id=session, version=3)
    await follow(seed, "scoring.session_committed", {}, aggregate_id=session, version=2)
    assert (await task_row(seed, task)).state == "open"


async def test_an_amendment_without_an_appeal_is_to_be_acknowledged_too(seed: Seed) -> None:
    participant, _ = await seed.participant(state="acknowledged", opinion="agree", result_released_at=seed.now)
    payload = {"participant_id": str(participant), "result_version": 2, "appeal_id": None}
    await follow(seed, "scoring.result_amended", payload)
    [row] = await seed.rows("SELECT state, opinion FROM participant")
    assert (row.state, row.opinion) == ("released", None)


async def test_a_changed_calendar_moves_what_is_planned_and_to_come(seed: Seed) -> None:
    monday = datetime(2030, 1, 7, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai
    first = await business_stage(seed, "first", (), StageState.PLANNED, monday)
    second = await business_stage(seed, "second", ("first",), StageState.PLANNED, monday + timedelta(days=2))
    by_hand = await business_stage(seed, "third", ("first",), StageState.PLANNED, monday + timedelta(days=3))
    past = await business_stage(seed, "past", (), StageState.CLOSED, monday)
    await seed.rows("UPDATE cycle SET start_at = :at RETURNING id", at=monday)
    for number in range(14):
        day = date(2030, 1, 7) + timedelta(days=number)
        await seed.insert(tables.cycle_day, cycle_id=seed.cycle_id, day=day, business=day.weekday() < 5)
    holiday = {"days": [{"date": "2030-01-08", "working": False}, {"date": "2040-01-01", "working": False}]}
    for _ in range(2):
        await follow(seed, "people.calendar_changed", holiday)
    windows = {row.id: (row.open_at, row.due_at) for row in await seed.rows("SELECT id, open_at, due_at FROM stage")}
    one = timedelta(days=1)
    assert windows[first] == (monday, monday + 3 * one)
    assert windows[second] == (monday + 3 * one, monday + 7 * one)
    assert windows[by_hand] == (monday + 3 * one, monday + 7 * one)
    assert windows[past] == (monday, monday + 2 * one)
    moved = await seed.rows("SELECT aggregate_id FROM event WHERE kind = 'reviews.stage_rescheduled'")
    assert {row.aggregate_id for row in moved} >= {first, second}
    assert past not in {row.aggregate_id for row in moved}


async def business_stage(seed: Seed, key: str, after: tuple[str, ...], state: StageState, open_at: datetime) -> UUID:
    """A stage of two business days, as planned without holidays."""
    length = Span(2, Unit.BUSINESS_DAYS)
    shape = StageDefinition(key=key, kind=StageKind.CUSTOM, after=after, length=length)
    due_at = Calendar("Asia/Shanghai", {}).add(open_at, length)
    made = Stage(
        id=new_id(),
        cycle_id=seed.cycle_id,
        definition=shape,
        position=0,
        state=state,
        open_at=open_at,
        due_at=due_at,
    )
    await seed.insert(tables.stage, **stage_row(made))
    return made.id
