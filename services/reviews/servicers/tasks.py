"""TaskService without actual values: one statement an RPC."""

from functools import partial
from typing import Protocol, TypeVar

from protos.reviews.v1 import tasks_pb2, tasks_pb2_grpc
from services.reviews.convert import tasks as convert
from services.reviews.convert.templates import page_size
from services.reviews.store import ReviewsWork
from services.reviews.store.submit import METHOD
from services.reviews.usecases import task_answers, task_commands, task_reading
from services.reviews.usecases.submit_task import Desks, FormCache, submit_task
from services.reviews.usecases.task_commands import NO_TENANT
from services.runtime import telemetry
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext
from services.runtime.idempotency import Key
from services.runtime.identity import current_principal


class AboutTask(Protocol):
    """A reply about one task."""

    @property
    def task(self) -> tasks_pb2.Task: ...


Reply = TypeVar("Reply", bound=AboutTask)


class TaskServicer(tasks_pb2_grpc.TaskServiceServicer):
    """What people owe, and what they submit."""

    def __init__(self, runner: Runner[ReviewsWork], desks: Desks, people: task_commands.People) -> None:
        self._runner = runner
        self._desks = desks
        self._forms = FormCache()
        self._assignees = task_commands.Assignees(people)

    async def ListTasks(self, request: tasks_pb2.ListTasksRequest, context: CallContext) -> tasks_pb2.ListTasksResponse:
        reply = partial(convert.list_tasks_reply, size=page_size(request.page_size))
        return await self._runner.query(context, request, task_reading.list_tasks, convert.list_tasks, reply)

    async def GetTask(self, request: tasks_pb2.GetTaskRequest, context: CallContext) -> tasks_pb2.GetTaskResponse:
        return _noted(
            await self._runner.query(context, request, task_reading.get_task, convert.get_task, convert.get_task_reply)
        )

    async def SaveTask(self, request: tasks_pb2.SaveTaskRequest, context: CallContext) -> tasks_pb2.SaveTaskResponse:
        return _noted(
            await self._runner.command(
                context, request, task_answers.save_task, convert.save_task, convert.save_task_reply
            )
        )

    async def SubmitTask(
        self, request: tasks_pb2.SubmitTaskRequest, context: CallContext
    ) -> tasks_pb2.SubmitTaskResponse:
        principal = current_principal()
        key = Key(principal.tenant_id or NO_TENANT, principal.actor, METHOD, request.request_id, request)
        command = convert.submit_task(request, key.request_hash)
        receipt = await submit_task(self._desks, self._forms, principal, command, telemetry.current_trace_id())
        self._runner.announce()
        return convert.submit_task_reply(receipt)

    async def RecallTask(
        self, request: tasks_pb2.RecallTaskRequest, context: CallContext
    ) -> tasks_pb2.RecallTaskResponse:
        return _noted(
            await self._runner.command(
                context, request, task_answers.recall_task, convert.recall_task, convert.recall_task_reply
            )
        )

    async def ReturnTask(
        self, request: tasks_pb2.ReturnTaskRequest, context: CallContext
    ) -> tasks_pb2.ReturnTaskResponse:
        return _noted(
            await self._runner.command(
                context, request, task_commands.return_task, convert.return_task, convert.return_task_reply
            )
        )

    async def ReassignTask(
        self, request: tasks_pb2.ReassignTaskRequest, context: CallContext
    ) -> tasks_pb2.ReassignTaskResponse:
        return _noted(
            await self._runner.command(
                context,
                request,
                task_commands.reassign_task,
                convert.reassign_task,
                convert.reassign_task_reply,
                prepare=self._assignees.prepare,
            )
        )

    async def ExtendTask(
        self, request: tasks_pb2.ExtendTaskRequest, context: CallContext
    ) -> tasks_pb2.ExtendTaskResponse:
        return _noted(
            await self._runner.command(
                context, request, task_commands.extend_task, convert.extend_task, convert.extend_task_reply
            )
        )

    async def RemindTasks(
        self, request: tasks_pb2.RemindTasksRequest, context: CallContext
    ) -> tasks_pb2.RemindTasksResponse:
        return await self._runner.command(
            context, request, task_commands.remind_tasks, convert.remind_tasks, convert.remind_tasks_reply
        )


def _noted(reply: Reply) -> Reply:
    """The reply; log lines and span carry the cycle of its task, which the request does not name."""
    telemetry.concerns(cycle=reply.task.cycle_id)
    return reply
