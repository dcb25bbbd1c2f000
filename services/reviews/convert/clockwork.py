"""ClockworkService: proto ↔ domain."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from protos.reviews.v1 import clockwork_pb2
from services.reviews.convert.cycle_messages import CYCLE_STATES, STAGE_KINDS, STAGE_STATES
from services.reviews.convert.templates import read_id, timestamp
from services.reviews.domain.bulk import NOBODY, FrozenMember
from services.reviews.domain.due import Action, ActionKind
from services.reviews.domain.errors import Invalid
from services.reviews.domain.model import LIVE_STAGE_STATES, Cycle, Stage, StageState
from services.reviews.usecases.end_tasks import Ended, ExpireStage, RemindStage
from services.reviews.usecases.enrol import Counts, Enrolment, EnrolPage, FinishEnrolment
from services.reviews.usecases.open_stage import Opened, OpenStage, Session
from services.reviews.usecases.peek import Prospect
from services.reviews.usecases.settle import FinishSettling, MarkScored, ReportBlocked
from services.reviews.usecases.tick import Look, Tick

ID = 16
ACTIONS = {
    ActionKind.ENROL: clockwork_pb2.ACTION_KIND_ENROL,
    ActionKind.OPEN: clockwork_pb2.ACTION_KIND_OPEN,
    ActionKind.REMIND: clockwork_pb2.ACTION_KIND_REMIND,
    ActionKind.EXPIRE: clockwork_pb2.ACTION_KIND_EXPIRE,
    ActionKind.SETTLE: clockwork_pb2.ACTION_KIND_SETTLE,
}


def tick(request: clockwork_pb2.TickRequest) -> Tick:
    return Tick(read_id(request.cycle_id, "cycle_id"), instant(request, "effective_at"))


def tick_reply(look: Look) -> clockwork_pb2.TickResponse:
    open_stages = [stage for stage in look.stages if stage.state in LIVE_STAGE_STATES]
    deadlines = [stage.due_at for stage in open_stages if stage.due_at and stage.state is StageState.OPEN]
    next_in = Duration()
    if look.next_in is not None:
        next_in.FromTimedelta(look.next_in)
    return clockwork_pb2.TickResponse(
        finished=look.finished,
        stage_closed=look.stage_closed,
        due=[_action(action, look.cycle) for action in look.due],
        next_in=next_in if look.next_in is not None else None,
        state=CYCLE_STATES[look.cycle.state],
        next_due_at=timestamp(min(deadlines, default=None)),
        open_stages=[stage.key for stage in open_stages],
    )


def _action(action: Action, cycle: Cycle) -> clockwork_pb2.Action:
    if action.stage is None:
        return clockwork_pb2.Action(kind=ACTIONS[action.kind], traceparent=traceparent(cycle.trace_id))
    return clockwork_pb2.Action(
        kind=ACTIONS[action.kind],
        stage_id=str(action.stage.id),
        stage_kind=STAGE_KINDS[action.stage.kind],
        epoch=action.stage.epoch,
        reminder=f"{action.ordinal}@{action.at.isoformat()}" if action.at else "",
        traceparent=traceparent(action.stage.trace_id or cycle.trace_id),
        stage_key=action.stage.key,
    )


def traceparent(trace_id: str) -> str:
    """The W3C header of a trace whose span is not kept; empty where no trace caused it."""
    return f"00-{trace_id}-{trace_id[:15]}1-00" if trace_id else ""


def trace_of(header: str) -> str:
    parts = header.split("-")
    return parts[1] if len(parts) == 4 else ""


def peek(request: clockwork_pb2.PeekCycleRequest) -> UUID:
    return read_id(request.cycle_id, "cycle_id")


def peek_reply(prospect: Prospect) -> clockwork_pb2.PeekCycleResponse:
    reply = clockwork_pb2.PeekCycleResponse(due=prospect.due)
    if prospect.next_in is not None:
        reply.next_in.FromTimedelta(prospect.next_in)
    return reply


def get_enrolment(request: clockwork_pb2.GetEnrolmentRequest) -> UUID:
    return read_id(request.cycle_id, "cycle_id")


def get_enrolment_reply(enrolment: Enrolment) -> clockwork_pb2.GetEnrolmentResponse:
    cycle, population = enrolment.cycle, enrolment.cycle.population
    return clockwork_pb2.GetEnrolmentResponse(
        freeze_id=str(cycle.id),
        as_of=timestamp(cycle.launched_at),
        everyone=population.everyone,
        department_ids=[str(each) for each in population.department_ids],
        group_ids=[str(each) for each in population.group_ids],
        employee_ids=[str(each) for each in population.employee_ids],
        exclude_employee_ids=[str(each) for each in population.exclude_employee_ids],
        rule_group_ids=sorted({str(rule.group_id) for rule in cycle.forms if rule.group_id}),
        after_employee_id=str(enrolment.after or ""),
    )


def enrol_page(request: clockwork_pb2.EnrolPageRequest) -> EnrolPage:
    """Columns of unequal length are INVALID."""
    columns = (
        unpacked(request.employee_ids),
        request.codes,
        request.posts,
        request.levels,
        request.department_paths,
        request.department_names,
        request.manager_chains,
        request.group_ids,
        request.problems,
        request.hired_on,
        request.department_heads,
    )
    if len({len(column) for column in columns}) != 1:
        raise Invalid("the columns are not of equal length", field="employee_ids")
    return EnrolPage(read_id(request.cycle_id, "cycle_id"), list(_members(columns)))


def _members(columns: tuple[Any, ...]) -> Iterator[FrozenMember]:
    lists: dict[bytes, list[UUID]] = {}  # the same department and chain of managers stand in many rows

    def ids(packed: bytes) -> list[UUID]:
        found = lists.get(packed)
        if found is None:
            found = lists[packed] = unpacked(packed)
        return found

    for employee, code, post, level, path, name, chain, groups, problem, hired_on, head in zip(*columns, strict=True):
        yield FrozenMember(
            employee_id=employee,
            code=code,
            post=post,
            level=level,
            department_path=ids(path),
            department_name=name,
            department_head_id=UUID(head) if head else None,
            manager_chain=ids(chain),
            group_ids=ids(groups),
            hired_on=date.fromisoformat(hired_on) if hired_on else None,
            problem=problem,
        )


def unpacked(packed: bytes) -> list[UUID]:
    """Ids of 16 bytes each, one after the other."""
    if len(packed) % ID:
        raise Invalid("packed ids are 16 bytes each", field="employee_ids")
    return [UUID(bytes=packed[at : at + ID]) for at in range(0, len(packed), ID)]


def enrol_page_reply(counts: Counts) -> clockwork_pb2.EnrolPageResponse:
    return clockwork_pb2.EnrolPageResponse(enrolled=counts.enrolled, excluded=counts.excluded)


def finish_enrolment(request: clockwork_pb2.FinishEnrolmentRequest) -> FinishEnrolment:
    return FinishEnrolment(read_id(request.cycle_id, "cycle_id"), request.frozen)


def finish_enrolment_reply(counts: Counts) -> clockwork_pb2.FinishEnrolmentResponse:
    return clockwork_pb2.FinishEnrolmentResponse(enrolled=counts.enrolled, excluded=counts.excluded)


def open_stage(request: clockwork_pb2.OpenStageRequest) -> OpenStage:
    return OpenStage(
        stage_id=read_id(request.stage_id, "stage_id"),
        epoch=request.epoch,
        after=optional_id(request.after_participant_id, "after_participant_id"),
        sessions=tuple(
            Session(read_id(each.session_id, "sessions"), optional_id(each.facilitator_id, "sessions"))
            for each in request.sessions
        ),
        trace_id=trace_of(request.traceparent),
    )


def open_stage_reply(opened: Opened) -> clockwork_pb2.OpenStageResponse:
    return clockwork_pb2.OpenStageResponse(
        last_participant_id=_id_or_empty(opened.last_participant_id),
        last=opened.last,
        opened=opened.opened,
        superseded=opened.superseded,
    )


def remind_stage(request: clockwork_pb2.RemindStageRequest) -> RemindStage:
    ordinal = request.reminder.split("@")[0]
    if not ordinal.isdecimal():
        raise Invalid("not a reminder as Tick names it", field="reminder")
    after = optional_id(request.after_task_id, "after_task_id")
    return RemindStage(read_id(request.stage_id, "stage_id"), request.epoch, request.reminder, after)


def remind_stage_reply(ended: Ended) -> clockwork_pb2.RemindStageResponse:
    return clockwork_pb2.RemindStageResponse(
        last_task_id=_id_or_empty(ended.last_task_id),
        last=ended.last,
        reminded=ended.count,
        superseded=ended.superseded,
    )


def expire_stage(request: clockwork_pb2.ExpireStageRequest) -> ExpireStage:
    return ExpireStage(
        read_id(request.stage_id, "stage_id"),
        request.epoch,
        optional_id(request.after_task_id, "after_task_id"),
        instant(request, "effective_at"),
    )


def expire_stage_reply(ended: Ended) -> clockwork_pb2.ExpireStageResponse:
    return clockwork_pb2.ExpireStageResponse(
        last_task_id=_id_or_empty(ended.last_task_id),
        last=ended.last,
        expired=ended.count,
        superseded=ended.superseded,
    )


def mark_scored(request: clockwork_pb2.MarkScoredRequest) -> MarkScored:
    if len(request.unscored_participant_ids) != len(request.unscored_codes):
        raise Invalid("as many codes as participants are needed", field="unscored_codes")
    unscored = [read_id(each, "unscored_participant_ids") for each in request.unscored_participant_ids]
    return MarkScored(
        stage_id=read_id(request.stage_id, "stage_id"),
        epoch=request.epoch,
        after=optional_id(request.after_participant_id, "after_participant_id"),
        last=read_id(request.last_participant_id, "last_participant_id"),
        unscored=dict(zip(unscored, request.unscored_codes, strict=True)),
    )


def mark_scored_reply(scored: int) -> clockwork_pb2.MarkScoredResponse:
    return clockwork_pb2.MarkScoredResponse(scored=scored)


def finish_settling(request: clockwork_pb2.FinishSettlingRequest) -> FinishSettling:
    return FinishSettling(read_id(request.stage_id, "stage_id"), request.epoch, instant(request, "release_time"))


def finish_settling_reply(stage: Stage) -> clockwork_pb2.FinishSettlingResponse:
    return clockwork_pb2.FinishSettlingResponse(state=STAGE_STATES[stage.state])


def report_blocked(request: clockwork_pb2.ReportBlockedRequest) -> ReportBlocked:
    stage_id = optional_id(request.stage_id, "stage_id")
    return ReportBlocked(read_id(request.cycle_id, "cycle_id"), stage_id, request.reason[:500])


def report_blocked_reply(_: None) -> clockwork_pb2.ReportBlockedResponse:
    return clockwork_pb2.ReportBlockedResponse()


def optional_id(written: str, field: str) -> UUID | None:
    return read_id(written, field) if written else None


def instant(message: Any, field: str) -> datetime | None:
    """The instant of a Timestamp field; None when it was not given."""
    if not message.HasField(field):
        return None
    value: Timestamp = getattr(message, field)
    return value.ToDatetime(tzinfo=UTC)


def _id_or_empty(identifier: UUID) -> str:
    return "" if identifier == NOBODY else str(identifier)
