"""Calibration sessions as they travel."""

from collections.abc import Iterable
from uuid import UUID

from protos.scoring.v1 import scoring_pb2
from services.scoring.convert.fields import (
    id_text,
    optional_decimal,
    optional_uuid,
    page_size,
    read_token,
    shown,
    uuid_of,
    write_token,
)
from services.scoring.domain.calibration import GradeCount, Member, Preview, SessionState
from services.scoring.usecases.calibrate import (
    ListSessions,
    MemberMoved,
    MoveMember,
    OnSession,
    SessionOpened,
    SessionShown,
    SessionsPage,
    etag_of,
)

STATES = {
    SessionState.OPEN: scoring_pb2.SESSION_STATE_OPEN,
    SessionState.COMMITTED: scoring_pb2.SESSION_STATE_COMMITTED,
    SessionState.LAPSED: scoring_pb2.SESSION_STATE_LAPSED,
    SessionState.STALE: scoring_pb2.SESSION_STATE_STALE,
}


def list_sessions(request: scoring_pb2.ListSessionsRequest) -> ListSessions:
    """The page asked for."""
    return ListSessions(
        optional_uuid(request.cycle_id, "cycle_id"), read_token(request.page_token), page_size(request.page_size)
    )


def list_sessions_reply(page: SessionsPage) -> scoring_pb2.ListSessionsResponse:
    """The page."""
    return scoring_pb2.ListSessionsResponse(
        sessions=[session(each) for each in page.sessions], next_page_token=write_token(page.last)
    )


def get_session(request: scoring_pb2.GetSessionRequest) -> UUID:
    """The session asked for."""
    return uuid_of(request.session_id, "session_id")


def get_session_reply(opened: SessionOpened) -> scoring_pb2.GetSessionResponse:
    """The session with its members."""
    return scoring_pb2.GetSessionResponse(
        session=session(opened.shown), members=[member(rank, each) for rank, each in opened.members]
    )


def preview_move(request: scoring_pb2.PreviewMoveRequest) -> MoveMember:
    """The move to try."""
    return MoveMember(
        session_id=uuid_of(request.session_id, "session_id"),
        participant_id=uuid_of(request.participant_id, "participant_id"),
        grade=request.grade,
        score=optional_decimal(request.score, "score"),
    )


def move_member(request: scoring_pb2.MoveMemberRequest) -> MoveMember:
    """The move to make."""
    return MoveMember(
        session_id=uuid_of(request.session_id, "session_id"),
        participant_id=uuid_of(request.participant_id, "participant_id"),
        grade=request.grade,
        score=optional_decimal(request.score, "score"),
        reason=request.reason,
        etag=request.etag,
    )


def preview_move_reply(preview: Preview) -> scoring_pb2.PreviewMoveResponse:
    """What would be."""
    return scoring_pb2.PreviewMoveResponse(
        distribution=grade_counts(preview.distribution),
        inverts_rank=preview.inverts_rank,
        reason_required=preview.reason_required,
    )


def move_member_reply(moved: MemberMoved) -> scoring_pb2.MoveMemberResponse:
    """The session and the member after the move."""
    return scoring_pb2.MoveMemberResponse(session=session(moved.shown), member=member(moved.rank, moved.member))


def undo_session(request: scoring_pb2.UndoSessionRequest) -> OnSession:
    """What to take back."""
    return OnSession(uuid_of(request.session_id, "session_id"), all_moves=request.all, etag=request.etag)


def undo_session_reply(shown: SessionShown) -> scoring_pb2.UndoSessionResponse:
    """The session."""
    return scoring_pb2.UndoSessionResponse(session=session(shown))


def commit_session(request: scoring_pb2.CommitSessionRequest) -> OnSession:
    """What to commit."""
    return OnSession(uuid_of(request.session_id, "session_id"), reason=request.waiver_reason, etag=request.etag)


def commit_session_reply(shown: SessionShown) -> scoring_pb2.CommitSessionResponse:
    """The session."""
    return scoring_pb2.CommitSessionResponse(session=session(shown))


def reopen_session(request: scoring_pb2.ReopenSessionRequest) -> OnSession:
    """What to open again."""
    return OnSession(uuid_of(request.session_id, "session_id"), reason=request.reason)


def reopen_session_reply(shown: SessionShown) -> scoring_pb2.ReopenSessionResponse:
    """The session."""
    return scoring_pb2.ReopenSessionResponse(session=session(shown))


def session(each: SessionShown) -> scoring_pb2.Session:
    """A session with its distribution."""
    row = each.session
    return scoring_pb2.Session(
        id=str(row.id),
        cycle_id=str(row.cycle_id),
        stage_id=str(row.stage_id),
        department_id=id_text(row.department_id),
        department_name=row.department_name,
        facilitator_id=id_text(row.facilitator_id),
        state=STATES[row.state],
        size=row.size,
        distribution=grade_counts(each.distribution),
        guideline_mode=each.guideline_mode,
        pooled=row.pooled,
        moves=row.moves,
        etag=etag_of(row),
    )


def member(rank: int, each: Member) -> scoring_pb2.SessionMember:
    """A member with their rank."""
    return scoring_pb2.SessionMember(
        participant_id=str(each.participant_id),
        employee_id=str(each.employee_id),
        weighted=shown(each.weighted),
        scored_grade=each.scored_grade,
        calibrated=shown(each.score),
        grade=each.grade,
        rank=rank,
    )


def grade_counts(counts: Iterable[GradeCount]) -> list[scoring_pb2.GradeCount]:
    """How many hold each grade."""
    return [
        scoring_pb2.GradeCount(
            grade=each.grade, count=each.count, suggested=-1 if each.suggested is None else each.suggested
        )
        for each in counts
    ]
