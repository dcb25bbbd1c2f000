"""ClockworkService: what the worker, the bridge and other services drive; one statement an RPC."""

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.reviews.convert import clockwork as convert
from services.reviews.convert import readings
from services.reviews.convert import schedules as recurring
from services.reviews.store import ReviewsWork
from services.reviews.usecases import end_tasks, enrol, open_stage, peek, reconcile, schedules, settle, tick
from services.reviews.usecases import readings as reading
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class ClockworkServicer(clockwork_pb2_grpc.ClockworkServiceServicer):
    """Every RPC is repeatable by state and epoch, so no reply is kept."""

    def __init__(self, runner: Runner[ReviewsWork], scheduler: schedules.Scheduler) -> None:
        self._runner = runner
        self._make_scheduled = scheduler.prepare

    async def Tick(self, request: clockwork_pb2.TickRequest, context: CallContext) -> clockwork_pb2.TickResponse:
        return await self._runner.perform(context, request, tick.tick, convert.tick, convert.tick_reply)

    async def PeekCycle(
        self, request: clockwork_pb2.PeekCycleRequest, context: CallContext
    ) -> clockwork_pb2.PeekCycleResponse:
        return await self._runner.query(context, request, peek.peek, convert.peek, convert.peek_reply)

    async def GetEnrolment(
        self, request: clockwork_pb2.GetEnrolmentRequest, context: CallContext
    ) -> clockwork_pb2.GetEnrolmentResponse:
        return await self._runner.query(
            context, request, enrol.get_enrolment, convert.get_enrolment, convert.get_enrolment_reply
        )

    async def EnrolPage(
        self, request: clockwork_pb2.EnrolPageRequest, context: CallContext
    ) -> clockwork_pb2.EnrolPageResponse:
        return await self._runner.perform(
            context, request, enrol.enrol_page, convert.enrol_page, convert.enrol_page_reply
        )

    async def FinishEnrolment(
        self, request: clockwork_pb2.FinishEnrolmentRequest, context: CallContext
    ) -> clockwork_pb2.FinishEnrolmentResponse:
        return await self._runner.perform(
            context, request, enrol.finish_enrolment, convert.finish_enrolment, convert.finish_enrolment_reply
        )

    async def OpenStage(
        self, request: clockwork_pb2.OpenStageRequest, context: CallContext
    ) -> clockwork_pb2.OpenStageResponse:
        return await self._runner.perform(
            context, request, open_stage.open_stage, convert.open_stage, convert.open_stage_reply
        )

    async def RemindStage(
        self, request: clockwork_pb2.RemindStageRequest, context: CallContext
    ) -> clockwork_pb2.RemindStageResponse:
        return await self._runner.perform(
            context, request, end_tasks.remind_stage, convert.remind_stage, convert.remind_stage_reply
        )

    async def ExpireStage(
        self, request: clockwork_pb2.ExpireStageRequest, context: CallContext
    ) -> clockwork_pb2.ExpireStageResponse:
        return await self._runner.perform(
            context, request, end_tasks.expire_stage, convert.expire_stage, convert.expire_stage_reply
        )

    async def MarkScored(
        self, request: clockwork_pb2.MarkScoredRequest, context: CallContext
    ) -> clockwork_pb2.MarkScoredResponse:
        return await self._runner.perform(
            context, request, settle.mark_scored, convert.mark_scored, convert.mark_scored_reply
        )

    async def FinishSettling(
        self, request: clockwork_pb2.FinishSettlingRequest, context: CallContext
    ) -> clockwork_pb2.FinishSettlingResponse:
        return await self._runner.perform(
            context, request, settle.finish_settling, convert.finish_settling, convert.finish_settling_reply
        )

    async def ReportBlocked(
        self, request: clockwork_pb2.ReportBlockedRequest, context: CallContext
    ) -> clockwork_pb2.ReportBlockedResponse:
        return await self._runner.perform(
            context, request, settle.report_blocked, convert.report_blocked, convert.report_blocked_reply
        )

    async def ListLiveCycles(
        self, request: clockwork_pb2.ListLiveCyclesRequest, context: CallContext
    ) -> clockwork_pb2.ListLiveCyclesResponse:
        return await self._runner.query(
            context,
            request,
            reconcile.list_live_cycles,
            readings.list_live_cycles,
            readings.list_live_cycles_reply,
            system=True,
        )

    async def ListScoringInputs(
        self, request: clockwork_pb2.ListScoringInputsRequest, context: CallContext
    ) -> clockwork_pb2.ListScoringInputsResponse:
        return await self._runner.query(
            context,
            request,
            reading.list_scoring_inputs,
            readings.list_scoring_inputs,
            readings.list_scoring_inputs_reply,
        )

    async def GetScoringRules(
        self, request: clockwork_pb2.GetScoringRulesRequest, context: CallContext
    ) -> clockwork_pb2.GetScoringRulesResponse:
        return await self._runner.query(
            context, request, reading.get_scoring_rules, readings.get_scoring_rules, readings.get_scoring_rules_reply
        )

    async def ListRecipients(
        self, request: clockwork_pb2.ListRecipientsRequest, context: CallContext
    ) -> clockwork_pb2.ListRecipientsResponse:
        return await self._runner.query(
            context, request, reading.list_recipients, readings.list_recipients, readings.list_recipients_reply
        )

    async def ListDueSchedules(
        self, request: clockwork_pb2.ListDueSchedulesRequest, context: CallContext
    ) -> clockwork_pb2.ListDueSchedulesResponse:
        return await self._runner.query(
            context,
            request,
            schedules.list_live_schedules,
            recurring.list_due_schedules,
            recurring.list_due_schedules_reply,
            system=True,
        )

    async def CreateScheduledCycle(
        self, request: clockwork_pb2.CreateScheduledCycleRequest, context: CallContext
    ) -> clockwork_pb2.CreateScheduledCycleResponse:
        return await self._runner.perform(
            context,
            request,
            schedules.create_scheduled_cycle,
            recurring.create_scheduled_cycle,
            recurring.create_scheduled_cycle_reply,
            prepare=self._make_scheduled,
        )
