"""Recurring cycles: proto ↔ domain."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from uuid import UUID

from protos.reviews.v1 import clockwork_pb2, cycles_pb2
from services.reviews.convert.clockwork import instant
from services.reviews.convert.cycle_definition import written_population, written_rules
from services.reviews.convert.cycles import PERSON_FINDINGS, after_id
from services.reviews.convert.readings import page_live
from services.reviews.convert.templates import page_size, read_id, timestamp, write_token
from services.reviews.domain.errors import Invalid
from services.reviews.domain.model import CycleSchedule, OnPersonFindings, ScheduleState
from services.reviews.domain.schedules import read_launch_day, read_launch_time, read_schedule_kind
from services.reviews.usecases.schedules import (
    ChangeSchedule,
    CreateSchedule,
    CreateScheduledCycle,
    LiveSchedules,
    PageLiveSchedules,
    PageSchedules,
    ScheduledCycle,
)
from services.runtime.clock import new_id

LARGEST_NAME = 200
NOBODY = UUID(int=0)


def create_schedule(request: cycles_pb2.CreateScheduleRequest) -> CreateSchedule:
    """The schedule as written; owner, zone and launches are added before the transaction."""
    written = request.schedule
    if not 1 <= len(written.name.strip()) <= LARGEST_NAME:
        raise Invalid("a schedule needs a name", field="schedule.name")
    if not written.template:
        raise Invalid("a schedule needs a template", field="schedule.template")
    refuse = written.on_person_findings == cycles_pb2.ON_PERSON_FINDINGS_REFUSE
    return CreateSchedule(
        CycleSchedule(
            id=new_id(),
            name=written.name.strip(),
            state=ScheduleState.PAUSED if written.paused else ScheduleState.ACTIVE,
            kind=read_schedule_kind(written.kind),
            launch_day=read_launch_day(written.business_day),
            launch_time=read_launch_time(written.at),
            zone="",
            owner_id=NOBODY,
            definition={
                "template": written.template,
                "forms": [asdict(rule) for rule in written_rules(written.forms)],
                "population": asdict(written_population(written.population)),
            },
            on_person_findings=OnPersonFindings.REFUSE if refuse else OnPersonFindings.EXCLUDE,
        )
    )


def create_schedule_reply(schedule: CycleSchedule) -> cycles_pb2.CreateScheduleResponse:
    return cycles_pb2.CreateScheduleResponse(schedule=_schedule(schedule))


def pause_schedule(request: cycles_pb2.PauseScheduleRequest) -> ChangeSchedule:
    return ChangeSchedule(read_id(request.schedule_id, "schedule_id"), ScheduleState.PAUSED)


def pause_schedule_reply(schedule: CycleSchedule) -> cycles_pb2.PauseScheduleResponse:
    return cycles_pb2.PauseScheduleResponse(schedule=_schedule(schedule))


def resume_schedule(request: cycles_pb2.ResumeScheduleRequest) -> ChangeSchedule:
    return ChangeSchedule(read_id(request.schedule_id, "schedule_id"), ScheduleState.ACTIVE)


def resume_schedule_reply(schedule: CycleSchedule) -> cycles_pb2.ResumeScheduleResponse:
    return cycles_pb2.ResumeScheduleResponse(schedule=_schedule(schedule))


def list_schedules(request: cycles_pb2.ListSchedulesRequest) -> PageSchedules:
    return PageSchedules(after_id(request.page_token), page_size(request.page_size) + 1)


def list_schedules_reply(page: Sequence[CycleSchedule], size: int) -> cycles_pb2.ListSchedulesResponse:
    token = write_token(str(page[size - 1].id)) if len(page) > size else ""
    return cycles_pb2.ListSchedulesResponse(schedules=[_schedule(each) for each in page[:size]], next_page_token=token)


def list_due_schedules(request: clockwork_pb2.ListDueSchedulesRequest) -> PageLiveSchedules:
    page = page_live(request.page_token, request.page_size)
    return PageLiveSchedules(page.after, page.size)


def list_due_schedules_reply(page: LiveSchedules) -> clockwork_pb2.ListDueSchedulesResponse:
    token = ""
    if page.rows and len(page.rows) == page.size:
        tenant_id, last = page.rows[-1]
        token = write_token(str(tenant_id), str(last.id))
    return clockwork_pb2.ListDueSchedulesResponse(
        schedules=[
            clockwork_pb2.LiveSchedule(
                tenant_id=str(tenant_id),
                schedule_id=str(each.id),
                version=each.version,
                paused=each.state is ScheduleState.PAUSED,
                launch_times=[at for at in map(timestamp, each.launch_times) if at is not None],
            )
            for tenant_id, each in page.rows
        ],
        next_page_token=token,
    )


def create_scheduled_cycle(request: clockwork_pb2.CreateScheduledCycleRequest) -> CreateScheduledCycle:
    nominal_at = instant(request, "nominal_time")
    if nominal_at is None:
        raise Invalid("the nominal time is needed", field="nominal_time")
    return CreateScheduledCycle(read_id(request.schedule_id, "schedule_id"), nominal_at.astimezone(UTC))


def create_scheduled_cycle_reply(made: ScheduledCycle) -> clockwork_pb2.CreateScheduledCycleResponse:
    return clockwork_pb2.CreateScheduledCycleResponse(cycle_id=str(made.cycle_id), launched=made.launched)


def _schedule(schedule: CycleSchedule) -> cycles_pb2.Schedule:
    definition = schedule.definition
    findings = next((n for n, policy in PERSON_FINDINGS.items() if policy is schedule.on_person_findings), None)
    return cycles_pb2.Schedule(
        id=str(schedule.id),
        name=schedule.name,
        kind=schedule.kind.value,
        business_day=schedule.launch_day,
        at=schedule.launch_time.isoformat("minutes"),
        template=definition["template"],
        forms=[cycles_pb2.FormRule(**rule) for rule in definition["forms"]],
        population=cycles_pb2.CyclePopulation(**definition["population"]),
        paused=schedule.state is ScheduleState.PAUSED,
        next_time=timestamp(schedule.launch_times[0]) if schedule.launch_times else None,
        launched=schedule.launched,
        on_person_findings=findings or cycles_pb2.ON_PERSON_FINDINGS_REFUSE,
    )
