"""How an appeal goes: who may own it, until when it may be filed, and what each step does to it."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from services.reviews.domain.answers import MAX_PLACES
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import (
    AppealStateInvalid,
    AppealWindowClosed,
    AssigneeInvalid,
    CyclePaused,
    Invalid,
    ReasonRequired,
    ResultNotReleased,
    Violation,
)
from services.reviews.domain.model import (
    Appeal,
    AppealState,
    Opinion,
    ParticipantState,
    Span,
    Stage,
    StageState,
    Unit,
)

UNDECIDED = frozenset({AppealState.FILED, AppealState.ACCEPTED, AppealState.INVESTIGATING})
RELEASED = frozenset(
    {
        ParticipantState.RELEASED,
        ParticipantState.ACKNOWLEDGED,
        ParticipantState.NO_ANSWER,
        ParticipantState.DISPUTED,
        ParticipantState.CLOSED,
    }
)
DECIDE_WITHIN = Span(5, Unit.BUSINESS_DAYS)
TIMED_BY_CLOCK = frozenset({Unit.SECONDS, Unit.HOURS})


def require_window(stage: Stage, released_at: datetime | None, now: datetime, calendar: Calendar) -> None:
    """Refuse an appeal before release, while paused, or after the window.

    The window ends with the stage; an amended result has one of the stage's length from its own release, as long as
    the stage has not closed (product.md §8).
    """
    if released_at is None:
        raise ResultNotReleased("the result has not been released")
    if stage.paused:
        raise CyclePaused("the cycle is paused")
    own_end = calendar.add(released_at, stage.definition.length)
    if stage.state in {StageState.OPENING, StageState.OPEN}:
        ends = max(own_end, stage.due_at) if stage.due_at else own_end
    elif stage.state is StageState.CLOSING:
        ends = own_end
    else:
        raise AppealWindowClosed("appeals are not open", meta={"state": stage.state.value})
    if now > ends:
        raise AppealWindowClosed("the window for appeals has passed")


def choose_owner(wanted: UUID | None, deputy: UUID, conflicted: Collection[UUID]) -> UUID | None:
    """The appeal owner unless they rated or lead this participant, then the deputy; nobody if both did."""
    for person in (wanted, deputy):
        if person is not None and person not in conflicted:
            return person
    return None


def decision_due(stage: Stage, now: datetime, calendar: Calendar) -> datetime:
    """Five business days; in a stage counted in hours or less, the stage's own length."""
    length = stage.definition.length
    return calendar.add(now, length if length.unit in TIMED_BY_CLOCK else DECIDE_WITHIN)


def accept(appeal: Appeal) -> Appeal:
    _require(appeal, {AppealState.FILED}, "accepted")
    return replace(appeal, state=AppealState.ACCEPTED)


def decline(appeal: Appeal, by: UUID | None, reason: str, at: datetime) -> Appeal:
    """Not taken up: the result stands."""
    _require(appeal, {AppealState.FILED}, "declined")
    return replace(appeal, state=AppealState.DECLINED, decided_by=by, decided_at=at, reason=reason)


def assign(appeal: Appeal, owner_id: UUID, conflicted: Collection[UUID]) -> Appeal:
    _require(appeal, UNDECIDED, "assigned")
    if owner_id in conflicted:
        raise AssigneeInvalid("who rated or leads the employee cannot decide", field="owner_id")
    if owner_id == appeal.owner_id:
        raise AssigneeInvalid("the appeal is theirs already", field="owner_id")
    return replace(appeal, owner_id=owner_id)


def keep(appeal: Appeal, by: UUID | None, reason: str, at: datetime) -> Appeal:
    _require(appeal, UNDECIDED - {AppealState.FILED}, "decided")
    return replace(appeal, state=AppealState.KEPT, decided_by=by, decided_at=at, reason=reason)


def amend(
    appeal: Appeal,
    by: UUID | None,
    reason: str,
    at: datetime,
    *,
    score: Decimal | None,
    grade: str,
    evidence: tuple[Mapping[str, Any], ...],
) -> Appeal:
    """Decided in the employee's favour; the new result is shown once scoring has made and released it."""
    _require(appeal, UNDECIDED - {AppealState.FILED}, "decided")
    if score is None and not grade:
        raise Invalid("an amendment names a score, a grade, or both", field="score")
    if not evidence:
        raise ReasonRequired("an amendment needs evidence", field="evidence")
    return replace(
        appeal,
        state=AppealState.AMENDED,
        decided_by=by,
        decided_at=at,
        reason=reason,
        score=score,
        grade=grade,
        decision_evidence=tuple(dict(each) for each in evidence),
    )


def withdraw(appeal: Appeal, at: datetime) -> Appeal:
    _require(appeal, UNDECIDED, "withdrawn")
    return replace(appeal, state=AppealState.WITHDRAWN, decided_at=at)


def state_after(opinion: Opinion | None, *, expired: bool) -> ParticipantState:
    """Where a participant stands once their appeal has ended without an amendment."""
    if opinion is not None:
        return ParticipantState.ACKNOWLEDGED
    return ParticipantState.NO_ANSWER if expired else ParticipantState.RELEASED


def amendment_problems(score: Decimal | None, grade: str, grades: Collection[str], ceiling: Decimal) -> list[Violation]:
    """What scoring could not make a result of: a grade that the template lacks, a score off its range."""
    problems: list[Violation] = []
    if score is not None:
        exponent = score.normalize().as_tuple().exponent
        if not 0 <= score <= ceiling or (isinstance(exponent, int) and -exponent > MAX_PLACES):
            problems.append(("score", "OUT_OF_RANGE", f"the score is from 0 to {ceiling}, at most {MAX_PLACES} places"))
    if grade and grade not in grades:
        problems.append(("grade", "UNKNOWN_GRADE", f"the grade is one of {', '.join(sorted(grades))}"))
    return problems


def _require(appeal: Appeal, allowed: Collection[AppealState], verb: str) -> None:
    if appeal.state not in allowed:
        raise AppealStateInvalid(
            f"an appeal that is {appeal.state} cannot be {verb}", meta={"state": appeal.state.value}
        )
