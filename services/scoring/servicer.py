"""ScoringService: one method per RPC, each convert in, use case, convert out."""

from collections.abc import AsyncIterator

from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext
from services.scoring.convert import results, sessions, worker
from services.scoring.store import ScoringWork
from services.scoring.usecases import calibrate, export_results, open_sessions, read_results
from services.scoring.usecases.check_formulas import check_formulas
from services.scoring.usecases.compute_scores import Computing, compute_scores
from services.scoring.usecases.release_results import release_results


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Turns answers into scores that explain themselves."""

    def __init__(self, runner: Runner[ScoringWork], computing: Computing) -> None:
        self._runner = runner
        self._computing = computing

    async def CheckFormulas(
        self, request: scoring_pb2.CheckFormulasRequest, context: CallContext
    ) -> scoring_pb2.CheckFormulasResponse:
        return worker.check_formulas_reply(await check_formulas(None, worker.check_formulas(request)))

    async def ListSessions(
        self, request: scoring_pb2.ListSessionsRequest, context: CallContext
    ) -> scoring_pb2.ListSessionsResponse:
        return await self._runner.query(
            context, request, calibrate.list_sessions, sessions.list_sessions, sessions.list_sessions_reply
        )

    async def GetSession(
        self, request: scoring_pb2.GetSessionRequest, context: CallContext
    ) -> scoring_pb2.GetSessionResponse:
        return await self._runner.query(
            context, request, calibrate.get_session, sessions.get_session, sessions.get_session_reply
        )

    async def PreviewMove(
        self, request: scoring_pb2.PreviewMoveRequest, context: CallContext
    ) -> scoring_pb2.PreviewMoveResponse:
        return await self._runner.query(
            context, request, calibrate.preview_move, sessions.preview_move, sessions.preview_move_reply
        )

    async def MoveMember(
        self, request: scoring_pb2.MoveMemberRequest, context: CallContext
    ) -> scoring_pb2.MoveMemberResponse:
        return await self._runner.command(
            context, request, calibrate.move_member, sessions.move_member, sessions.move_member_reply
        )

    async def UndoSession(
        self, request: scoring_pb2.UndoSessionRequest, context: CallContext
    ) -> scoring_pb2.UndoSessionResponse:
        return await self._runner.command(
            context, request, calibrate.undo_session, sessions.undo_session, sessions.undo_session_reply
        )

    async def CommitSession(
        self, request: scoring_pb2.CommitSessionRequest, context: CallContext
    ) -> scoring_pb2.CommitSessionResponse:
        return await self._runner.command(
            context, request, calibrate.commit_session, sessions.commit_session, sessions.commit_session_reply
        )

    async def ReopenSession(
        self, request: scoring_pb2.ReopenSessionRequest, context: CallContext
    ) -> scoring_pb2.ReopenSessionResponse:
        return await self._runner.command(
            context, request, calibrate.reopen_session, sessions.reopen_session, sessions.reopen_session_reply
        )

    async def ListResults(
        self, request: scoring_pb2.ListResultsRequest, context: CallContext
    ) -> scoring_pb2.ListResultsResponse:
        return await self._runner.query(
            context, request, read_results.list_results, results.list_results, results.list_results_reply
        )

    async def GetResult(
        self, request: scoring_pb2.GetResultRequest, context: CallContext
    ) -> scoring_pb2.GetResultResponse:
        return await self._runner.query(
            context, request, read_results.get_result, results.get_result, results.get_result_reply
        )

    async def GetDistribution(
        self, request: scoring_pb2.GetDistributionRequest, context: CallContext
    ) -> scoring_pb2.GetDistributionResponse:
        return await self._runner.query(
            context, request, read_results.get_distribution, results.get_distribution, results.get_distribution_reply
        )

    async def CreateExport(
        self, request: scoring_pb2.CreateExportRequest, context: CallContext
    ) -> scoring_pb2.CreateExportResponse:
        return await self._runner.command(
            context, request, export_results.create_export, results.create_export, results.create_export_reply
        )

    async def GetExport(
        self, request: scoring_pb2.GetExportRequest, context: CallContext
    ) -> scoring_pb2.GetExportResponse:
        return await self._runner.query(
            context, request, export_results.get_export, results.get_export, results.get_export_reply
        )

    async def OpenSessions(
        self, request: scoring_pb2.OpenSessionsRequest, context: CallContext
    ) -> scoring_pb2.OpenSessionsResponse:
        return await self._runner.perform(
            context, request, open_sessions.open_sessions, worker.of_stage, worker.open_sessions_reply
        )

    async def CloseSessions(
        self, request: scoring_pb2.CloseSessionsRequest, context: CallContext
    ) -> scoring_pb2.CloseSessionsResponse:
        return await self._runner.perform(
            context, request, open_sessions.close_sessions, worker.of_stage, worker.close_sessions_reply
        )

    async def ReleaseResults(
        self, request: scoring_pb2.ReleaseResultsRequest, context: CallContext
    ) -> scoring_pb2.ReleaseResultsResponse:
        return await self._runner.perform(
            context, request, release_results, worker.release_results, worker.release_results_reply
        )

    async def ComputeScores(
        self, request: scoring_pb2.ComputeScoresRequest, context: CallContext
    ) -> scoring_pb2.ComputeScoresResponse:
        return await self._runner.perform(
            context,
            request,
            compute_scores,
            worker.compute_scores,
            worker.compute_scores_reply,
            prepare=self._computing,
        )

    async def DownloadExport(
        self, request: scoring_pb2.DownloadExportRequest, context: CallContext
    ) -> AsyncIterator[scoring_pb2.DownloadExportResponse]:
        parts = self._runner.stream(
            context, request, export_results.download_export, results.get_export, results.download_export_reply
        )
        async for part in parts:
            yield part
