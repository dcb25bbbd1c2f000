"""Calibration sessions, results, distributions and exports."""

from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from protos.reviews.v1 import outcomes_pb2
from protos.scoring.v1 import scoring_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, IfMatch, PageSize, PageToken
from services.gateway.schemas import scoring as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["results"])


@router.get("/calibration-sessions", response_model=page_of(pb.Session))
async def list_sessions(
    call: Caller, cycle: str = "", page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """Calibration sessions that I facilitate or may see."""
    request = call.ask_page(pb.ListSessionsRequest(cycle_id=cycle), page_size, page_token)
    return call.page(await call.send(call.services.scoring.ListSessions, request), "sessions", request)


@router.get("/calibration-sessions/{session_id}", response_model=view(pb.GetSessionResponse))
async def get_session(session_id: Id, call: Caller) -> Response:
    """A session with its members (never myself), distribution and guideline."""
    reply = await call.send(call.services.scoring.GetSession, pb.GetSessionRequest(session_id=str(session_id)))
    return call.answer(reply, ETag=f'"{reply.session.etag}"')


@router.post("/calibration-sessions/{session_id}:what-if", response_model=view(pb.PreviewMoveResponse))
async def preview_move(session_id: Id, body: schemas.PreviewMove, call: Caller) -> Response:
    """What a move would do to the distribution; nothing is stored."""
    request = wire.from_json(
        pb.PreviewMoveRequest, plain(body, participant="participant_id"), session_id=str(session_id)
    )
    return call.answer(await call.send(call.services.scoring.PreviewMove, request))


@router.post(
    "/calibration-sessions/{session_id}:move", response_model=view(pb.MoveMemberResponse), dependencies=[IfMatch]
)
async def move_member(session_id: Id, body: schemas.MoveMember, call: Caller) -> Response:
    """Change a member's grade, and score where asked, with a reason."""
    values = plain(body, participant="participant_id") | {"session_id": str(session_id), "etag": call.if_match}
    request = wire.from_json(pb.MoveMemberRequest, values, request_id=call.request_id)
    reply = await call.send(call.services.scoring.MoveMember, request)
    return call.answer(reply, ETag=f'"{reply.session.etag}"')


@router.post("/calibration-sessions/{session_id}:undo", response_model=view(pb.Session), dependencies=[IfMatch])
async def undo_session(session_id: Id, body: schemas.UndoSession, call: Caller) -> Response:
    """Take back the last move, or all."""
    values = plain(body, everything="all") | {"session_id": str(session_id), "etag": call.if_match}
    request = wire.from_json(pb.UndoSessionRequest, values, request_id=call.request_id)
    return call.answer((await call.send(call.services.scoring.UndoSession, request)).session)


@router.post("/calibration-sessions/{session_id}:commit", response_model=view(pb.Session), dependencies=[IfMatch])
async def commit_session(session_id: Id, body: schemas.CommitSession, call: Caller) -> Response:
    """Make the session's grades calibrated."""
    values = plain(body) | {"session_id": str(session_id), "etag": call.if_match}
    request = wire.from_json(pb.CommitSessionRequest, values, request_id=call.request_id)
    return call.answer((await call.send(call.services.scoring.CommitSession, request)).session)


@router.post("/calibration-sessions/{session_id}:reopen", response_model=view(pb.Session))
async def reopen_session(session_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Open a committed session again, until release."""
    request = pb.ReopenSessionRequest(request_id=call.request_id, session_id=str(session_id), reason=body.reason)
    return call.answer((await call.send(call.services.scoring.ReopenSession, request)).session)


@router.get("/results", response_model=page_of(pb.Result))
async def list_results(
    call: Caller,
    cycle: str = "",
    employee: str = "",
    department: str = "",
    grade: str = "",
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """Results that I may see, latest versions."""
    found = pb.ListResultsRequest(cycle_id=cycle, employee_id=employee, department_id=department, grade=grade)
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.scoring.ListResults, request), "results", request)


@router.get("/results/{result_id}", response_model=view(pb.Result))
async def get_result(result_id: Id, call: Caller) -> Response:
    """A result with its explanation, as far as I may see."""
    request = pb.GetResultRequest(result_id=str(result_id))
    return call.answer((await call.send(call.services.scoring.GetResult, request)).result)


@router.post("/results/{result_id}:acknowledge", response_model=view(outcomes_pb2.AcknowledgeResultResponse))
async def acknowledge_result(result_id: Id, body: schemas.Acknowledge, call: Caller) -> Response:
    """Say that I have seen my result, agreeing or not."""
    found = await call.send(call.services.scoring.GetResult, pb.GetResultRequest(result_id=str(result_id)))
    values: dict[str, Any] = plain(body) | {"request_id": call.request_id}
    values |= {"participant_id": found.result.participant_id, "result_version": found.result.version}
    request = wire.from_json(outcomes_pb2.AcknowledgeResultRequest, values)
    return call.answer(await call.send(call.services.outcomes.AcknowledgeResult, request))


@router.get("/reports/distribution", response_model=view(pb.GetDistributionResponse))
async def get_distribution(call: Caller, cycle: str, department: str = "") -> Response:
    """Grades of a cycle, counted."""
    request = pb.GetDistributionRequest(cycle_id=cycle, department_id=department)
    return call.answer(await call.send(call.services.scoring.GetDistribution, request))


@router.post("/exports", status_code=202, response_model=view(pb.Export))
async def create_export(body: schemas.CreateExport, call: Caller) -> Response:
    """Write results of a cycle to a file; fetch it at Location when its state is done."""
    values = plain(body, cycle="cycle_id") | {"request_id": call.request_id}
    reply = await call.send(
        call.services.scoring.CreateExport, wire.from_json(pb.CreateExportRequest, values), bulk=True
    )
    return call.answer(reply.export, 202, Location=f"/v1/exports/{reply.export.id}")


@router.get("/exports/{export_id}", response_model=view(pb.Export))
async def get_export(export_id: Id, call: Caller) -> Response:
    """State of an export."""
    reply = await call.send(call.services.scoring.GetExport, pb.GetExportRequest(export_id=str(export_id)))
    return call.answer(reply.export)


@router.get("/exports/{export_id}/file", response_class=StreamingResponse)
async def download_export(export_id: Id, call: Caller) -> StreamingResponse:
    """The file of an export that is done."""
    await call.send(call.services.scoring.GetExport, pb.GetExportRequest(export_id=str(export_id)))
    request = pb.DownloadExportRequest(export_id=str(export_id))
    parts = (part.content async for part in call.stream(call.services.scoring.DownloadExport, request))
    name = f'attachment; filename="results-{export_id}.csv"'
    return StreamingResponse(parts, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": name})
