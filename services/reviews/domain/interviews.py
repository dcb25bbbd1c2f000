"""How an interview goes: scheduled, recorded by each side in words of their own, signed by both."""

from dataclasses import replace
from datetime import datetime

from services.reviews.domain.errors import InterviewStateInvalid, Invalid
from services.reviews.domain.form_body import content_hash
from services.reviews.domain.model import Interview, InterviewState

OPEN = frozenset({InterviewState.PLANNED, InterviewState.SCHEDULED, InterviewState.RECORDED})
EARLIEST_YEAR, LATEST_YEAR = 2000, 2200


def schedule(interview: Interview, at: datetime, place: str) -> Interview:
    """Set time and place, or others; a record that exists stays."""
    _require(interview, "scheduled")
    if not EARLIEST_YEAR <= at.year <= LATEST_YEAR:
        raise Invalid("this is no time for an interview", field="scheduled_time")
    recorded = interview.state is InterviewState.RECORDED
    state = InterviewState.RECORDED if recorded else InterviewState.SCHEDULED
    return replace(interview, state=state, scheduled_at=at, place=place)


def record(interview: Interview, notes: str, *, by_employee: bool) -> Interview:
    """Keep the notes of one side; once anybody has signed, what they signed stays as it is."""
    _require(interview, "recorded")
    if by_employee:
        return replace(interview, employee_notes=notes)
    return replace(interview, manager_notes=notes, state=InterviewState.RECORDED)


def sign(interview: Interview, at: datetime, *, by_employee: bool) -> Interview:
    """One signature of each side, on the record as it stands; the second ends the interview."""
    if interview.state is not InterviewState.RECORDED:
        raise InterviewStateInvalid(
            "only an interview that the interviewer has recorded can be signed", meta={"state": interview.state.value}
        )
    if (interview.employee_signed_at if by_employee else interview.manager_signed_at) is not None:
        raise InterviewStateInvalid("you have signed")
    changed = replace(interview, employee_signed_at=at) if by_employee else replace(interview, manager_signed_at=at)
    if changed.employee_signed_at and changed.manager_signed_at:
        return replace(changed, state=InterviewState.SIGNED)
    return changed


def record_hash(interview: Interview) -> bytes:
    """SHA-256 of what both sides sign."""
    return content_hash(
        {
            "interview": str(interview.id),
            "scheduled_at": interview.scheduled_at.isoformat() if interview.scheduled_at else "",
            "place": interview.place,
            "manager_notes": interview.manager_notes,
            "employee_notes": interview.employee_notes,
        }
    )


def _require(interview: Interview, verb: str) -> None:
    if interview.state not in OPEN or interview.manager_signed_at or interview.employee_signed_at:
        raise InterviewStateInvalid(
            f"an interview that was signed cannot be {verb}", meta={"state": interview.state.value}
        )
