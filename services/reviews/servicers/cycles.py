"""CycleService: one statement an RPC."""

from functools import partial

from protos.reviews.v1 import cycles_pb2
from services.reviews.convert import cycles as convert
from services.reviews.convert import schedules as recurring
from services.reviews.convert import stalls
from services.reviews.convert.templates import page_size
from services.reviews.servicers.cycle_definition import CycleDefinitionServicer
from services.reviews.store import ReviewsWork
from services.reviews.usecases import list_stalled, run_cycle, run_stage, schedules, view_cycle
from services.reviews.usecases.cycle_definition import CycleDefiner
from services.reviews.usecases.preflight import Preflight
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class CycleServicer(CycleDefinitionServicer):
    """Defining, running and looking at cycles."""

    def __init__(
        self,
        runner: Runner[ReviewsWork],
        definer: CycleDefiner,
        preflight: Preflight,
        scheduler: schedules.Scheduler,
    ) -> None:
        self._runner = runner
        self._plan = scheduler.plan
        self._definer = definer
        self._preflight = preflight
        self._examine = run_cycle.examine_before_launch(preflight)

    async def LaunchCycle(
        self, request: cycles_pb2.LaunchCycleRequest, context: CallContext
    ) -> cycles_pb2.LaunchCycleResponse:
        return await self._runner.command(
            context,
            request,
            run_cycle.launch_cycle,
            convert.launch_cycle,
            convert.launch_cycle_reply,
            prepare=self._examine,
        )

    async def PauseCycle(
        self, request: cycles_pb2.PauseCycleRequest, context: CallContext
    ) -> cycles_pb2.PauseCycleResponse:
        return await self._runner.command(
            context, request, run_cycle.pause_cycle, convert.change_cycle, convert.pause_cycle_reply
        )

    async def ResumeCycle(
        self, request: cycles_pb2.ResumeCycleRequest, context: CallContext
    ) -> cycles_pb2.ResumeCycleResponse:
        return await self._runner.command(
            context, request, run_cycle.resume_cycle, convert.change_cycle, convert.resume_cycle_reply
        )

    async def CancelCycle(
        self, request: cycles_pb2.CancelCycleRequest, context: CallContext
    ) -> cycles_pb2.CancelCycleResponse:
        return await self._runner.command(
            context, request, run_cycle.cancel_cycle, convert.change_cycle, convert.cancel_cycle_reply
        )

    async def ReleaseCycle(
        self, request: cycles_pb2.ReleaseCycleRequest, context: CallContext
    ) -> cycles_pb2.ReleaseCycleResponse:
        return await self._runner.command(
            context, request, run_cycle.release_cycle, convert.change_cycle, convert.release_cycle_reply
        )

    async def ExtendStage(
        self, request: cycles_pb2.ExtendStageRequest, context: CallContext
    ) -> cycles_pb2.ExtendStageResponse:
        return await self._runner.command(
            context, request, run_stage.extend_stage, convert.extend_stage, convert.extend_stage_reply
        )

    async def CloseStage(
        self, request: cycles_pb2.CloseStageRequest, context: CallContext
    ) -> cycles_pb2.CloseStageResponse:
        return await self._runner.command(
            context, request, run_stage.close_stage, convert.close_stage, convert.close_stage_reply
        )

    async def ReopenStage(
        self, request: cycles_pb2.ReopenStageRequest, context: CallContext
    ) -> cycles_pb2.ReopenStageResponse:
        return await self._runner.command(
            context, request, run_stage.reopen_stage, convert.reopen_stage, convert.reopen_stage_reply
        )

    async def GetCycle(self, request: cycles_pb2.GetCycleRequest, context: CallContext) -> cycles_pb2.GetCycleResponse:
        return await self._runner.query(
            context, request, view_cycle.get_cycle, convert.get_cycle, convert.get_cycle_reply
        )

    async def ListCycles(
        self, request: cycles_pb2.ListCyclesRequest, context: CallContext
    ) -> cycles_pb2.ListCyclesResponse:
        reply = partial(convert.list_cycles_reply, size=page_size(request.page_size))
        return await self._runner.query(context, request, view_cycle.list_cycles, convert.list_cycles, reply)

    async def GetCycleProgress(
        self, request: cycles_pb2.GetCycleProgressRequest, context: CallContext
    ) -> cycles_pb2.GetCycleProgressResponse:
        return await self._runner.query(
            context, request, view_cycle.get_progress, convert.get_cycle, convert.get_progress_reply
        )

    async def GetCycleTimeline(
        self, request: cycles_pb2.GetCycleTimelineRequest, context: CallContext
    ) -> cycles_pb2.GetCycleTimelineResponse:
        return await self._runner.query(
            context, request, view_cycle.get_timeline, convert.get_cycle, convert.get_timeline_reply
        )

    async def ListParticipants(
        self, request: cycles_pb2.ListParticipantsRequest, context: CallContext
    ) -> cycles_pb2.ListParticipantsResponse:
        reply = partial(convert.list_participants_reply, size=page_size(request.page_size))
        return await self._runner.query(
            context, request, view_cycle.list_participants, convert.list_participants, reply
        )

    async def GetParticipant(
        self, request: cycles_pb2.GetParticipantRequest, context: CallContext
    ) -> cycles_pb2.GetParticipantResponse:
        return await self._runner.query(
            context, request, view_cycle.get_participant, convert.get_participant, convert.get_participant_reply
        )

    async def ListStalled(
        self, request: cycles_pb2.ListStalledRequest, context: CallContext
    ) -> cycles_pb2.ListStalledResponse:
        return await self._runner.query(
            context, request, list_stalled.list_stalled, stalls.list_stalled, stalls.list_stalled_reply
        )

    async def CreateSchedule(
        self, request: cycles_pb2.CreateScheduleRequest, context: CallContext
    ) -> cycles_pb2.CreateScheduleResponse:
        return await self._runner.command(
            context,
            request,
            schedules.create_schedule,
            recurring.create_schedule,
            recurring.create_schedule_reply,
            prepare=self._plan,
        )

    async def ListSchedules(
        self, request: cycles_pb2.ListSchedulesRequest, context: CallContext
    ) -> cycles_pb2.ListSchedulesResponse:
        reply = partial(recurring.list_schedules_reply, size=page_size(request.page_size))
        return await self._runner.query(context, request, schedules.list_schedules, recurring.list_schedules, reply)

    async def PauseSchedule(
        self, request: cycles_pb2.PauseScheduleRequest, context: CallContext
    ) -> cycles_pb2.PauseScheduleResponse:
        return await self._runner.command(
            context, request, schedules.change_schedule, recurring.pause_schedule, recurring.pause_schedule_reply
        )

    async def ResumeSchedule(
        self, request: cycles_pb2.ResumeScheduleRequest, context: CallContext
    ) -> cycles_pb2.ResumeScheduleResponse:
        return await self._runner.command(
            context, request, schedules.change_schedule, recurring.resume_schedule, recurring.resume_schedule_reply
        )
