"""Appeals and interviews."""

from typing import Any

from fastapi import APIRouter, Response

from protos.reviews.v1 import outcomes_pb2 as pb
from protos.scoring.v1 import scoring_pb2
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, PageSize, PageToken
from services.gateway.schemas import outcomes as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["appeals and interviews"])


@router.post("/appeals", status_code=201, response_model=view(pb.Appeal))
async def file_appeal(body: schemas.FileAppeal, call: Caller) -> Response:
    """File an appeal against my released result."""
    found = await call.send(call.services.scoring.GetResult, scoring_pb2.GetResultRequest(result_id=str(body.result)))
    values: dict[str, Any] = {name: value for name, value in plain(body).items() if name != "result"}
    values |= {"participant_id": found.result.participant_id, "result_version": found.result.version}
    request = wire.from_json(pb.FileAppealRequest, values, request_id=call.request_id)
    return call.answer((await call.send(call.services.outcomes.FileAppeal, request)).appeal, 201)


@router.get("/appeals", response_model=page_of(pb.Appeal))
async def list_appeals(
    call: Caller,
    cycle: str = "",
    state: schemas.AppealState | None = None,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """Appeals that I filed, own or may see, newest first."""
    found = wire.from_json(pb.ListAppealsRequest, {"cycle_id": cycle, "state": state})
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.outcomes.ListAppeals, request), "appeals", request)


@router.get("/appeals/{appeal_id}", response_model=view(pb.Appeal))
async def get_appeal(appeal_id: Id, call: Caller) -> Response:
    """One appeal."""
    request = pb.GetAppealRequest(appeal_id=str(appeal_id))
    return call.answer((await call.send(call.services.outcomes.GetAppeal, request)).appeal)


@router.post("/appeals/{appeal_id}:accept", response_model=view(pb.Appeal))
async def accept_appeal(appeal_id: Id, call: Caller) -> Response:
    """Take an appeal up."""
    request = pb.AcceptAppealRequest(request_id=call.request_id, appeal_id=str(appeal_id))
    return call.answer((await call.send(call.services.outcomes.AcceptAppeal, request)).appeal)


@router.post("/appeals/{appeal_id}:decline", response_model=view(pb.Appeal))
async def decline_appeal(appeal_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Refuse to take an appeal up, with a reason."""
    request = pb.DeclineAppealRequest(request_id=call.request_id, appeal_id=str(appeal_id), reason=body.reason)
    return call.answer((await call.send(call.services.outcomes.DeclineAppeal, request)).appeal)


@router.post("/appeals/{appeal_id}:assign", response_model=view(pb.Appeal))
async def assign_appeal(appeal_id: Id, body: schemas.AssignAppeal, call: Caller) -> Response:
    """Give an appeal to another owner."""
    request = wire.from_json(
        pb.AssignAppealRequest, plain(body, owner="owner_id"), request_id=call.request_id, appeal_id=str(appeal_id)
    )
    return call.answer((await call.send(call.services.outcomes.AssignAppeal, request)).appeal)


@router.post("/appeals/{appeal_id}:decide", response_model=view(pb.Appeal))
async def decide_appeal(appeal_id: Id, body: schemas.DecideAppeal, call: Caller) -> Response:
    """Keep the result or amend it; an amended result is released by itself."""
    request = wire.from_json(pb.DecideAppealRequest, plain(body), request_id=call.request_id, appeal_id=str(appeal_id))
    return call.answer((await call.send(call.services.outcomes.DecideAppeal, request)).appeal)


@router.post("/appeals/{appeal_id}:withdraw", response_model=view(pb.Appeal))
async def withdraw_appeal(appeal_id: Id, call: Caller) -> Response:
    """Take my own appeal back."""
    request = pb.WithdrawAppealRequest(request_id=call.request_id, appeal_id=str(appeal_id))
    return call.answer((await call.send(call.services.outcomes.WithdrawAppeal, request)).appeal)


@router.get("/interviews", response_model=page_of(pb.Interview))
async def list_interviews(
    call: Caller, cycle: str = "", page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """Interviews that I hold, attend or may see."""
    request = call.ask_page(pb.ListInterviewsRequest(cycle_id=cycle), page_size, page_token)
    return call.page(await call.send(call.services.outcomes.ListInterviews, request), "interviews", request)


@router.post("/interviews/{interview_id}:schedule", response_model=view(pb.Interview))
async def schedule_interview(interview_id: Id, body: schemas.ScheduleInterview, call: Caller) -> Response:
    """Set time and place."""
    request = wire.from_json(
        pb.ScheduleInterviewRequest, plain(body), request_id=call.request_id, interview_id=str(interview_id)
    )
    return call.answer((await call.send(call.services.outcomes.ScheduleInterview, request)).interview)


@router.post("/interviews/{interview_id}:record", response_model=view(pb.Interview))
async def record_interview(interview_id: Id, body: schemas.RecordInterview, call: Caller) -> Response:
    """Keep my side's notes."""
    request = pb.RecordInterviewRequest(request_id=call.request_id, interview_id=str(interview_id), notes=body.notes)
    return call.answer((await call.send(call.services.outcomes.RecordInterview, request)).interview)


@router.post("/interviews/{interview_id}:sign", response_model=view(pb.Interview))
async def sign_interview(interview_id: Id, body: schemas.SignInterview, call: Caller) -> Response:
    """Sign the record; both signatures end it."""
    request = pb.SignInterviewRequest(
        request_id=call.request_id, interview_id=str(interview_id), signature=body.signature
    )
    return call.answer((await call.send(call.services.outcomes.SignInterview, request)).interview)
