"""Steps that begin in scoring: scores, calibration sessions and the release."""

from temporalio import activity

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from workflows import policies
from workflows.activities.progress import in_chunks, kept_alive
from workflows.activities.reviews import admit, finish_settling
from workflows.calls import Caller
from workflows.messages import Deed, Step, attainment_freeze_id


class ScoringActivities:
    """Has scoring do its part of a stage, then reviews record it."""

    def __init__(
        self,
        scoring: "scoring_pb2_grpc.ScoringServiceAsyncStub",
        reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
        caller: Caller,
    ) -> None:
        self._scoring = scoring
        self._reviews = reviews
        self._caller = caller

    @activity.defn(name=Step.SETTLE_SCORES)
    async def settle_scores(self, deed: Deed) -> None:
        """Score everybody in review and mark them, page by page, then close the stage."""
        cycle, stage, epoch = deed.cycle, deed.action.stage_id, deed.action.epoch

        async def chunk(after: str) -> str | None:
            request = scoring_pb2.ComputeScoresRequest(
                cycle_id=cycle.cycle_id,
                stage_id=stage,
                epoch=epoch,
                freeze_id=attainment_freeze_id(stage, epoch),
                after_participant_id=after,
                page_size=policies.SCORE_PAGE,
            )
            reply = await self._scoring.ComputeScores(request, **self._caller.bulk(cycle.tenant_id))
            if reply.last_participant_id:
                await self._mark(deed, after, reply)
            return None if reply.last else reply.last_participant_id

        await in_chunks(chunk)
        await finish_settling(self._reviews, self._caller, deed)

    async def _mark(self, deed: Deed, after: str, page: scoring_pb2.ComputeScoresResponse) -> None:
        request = clockwork_pb2.MarkScoredRequest(
            cycle_id=deed.cycle.cycle_id,
            stage_id=deed.action.stage_id,
            epoch=deed.action.epoch,
            after_participant_id=after,
            last_participant_id=page.last_participant_id,
            unscored_participant_ids=[unscored.participant_id for unscored in page.unscored],
            unscored_codes=[unscored.code for unscored in page.unscored],
        )
        await self._reviews.MarkScored(request, **self._caller.bulk(deed.cycle.tenant_id))

    @activity.defn(name=Step.OPEN_CALIBRATION)
    async def open_calibration(self, deed: Deed) -> None:
        """Open a session for each group, then make the facilitators' tasks."""
        async with kept_alive():
            request = scoring_pb2.OpenSessionsRequest(
                cycle_id=deed.cycle.cycle_id, stage_id=deed.action.stage_id, epoch=deed.action.epoch
            )
            opened = await self._scoring.OpenSessions(request, **self._caller.bulk(deed.cycle.tenant_id))
        sessions = tuple(
            clockwork_pb2.SessionTask(session_id=session.session_id, facilitator_id=session.facilitator_id)
            for session in opened.sessions
        )
        await admit(self._reviews, self._caller, deed, sessions)

    @activity.defn(name=Step.SETTLE_CALIBRATION)
    async def settle_calibration(self, deed: Deed) -> None:
        """Close the sessions, those that were not committed too, then the stage."""
        async with kept_alive():
            request = scoring_pb2.CloseSessionsRequest(
                cycle_id=deed.cycle.cycle_id, stage_id=deed.action.stage_id, epoch=deed.action.epoch
            )
            await self._scoring.CloseSessions(request, **self._caller.bulk(deed.cycle.tenant_id))
            await finish_settling(self._reviews, self._caller, deed)

    @activity.defn(name=Step.SETTLE_RELEASE)
    async def settle_release(self, deed: Deed) -> None:
        """Make the results visible, then close the stage with the instant of the first release."""
        async with kept_alive():
            request = scoring_pb2.ReleaseResultsRequest(
                cycle_id=deed.cycle.cycle_id, stage_id=deed.action.stage_id, epoch=deed.action.epoch
            )
            request.release_time.FromDatetime(deed.at)
            released = await self._scoring.ReleaseResults(request, **self._caller.bulk(deed.cycle.tenant_id))
            await finish_settling(self._reviews, self._caller, deed, released.release_time)
