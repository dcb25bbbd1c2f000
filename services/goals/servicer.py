"""The goals service on the wire: one method a call, each one run of a use case."""

from typing import Any

from protos.goals.v1 import goals_pb2 as pb
from protos.goals.v1 import goals_pb2_grpc
from services.goals.convert import goals as convert
from services.goals.store import GoalsWork
from services.goals.usecases import change_goal, check_in_goal, freeze_attainments, import_goals, read_goals
from services.goals.usecases.standing import Standing
from services.runtime.database import Runner

Call = Any  # grpc.aio.ServicerContext, whose type parameters say nothing here


class GoalsServicer(goals_pb2_grpc.GoalsServiceServicer):
    """Answers every RPC of goals."""

    def __init__(self, runner: Runner[GoalsWork], standing: Standing) -> None:
        self._runner = runner
        self._standing = standing

    async def CreateGoal(self, request: pb.CreateGoalRequest, context: Call) -> pb.CreateGoalResponse:
        return await self._runner.command(
            context,
            request,
            change_goal.create_goal,
            convert.create_goal,
            convert.create_goal_reply,
            prepare=self._standing.of_goal,
        )

    async def ImportGoals(self, request: pb.ImportGoalsRequest, context: Call) -> pb.ImportGoalsResponse:
        return await self._runner.command(
            context,
            request,
            import_goals.import_goals,
            convert.import_goals,
            convert.import_goals_reply,
            prepare=self._standing.of_file,
        )

    async def GetGoal(self, request: pb.GetGoalRequest, context: Call) -> pb.GetGoalResponse:
        return await self._runner.query(context, request, read_goals.get_goal, convert.get_goal, convert.get_goal_reply)

    async def ListGoals(self, request: pb.ListGoalsRequest, context: Call) -> pb.ListGoalsResponse:
        asked = convert.list_goals(request)
        return await self._runner.query(
            context,
            request,
            read_goals.list_goals,
            lambda _: asked,
            lambda found: convert.list_goals_reply(found, asked),
        )

    async def ListGoalVersions(self, request: pb.ListGoalVersionsRequest, context: Call) -> pb.ListGoalVersionsResponse:
        asked = convert.list_versions(request)
        return await self._runner.query(
            context,
            request,
            read_goals.list_versions,
            lambda _: asked,
            lambda found: convert.list_versions_reply(found, asked),
        )

    async def ListCheckIns(self, request: pb.ListCheckInsRequest, context: Call) -> pb.ListCheckInsResponse:
        asked = convert.list_check_ins(request)
        return await self._runner.query(
            context,
            request,
            read_goals.list_check_ins,
            lambda _: asked,
            lambda found: convert.list_check_ins_reply(found, asked),
        )

    async def ProposeGoal(self, request: pb.ProposeGoalRequest, context: Call) -> pb.ProposeGoalResponse:
        return await self._runner.command(
            context, request, change_goal.propose_goal, convert.change_goal, convert.propose_goal_reply
        )

    async def ConfirmGoal(self, request: pb.ConfirmGoalRequest, context: Call) -> pb.ConfirmGoalResponse:
        return await self._runner.command(
            context, request, change_goal.confirm_goal, convert.change_goal, convert.confirm_goal_reply
        )

    async def RejectGoal(self, request: pb.RejectGoalRequest, context: Call) -> pb.RejectGoalResponse:
        return await self._runner.command(
            context, request, change_goal.reject_goal, convert.change_goal_with_reason, convert.reject_goal_reply
        )

    async def CheckInGoal(self, request: pb.CheckInGoalRequest, context: Call) -> pb.CheckInGoalResponse:
        return await self._runner.command(
            context, request, check_in_goal.check_in_goal, convert.check_in_goal, convert.check_in_goal_reply
        )

    async def CancelGoal(self, request: pb.CancelGoalRequest, context: Call) -> pb.CancelGoalResponse:
        return await self._runner.command(
            context, request, change_goal.cancel_goal, convert.change_goal_with_reason, convert.cancel_goal_reply
        )

    async def CloseGoal(self, request: pb.CloseGoalRequest, context: Call) -> pb.CloseGoalResponse:
        return await self._runner.command(
            context, request, change_goal.close_goal, convert.change_goal, convert.close_goal_reply
        )

    async def FreezeAttainments(
        self, request: pb.FreezeAttainmentsRequest, context: Call
    ) -> pb.FreezeAttainmentsResponse:
        return await self._runner.perform(
            context,
            request,
            freeze_attainments.freeze_attainments,
            convert.freeze_attainments,
            convert.freeze_attainments_reply,
        )

    async def ListAttainments(self, request: pb.ListAttainmentsRequest, context: Call) -> pb.ListAttainmentsResponse:
        return await self._runner.query(
            context,
            request,
            freeze_attainments.list_attainments,
            convert.list_attainments,
            convert.list_attainments_reply,
        )
