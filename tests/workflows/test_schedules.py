"""Recurring cycles on the real engine and reviews: each period once, also those missed, judged by its nominal time."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleSpec
from temporalio.service import RPCError, RPCStatusCode

from protos.reviews.v1 import cycles_pb2
from services.runtime.clock import utc_now
from tests.security.conftest import World
from tests.waiting import until
from tests.workflows.company import Company, bridge_caller, clockwork, new_company, real_workers
from workflows import messages
from workflows.schedules import Schedules

PROCESS = """
process:
  - {key: self_review, kind: self_review, name: Self review, length: 5 business days}
  - {key: manager_review, kind: manager_review, name: Manager review, after: [self_review], length: 5 business days}
"""


class Recurring:
    """A company with one recurring cycle, and the bridge's part that keeps the engine in step."""

    def __init__(self, company: Company, engine: Client, schedule_id: str) -> None:
        self.company = company
        self.engine = engine
        self.id = schedule_id
        self.handle = engine.get_schedule_handle(messages.schedule_id(str(company.tenant_id), schedule_id))

    def bridge(self, **given: Any) -> Schedules:
        """A bridge that has just started: it knows nothing of what the engine was told before."""
        world = self.company.world
        return Schedules(self.engine, clockwork(world), bridge_caller(world), 0, **given)

    async def launch_at(self, *instants: datetime) -> None:
        """Have the rows name these instants, as if the schedule had been made long ago."""
        await self.company.change(
            "UPDATE cycle_schedule SET launch_times = :times WHERE tenant_id = :tenant_id AND id = :id",
            times=list(instants),
            id=UUID(self.id),
        )

    async def cycles(self) -> Sequence[tuple[Any, ...]]:
        """Nominal time, first and last day of the period, state; in the order of their making."""
        return await self.company.rows(
            "SELECT nominal_at, period_start, period_end, state FROM cycle"
            " WHERE tenant_id = :tenant_id AND schedule_id = :id ORDER BY create_time",
            id=UUID(self.id),
        )

    async def at_rest(self, launches: int) -> bool:
        """Whether the engine has made so many launches, and none is under way."""
        info = (await self.handle.describe()).info
        return info.num_actions >= launches and not info.running_actions and info.num_actions_skipped_overlap == 0


@pytest.fixture(scope="module")
async def company(world: World, temporal_client: Client) -> AsyncIterator[Company]:
    company = await new_company(world, 5)
    await company.publish(PROCESS)
    async with real_workers(temporal_client, world):
        yield company


@pytest.fixture
async def recurring(company: Company, temporal_client: Client) -> AsyncIterator[Recurring]:
    request = cycles_pb2.CreateScheduleRequest(
        request_id=str(uuid4()),
        schedule=cycles_pb2.Schedule(
            name=f"Monthly {uuid4().hex[:6]}",
            kind="month",
            business_day=5,
            at="09:00",
            template="Review",
            population=cycles_pb2.CyclePopulation(everyone=True),
            on_person_findings=cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE,
        ),
    )
    made = await company.cycles.CreateSchedule(request, **company.hr)
    recurring = Recurring(company, temporal_client, made.schedule.id)
    yield recurring
    await company.change("DELETE FROM cycle_schedule WHERE tenant_id = :tenant_id")
    await recurring.bridge().reconcile()


def second(at: datetime) -> datetime:
    return at.replace(microsecond=0)


def month_before(nominal: datetime) -> tuple[date, date]:
    """First and last day of the month before the one in which the instant falls in Shanghai, eight hours ahead."""
    last = (nominal + timedelta(hours=8)).date().replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


async def test_launches_missed_in_an_outage_are_made_up_in_order_each_once(recurring: Recurring) -> None:
    missed = [second(utc_now() - timedelta(days=days)) for days in (95, 64, 33)]
    await recurring.launch_at(*missed)
    await recurring.bridge().reconcile()
    await until(lambda: recurring.at_rest(3), 60, "three launches were made up")
    made = await recurring.cycles()
    assert [nominal for nominal, *_ in made] == missed
    assert [(start, end) for _, start, end, _ in made] == [month_before(at) for at in missed], "never computed from now"
    assert {state for *_, state in made} == {"launching"}
    for _ in range(2):  # a bridge that is started again tells the engine everything once more
        await recurring.bridge().reconcile()
    await until(lambda: recurring.at_rest(3))
    assert await recurring.cycles() == made


async def test_a_launch_comes_at_its_instant_with_its_nominal_time(recurring: Recurring) -> None:
    nominal = second(utc_now() + timedelta(seconds=6))
    await recurring.launch_at(nominal)
    bridge = recurring.bridge()
    await bridge.reconcile()
    await until(lambda: recurring.at_rest(1), 60, "the launch came")
    assert utc_now() >= nominal
    made = await recurring.cycles()
    assert [(at, start, end) for at, start, end, _ in made] == [(nominal, *month_before(nominal))]
    await bridge.reconcile()  # the rows name the next instants by now
    described = await recurring.handle.describe()
    upcoming = [at.astimezone(UTC) for at in described.info.next_action_times]
    [(times,)] = await recurring.company.rows(
        "SELECT launch_times FROM cycle_schedule WHERE tenant_id = :tenant_id AND id = :id", id=UUID(recurring.id)
    )
    assert upcoming == list(times)[: len(upcoming)]
    assert upcoming[0] > utc_now()


async def test_an_instant_that_passes_while_the_engine_is_asked_is_not_skipped(recurring: Recurring) -> None:
    nominal = second(utc_now() - timedelta(seconds=5))
    await recurring.launch_at(nominal)
    clock = iter([nominal - timedelta(seconds=5)])  # asked before the instant, answered after it
    await recurring.bridge(clock=lambda: next(clock, utc_now())).reconcile()
    await until(lambda: recurring.at_rest(1), 60, "the launch was made up")
    assert [at for at, *_ in await recurring.cycles()] == [nominal]


async def test_a_launch_that_is_repeated_makes_no_second_cycle(recurring: Recurring) -> None:
    nominal = second(utc_now() - timedelta(days=40))
    await recurring.launch_at(nominal)
    await recurring.bridge().reconcile()
    await until(lambda: recurring.at_rest(1), 60)
    await recurring.launch_at(nominal)
    await recurring.handle.delete()
    await recurring.bridge().reconcile()
    await until(lambda: recurring.at_rest(1), 60, "it was launched again")
    assert [at for at, *_ in await recurring.cycles()] == [nominal]


async def test_pausing_and_resuming_reach_the_engine(recurring: Recurring) -> None:
    hr, bridge = recurring.company.hr, recurring.bridge()
    await bridge.reconcile()
    pause = cycles_pb2.PauseScheduleRequest(request_id=str(uuid4()), schedule_id=recurring.id)
    await recurring.company.cycles.PauseSchedule(pause, **hr)
    await bridge.reconcile()
    assert (await recurring.handle.describe()).schedule.state.paused
    resume = cycles_pb2.ResumeScheduleRequest(request_id=str(uuid4()), schedule_id=recurring.id)
    await recurring.company.cycles.ResumeSchedule(resume, **hr)
    await bridge.reconcile()
    assert not (await recurring.handle.describe()).schedule.state.paused


async def test_a_schedule_without_rows_is_taken_away_by_the_next_bridge(recurring: Recurring) -> None:
    """Such as after the rows were restored from an older backup; what is not Attune's stays."""
    nobody = messages.schedule_id(str(uuid4()), str(uuid4()))
    action = ScheduleActionStartWorkflow("Nothing", id="nothing", task_queue="nowhere")
    for schedule_id in (nobody, "somebody-else-s"):
        await recurring.engine.create_schedule(schedule_id, Schedule(action=action, spec=ScheduleSpec()))

    async def gone() -> bool:
        await recurring.bridge().reconcile()  # the engine's list follows a little later
        return not await exists(recurring.engine, nobody)

    await until(gone, 60, "the orphan was taken away")
    assert await exists(recurring.engine, "somebody-else-s")
    assert await exists(recurring.engine, recurring.handle.id)


async def exists(engine: Client, schedule_id: str) -> bool:
    try:
        await engine.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False
    return True
