"""Tasks: what people owe; and the actual values that providers enter."""

from typing import Annotated

from fastapi import APIRouter, Form, Response, UploadFile

from protos.reviews.v1 import tasks_pb2 as pb
from services.gateway import wire
from services.gateway.dependencies import DEFAULT_PAGE, Caller, Id, PageSize, PageToken
from services.gateway.routes.uploads import sheet
from services.gateway.schemas import reviews as schemas
from services.gateway.schemas.fields import plain
from services.gateway.schemas.views import page_of, view

router = APIRouter(tags=["tasks"])


@router.get("/tasks", response_model=page_of(pb.Task))
async def list_tasks(
    call: Caller,
    assignee: str = "",
    cycle: str = "",
    state: schemas.TaskState | None = None,
    overdue: bool = False,
    stage: str = "",
    participant: str = "",
    everybody: bool = False,
    owed: bool = False,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """What I owe, most urgent first; HR and managers may ask for others'."""
    values = {"assignee_id": assignee, "cycle_id": cycle, "state": state, "overdue": overdue, "stage": stage}
    values |= {"participant_id": participant, "all": everybody, "open": owed}
    request = call.ask_page(wire.from_json(pb.ListTasksRequest, values), page_size, page_token)
    return call.page(await call.send(call.services.tasks.ListTasks, request), "tasks", request)


@router.get("/tasks/{task_id}", response_model=view(pb.GetTaskResponse))
async def get_task(task_id: Id, call: Caller) -> Response:
    """A task with its form, my draft, and what else I may see."""
    return call.answer(await call.send(call.services.tasks.GetTask, pb.GetTaskRequest(task_id=str(task_id))))


@router.post("/tasks/{task_id}:save", response_model=view(pb.Task))
async def save_task(task_id: Id, body: schemas.SaveTask, call: Caller) -> Response:
    """Keep a draft."""
    request = wire.from_json(pb.SaveTaskRequest, plain(body), request_id=call.request_id, task_id=str(task_id))
    return call.answer((await call.send(call.services.tasks.SaveTask, request)).task)


@router.post("/tasks/{task_id}:submit", response_model=view(pb.SubmitTaskResponse))
async def submit_task(task_id: Id, body: schemas.SubmitTask, call: Caller) -> Response:
    """Submit answers; the order of commits in the database decides who was in time."""
    request = wire.from_json(pb.SubmitTaskRequest, plain(body), request_id=call.request_id, task_id=str(task_id))
    return call.answer(await call.send(call.services.tasks.SubmitTask, request))


@router.post("/tasks/{task_id}:recall", response_model=view(pb.Task))
async def recall_task(task_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Take my submission back while its stage is open."""
    request = pb.RecallTaskRequest(request_id=call.request_id, task_id=str(task_id), reason=body.reason)
    return call.answer((await call.send(call.services.tasks.RecallTask, request)).task)


@router.post("/tasks/{task_id}:return", response_model=view(pb.Task))
async def return_task(task_id: Id, body: schemas.ReturnTask, call: Caller) -> Response:
    """Send a submission back to its author, with a reason."""
    request = wire.from_json(pb.ReturnTaskRequest, plain(body), request_id=call.request_id, task_id=str(task_id))
    return call.answer((await call.send(call.services.tasks.ReturnTask, request)).task)


@router.post("/tasks/{task_id}:reassign", response_model=view(pb.Task))
async def reassign_task(task_id: Id, body: schemas.ReassignTask, call: Caller) -> Response:
    """Give an open task to somebody else, with its draft."""
    request = wire.from_json(pb.ReassignTaskRequest, plain(body), request_id=call.request_id, task_id=str(task_id))
    return call.answer((await call.send(call.services.tasks.ReassignTask, request)).task)


@router.post("/tasks/{task_id}:extend", response_model=view(pb.Task))
async def extend_task(task_id: Id, body: schemas.ExtendTask, call: Caller) -> Response:
    """Move one task's deadline."""
    request = wire.from_json(pb.ExtendTaskRequest, plain(body), request_id=call.request_id, task_id=str(task_id))
    return call.answer((await call.send(call.services.tasks.ExtendTask, request)).task)


@router.post("/tasks/{task_id}:remind", response_model=view(pb.RemindTasksResponse))
async def remind_task(task_id: Id, body: schemas.WithReason, call: Caller) -> Response:
    """Remind the assignee of an open task; the outcome says whether it was done."""
    request = pb.RemindTasksRequest(request_id=call.request_id, task_ids=[str(task_id)], reason=body.reason)
    return call.answer(await call.send(call.services.tasks.RemindTasks, request))


@router.post("/tasks:remind", response_model=view(pb.RemindTasksResponse))
async def remind_tasks(body: schemas.RemindTasks, call: Caller) -> Response:
    """Remind assignees of open tasks, with an outcome each."""
    request = wire.from_json(pb.RemindTasksRequest, plain(body, ids="task_ids"), request_id=call.request_id)
    return call.answer(await call.send(call.services.tasks.RemindTasks, request))


@router.get("/cycles/{cycle_id}/actuals", response_model=page_of(pb.Actual))
async def list_actuals(
    cycle_id: Id,
    call: Caller,
    participant: str = "",
    missing: bool = False,
    page_size: PageSize = DEFAULT_PAGE,
    page_token: PageToken = "",
) -> Response:
    """Actual values of a cycle that I provide or may see, missing ones included."""
    found = pb.ListActualsRequest(cycle_id=str(cycle_id), participant_id=participant, missing=missing)
    request = call.ask_page(found, page_size, page_token)
    return call.page(await call.send(call.services.tasks.ListActuals, request), "actuals", request)


@router.put("/cycles/{cycle_id}/actuals", response_model=view(pb.PutActualsResponse))
async def put_actuals(cycle_id: Id, body: schemas.PutActuals, call: Caller) -> Response:
    """Store actual values; those not stored are listed with the reason."""
    request = wire.from_json(pb.PutActualsRequest, plain(body), request_id=call.request_id, cycle_id=str(cycle_id))
    return call.answer(await call.send(call.services.tasks.PutActuals, request, bulk=True))


@router.post("/cycles/{cycle_id}/actuals:import", response_model=view(pb.ImportActualsResponse))
async def import_actuals(
    cycle_id: Id,
    file: UploadFile,
    call: Caller,
    dry_run: bool = False,
    reason: Annotated[str, Form(max_length=2000, description="Needed where locked values are corrected.")] = "",
) -> Response:
    """Load actual values from a CSV or XLSX file; bad rows are reported."""
    content, kind = await sheet(file)
    values = {"request_id": call.request_id, "cycle_id": str(cycle_id), "content": content, "reason": reason}
    request = pb.ImportActualsRequest(**values, format=kind, dry_run=dry_run)  # type: ignore[arg-type]
    return call.answer(await call.send(call.services.tasks.ImportActuals, request, bulk=True))
