"""The RPCs of TaskService about actual values; the servicer of tasks inherits them."""

from functools import partial

from protos.reviews.v1 import tasks_pb2, tasks_pb2_grpc
from services.reviews.convert import actuals as convert
from services.reviews.convert.templates import page_size
from services.reviews.store import ReviewsWork
from services.reviews.usecases import actuals as usecases
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class ActualServicer(tasks_pb2_grpc.TaskServiceServicer):
    """ListActuals, PutActuals and ImportActuals."""

    _runner: Runner[ReviewsWork]

    async def ListActuals(
        self, request: tasks_pb2.ListActualsRequest, context: CallContext
    ) -> tasks_pb2.ListActualsResponse:
        reply = partial(convert.list_actuals_reply, size=page_size(request.page_size))
        return await self._runner.query(context, request, usecases.list_actuals, convert.list_actuals, reply)

    async def PutActuals(
        self, request: tasks_pb2.PutActualsRequest, context: CallContext
    ) -> tasks_pb2.PutActualsResponse:
        return await self._runner.command(
            context, request, usecases.put_actuals, convert.put_actuals, convert.put_actuals_reply
        )

    async def ImportActuals(
        self, request: tasks_pb2.ImportActualsRequest, context: CallContext
    ) -> tasks_pb2.ImportActualsResponse:
        return await self._runner.command(
            context, request, usecases.import_actuals, convert.import_actuals, convert.import_actuals_reply
        )
