"""For operators: what is stalled and why, and what the workflow engine knows."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from protos.engine.v1 import engine_pb2
from protos.reviews.v1 import cycles_pb2
from services.gateway import operations, wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, PageSize, PageToken
from services.gateway.errors import Refusal
from services.gateway.schemas import operations as shown
from services.gateway.schemas import reviews as schemas
from services.gateway.schemas.views import page_of, view

router = APIRouter(prefix="/ops", tags=["operations"])


@router.get("/stalled", response_model=page_of(cycles_pb2.StalledRow))
async def list_stalled(
    call: Caller,
    cycle: str = "",
    stage: str = "",
    task: str = "",
    participant: str = "",
    department: str = "",
    include_waiting: bool = False,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """What waits, on whom, since when, until when, what happens next, what can be done now."""
    found = cycles_pb2.ListStalledRequest(
        cycle_id=cycle, stage=stage, task_id=task, participant_id=participant, department_id=department
    )
    found.include_waiting = include_waiting
    request = call.ask_page(found, page_size, page_token)
    return call.page(await operations.list_stalled(call, request), "rows", request)


@router.get("/explain", response_model=page_of(cycles_pb2.StalledRow))
async def explain(
    call: Caller,
    task: str = "",
    participant: str = "",
    cycle: str = "",
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """Why one task, one participant or one cycle waits, also what waits in time; name one of the three."""
    if sum(map(bool, (task, participant, cycle))) != 1:
        raise Refusal(400, "INVALID_REQUEST", "name a task, a participant or a cycle, and only one of them")
    found = cycles_pb2.ListStalledRequest(task_id=task, participant_id=participant, cycle_id=cycle)
    found.include_waiting = True
    request = call.ask_page(found, page_size, page_token)
    return call.page(await operations.list_stalled(call, request), "rows", request)


@router.get("/cycles/{cycle_id}", response_model=shown.CycleEngine)
async def get_cycle_engine(cycle_id: Id, call: Caller) -> Response:
    """A cycle for operators: its workflow with pending activities, its stages, and what time does next."""
    return JSONResponse(await operations.cycle_for_operators(call, str(cycle_id)))


@router.post("/cycles/{cycle_id}:restart-workflow", response_model=view(engine_pb2.CycleEngine))
async def restart_workflow(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Terminate the workflow of a cycle and start it again from the rows."""
    request = engine_pb2.RestartWorkflowRequest(request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason)
    return call.answer((await call.send(call.services.engine.RestartWorkflow, request)).engine)


@router.get("/lag", response_model=shown.Lags)
async def list_lag(call: Caller) -> Response:
    """How far the bridge and every consumer is behind the logs that it follows."""
    lags, silent = await operations.list_lag(call)
    return JSONResponse({"lags": [wire.to_json(lag) for lag in lags], "silent": silent})
