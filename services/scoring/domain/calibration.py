"""The rules of a calibration session: who may be moved, what needs a reason, what the guideline allows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import Enum
from uuid import UUID

from services.scoring.domain.errors import (
    Denied,
    GuidelineMissed,
    InvalidInput,
    OwnRow,
    ReasonRequired,
    SessionNotCommitted,
    SessionNotOpen,
)
from services.scoring.domain.grades import GradeScale
from services.scoring.domain.quota import Guideline, GuidelineMode, outside, quota


class SessionState(Enum):
    """Where a session stands."""

    OPEN = "open"
    COMMITTED = "committed"
    LAPSED = "lapsed"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Member:
    """A participant in a session: as scored (the snapshot that undo returns to) and as it stands."""

    participant_id: UUID
    employee_id: UUID
    weighted: Decimal
    scored_grade: str
    score: Decimal
    grade: str
    counted: bool = True  # newcomers and the like are outside the quota


@dataclass(frozen=True, slots=True)
class Session:
    """A calibration session of one group; `version` rises with every write."""

    id: UUID
    cycle_id: UUID
    stage_id: UUID
    epoch: int
    department_id: UUID | None
    department_name: str
    department_path: str
    facilitator_id: UUID | None
    state: SessionState
    pooled: bool
    version: int
    size: int = 0
    moves: int = 0
    update_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Move:
    """One change of a member; the values before make it reversible."""

    sequence: int
    participant_id: UUID
    from_grade: str
    from_score: Decimal
    to_grade: str
    to_score: Decimal
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GradeCount:
    """How many hold a grade, and how many the guideline suggests (None without one)."""

    grade: str
    count: int
    suggested: int | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What a move would do."""

    member: Member
    distribution: tuple[GradeCount, ...]
    inverts_rank: bool
    reason_required: bool


def require_open(session: Session) -> None:
    """Raises SessionNotOpen unless the session takes moves."""
    if session.state is not SessionState.OPEN:
        raise SessionNotOpen(f"the session is {session.state.value}", meta={"state": session.state.value})


def require_committed(session: Session) -> None:
    """Raises SessionNotCommitted unless the session was committed or grew stale."""
    if session.state not in (SessionState.COMMITTED, SessionState.STALE):
        raise SessionNotCommitted(f"the session is {session.state.value}", meta={"state": session.state.value})


def others_only(members: Iterable[Member], reader: UUID | None) -> tuple[Member, ...]:
    """The members without the reader's own row: nobody sees or moves it."""
    return tuple(member for member in members if member.employee_id != reader)


def moved(member: Member, *, grade: str, score: Decimal | None, scale: GradeScale, mover: UUID | None) -> Member:
    """The member after a move. The score stays unless given; raises OwnRow, GradeUnknown, InvalidInput."""
    if member.employee_id == mover:
        raise OwnRow("nobody moves their own row")
    if not grade and score is None:
        raise InvalidInput("name a grade, a score or both", field="grade")
    if score is not None and not 0 <= score <= 1000:
        raise InvalidInput("a score is between 0 and the ceiling", field="score")
    new_score = member.score if score is None else score
    new_grade = scale.named(grade).code if grade else scale.of(new_score).code
    return replace(member, grade=new_grade, score=new_score)


def inverts_rank(members: Sequence[Member], after: Member, scale: GradeScale) -> bool:
    """Whether somebody with a better score would then hold a worse grade than the one moved, or the other way round."""
    for other in members:
        if other.participant_id == after.participant_id or other.score == after.score:
            continue
        best, worst = (other, after) if other.score > after.score else (after, other)
        if scale.better(worst.grade, best.grade):
            return True
    return False


def preview(
    members: Sequence[Member],
    before: Member,
    after: Member,
    scale: GradeScale,
    guideline: Guideline | None,
    pooled: bool,
) -> Preview:
    """What the move does to order and distribution.

    A reason is needed for an inversion of rank, for a changed score, and when the guideline asks for one and is
    missed.
    """
    standing = [after if member.participant_id == after.participant_id else member for member in members]
    inverted = inverts_rank(members, after, scale)
    counts = distribution(standing, scale, guideline, pooled)
    advisory = guideline is None or guideline.mode is GuidelineMode.INFORM
    asked = not advisory and bool(off_guideline(standing, guideline, pooled))
    needed = inverted or after.score != before.score or asked
    return Preview(after, counts, inverted, needed)


def require_reason(shown: Preview, reason: str) -> None:
    """Raises ReasonRequired when the move needs a reason and has none."""
    if shown.reason_required and not reason.strip():
        raise ReasonRequired("this move needs a reason", field="reason", meta={"inverts_rank": str(shown.inverts_rank)})


def distribution(
    members: Iterable[Member], scale: GradeScale, guideline: Guideline | None, pooled: bool
) -> tuple[GradeCount, ...]:
    """Grades best first with how many hold them; only those inside the quota count towards what is suggested."""
    listed = list(members)
    held = Counter(member.grade for member in listed if member.counted)
    suggested = {} if guideline is None or pooled else quota(sum(held.values()), guideline.quotas)
    return tuple(GradeCount(grade.code, held[grade.code], suggested.get(grade.code)) for grade in scale.grades)


def off_guideline(members: Iterable[Member], guideline: Guideline | None, pooled: bool) -> tuple[str, ...]:
    """Grades that too few or too many hold; none without a guideline, and none in a group that is too small for one."""
    if guideline is None or pooled:
        return ()
    return outside(Counter(member.grade for member in members if member.counted), guideline.quotas)


def require_within(
    members: Iterable[Member], guideline: Guideline | None, pooled: bool, *, waiver_reason: str, may_waive: bool
) -> bool:
    """Whether a waiver was used; raises GuidelineMissed when an enforced guideline is missed and not waived."""
    if guideline is None or guideline.mode is not GuidelineMode.ENFORCE:
        return False
    grades = off_guideline(members, guideline, pooled)
    if not grades:
        return False
    if waiver_reason.strip() and not may_waive:
        raise Denied("only HR waives a guideline")
    if not waiver_reason.strip():
        message = f"too few or too many people hold {', '.join(grades)}"
        raise GuidelineMissed(message, meta={"grades": ",".join(grades)})
    return True


def undone(members: Mapping[UUID, Member], move: Move) -> Member:
    """The member as it stood before the move."""
    return replace(members[move.participant_id], grade=move.from_grade, score=move.from_score)


def ranked(members: Iterable[Member], scale: GradeScale) -> tuple[tuple[int, Member], ...]:
    """Members best first by grade, then score, with their rank; ties share the better one."""
    order = sorted(
        members, key=lambda each: (scale.position(scale.named(each.grade)), -each.score, each.participant_id.bytes)
    )
    ranks: list[tuple[int, Member]] = []
    for place, member in enumerate(order, start=1):
        tied = ranks and (ranks[-1][1].grade, ranks[-1][1].score) == (member.grade, member.score)
        ranks.append((ranks[-1][0] if tied else place, member))
    return tuple(ranks)
