"""What a facilitator does in a session: look, try, move, undo, commit, reopen."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.scoring.domain import calibration
from services.scoring.domain.calibration import GradeCount, Member, Move, Preview, Session, SessionState
from services.scoring.domain.errors import AlreadyReleased, EtagMismatch, NotFound, ReasonRequired, ScoresMissing
from services.scoring.domain.model import CycleRules
from services.scoring.policy import may_waive, require_calibrator, require_reader
from services.scoring.usecases.needs import NeedsSessions


@dataclass(frozen=True, slots=True)
class ListSessions:
    """A page of sessions, of one cycle or all."""

    cycle_id: UUID | None
    after: UUID | None
    size: int


@dataclass(frozen=True, slots=True)
class SessionShown:
    """A session with its distribution and guideline."""

    session: Session
    distribution: tuple[GradeCount, ...]
    guideline_mode: str


@dataclass(frozen=True, slots=True)
class SessionsPage:
    """A page of sessions; `last` is the id to go on after, None at the end."""

    sessions: tuple[SessionShown, ...]
    last: UUID | None


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """A session with its members, best first, without the reader's own row."""

    shown: SessionShown
    members: tuple[tuple[int, Member], ...]


@dataclass(frozen=True, slots=True)
class MoveMember:
    """A member's new grade, score or both."""

    session_id: UUID
    participant_id: UUID
    grade: str
    score: Decimal | None
    reason: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class MemberMoved:
    """The session after the move, and where the member stands."""

    shown: SessionShown
    rank: int
    member: Member


@dataclass(frozen=True, slots=True)
class OnSession:
    """Undo, commit or reopen; `reason` is that of the waiver or of the reopening."""

    session_id: UUID
    all_moves: bool = False
    reason: str = ""
    etag: str = ""


async def list_sessions(work: NeedsSessions, command: ListSessions) -> SessionsPage:
    """Sessions that the caller may see."""
    rows = await work.sessions.page(work.principal, command.cycle_id, command.after, command.size + 1)
    kept = rows[: command.size]
    members = await work.sessions.members([row.id for row in kept])
    rules = {row.cycle_id: await _rules(work, row.cycle_id) for row in kept}
    shown = tuple(_shown(row, members[row.id], rules[row.cycle_id]) for row in kept)
    return SessionsPage(shown, kept[-1].id if len(rows) > command.size else None)


async def get_session(work: NeedsSessions, session_id: UUID) -> SessionOpened:
    """A session with its members but the caller."""
    session = await _find(work, session_id)
    require_reader(work.principal, session)
    members, rules = await _content(work, session)
    others = calibration.others_only(members, work.principal.employee_id)
    return SessionOpened(_shown(session, members, rules), calibration.ranked(others, rules.scale()))


async def preview_move(work: NeedsSessions, command: MoveMember) -> Preview:
    """What a move would do; nothing is stored."""
    session = await _find(work, command.session_id)
    require_calibrator(work.principal, session)
    calibration.require_open(session)
    members, rules = await _content(work, session)
    return _preview(work, session, command, members, rules)


async def move_member(work: NeedsSessions, command: MoveMember) -> MemberMoved:
    """Change a member's grade, and score where asked; refused on one's own row, and without a reason that is needed."""
    session = await _lock(work, command.session_id, command.etag)
    calibration.require_open(session)
    members, rules = await _content(work, session)
    preview = _preview(work, session, command, members, rules)
    calibration.require_reason(preview, command.reason)
    before = _member(members, command.participant_id)
    made = Move(
        await work.sessions.next_sequence(session.id),
        before.participant_id,
        before.grade,
        before.score,
        preview.member.grade,
        preview.member.score,
        command.reason,
    )
    await work.sessions.set_member(session.id, preview.member)
    await work.sessions.add_move(session.id, made, work.principal.actor)
    saved = await work.sessions.save(session, moves=session.moves + 1)
    detail = {
        "participant_id": str(made.participant_id),
        "sequence": made.sequence,
        "from": [made.from_grade, str(made.from_score)],
        "to": [made.to_grade, str(made.to_score)],
        "inverts_rank": preview.inverts_rank,
    }
    await work.audit("session.moved", "session", session.id, detail=detail, note=command.reason)
    return await _after_move(work, saved, made.participant_id, rules)


async def undo_session(work: NeedsSessions, command: OnSession) -> SessionShown:
    """Take back the last move, or all: the members are then as they were in the snapshot, to the last digit."""
    session = await _lock(work, command.session_id, command.etag)
    calibration.require_open(session)
    members, rules = await _content(work, session)
    last = await work.sessions.last_move(session.id)
    if last is not None and command.all_moves:
        await work.sessions.reset_members(session.id)
        undone = await work.sessions.undo_moves(session.id)
    elif last is not None:
        standing = {member.participant_id: member for member in members}
        await work.sessions.set_member(session.id, calibration.undone(standing, last))
        undone = await work.sessions.undo_moves(session.id, since=last.sequence)
    else:
        undone = 0
    saved = await work.sessions.save(session, moves=session.moves - undone)
    await work.audit("session.undone", "session", session.id, detail={"moves": undone, "all": command.all_moves})
    return await _show(work, saved, rules)


async def commit_session(work: NeedsSessions, command: OnSession) -> SessionShown:
    """Write the session's grades and scores to the results; an enforced guideline blocks unless HR waives it."""
    session = await _lock(work, command.session_id, command.etag)
    calibration.require_open(session)
    members, rules = await _content(work, session)
    waived = calibration.require_within(
        members,
        rules.quotas(),
        session.pooled,
        waiver_reason=command.reason,
        may_waive=may_waive(work.principal, session),
    )
    await work.results.apply_session(session.cycle_id, session.id, _coefficients(rules))
    saved = await work.sessions.save(
        session, state=SessionState.COMMITTED, waiver_reason=command.reason if waived else ""
    )
    await _tell(work, "scoring.session_committed", saved)
    detail = {"moves": saved.moves, "waived": waived, "version": saved.version}
    await work.audit("session.committed", "session", session.id, detail=detail, note=command.reason)
    return await _show(work, saved, rules)


async def reopen_session(work: NeedsSessions, command: OnSession) -> SessionShown:
    """Open a committed or stale session again, until release; a stale one takes a new snapshot of the scores."""
    if not command.reason.strip():
        raise ReasonRequired("reopening needs a reason", field="reason")
    session = await _lock(work, command.session_id, command.etag)
    calibration.require_committed(session)
    if await work.releases.find(session.cycle_id) is not None:
        raise AlreadyReleased("the results of this cycle have been released")
    rules = await _rules(work, session.cycle_id)
    if session.state is SessionState.STALE:
        await work.sessions.undo_moves(session.id)
        await work.sessions.refresh_members(session.id)
    else:
        await work.results.withdraw_session(session.cycle_id, session.id, _coefficients(rules))
    moves = 0 if session.state is SessionState.STALE else session.moves
    saved = await work.sessions.save(session, state=SessionState.OPEN, moves=moves)
    await _tell(work, "scoring.session_reopened", saved)
    detail = {"from": session.state.value, "version": saved.version}
    await work.audit("session.reopened", "session", session.id, detail=detail, note=command.reason)
    return await _show(work, saved, rules)


async def _find(work: NeedsSessions, session_id: UUID) -> Session:
    session = await work.sessions.find(session_id)
    if session is None:
        raise NotFound("there is no such session")
    return session


async def _lock(work: NeedsSessions, session_id: UUID, etag: str) -> Session:
    session = await work.sessions.find(session_id, lock=True)
    if session is None:
        raise NotFound("there is no such session")
    require_calibrator(work.principal, session)
    if etag and etag != etag_of(session):
        raise EtagMismatch("the session has changed", meta={"etag": etag_of(session)})
    return session


def etag_of(session: Session) -> str:
    """What changes with each write of a session."""
    return str(session.version)


async def _rules(work: NeedsSessions, cycle_id: UUID) -> CycleRules:
    rules = await work.scores.rules(cycle_id)
    if rules is None:
        raise ScoresMissing("the cycle has not been scored")
    return rules


async def _content(work: NeedsSessions, session: Session) -> tuple[tuple[Member, ...], CycleRules]:
    members = await work.sessions.members([session.id])
    return members[session.id], await _rules(work, session.cycle_id)


async def _show(work: NeedsSessions, session: Session, rules: CycleRules) -> SessionShown:
    return _shown(session, (await work.sessions.members([session.id]))[session.id], rules)


def _shown(session: Session, members: tuple[Member, ...], rules: CycleRules) -> SessionShown:
    guideline = rules.quotas()
    counts = calibration.distribution(members, rules.scale(), guideline, session.pooled)
    return SessionShown(session, counts, guideline.mode.value if guideline else "")


def _member(members: tuple[Member, ...], participant_id: UUID) -> Member:
    for member in members:
        if member.participant_id == participant_id:
            return member
    raise NotFound("the participant is not in this session")


def _preview(
    work: NeedsSessions, session: Session, command: MoveMember, members: tuple[Member, ...], rules: CycleRules
) -> Preview:
    before = _member(members, command.participant_id)
    after = calibration.moved(
        before,
        grade=command.grade,
        score=command.score,
        scale=rules.scale(),
        mover=work.principal.employee_id,
    )
    return calibration.preview(members, before, after, rules.scale(), rules.quotas(), session.pooled)


async def _after_move(work: NeedsSessions, session: Session, participant_id: UUID, rules: CycleRules) -> MemberMoved:
    members = (await work.sessions.members([session.id]))[session.id]
    ranks = calibration.ranked(members, rules.scale())
    rank, member = next(each for each in ranks if each[1].participant_id == participant_id)
    return MemberMoved(_shown(session, members, rules), rank, member)


def _coefficients(rules: CycleRules) -> dict[str, Decimal]:
    return {grade.code: grade.coefficient for grade in rules.scale().grades}


async def _tell(work: NeedsSessions, kind: str, session: Session) -> None:
    facts = {
        "session_id": str(session.id),
        "cycle_id": str(session.cycle_id),
        "stage_id": str(session.stage_id),
        "epoch": session.epoch,
        "facilitator_id": str(session.facilitator_id or ""),
    }
    await work.emit(kind, "session", session.id, session.version, facts)
