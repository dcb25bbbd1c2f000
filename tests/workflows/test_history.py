"""The history of a cycle on the real services: short in each stage and run, and no longer for more people."""

import asyncio
import json
from dataclasses import dataclass
from datetime import timedelta

import pytest
from temporalio.client import Client, WorkflowHistory

from services.runtime.clock import utc_now
from tests.security.conftest import World
from tests.waiting import until
from tests.workflows.company import RATINGS, new_company, real_workers
from tests.workflows.runs import JUMP, events_of_stages, runs_of
from tests.workflows.virtual_time import VirtualTime

SIZES = (5, 60)
A_STAGE, A_RUN, BYTES, GROWTH = 100, 600, 128 * 1024, 1.2
REMINDERS = "reminders: [{before: 9 hours}, {before: 7 hours}, {before: 5 hours}, {before: 3 hours}]"
PROCESS = f"""
process:
  - {{key: self_review, kind: self_review, name: Self review, length: 12 hours, {REMINDERS}}}
  - {{key: manager_review, kind: manager_review, name: Manager review, after: [self_review], length: 12 hours,
      on_timeout: submit_draft, {REMINDERS}}}
  - {{key: calibration, kind: calibration, name: Calibration, after: [manager_review], length: 12 hours, {REMINDERS}}}
  - {{key: release, kind: release, name: Release, after: [calibration], length: 1 hours}}
  - {{key: acknowledgement, kind: acknowledgement, name: Acknowledgement, after: [release], length: 12 hours,
      {REMINDERS}}}
  - {{key: interview, kind: interview, name: Interview, after: [acknowledgement], length: 12 hours, {REMINDERS}}}
"""
DRAFT = json.dumps({item: {"value": value} for item, value in RATINGS})


@dataclass(frozen=True)
class Kept:
    """What the engine kept of a cycle of so many people."""

    people: int
    runs: list[WorkflowHistory]
    reminded: int

    @property
    def lengths(self) -> list[int]:
        """The events of each run."""
        return [sum(event.event_type != JUMP for event in run.events) for run in self.runs]

    @property
    def sizes(self) -> list[int]:
        """The bytes of each run."""
        return [sum(event.ByteSize() for event in run.events) for run in self.runs]


async def whole_cycle(world: World, engine: Client, people: int) -> Kept:
    company = await new_company(world, people)
    await company.publish(PROCESS)
    time = VirtualTime(company, await company.create(), engine)
    await company.launch(time.cycle_id)
    await time.hint()
    await until(lambda: company.is_in(time.cycle_id, "self_review", "open"), what="the cycle ran")
    begun = utc_now()
    await time.move_to(begun + timedelta(hours=13))
    await until(lambda: company.is_in(time.cycle_id, "manager_review", "open"), what="the managers' turn")
    await company.draft_reviews(DRAFT)
    await time.move_to(begun + timedelta(days=4))
    await until(lambda: company.is_in(time.cycle_id, "interview", "closed"), what="the last stage closed")
    await time.handle.result()
    [(reminded,)] = await company.rows("SELECT sum(reminder_count) FROM task WHERE tenant_id = :tenant_id")
    return Kept(people, await runs_of(engine, time.handle.id), int(reminded))


@pytest.fixture(scope="module")
async def kept(world: World, temporal_client: Client) -> list[Kept]:
    """A small and a larger cycle, from launch to end."""
    async with real_workers(temporal_client, world):
        return list(await asyncio.gather(*(whole_cycle(world, temporal_client, people) for people in SIZES)))


def test_everybody_was_reminded_four_times_in_each_stage(kept: list[Kept]) -> None:
    for each in kept:
        assert each.reminded == 4 * (4 * each.people + 1), "in four stages each, and the facilitator"


def test_a_stage_and_a_run_are_short(kept: list[Kept]) -> None:
    for each in kept:
        assert max(events_of_stages(run) for run in each.runs) <= A_STAGE, each.lengths
        assert max(each.lengths) <= A_RUN, each.lengths
        assert max(each.sizes) <= BYTES, each.sizes
        assert len(each.runs) >= 6, "a closed stage begins a new run"


def test_more_people_make_no_more_events(kept: list[Kept]) -> None:
    small, large = kept
    assert large.people >= 10 * small.people
    assert sum(large.lengths) <= GROWTH * sum(small.lengths), (small.lengths, large.lengths)
