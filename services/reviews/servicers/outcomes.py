"""OutcomeService: one statement an RPC."""

from functools import partial

from protos.reviews.v1 import outcomes_pb2, outcomes_pb2_grpc
from services.reviews.convert import outcomes as convert
from services.reviews.convert.templates import page_size
from services.reviews.store import ReviewsWork
from services.reviews.usecases import acknowledge_result, appeal_commands, appeal_reading, interview_commands
from services.reviews.usecases.task_commands import Assignees, People
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class OutcomeServicer(outcomes_pb2_grpc.OutcomeServiceServicer):
    """What people do with a released result."""

    def __init__(self, runner: Runner[ReviewsWork], people: People) -> None:
        self._runner = runner
        self._owners = appeal_commands.Owners(Assignees(people))

    async def AcknowledgeResult(
        self, request: outcomes_pb2.AcknowledgeResultRequest, context: CallContext
    ) -> outcomes_pb2.AcknowledgeResultResponse:
        return await self._runner.command(
            context,
            request,
            acknowledge_result.acknowledge_result,
            convert.acknowledge_result,
            convert.acknowledge_result_reply,
        )

    async def FileAppeal(
        self, request: outcomes_pb2.FileAppealRequest, context: CallContext
    ) -> outcomes_pb2.FileAppealResponse:
        return await self._runner.command(
            context, request, appeal_commands.file_appeal, convert.file_appeal, convert.file_appeal_reply
        )

    async def GetAppeal(
        self, request: outcomes_pb2.GetAppealRequest, context: CallContext
    ) -> outcomes_pb2.GetAppealResponse:
        return await self._runner.query(
            context, request, appeal_reading.get_appeal, convert.get_appeal, convert.get_appeal_reply
        )

    async def ListAppeals(
        self, request: outcomes_pb2.ListAppealsRequest, context: CallContext
    ) -> outcomes_pb2.ListAppealsResponse:
        reply = partial(convert.list_appeals_reply, size=page_size(request.page_size))
        return await self._runner.query(context, request, appeal_reading.list_appeals, convert.list_appeals, reply)

    async def AcceptAppeal(
        self, request: outcomes_pb2.AcceptAppealRequest, context: CallContext
    ) -> outcomes_pb2.AcceptAppealResponse:
        return await self._runner.command(
            context, request, appeal_commands.accept_appeal, convert.accept_appeal, convert.accept_appeal_reply
        )

    async def DeclineAppeal(
        self, request: outcomes_pb2.DeclineAppealRequest, context: CallContext
    ) -> outcomes_pb2.DeclineAppealResponse:
        return await self._runner.command(
            context, request, appeal_commands.decline_appeal, convert.decline_appeal, convert.decline_appeal_reply
        )

    async def AssignAppeal(
        self, request: outcomes_pb2.AssignAppealRequest, context: CallContext
    ) -> outcomes_pb2.AssignAppealResponse:
        return await self._runner.command(
            context,
            request,
            appeal_commands.assign_appeal,
            convert.assign_appeal,
            convert.assign_appeal_reply,
            prepare=self._owners.prepare,
        )

    async def DecideAppeal(
        self, request: outcomes_pb2.DecideAppealRequest, context: CallContext
    ) -> outcomes_pb2.DecideAppealResponse:
        return await self._runner.command(
            context, request, appeal_commands.decide_appeal, convert.decide_appeal, convert.decide_appeal_reply
        )

    async def WithdrawAppeal(
        self, request: outcomes_pb2.WithdrawAppealRequest, context: CallContext
    ) -> outcomes_pb2.WithdrawAppealResponse:
        return await self._runner.command(
            context, request, appeal_commands.withdraw_appeal, convert.withdraw_appeal, convert.withdraw_appeal_reply
        )

    async def ListInterviews(
        self, request: outcomes_pb2.ListInterviewsRequest, context: CallContext
    ) -> outcomes_pb2.ListInterviewsResponse:
        reply = partial(convert.list_interviews_reply, size=page_size(request.page_size))
        return await self._runner.query(
            context, request, interview_commands.list_interviews, convert.list_interviews, reply
        )

    async def ScheduleInterview(
        self, request: outcomes_pb2.ScheduleInterviewRequest, context: CallContext
    ) -> outcomes_pb2.ScheduleInterviewResponse:
        return await self._runner.command(
            context,
            request,
            interview_commands.schedule_interview,
            convert.schedule_interview,
            convert.schedule_interview_reply,
        )

    async def RecordInterview(
        self, request: outcomes_pb2.RecordInterviewRequest, context: CallContext
    ) -> outcomes_pb2.RecordInterviewResponse:
        return await self._runner.command(
            context,
            request,
            interview_commands.record_interview,
            convert.record_interview,
            convert.record_interview_reply,
        )

    async def SignInterview(
        self, request: outcomes_pb2.SignInterviewRequest, context: CallContext
    ) -> outcomes_pb2.SignInterviewResponse:
        return await self._runner.command(
            context, request, interview_commands.sign_interview, convert.sign_interview, convert.sign_interview_reply
        )
