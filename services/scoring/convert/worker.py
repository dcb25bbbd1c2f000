"""The worker's requests and replies."""

from collections.abc import Sequence

from protos.scoring.v1 import scoring_pb2
from services.scoring.convert.fields import id_text, instant_of, optional_uuid, timestamp, uuid_of
from services.scoring.domain.calibration import Session
from services.scoring.domain.errors import InvalidInput
from services.scoring.domain.model import Release
from services.scoring.usecases.check_formulas import FormulaFault, FormulaText
from services.scoring.usecases.compute_scores import PAGE_LIMIT, Computed, ComputeScores
from services.scoring.usecases.open_sessions import OfStage
from services.scoring.usecases.release_results import ReleaseResults


def compute_scores(request: scoring_pb2.ComputeScoresRequest) -> ComputeScores:
    """The page to compute."""
    if request.page_size < 0 or request.page_size > PAGE_LIMIT:
        raise InvalidInput(f"page_size is at most {PAGE_LIMIT}", field="page_size")
    return ComputeScores(
        cycle_id=uuid_of(request.cycle_id, "cycle_id"),
        stage_id=uuid_of(request.stage_id, "stage_id"),
        epoch=request.epoch,
        freeze_id=request.freeze_id,
        after=optional_uuid(request.after_participant_id, "after_participant_id"),
        size=request.page_size or PAGE_LIMIT,
    )


def compute_scores_reply(done: Computed) -> scoring_pb2.ComputeScoresResponse:
    """What was scored, and where to go on."""
    unscored = [
        scoring_pb2.UnscoredParticipant(
            participant_id=str(row.subject.participant_id), code=row.unscored_code, message=row.unscored_message
        )
        for row in done.rows
        if row.unscored_code
    ]
    return scoring_pb2.ComputeScoresResponse(
        scored=len(done.rows) - len(unscored),
        unscored=unscored,
        last_participant_id=id_text(done.rows[-1].subject.participant_id) if done.rows else "",
        last=done.last,
    )


def of_stage(request: scoring_pb2.OpenSessionsRequest | scoring_pb2.CloseSessionsRequest) -> OfStage:
    """The calibration stage that is meant."""
    return OfStage(uuid_of(request.cycle_id, "cycle_id"), uuid_of(request.stage_id, "stage_id"), request.epoch)


def open_sessions_reply(sessions: Sequence[Session]) -> scoring_pb2.OpenSessionsResponse:
    """The sessions as reviews needs them."""
    return scoring_pb2.OpenSessionsResponse(
        sessions=[
            scoring_pb2.OpenedSession(
                session_id=str(session.id),
                department_id=id_text(session.department_id),
                facilitator_id=id_text(session.facilitator_id),
            )
            for session in sessions
        ]
    )


def close_sessions_reply(lapsed: int) -> scoring_pb2.CloseSessionsResponse:
    """How many had not been committed."""
    return scoring_pb2.CloseSessionsResponse(lapsed=lapsed)


def release_results(request: scoring_pb2.ReleaseResultsRequest) -> ReleaseResults:
    """The release."""
    given = request.HasField("release_time")
    return ReleaseResults(
        cycle_id=uuid_of(request.cycle_id, "cycle_id"),
        stage_id=uuid_of(request.stage_id, "stage_id"),
        epoch=request.epoch,
        released_at=instant_of(request.release_time) if given else None,
    )


def release_results_reply(release: Release) -> scoring_pb2.ReleaseResultsResponse:
    """Since when results are visible."""
    return scoring_pb2.ReleaseResultsResponse(release_time=timestamp(release.released_at), count=release.results)


def check_formulas(request: scoring_pb2.CheckFormulasRequest) -> tuple[FormulaText, ...]:
    """The formulas to check."""
    return tuple(FormulaText(each.key, each.text, each.basis) for each in request.formulas)


def check_formulas_reply(faults: Sequence[FormulaFault]) -> scoring_pb2.CheckFormulasResponse:
    """Their faults."""
    return scoring_pb2.CheckFormulasResponse(
        faults=[
            scoring_pb2.FormulaFault(
                key=fault.key,
                code=fault.problem.code,
                message=fault.problem.message_en,
                message_zh=fault.problem.message_zh,
                position=fault.problem.position,
            )
            for fault in faults
        ]
    )
