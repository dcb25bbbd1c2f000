"""The worker's RPCs as they stand on the wire: a launch through to scored, reconciled and recurring, over real gRPC."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import text

from protos.reviews.v1 import clockwork_pb2, cycles_pb2
from services.runtime.database import Database
from services.runtime.errors import reason_of
from tests.reviews.wires import Wire, served
from tests.waiting import until


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture(scope="module")
async def wire(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Wire]:
    async with served(database, tmp_path_factory.mktemp("keys")) as wire:
        yield wire


async def test_a_launch_is_enrolled_once_whatever_is_repeated(wire: Wire) -> None:
    cycle = await wire.create()
    request = wire.launch_request(cycle.id)
    first = await wire.cycles.LaunchCycle(request, **wire.hr)
    again = await wire.cycles.LaunchCycle(request, **wire.hr)
    assert first == again
    assert first.cycle.state == cycles_pb2.CYCLE_STATE_LAUNCHING
    assert all(stage.HasField("due_at") for stage in first.cycle.stages)

    due = (await wire.tick(cycle.id)).due
    assert [action.kind for action in due] == [clockwork_pb2.ACTION_KIND_ENROL]
    names = clockwork_pb2.GetEnrolmentRequest(cycle_id=cycle.id)
    enrolment = await wire.clockwork.GetEnrolment(names, **wire.service())
    assert (enrolment.freeze_id, enrolment.everyone, enrolment.after_employee_id) == (cycle.id, True, "")

    finish = clockwork_pb2.FinishEnrolmentRequest(cycle_id=cycle.id, frozen=30)
    with pytest.raises(grpc.aio.AioRpcError) as early:
        await wire.clockwork.FinishEnrolment(finish, **wire.service())
    assert reason_of(early.value) == "ENROLMENT_INCOMPLETE"
    for _ in range(2):
        page = await wire.clockwork.EnrolPage(wire.page(cycle.id), **wire.service())
        assert (page.enrolled, page.excluded) == (30, 0)
    enrolment = await wire.clockwork.GetEnrolment(names, **wire.service())
    assert UUID(enrolment.after_employee_id).bytes == wire.company.members_now.ids[-1]
    for _ in range(2):
        done = await wire.clockwork.FinishEnrolment(finish, **wire.service())
        assert (done.enrolled, done.excluded) == (30, 0)

    progress = await wire.cycles.GetCycleProgress(cycles_pb2.GetCycleProgressRequest(cycle_id=cycle.id), **wire.hr)
    assert dict(progress.participants) == {"enrolled": 29, "exempt": 1}
    listed = cycles_pb2.ListParticipantsRequest(cycle_id=cycle.id, page_size=20)
    people = await wire.cycles.ListParticipants(listed, **wire.hr)
    listed.page_token = people.next_page_token
    rest = await wire.cycles.ListParticipants(listed, **wire.hr)
    assert len({each.code for page in (people, rest) for each in page.participants}) == 30
    assert not rest.next_page_token
    exempt = [each for page in (people, rest) for each in page.participants if each.reason]
    assert [each.reason for each in exempt] == ["ROOT_OF_REPORTING_TREE"]


async def test_columns_of_unequal_length_are_refused(wire: Wire) -> None:
    page = wire.page(str(uuid4()))
    page.codes.append("one too many")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.clockwork.EnrolPage(page, **wire.service())
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_stage_is_opened_once_and_a_stale_epoch_does_nothing(wire: Wire) -> None:
    cycle_id = await wire.launched()
    action = await wire.open_until(cycle_id, "self_review")
    names: dict[str, Any] = {"cycle_id": cycle_id, "stage_id": action.stage_id}
    stale = clockwork_pb2.OpenStageRequest(**names, epoch=action.epoch + 7)
    assert (await wire.clockwork.OpenStage(stale, **wire.service())).superseded
    repeated = await wire.clockwork.OpenStage(
        clockwork_pb2.OpenStageRequest(**names, epoch=action.epoch), **wire.service()
    )
    assert repeated.opened == 0
    recipients = clockwork_pb2.ListRecipientsRequest(**names, page_size=20)
    first = await wire.clockwork.ListRecipients(recipients, **wire.service("notify"))
    assert (len(first.recipients), first.last, first.time_zone) == (20, False, "Asia/Shanghai")
    assert all(each.employee_id == each.about_employee_id for each in first.recipients)


async def test_a_glance_tells_what_a_look_would_find_and_changes_nothing(wire: Wire) -> None:
    cycle_id = await wire.launched()
    glance = clockwork_pb2.PeekCycleRequest(cycle_id=cycle_id)
    first = await wire.clockwork.PeekCycle(glance, **wire.service("bridge"))
    assert first.due, "the first stage has not been opened yet"
    assert (await wire.clockwork.PeekCycle(glance, **wire.service("bridge"))).due, "and a glance does not open it"
    await wire.open_until(cycle_id, "self_review")
    for _ in range(20):
        look = await wire.clockwork.Tick(clockwork_pb2.TickRequest(cycle_id=cycle_id), **wire.service())
        if not look.due:
            break
        for action in look.due:
            assert action.kind == clockwork_pb2.ACTION_KIND_OPEN, action
            opening = clockwork_pb2.OpenStageRequest(cycle_id=cycle_id, stage_id=action.stage_id, epoch=action.epoch)
            await wire.clockwork.OpenStage(opening, **wire.service())
    rest = await wire.clockwork.PeekCycle(glance, **wire.service("bridge"))
    assert not look.due, "it comes to rest"
    assert not rest.due
    assert abs((rest.next_in.ToTimedelta() - look.next_in.ToTimedelta()).total_seconds()) < 60
    with pytest.raises(grpc.aio.AioRpcError) as unknown:
        await wire.clockwork.PeekCycle(clockwork_pb2.PeekCycleRequest(cycle_id=str(uuid4())), **wire.service("bridge"))
    assert unknown.value.code() == grpc.StatusCode.NOT_FOUND


async def test_scoring_reads_rules_and_inputs_by_page(wire: Wire) -> None:
    cycle_id = await wire.launched()
    rules = await wire.clockwork.GetScoringRules(
        clockwork_pb2.GetScoringRulesRequest(cycle_id=cycle_id), **wire.service("scoring")
    )
    assert '"grades"' in rules.template_json
    assert rules.owner_id == str(wire.owner)
    seen: list[str] = []
    request = clockwork_pb2.ListScoringInputsRequest(cycle_id=cycle_id, page_size=10)
    while True:
        page = await wire.clockwork.ListScoringInputs(request, **wire.service("scoring"))
        seen += [each.participant_id for each in page.inputs]
        assert {each.form_id for each in page.inputs} <= {form.form_id for form in rules.forms}
        if page.last:
            break
        request.after_participant_id = page.inputs[-1].participant_id
    assert len(set(seen)) == len(seen) == 29


async def test_the_reconciler_sees_live_cycles_of_all_tenants_and_nobody_else_does(wire: Wire) -> None:
    cycle_id = await wire.launched()
    request = clockwork_pb2.ListLiveCyclesRequest(page_size=1)
    found: set[tuple[str, str]] = set()
    while True:
        page = await wire.clockwork.ListLiveCycles(request, **wire.service("bridge", tenant=False))
        found |= {(each.tenant_id, each.cycle_id) for each in page.cycles}
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token
    assert (str(wire.tenant_id), cycle_id) in found
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.clockwork.ListLiveCycles(request, **wire.hr)
    assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_what_is_blocked_shows_as_a_stall_until_it_is_cleared(wire: Wire) -> None:
    cycle_id = await wire.launched()
    for reason, causes in (("FREEZE_MISSING: UNAVAILABLE", ["ACTIVITY_RETRYING"]), ("", [])):
        report = clockwork_pb2.ReportBlockedRequest(cycle_id=cycle_id, reason=reason)
        await wire.clockwork.ReportBlocked(report, **wire.service())
        stalled = await wire.cycles.ListStalled(cycles_pb2.ListStalledRequest(cycle_id=cycle_id), **wire.hr)
        assert [row.cause for row in stalled.rows] == causes


async def test_a_worker_whose_clock_is_ahead_is_told_to_come_back(wire: Wire) -> None:
    cycle_id = await wire.launched()
    request = clockwork_pb2.TickRequest(cycle_id=cycle_id)
    request.effective_at.FromDatetime(datetime.now(UTC) + timedelta(minutes=2))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await wire.clockwork.Tick(request, **wire.service())
    assert (refused.value.code(), reason_of(refused.value)) == (grpc.StatusCode.UNAVAILABLE, "CLOCK_SKEW")


def schedule_request(on_person_findings: "cycles_pb2.OnPersonFindings.ValueType") -> cycles_pb2.CreateScheduleRequest:
    schedule = cycles_pb2.Schedule(
        name="Sales",
        kind="month",
        business_day=3,
        at="09:30",
        template="业务岗KPI",
        population=cycles_pb2.CyclePopulation(everyone=True),
        on_person_findings=on_person_findings,
    )
    return cycles_pb2.CreateScheduleRequest(request_id=str(uuid4()), schedule=schedule)


def nominal_launch(schedule: cycles_pb2.Schedule) -> clockwork_pb2.CreateScheduledCycleRequest:
    nominal = Timestamp()
    nominal.FromDatetime(datetime(2026, 9, 3, 1, 30, tzinfo=UTC))
    return clockwork_pb2.CreateScheduledCycleRequest(schedule_id=schedule.id, nominal_time=nominal)


async def test_a_schedule_makes_the_cycle_of_a_nominal_time_once(wire: Wire) -> None:
    create = schedule_request(cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE)
    made = (await wire.cycles.CreateSchedule(create, **wire.hr)).schedule
    assert made.next_time.ToDatetime(UTC) > datetime.now(UTC)

    due = clockwork_pb2.ListDueSchedulesRequest()
    live = await wire.clockwork.ListDueSchedules(due, **wire.service("bridge", tenant=False))
    (row,) = [each for each in live.schedules if each.schedule_id == made.id]
    assert len(row.launch_times) == 12

    launch = nominal_launch(made)
    first = await wire.clockwork.CreateScheduledCycle(launch, **wire.service())
    again = await wire.clockwork.CreateScheduledCycle(launch, **wire.service())
    assert first.launched
    assert (again.cycle_id, again.launched) == (first.cycle_id, True)
    cycle = (await wire.cycles.GetCycle(cycles_pb2.GetCycleRequest(cycle_id=first.cycle_id), **wire.hr)).cycle
    assert (cycle.name, cycle.period_start, cycle.period_end) == ("Sales 2026-08", "2026-08-01", "2026-08-31")
    assert cycle.state == cycles_pb2.CYCLE_STATE_LAUNCHING

    pause = cycles_pb2.PauseScheduleRequest(request_id=str(uuid4()), schedule_id=made.id)
    assert (await wire.cycles.PauseSchedule(pause, **wire.hr)).schedule.paused
    (listed,) = (await wire.cycles.ListSchedules(cycles_pb2.ListSchedulesRequest(), **wire.hr)).schedules
    assert (listed.launched, listed.paused) == (1, True)


async def refused_once(wire: Wire) -> tuple[clockwork_pb2.CreateScheduledCycleRequest, str]:
    """A scheduled launch that was refused, so that its cycle is there as a draft, and would not be now; the cycle."""
    create = schedule_request(cycles_pb2.ON_PERSON_FINDINGS_REFUSE)
    launch = nominal_launch((await wire.cycles.CreateSchedule(create, **wire.hr)).schedule)
    members = wire.company.members_now
    wire.company.members_now = replace(members, problems=[1] * len(members))
    refused = await wire.clockwork.CreateScheduledCycle(launch, **wire.service())
    assert not refused.launched
    wire.company.members_now = members
    return launch, refused.cycle_id


async def test_a_scheduled_cycle_that_another_launcher_launches_meanwhile_is_launched(wire: Wire) -> None:
    launch, cycle_id = await refused_once(wire)
    others: list[clockwork_pb2.CreateScheduledCycleResponse] = []

    async def launched_by_another() -> None:
        others.append(await wire.clockwork.CreateScheduledCycle(launch, **wire.service()))

    wire.company.meanwhile = launched_by_another  # the draft has been read by then, and is not yet checked
    mine = await wire.clockwork.CreateScheduledCycle(launch, **wire.service())
    assert [each.launched for each in (mine, *others)] == [True, True]
    assert {each.cycle_id for each in (mine, *others)} == {cycle_id}


@pytest.mark.parametrize(("becomes", "launched"), [("launching", True), ("canceled", False)])
async def test_a_scheduled_cycle_that_hr_is_changing_is_waited_for(
    wire: Wire, database: Database, becomes: str, launched: bool
) -> None:
    launch, cycle_id = await refused_once(wire)
    keys = {"id": cycle_id, "state": becomes}
    async with database.transaction(wire.tenant_id) as hr:
        await hr.execute(text("UPDATE cycle SET state = :state WHERE id = :id"), keys)
        launching = asyncio.ensure_future(wire.clockwork.CreateScheduledCycle(launch, **wire.service()))
        await until(lambda: waits(database, wire.tenant_id), what="the launch waits for HR")
    reply = await launching
    assert (reply.cycle_id, reply.launched) == (cycle_id, launched)


async def waits(database: Database, tenant_id: UUID) -> bool:
    """Whether a session of this role and database waits for a lock; those of others are hidden."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with database.transaction(tenant_id) as connection:
        return bool(await connection.scalar(text(waiting)))
