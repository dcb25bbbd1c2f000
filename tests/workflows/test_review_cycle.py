"""The loop of a review cycle on a real Temporal server, with steps that are recorded instead of performed."""

import asyncio
from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus

from tests.waiting import until
from tests.workflows.conftest import Engine
from tests.workflows.fakes import FakeActivities, FakeCycle, FakeStage, Workers
from workflows import messages, policies
from workflows.messages import Action, ActionKind, Look, Sight, StageKind, Step

TENTH = timedelta(seconds=0.1)
RESTING = Sight(state="running")


async def test_performs_what_is_due_in_order_and_ends(engine: Engine) -> None:
    stages = [
        FakeStage("self", 5 * TENTH, reminders=[2 * TENTH]),
        FakeStage("manager", 5 * TENTH, StageKind.MANAGER_REVIEW),
        FakeStage("calibration", 3 * TENTH, StageKind.CALIBRATION),
        FakeStage("release", 3 * TENTH, StageKind.RELEASE),
    ]
    fake = FakeActivities(FakeCycle(stages, enrolled=False))
    async with Workers(engine.client, fake):
        await engine.hint()
        await engine.ended()
    assert fake.steps == [
        (Step.ENROL, ""),
        (Step.OPEN_STAGE, "self"),
        (Step.REMIND_STAGE, "self"),
        (Step.EXPIRE_STAGE, "self"),
        (Step.SETTLE_STAGE, "self"),
        (Step.OPEN_STAGE, "manager"),
        (Step.EXPIRE_STAGE, "manager"),
        (Step.FREEZE_ATTAINMENTS, "manager"),
        (Step.SETTLE_SCORES, "manager"),
        (Step.OPEN_CALIBRATION, "calibration"),
        (Step.EXPIRE_STAGE, "calibration"),
        (Step.SETTLE_CALIBRATION, "calibration"),
        (Step.OPEN_STAGE, "release"),
        (Step.EXPIRE_STAGE, "release"),
        (Step.SETTLE_RELEASE, "release"),
    ]
    assert fake.cycle.early == []
    assert fake.reports == []


async def test_a_hint_wakes_it_long_before_the_next_instant(engine: Engine) -> None:
    fake = FakeActivities(script=lambda look: RESTING)
    async with Workers(engine.client, fake):
        await engine.hint()
        await until(lambda: len(fake.looks) >= 1)
        looked = len(fake.looks)
        await engine.hint()
        await until(lambda: len(fake.looks) > looked)


class Rows:
    """Rows that a look takes note of; a lost hint leaves something unseen."""

    def __init__(self, seen: Sight) -> None:
        self.seen = seen
        self.unseen = 0

    def look(self, look: Look) -> Sight:
        self.unseen = 0
        return self.seen


async def test_loses_no_hint_across_runs_continued_as_new(engine: Engine) -> None:
    rows = Rows(Sight(stage_closed=True, state="running"))
    await _hints_in_bursts(engine, rows, bursts=60, size=4)


async def test_loses_no_hint_that_meets_the_end_of_a_run(engine: Engine) -> None:
    rows = Rows(Sight(finished=True, state="closed"))
    await _hints_in_bursts(engine, rows, bursts=60, size=2)


async def _hints_in_bursts(engine: Engine, rows: Rows, bursts: int, size: int) -> None:
    async with Workers(engine.client, FakeActivities(script=rows.look)):
        for burst in range(bursts):
            for nth in range(size):
                rows.unseen += 1
                await engine.hint()
                await asyncio.sleep(0.002 * ((burst + nth) % 7))  # so that hints meet each moment of a run
            await until(lambda: rows.unseen == 0, what=f"burst {burst}")


async def test_is_continued_as_new_when_its_history_grows_long(engine: Engine) -> None:
    fake = FakeActivities(script=lambda look: RESTING)
    async with Workers(engine.client, fake):
        await engine.hint()
        first = (await engine.handle.describe()).run_id
        for _ in range(200):
            looked = len(fake.looks)
            await engine.hint()
            await until(lambda looked=looked: len(fake.looks) > looked)  # type: ignore[misc]
        described = await engine.handle.describe()
        assert described.run_id != first
        assert described.history_length < policies.EVENTS_A_RUN
        history = await engine.client.get_workflow_handle(engine.handle.id, run_id=first).fetch_history()
        assert policies.EVENTS_A_RUN < len(history.events) < policies.EVENTS_A_RUN + 20


async def test_reports_a_look_that_fails_and_repeats_it(engine: Engine) -> None:
    fake = FakeActivities(FakeCycle([]))
    fake.failures[Step.TICK], fake.final = 3, True
    async with Workers(engine.client, fake):
        await engine.hint()
        await engine.ended()
    assert [report.reason for report in fake.reports] == ["UNAVAILABLE: tick", ""]
    assert {report.kind for report in fake.reports} == {None}


async def test_a_blocked_action_holds_no_other(engine: Engine) -> None:
    def script(look: Look) -> Sight:
        done = {stage for _, stage in fake.steps}
        actions = (Action(ActionKind.OPEN, "sound"), Action(ActionKind.EXPIRE, "broken"))
        due = tuple(action for action in actions if action.stage_id not in done)
        return Sight(due=due, finished=not due, state="running")

    fake = FakeActivities(script=script)
    fake.failures[Step.EXPIRE_STAGE], fake.final = 2, True
    async with Workers(engine.client, fake):
        await engine.hint()
        await engine.ended()
    assert fake.steps[0] == (Step.OPEN_STAGE, "sound")
    assert (Step.EXPIRE_STAGE, "broken") in fake.steps
    reported = [(report.stage_id, report.kind, bool(report.reason)) for report in fake.reports]
    assert reported[0] == ("broken", ActionKind.EXPIRE, True)
    assert reported[-1] == ("broken", ActionKind.EXPIRE, False)


async def test_a_finished_cycle_ends_at_once_and_is_looked_at_again_when_hinted(engine: Engine) -> None:
    fake = FakeActivities(FakeCycle([]))
    async with Workers(engine.client, fake):
        await engine.hint()
        await engine.ended()
        looked = len(fake.looks)
        await engine.hint()
        await until(lambda: len(fake.looks) > looked)
        await engine.ended()


async def test_a_terminated_workflow_is_revived_and_carries_on_from_the_rows(engine: Engine) -> None:
    fake = FakeActivities(FakeCycle([FakeStage("self", 15 * TENTH), FakeStage("next", 2 * TENTH)]))
    async with Workers(engine.client, fake):
        await engine.hint()
        await until(lambda: (Step.OPEN_STAGE, "self") in fake.steps)
        await engine.cycles.restart(engine.tenant_id, engine.cycle_id, "a test")
        await engine.ended()
    assert [step for step in fake.steps if step[1] == "self"] == [
        (Step.OPEN_STAGE, "self"),
        (Step.EXPIRE_STAGE, "self"),
        (Step.SETTLE_STAGE, "self"),
    ]
    assert fake.cycle.early == []


async def test_a_closed_stage_begins_a_new_run(engine: Engine) -> None:
    fake = FakeActivities(FakeCycle([FakeStage("one", TENTH), FakeStage("two", TENTH)]))
    async with Workers(engine.client, fake):
        await engine.hint()
        await engine.ended()
        listed = f"WorkflowId = '{engine.handle.id}'"

        async def three_ran() -> bool:  # visibility follows a little later
            return (await engine.client.count_workflows(listed)).count == 3

        await until(three_ran)


async def test_history_is_bounded_and_does_not_grow_with_people(engine: Engine) -> None:
    """A late look finds a reminder due without a timer in between, so runs differ by a few events."""
    many = await _events_of_a_stage(engine, chunks=40)
    one = await _events_of_a_stage(Engine(engine.client), chunks=1)
    assert abs(many - one) < 40, "an event for each chunk of each step would be hundreds"


async def _events_of_a_stage(engine: Engine, chunks: int) -> int:
    """The events of the costliest kind of stage with four reminders."""
    stage = FakeStage("manager", 20 * TENTH, StageKind.MANAGER_REVIEW, [n * 4 * TENTH for n in range(1, 5)])
    fake = FakeActivities(FakeCycle([stage]))
    fake.chunks = chunks
    async with Workers(engine.client, fake):
        await engine.hint()
        first = (await engine.handle.describe()).run_id
        await engine.ended()
    assert len([step for step in fake.steps if step[0] is Step.REMIND_STAGE]) == 4
    history = await engine.client.get_workflow_handle(engine.handle.id, run_id=first).fetch_history()
    assert len(history.events) <= 100
    return len(history.events)


async def test_shows_where_the_cycle_stands(engine: Engine) -> None:
    fake = FakeActivities(FakeCycle([FakeStage("self", timedelta(hours=1))]))
    async with Workers(engine.client, fake):
        await engine.hint()
        query = f"AttuneTenant = '{engine.tenant_id}' AND AttuneStage = 'self' AND AttuneState = 'running'"

        async def found() -> bool:
            return (await engine.client.count_workflows(query)).count == 1

        await until(found)
        assert await engine.state() is WorkflowExecutionStatus.RUNNING
        described = await engine.handle.describe()
        due_at = described.typed_search_attributes[messages.DUE_AT]
        assert fake.cycle.stages[0].due_at is not None
        assert abs(due_at - fake.cycle.stages[0].due_at) <= timedelta(seconds=1)
