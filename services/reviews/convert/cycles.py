"""CycleService's commands and questions about running cycles: proto ↔ domain."""

from collections.abc import Sequence
from uuid import UUID

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert.clockwork import instant
from services.reviews.convert.cycle_messages import CYCLE_STATES, STAGE_STATES, cycle_message, stage_message
from services.reviews.convert.templates import page_size, read_id, read_token, timestamp, write_token
from services.reviews.domain.errors import Invalid
from services.reviews.domain.findings import Finding, Severity
from services.reviews.domain.messages import render
from services.reviews.domain.model import CycleState, OnPersonFindings, ParticipantState
from services.reviews.domain.overview import Progress, SeenParticipant, StageCounts, TimelineEntry
from services.reviews.usecases.run_cycle import ChangeCycle, ChangedCycle, LaunchCycle
from services.reviews.usecases.run_stage import CloseStage, ExtendedStage, ExtendStage, ReopenStage
from services.reviews.usecases.view_cycle import PageCycles, PageParticipants, SeenCycle

STATES = {number: state for state, number in CYCLE_STATES.items()}
PARTICIPANT_STATES = {
    state: cycles_pb2.ParticipantState.Value(f"PARTICIPANT_STATE_{state.name}")
    for state in ParticipantState
    if f"PARTICIPANT_STATE_{state.name}" in cycles_pb2.ParticipantState.DESCRIPTOR.values_by_name
}
PERSON_FINDINGS = {
    cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE: OnPersonFindings.EXCLUDE,
}


def launch_cycle(request: cycles_pb2.LaunchCycleRequest) -> LaunchCycle:
    policy = PERSON_FINDINGS.get(request.on_person_findings, OnPersonFindings.REFUSE)
    return LaunchCycle(read_id(request.cycle_id, "cycle_id"), policy, request.warnings_reason, request.etag)


def launch_cycle_reply(changed: ChangedCycle) -> cycles_pb2.LaunchCycleResponse:
    return cycles_pb2.LaunchCycleResponse(cycle=cycle_message(changed.cycle, changed.stages))


ChangeRequest = (
    cycles_pb2.PauseCycleRequest
    | cycles_pb2.ResumeCycleRequest
    | cycles_pb2.CancelCycleRequest
    | cycles_pb2.ReleaseCycleRequest
)


def change_cycle(request: ChangeRequest) -> ChangeCycle:
    return ChangeCycle(read_id(request.cycle_id, "cycle_id"), request.reason, request.etag)


def pause_cycle_reply(changed: ChangedCycle) -> cycles_pb2.PauseCycleResponse:
    return cycles_pb2.PauseCycleResponse(cycle=cycle_message(changed.cycle, changed.stages))


def resume_cycle_reply(changed: ChangedCycle) -> cycles_pb2.ResumeCycleResponse:
    return cycles_pb2.ResumeCycleResponse(cycle=cycle_message(changed.cycle, changed.stages))


def cancel_cycle_reply(changed: ChangedCycle) -> cycles_pb2.CancelCycleResponse:
    return cycles_pb2.CancelCycleResponse(cycle=cycle_message(changed.cycle, changed.stages))


def release_cycle_reply(changed: ChangedCycle) -> cycles_pb2.ReleaseCycleResponse:
    return cycles_pb2.ReleaseCycleResponse(cycle=cycle_message(changed.cycle, changed.stages))


def extend_stage(request: cycles_pb2.ExtendStageRequest) -> ExtendStage:
    until = instant(request, "until")
    if until is None:
        raise Invalid("until when?", field="until")
    return ExtendStage(
        cycle_id=read_id(request.cycle_id, "cycle_id"),
        stage=request.stage,
        until=until,
        reason=request.reason,
        participant=request.participant,
        department=request.department,
        etag=request.etag,
    )


def extend_stage_reply(extended: ExtendedStage) -> cycles_pb2.ExtendStageResponse:
    return cycles_pb2.ExtendStageResponse(stage=stage_message(extended.stage), tasks=extended.tasks)


def close_stage(request: cycles_pb2.CloseStageRequest) -> CloseStage:
    return CloseStage(
        cycle_id=read_id(request.cycle_id, "cycle_id"),
        stage=request.stage,
        reason=request.reason,
        etag=request.etag,
        end_extensions=request.end_extensions,
    )


def close_stage_reply(closed: ExtendedStage) -> cycles_pb2.CloseStageResponse:
    return cycles_pb2.CloseStageResponse(stage=stage_message(closed.stage))


def reopen_stage(request: cycles_pb2.ReopenStageRequest) -> ReopenStage:
    until = instant(request, "until")
    if until is None:
        raise Invalid("until when?", field="until")
    return ReopenStage(read_id(request.cycle_id, "cycle_id"), request.stage, until, request.reason, request.etag)


def reopen_stage_reply(reopened: ExtendedStage) -> cycles_pb2.ReopenStageResponse:
    return cycles_pb2.ReopenStageResponse(stage=stage_message(reopened.stage))


CycleRequest = cycles_pb2.GetCycleRequest | cycles_pb2.GetCycleProgressRequest | cycles_pb2.GetCycleTimelineRequest


def get_cycle(request: CycleRequest) -> UUID:
    return read_id(request.cycle_id, "cycle_id")


def get_cycle_reply(seen: SeenCycle) -> cycles_pb2.GetCycleResponse:
    return cycles_pb2.GetCycleResponse(cycle=_cycle(seen))


def _cycle(seen: SeenCycle) -> cycles_pb2.Cycle:
    return cycle_message(seen.cycle, seen.stages, participants=seen.enrolled, excluded=seen.excluded)


def list_cycles(request: cycles_pb2.ListCyclesRequest) -> PageCycles:
    """One more than asked for, so that the reply knows whether there is a next page."""
    state: CycleState | None = STATES.get(request.state)
    return PageCycles(state, after_id(request.page_token), page_size(request.page_size) + 1)


def list_cycles_reply(page: Sequence[SeenCycle], size: int) -> cycles_pb2.ListCyclesResponse:
    token = write_token(str(page[size - 1].cycle.id)) if len(page) > size else ""
    return cycles_pb2.ListCyclesResponse(cycles=[_cycle(each) for each in page[:size]], next_page_token=token)


def after_id(token: str) -> UUID | None:
    parts = read_token(token)
    return read_id(parts[0] if parts else "", "page_token") if token else None


def get_progress_reply(progress: Progress) -> cycles_pb2.GetCycleProgressResponse:
    stages = []
    for stage in progress.stages:
        counts = progress.counts.get(stage.id, StageCounts())
        stages.append(
            cycles_pb2.StageProgress(
                key=stage.key,
                state=STAGE_STATES[stage.state],
                open_at=timestamp(stage.opened_at or stage.open_at),
                due_at=timestamp(stage.due_at),
                owed=counts.owed,
                done=counts.done,
                overdue=counts.overdue,
                extended=counts.extended,
                bypassed=counts.bypassed,
                expired=counts.expired,
                late=counts.late,
            )
        )
    return cycles_pb2.GetCycleProgressResponse(
        stages=stages, participants=dict(progress.participants), state=CYCLE_STATES[progress.cycle.state]
    )


def get_timeline_reply(entries: Sequence[TimelineEntry]) -> cycles_pb2.GetCycleTimelineResponse:
    return cycles_pb2.GetCycleTimelineResponse(
        entries=[
            cycles_pb2.TimelineEntry(
                at=timestamp(entry.at),
                kind=entry.kind,
                stage=entry.stage,
                planned=entry.planned,
                actor_id=entry.actor_id,
            )
            for entry in entries
        ]
    )


def list_participants(request: cycles_pb2.ListParticipantsRequest) -> PageParticipants:
    state = next((state.value for state, number in PARTICIPANT_STATES.items() if number == request.state), "")
    return PageParticipants(
        cycle_id=read_id(request.cycle_id, "cycle_id"),
        state=state,
        department_id=read_id(request.department_id, "department_id") if request.department_id else None,
        after=after_id(request.page_token),
        size=page_size(request.page_size) + 1,
    )


def list_participants_reply(page: Sequence[SeenParticipant], size: int) -> cycles_pb2.ListParticipantsResponse:
    token = write_token(str(page[size - 1].participant.id)) if len(page) > size else ""
    found = [_participant(each) for each in page[:size]]
    return cycles_pb2.ListParticipantsResponse(participants=found, next_page_token=token)


def get_participant(request: cycles_pb2.GetParticipantRequest) -> UUID:
    return read_id(request.participant_id, "participant_id")


def get_participant_reply(seen: SeenParticipant) -> cycles_pb2.GetParticipantResponse:
    return cycles_pb2.GetParticipantResponse(participant=_participant(seen))


def _participant(seen: SeenParticipant) -> cycles_pb2.Participant:
    participant, snapshot = seen.participant, seen.participant.snapshot
    in_words = "; ".join(_in_words(reason, snapshot.code) for reason in participant.findings)
    return cycles_pb2.Participant(
        id=str(participant.id),
        cycle_id=str(participant.cycle_id),
        employee_id=str(participant.employee_id),
        code=snapshot.code,
        state=PARTICIPANT_STATES.get(participant.state, cycles_pb2.PARTICIPANT_STATE_UNSPECIFIED),
        reason=participant.findings[0] if participant.findings else "",
        reasons=participant.findings,
        reason_message=participant.reason or in_words,
        department_name=snapshot.department_name,
        department_path=[str(each) for each in snapshot.department_path],
        manager_id=str(snapshot.manager_id or ""),
        post=snapshot.post,
        level=snapshot.level,
        form_id=str(participant.form_id or ""),
        template_name=seen.template_name,
    )


def _in_words(reason: str, code: str) -> str:
    try:
        return render(Finding(Severity.PERSON, reason, subject=code)).message
    except KeyError:  # a reason that is no finding of the launch check
        return reason.replace("_", " ").capitalize()
