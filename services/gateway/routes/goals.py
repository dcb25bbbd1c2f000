"""Goals and check-ins."""

from fastapi import APIRouter, Response, UploadFile

from protos.goals.v1 import goals_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, IfMatch, PageSize, PageToken
from services.gateway.routes.uploads import sheet
from services.gateway.schemas import goals as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["goals"])


@router.post("/goals", status_code=201, response_model=view(pb.Goal))
async def create_goal(body: schemas.CreateGoal, call: Caller) -> Response:
    """Create a goal in draft; without an owner it is mine."""
    request = wire.from_json(pb.CreateGoalRequest, {"goal": plain(body)}, request_id=call.request_id)
    return call.answer((await call.send(call.services.goals.CreateGoal, request)).goal, 201)


@router.post("/goals:import", response_model=view(pb.ImportGoalsResponse))
async def import_goals(file: UploadFile, call: Caller, dry_run: bool = False, confirm: bool = False) -> Response:
    """Create goals from a CSV or XLSX file; bad rows are reported."""
    content, kind = await sheet(file)
    request = pb.ImportGoalsRequest(request_id=call.request_id, content=content, dry_run=dry_run, confirm=confirm)
    request.format = pb.FILE_FORMAT_XLSX if kind == "xlsx" else pb.FILE_FORMAT_CSV
    return call.answer(await call.send(call.services.goals.ImportGoals, request, bulk=True))


@router.get("/goals", response_model=page_of(pb.Goal))
async def list_goals(
    call: Caller,
    owner_id: str = "",
    everybody: bool = False,
    state: schemas.GoalState | None = None,
    period_start: str = "",
    period_end: str = "",
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """List goals: mine by default, or all that I may see."""
    found = wire.from_json(
        pb.ListGoalsRequest,
        {
            "owner_id": owner_id,
            "all": everybody,
            "state": state,
            "period_start": period_start,
            "period_end": period_end,
        },
    )
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.goals.ListGoals, request), "goals", request)


@router.get("/goals/{goal_id}", response_model=view(pb.Goal))
async def get_goal(goal_id: Id, call: Caller) -> Response:
    """One goal."""
    return call.answer((await call.send(call.services.goals.GetGoal, pb.GetGoalRequest(goal_id=str(goal_id)))).goal)


@router.get("/goals/{goal_id}/versions", response_model=page_of(pb.Goal))
async def list_versions(
    goal_id: Id, call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """How a goal changed, newest first."""
    request = call.ask_page(pb.ListGoalVersionsRequest(goal_id=str(goal_id)), page_size, page_token)
    return call.page(await call.send(call.services.goals.ListGoalVersions, request), "versions", request)


@router.get("/goals/{goal_id}/check-ins", response_model=page_of(pb.CheckIn))
async def list_check_ins(
    goal_id: Id, call: Caller, page_size: PageSize = DEFAULT_PAGE, page_token: PageToken = ""
) -> Response:
    """Check-ins of a goal, newest first."""
    request = call.ask_page(pb.ListCheckInsRequest(goal_id=str(goal_id)), page_size, page_token)
    return call.page(await call.send(call.services.goals.ListCheckIns, request), "check_ins", request)


@router.post("/goals/{goal_id}:propose", response_model=view(pb.Goal), dependencies=[IfMatch])
async def propose_goal(goal_id: Id, call: Caller) -> Response:
    """Ask the owner's manager to confirm a draft."""
    request = pb.ProposeGoalRequest(request_id=call.request_id, goal_id=str(goal_id), etag=call.if_match)
    return call.answer((await call.send(call.services.goals.ProposeGoal, request)).goal)


@router.post("/goals/{goal_id}:confirm", response_model=view(pb.Goal), dependencies=[IfMatch])
async def confirm_goal(goal_id: Id, call: Caller) -> Response:
    """Make a proposed goal binding; the owner's manager or HR."""
    request = pb.ConfirmGoalRequest(request_id=call.request_id, goal_id=str(goal_id), etag=call.if_match)
    return call.answer((await call.send(call.services.goals.ConfirmGoal, request)).goal)


@router.post("/goals/{goal_id}:reject", response_model=view(pb.Goal), dependencies=[IfMatch])
async def reject_goal(goal_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Send a proposed goal back with a reason."""
    request = pb.RejectGoalRequest(
        request_id=call.request_id, goal_id=str(goal_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.goals.RejectGoal, request)).goal)


@router.post("/goals/{goal_id}:check-in", response_model=view(pb.CheckInGoalResponse))
async def check_in_goal(goal_id: Id, body: schemas.CheckIn, call: Caller) -> Response:
    """Record a value, confidence and note."""
    values = {"confidence": -1, **plain(body)}
    request = wire.from_json(pb.CheckInGoalRequest, values, request_id=call.request_id, goal_id=str(goal_id))
    return call.answer(await call.send(call.services.goals.CheckInGoal, request))


@router.post("/goals/{goal_id}:cancel", response_model=view(pb.Goal), dependencies=[IfMatch])
async def cancel_goal(goal_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Cancel a goal with a reason."""
    request = pb.CancelGoalRequest(
        request_id=call.request_id, goal_id=str(goal_id), reason=body.reason, etag=call.if_match
    )
    return call.answer((await call.send(call.services.goals.CancelGoal, request)).goal)


@router.post("/goals/{goal_id}:close", response_model=view(pb.Goal), dependencies=[IfMatch])
async def close_goal(goal_id: Id, call: Caller) -> Response:
    """Settle a goal as achieved or missed by its value."""
    request = pb.CloseGoalRequest(request_id=call.request_id, goal_id=str(goal_id), etag=call.if_match)
    return call.answer((await call.send(call.services.goals.CloseGoal, request)).goal)
