"""For operators: what is stalled, and what the workflow engine knows."""

from fastapi import APIRouter, Response

from protos.engine.v1 import engine_pb2
from protos.reviews.v1 import cycles_pb2
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, PageSize, PageToken
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
    return call.page(await call.send(call.services.cycles.ListStalled, request), "rows", request)


@router.get("/cycles/{cycle_id}", response_model=view(engine_pb2.CycleEngine))
async def get_cycle_engine(cycle_id: Id, call: Caller) -> Response:
    """The workflow of a cycle: id, run, state, pending activities."""
    request = engine_pb2.GetCycleEngineRequest(cycle_id=str(cycle_id))
    return call.answer((await call.send(call.services.engine.GetCycleEngine, request)).engine)


@router.post("/cycles/{cycle_id}:restart-workflow", response_model=view(engine_pb2.CycleEngine))
async def restart_workflow(cycle_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Terminate the workflow of a cycle and start it again from the rows."""
    request = engine_pb2.RestartWorkflowRequest(request_id=call.request_id, cycle_id=str(cycle_id), reason=body.reason)
    return call.answer((await call.send(call.services.engine.RestartWorkflow, request)).engine)


@router.get("/lag", response_model=view(engine_pb2.ListLagResponse))
async def list_lag(call: Caller) -> Response:
    """How far the bridge is behind each event log."""
    return call.answer(await call.send(call.services.engine.ListLag, engine_pb2.ListLagRequest()))
