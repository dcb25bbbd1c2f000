"""Cycles: definition, check, launch, and what HR does with a running one."""

from fastapi import APIRouter, Response

from protos.reviews.v1 import cycles_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, IfMatch, PageSize, PageToken
from services.gateway.schemas import reviews as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["cycles"])


@router.post("/cycles", status_code=201, response_model=view(pb.Cycle))
async def create_cycle(body: schemas.CreateCycle, call: Caller) -> Response:
    """Create a cycle in draft."""
    request = wire.from_json(pb.CreateCycleRequest, body.values(), request_id=call.request_id)
    reply = await call.send(call.services.cycles.CreateCycle, request)
    return call.answer(reply.cycle, 201, Location=f"/v1/cycles/{reply.cycle.id}")


@router.get("/cycles", response_model=page_of(pb.Cycle))
async def list_cycles(
    call: Caller,
    state: schemas.CycleState | None = None,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """List cycles, newest first."""
    request = call.ask_page(wire.from_json(pb.ListCyclesRequest, {"state": state}), page_size, page_token)
    return call.page(await call.send(call.services.cycles.ListCycles, request), "cycles", request)


@router.get("/cycles/{cycle_id}", response_model=view(pb.Cycle))
async def get_cycle(cycle_id: Id, call: Caller) -> Response:
    """One cycle with its stages."""
    reply = await call.send(call.services.cycles.GetCycle, pb.GetCycleRequest(cycle_id=str(cycle_id)))
    return call.answer(reply.cycle)


@router.post("/cycles/{cycle_id}:validate", response_model=view(pb.ValidateCycleResponse))
async def validate_cycle(cycle_id: Id, call: Caller, language: schemas.Language = "en") -> Response:
    """Run every check and return all findings."""
    request = pb.ValidateCycleRequest(request_id=call.request_id, cycle_id=str(cycle_id), language=language)
    return call.answer(await call.send(call.services.cycles.ValidateCycle, request, bulk=True))


@router.post("/cycles/{cycle_id}:launch", status_code=202, response_model=view(pb.Cycle), dependencies=[IfMatch])
async def launch_cycle(cycle_id: Id, body: schemas.LaunchCycle, call: Caller) -> Response:
    """Check and launch; enrolment goes on behind, see the progress at Location."""
    values = {**plain(body), "request_id": call.request_id, "cycle_id": str(cycle_id), "etag": call.if_match}
    request = wire.from_json(pb.LaunchCycleRequest, values)
    reply = await call.send(call.services.cycles.LaunchCycle, request, bulk=True)
    return call.answer(reply.cycle, 202, Location=f"/v1/cycles/{cycle_id}/progress")


@router.post("/cycles/{cycle_id}:pause", response_model=view(pb.Cycle), dependencies=[IfMatch])
async def pause_cycle(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Stop the clock; drafts may still be saved."""
    request = pb.PauseCycleRequest(
        request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.cycles.PauseCycle, request)).cycle)


@router.post("/cycles/{cycle_id}:resume", response_model=view(pb.Cycle), dependencies=[IfMatch])
async def resume_cycle(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Start the clock again; what has not passed moves by the paused time."""
    request = pb.ResumeCycleRequest(
        request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.cycles.ResumeCycle, request)).cycle)


@router.post("/cycles/{cycle_id}:cancel", response_model=view(pb.Cycle), dependencies=[IfMatch])
async def cancel_cycle(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """End a cycle without results."""
    request = pb.CancelCycleRequest(
        request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.cycles.CancelCycle, request)).cycle)


@router.post("/cycles/{cycle_id}:release", response_model=view(pb.Cycle), dependencies=[IfMatch])
async def release_cycle(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Give the release: results become visible when the workflow has carried it out."""
    request = pb.ReleaseCycleRequest(
        request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.cycles.ReleaseCycle, request)).cycle)


@router.get("/cycles/{cycle_id}/progress", response_model=view(pb.GetCycleProgressResponse))
async def get_progress(cycle_id: Id, call: Caller) -> Response:
    """Tasks by stage, participants by state."""
    request = pb.GetCycleProgressRequest(cycle_id=str(cycle_id))
    return call.answer(await call.send(call.services.cycles.GetCycleProgress, request))


@router.get("/cycles/{cycle_id}/timeline", response_model=view(pb.GetCycleTimelineResponse))
async def get_timeline(cycle_id: Id, call: Caller) -> Response:
    """What happened and what is due next."""
    request = pb.GetCycleTimelineRequest(cycle_id=str(cycle_id))
    return call.answer(await call.send(call.services.cycles.GetCycleTimeline, request))


@router.post(
    "/cycles/{cycle_id}/stages/{key}:extend", response_model=view(pb.ExtendStageResponse), dependencies=[IfMatch]
)
async def extend_stage(cycle_id: Id, key: schemas.StageKey, body: schemas.ExtendStage, call: Caller) -> Response:
    """Move the deadline of a stage, of one person or of a department."""
    values = {
        **plain(body),
        "request_id": call.request_id,
        "cycle_id": str(cycle_id),
        "stage": key,
        "etag": call.if_match,
    }
    request = wire.from_json(pb.ExtendStageRequest, values)
    return call.answer(await call.send(call.services.cycles.ExtendStage, request))


@router.post("/cycles/{cycle_id}/stages/{key}:close", response_model=view(pb.Stage), dependencies=[IfMatch])
async def close_stage(cycle_id: Id, key: schemas.StageKey, body: schemas.CloseStage, call: Caller) -> Response:
    """Close an open stage now; with `end_extensions` for those who were given longer, too, if it is closing already."""
    request = pb.CloseStageRequest(
        request_id=call.request_id,
        cycle_id=str(cycle_id),
        stage=key,
        reason=body.reason,
        etag=call.if_match,
        end_extensions=body.end_extensions,
    )
    return call.answer((await call.send(call.services.cycles.CloseStage, request)).stage)


@router.post("/cycles/{cycle_id}/stages/{key}:reopen", response_model=view(pb.Stage), dependencies=[IfMatch])
async def reopen_stage(cycle_id: Id, key: schemas.StageKey, body: schemas.ReopenStage, call: Caller) -> Response:
    """Open a closed stage again until an instant, before release."""
    values = {
        **plain(body),
        "request_id": call.request_id,
        "cycle_id": str(cycle_id),
        "stage": key,
        "etag": call.if_match,
    }
    request = wire.from_json(pb.ReopenStageRequest, values)
    return call.answer((await call.send(call.services.cycles.ReopenStage, request)).stage)


@router.get("/cycles/{cycle_id}/participants", response_model=page_of(pb.Participant))
async def list_participants(
    cycle_id: Id,
    call: Caller,
    state: schemas.ParticipantState | None = None,
    department_id: str = "",
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """List participants, also those who could not be enrolled, with the reason."""
    values = {"cycle_id": str(cycle_id), "state": state, "department_id": department_id}
    request = call.ask_page(wire.from_json(pb.ListParticipantsRequest, values), page_size, page_token)
    reply = await call.send(call.services.cycles.ListParticipants, request)
    await call.name_people(reply.participants)
    return call.page(reply, "participants", request)


@router.get("/participants/{participant_id}", response_model=view(pb.Participant))
async def get_participant(participant_id: Id, call: Caller) -> Response:
    """One participant."""
    request = pb.GetParticipantRequest(participant_id=str(participant_id))
    found = (await call.send(call.services.cycles.GetParticipant, request)).participant
    await call.name_people([found])
    return call.answer(found)


@router.post("/cycle-schedules", status_code=201, response_model=view(pb.Schedule))
async def create_schedule(body: schemas.CreateSchedule, call: Caller) -> Response:
    """Create a recurring cycle."""
    request = wire.from_json(pb.CreateScheduleRequest, {"schedule": body.values()}, request_id=call.request_id)
    return call.answer((await call.send(call.services.cycles.CreateSchedule, request)).schedule, 201)


@router.get("/cycle-schedules", response_model=page_of(pb.Schedule))
async def list_schedules(call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = "") -> Response:
    """List recurring cycles."""
    request = call.ask_page(pb.ListSchedulesRequest(), page_size, page_token)
    return call.page(await call.send(call.services.cycles.ListSchedules, request), "schedules", request)


@router.post("/cycle-schedules/{schedule_id}:pause", response_model=view(pb.Schedule))
async def pause_schedule(schedule_id: Id, call: Caller) -> Response:
    """Stop a recurring cycle from launching."""
    request = pb.PauseScheduleRequest(request_id=call.request_id, schedule_id=str(schedule_id))
    return call.answer((await call.send(call.services.cycles.PauseSchedule, request)).schedule)


@router.post("/cycle-schedules/{schedule_id}:resume", response_model=view(pb.Schedule))
async def resume_schedule(schedule_id: Id, call: Caller) -> Response:
    """Let a recurring cycle launch again."""
    request = pb.ResumeScheduleRequest(request_id=call.request_id, schedule_id=str(schedule_id))
    return call.answer((await call.send(call.services.cycles.ResumeSchedule, request)).schedule)
