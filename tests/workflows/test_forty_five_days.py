"""A cycle of 45 days with its real windows, in Berlin across the end of summer time: each thing at its very instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial
from itertools import groupby

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.client import Client, WorkflowHistory

from protos.reviews.v1 import cycles_pb2
from services.runtime.clock import utc_now
from tests.security.conftest import World
from tests.waiting import until
from tests.workflows.company import Company, bridge_caller, clockwork, new_company, real_workers
from tests.workflows.runs import deeds_of, runs_of
from tests.workflows.virtual_time import VirtualTime
from workflows.bridge import Reconciler
from workflows.messages import Deed, Step
from workflows.schedules import Schedules

PEOPLE = 12
MARGIN = timedelta(minutes=1)  # how close to an instant it is looked that nothing has happened yet

# Days are counted from the Sunday on which the clock goes back from 03:00 to 02:00.
LAUNCH_DAY, START_DAY = -21, -20
HOLIDAYS = (1, 2, 3, 4, 5)  # Monday to Friday
MADE_UP = (0, 6)  # for them one works on the Sunday before and on the Saturday after
PROCESS = """
process:
  - {key: open, kind: open, name: Open, length: 2 business days}
  - key: self_review
    kind: self_review
    name: Self review
    after: [open]
    length: 5 business days
    reminders:
      - {before: 3 business days, at: "09:00"}
      - {before: 2 business days, at: "09:00"}
      - {before: 1 business day, at: "17:30"}
      - {before: 2 hours}
  - key: manager_review
    kind: manager_review
    name: Manager review
    after: [self_review]
    length: 10 business days
    reminders:
      - {before: 3 business days, at: "09:00"}
      - {before: 2 business days, at: "02:30"}
      - {before: 1 business day, at: "09:00"}
      - {before: 24 hours}
  - key: calibration
    kind: calibration
    name: Calibration
    after: [manager_review]
    length: 3 business days
    reminders:
      - {before: 2 business days, at: "18:00"}
      - {before: 1 business day, at: "09:00"}
      - {before: 1 days, at: "09:30"}
      - {before: 3 hours}
  - {key: release, kind: release, name: Release, after: [calibration], length: 1 business day}
  - key: acknowledgement
    kind: acknowledgement
    name: Acknowledgement
    after: [release]
    length: 5 business days
    reminders:
      - {before: 2 business days, at: "10:00"}
      - {before: 1 business day, at: "10:00"}
      - {before: 4 days, at: "00:00"}
      - {before: 1 hours}
  - {key: appeals, kind: appeals, name: Appeals, after: [release], length: 5 business days}
  - key: interview
    kind: interview
    name: Interview
    after: [acknowledgement, appeals]
    length: 4 business days
    reminders:
      - {before: 3 business days, at: "09:00"}
      - {before: 1 business day, at: "23:59"}
"""
# Written by hand from the calendar on the wall; nothing here is computed by the rules under test.
SCRIPT = (
    (-20, "09:00", "opening", "open"),
    (-18, "09:00", "closing", "open"),
    (-18, "09:00", "opening", "self_review"),
    (-16, "09:00", "reminder 0", "self_review"),  # over the weekend
    (-13, "09:00", "reminder 1", "self_review"),
    (-12, "17:30", "reminder 2", "self_review"),
    (-11, "07:00", "reminder 3", "self_review"),
    (-11, "09:00", "closing", "self_review"),
    (-11, "09:00", "opening", "manager_review"),
    (-2, "09:00", "reminder 0", "manager_review"),
    (0, "02:30", "reminder 1", "manager_review"),  # the first of two: in summer time
    (6, "09:00", "reminder 2", "manager_review"),  # the Saturday that is worked
    (7, "09:00", "reminder 3", "manager_review"),
    (8, "09:00", "closing", "manager_review"),
    (8, "09:00", "opening", "calibration"),
    (9, "18:00", "reminder 0", "calibration"),
    (10, "09:00", "reminder 1", "calibration"),
    (10, "09:30", "reminder 2", "calibration"),
    (11, "06:00", "reminder 3", "calibration"),
    (11, "09:00", "closing", "calibration"),
    (11, "09:00", "opening", "release"),
    (12, "09:00", "closing", "release"),
    (12, "09:00", "opening", "acknowledgement"),
    (12, "09:00", "opening", "appeals"),
    (15, "00:00", "reminder 2", "acknowledgement"),
    (17, "10:00", "reminder 0", "acknowledgement"),
    (18, "10:00", "reminder 1", "acknowledgement"),
    (19, "08:00", "reminder 3", "acknowledgement"),
    (19, "09:00", "closing", "acknowledgement"),
    (19, "09:00", "closing", "appeals"),
    (19, "09:00", "opening", "interview"),
    (22, "09:00", "reminder 0", "interview"),
    (24, "23:59", "reminder 1", "interview"),
    (25, "09:00", "closing", "interview"),
)


@dataclass(frozen=True)
class Occurrence:
    """Something that happens to a stage at an instant."""

    at: datetime
    what: str
    stage: str


def change_of_clocks() -> date:
    """The last Sunday of the next October whose cycle would still lie ahead: the engine's time only moves forward."""
    for year in (utc_now().year, utc_now().year + 1):
        sunday = max(date(year, 10, day) for day in range(25, 32) if date(year, 10, day).weekday() == 6)
        if sunday + timedelta(days=LAUNCH_DAY - 2) > utc_now().date():
            return sunday
    raise AssertionError("a year has an October")


SUNDAY = change_of_clocks()


def wall(day: int, clock: str) -> datetime:
    """A wall time in Berlin as an instant: two hours ahead of UTC before the change, one after it."""
    ahead = 2 if (day, clock) < (0, "03:00") else 1
    local = datetime.fromisoformat(f"{SUNDAY + timedelta(days=day)}T{clock}:00")
    return local.replace(tzinfo=timezone(timedelta(hours=ahead))).astimezone(UTC)


EXPECTED = [Occurrence(wall(day, clock), what, stage) for day, clock, what, stage in SCRIPT]
SLEPT_OVER = wall(-12, "17:30")  # the workflow is terminated before this, and revived when reviews is past it
DEAD = timedelta(hours=2)
ANSWERED = wall(7, "12:00")  # the head reviews everybody
TERMINATED = wall(2, "12:00")  # the workflow is terminated and revived at once, with nothing due


@dataclass
class Journey:
    """The cycle on its way, and what became of it."""

    company: Company
    time: VirtualTime
    reconciler: Reconciler
    runs: list[WorkflowHistory]

    async def travel(self) -> None:
        """Go from instant to instant: nothing may have happened a minute before each, everything at it."""
        seen: list[tuple[str, str]] = []
        for instant, group in groupby(EXPECTED, key=lambda each: each.at):
            await self._interlude(before=instant)
            await self.time.move_to(instant - MARGIN)
            assert await self.happened() == seen, f"early, before {instant}"
            seen += [(each.what, each.stage) for each in group]
            if instant == SLEPT_OVER:
                await self._sleep_over(instant)
            else:
                await self.time.move_to(instant)
            await until(partial(self._has_happened, tuple(seen)), what=f"what falls due at {instant}")
        await until(self._has_ended, what="the cycle ended")
        self.runs += await runs_of(self.time.engine, self.time.handle.id)

    async def happened(self) -> list[tuple[str, str]]:
        """What and to which stage, in the order of the log."""
        rows = await self.company.rows(
            "SELECT kind, payload ->> 'stage', payload ->> 'ordinal' FROM event WHERE tenant_id = :tenant_id"
            " AND kind IN ('reviews.stage_opening', 'reviews.stage_closing', 'reviews.reminder_due') ORDER BY xid, id"
        )
        names = {"reviews.stage_opening": "opening", "reviews.stage_closing": "closing"}
        return [(names.get(kind, f"reminder {ordinal}"), stage) for kind, stage, ordinal in rows]

    async def _has_happened(self, seen: Sequence[tuple[str, str]]) -> bool:
        happened = await self.happened()
        assert len(happened) <= len(seen), f"too much: {happened[len(seen) :]}"
        return sorted(happened) == sorted(seen)

    async def _interlude(self, before: datetime) -> None:
        """What people and operators do on the way."""
        if before > ANSWERED and not await self.answered():
            await self.time.move_to(ANSWERED)
            assert await self.company.review_everybody(self.time.cycle_id) == PEOPLE
        if before == wall(6, "09:00"):
            await self.time.move_to(TERMINATED)
            await self._terminate()
            await self._revive()

    async def answered(self) -> int:
        """How many reviews have been handed in."""
        rows = await self.company.rows("SELECT count(*) FROM submission WHERE tenant_id = :tenant_id")
        return int(rows[0][0])

    async def _sleep_over(self, instant: datetime) -> None:
        await self._terminate()
        await self.company.set_clock(self.time.cycle_id, instant + DEAD)
        await self._revive()
        assert await self.time.now() < instant, "a revived workflow begins at the real time, and comes by once more"
        await self.time.move_to(instant + DEAD)

    async def _terminate(self) -> None:
        self.runs += await runs_of(self.time.engine, self.time.handle.id)
        await self.time.handle.terminate("by hand")

    async def _revive(self) -> None:
        assert not await self.time.runs()
        await self.reconciler.reconcile()
        assert await self.time.runs()

    async def _has_ended(self) -> bool:
        cycle = await self.company.cycle(self.time.cycle_id)
        return cycle.state == cycles_pb2.CYCLE_STATE_CLOSED and not await self.time.runs()

    async def reminded(self) -> list[tuple[timedelta, Deed]]:
        """What the workflow had done about reminders, and how much later than each instant it looked."""
        deeds = [deed for run in self.runs async for deed in deeds_of(self.time.engine, run, Step.REMIND_STAGE)]
        return [(deed.at - datetime.fromisoformat(deed.action.reminder.split("@")[1]), deed) for deed in deeds]


@pytest.fixture(scope="module")
async def journey(world: World, temporal_client: Client) -> Journey:
    """The whole way from the launch to the end of the cycle."""
    company = await new_company(world, PEOPLE, zone="Europe/Berlin", country="DE")
    await company.set_calendar({SUNDAY + timedelta(days=day): day in MADE_UP for day in (*HOLIDAYS, *MADE_UP)})
    await company.publish(PROCESS)
    start = Timestamp()
    start.FromDatetime(wall(START_DAY, "09:00"))
    time = VirtualTime(company, await company.create(start_time=start), temporal_client)
    caller = bridge_caller(world)
    schedules = Schedules(temporal_client, clockwork(world), caller, 0)
    journey = Journey(company, time, Reconciler(clockwork(world), caller, time.cycles, schedules, 60), [])
    async with real_workers(temporal_client, world):
        await time.hint()
        await time.move_to(wall(LAUNCH_DAY, "09:00"))
        await company.launch(time.cycle_id)
        await time.hint()
        await journey.travel()
    return journey


async def test_each_thing_happens_once_and_at_its_very_instant(journey: Journey) -> None:
    rows = await journey.company.rows(
        "SELECT payload ->> 'stage', payload ->> 'ordinal', CAST(payload ->> 'at' AS timestamptz) FROM event"
        " WHERE tenant_id = :tenant_id AND kind = 'reviews.reminder_due'"
    )
    reminders = sorted((stage, f"reminder {ordinal}", at) for stage, ordinal, at in rows)
    assert reminders == sorted((each.stage, each.what, each.at) for each in EXPECTED if "reminder" in each.what)
    rows = await journey.company.rows("SELECT key, opened_at, closing_at FROM stage WHERE tenant_id = :tenant_id")
    happened = {(key, "opening"): opened for key, opened, _ in rows} | {(key, "closing"): end for key, _, end in rows}
    for each in EXPECTED:
        if "reminder" not in each.what:
            late = happened[each.stage, each.what] - each.at
            assert timedelta(0) <= late < MARGIN, (each, late)


async def test_the_workflow_looked_at_no_reminder_early_and_had_each_told_once(journey: Journey) -> None:
    reminded = await journey.reminded()
    expected = sorted((each.stage, each.what.split()[1]) for each in EXPECTED if "reminder" in each.what)
    assert sorted((deed.action.stage_key, deed.action.reminder.split("@")[0]) for _, deed in reminded) == expected
    assert all(timedelta(0) <= late < MARGIN for late, _ in reminded), [late for late, _ in reminded]


async def test_nobody_is_reminded_twice_and_nobody_left_out(journey: Journey) -> None:
    rows = await journey.company.rows(
        "SELECT DISTINCT s.key, t.reminder_count, count(*) OVER (PARTITION BY s.key, t.reminder_count) FROM task t"
        " JOIN stage s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id"
        " WHERE t.tenant_id = :tenant_id AND t.reminder_count > 0"
    )
    everybody = {(stage, 4, PEOPLE) for stage in ("self_review", "manager_review", "acknowledgement")}
    assert set(rows) == everybody | {("calibration", 4, 1), ("interview", 2, PEOPLE)}


async def test_windows_are_counted_in_the_days_that_the_tenant_works(journey: Journey) -> None:
    rows = await journey.company.rows("SELECT day, business FROM cycle_day WHERE tenant_id = :tenant_id")
    days = dict(rows)
    assert all(not days[SUNDAY + timedelta(days=day)] for day in HOLIDAYS)
    assert all(days[SUNDAY + timedelta(days=day)] for day in MADE_UP)
    cycle = await journey.company.cycle(journey.time.cycle_id)
    windows = {stage.key: (stage.open_at.ToDatetime(UTC), stage.due_at.ToDatetime(UTC)) for stage in cycle.stages}
    assert windows["manager_review"] == (wall(-11, "09:00"), wall(8, "09:00"))
    assert windows["manager_review"][1] - windows["manager_review"][0] == timedelta(days=19, hours=1)
