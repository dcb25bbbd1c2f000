"""Interviews: set a date, keep each side's own notes, sign what both can read."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.reviews.domain import interviews as step
from services.reviews.domain.answers import require_valid, text_problems
from services.reviews.domain.errors import InterviewNotFound, InterviewStateInvalid, TaskNotFound
from services.reviews.domain.model import Interview, InterviewState, TaskKind, TaskState
from services.reviews.domain.signatures import MAX_SIGNATURE, require_signature, typed_name
from services.reviews.domain.task_rules import require_stage_takes
from services.reviews.policy import can, require
from services.reviews.usecases.outcome_ports import InterviewView, NeedsInterviews, signed
from services.reviews.usecases.task_ports import tell_of_task
from services.reviews.usecases.task_view import TaskView
from services.runtime.clock import new_id

MAX_PLACE = 500


@dataclass(frozen=True, slots=True)
class ScheduleInterview:
    interview_id: UUID
    at: datetime
    place: str = ""


@dataclass(frozen=True, slots=True)
class RecordInterview:
    interview_id: UUID
    notes: str


@dataclass(frozen=True, slots=True)
class SignInterview:
    interview_id: UUID
    signature: str = ""


@dataclass(frozen=True, slots=True)
class PageInterviews:
    cycle_id: UUID | None = None
    after: UUID | None = None
    size: int = 50


async def list_interviews(work: NeedsInterviews, wanted: PageInterviews) -> list[InterviewView]:
    """Interviews that the caller may see, by id; those that nobody has touched yet are among them."""
    return await work.interviews.page(work.principal, wanted.cycle_id, wanted.after, wanted.size)


async def schedule_interview(work: NeedsInterviews, command: ScheduleInterview) -> InterviewView:
    """The interviewer sets time and place."""
    require_valid(text_problems("place", command.place, MAX_PLACE))
    view = await _locked(work, command.interview_id, "interview.schedule")
    changed = step.schedule(view.interview, command.at, command.place.strip())
    return await _save(work, "scheduled", view, changed)


async def record_interview(work: NeedsInterviews, command: RecordInterview) -> InterviewView:
    """Keep the caller's side of the record; the interviewer's notes make it a record that can be signed."""
    require_valid(text_problems("notes", command.notes))
    view = await _locked(work, command.interview_id, "interview.record")
    changed = step.record(view.interview, command.notes, by_employee=_is_employee(work, view))
    return await _save(work, "recorded", view, changed)


async def sign_interview(work: NeedsInterviews, command: SignInterview) -> InterviewView:
    """Sign the record as both sides wrote it; the second signature ends the interviewer's task."""
    require_valid(text_problems("signature", command.signature, MAX_SIGNATURE))
    view = await _locked(work, command.interview_id, "interview.record")
    method = require_signature(view.task.stage_signature, command.signature)
    changed = step.sign(view.interview, view.task.at, by_employee=_is_employee(work, view))
    row = signed(work, view.task, method, typed_name(command.signature), step.record_hash(view.interview))
    await work.tasks.sign(id=new_id(), subject_type="interview", subject_id=view.interview.id, **row)
    saved = await _save(work, "signed", view, changed)
    if changed.state is InterviewState.SIGNED:
        seen = view.task.task
        ended = replace(
            seen, state=TaskState.ACCEPTED, submitted_at=view.task.at, ended_at=view.task.at, late=view.task.past_due
        )
        await tell_of_task(work, "accepted", await work.tasks.save(ended, seen))
    return saved


async def _locked(work: NeedsInterviews, interview_id: UUID, action: str) -> InterviewView:
    """The interview of this id, which is its task's; held until commit, and its stage kept as it is."""
    try:
        seen = await work.tasks.find(interview_id)
    except TaskNotFound:
        raise InterviewNotFound("there is no such interview") from None
    if seen.task.kind is not TaskKind.INTERVIEW or not can(work.principal, "interview.see", seen.facts):
        raise InterviewNotFound("there is no such interview")
    require(work.principal, action, seen.facts)
    await work.stages.share(seen.task.stage_id)
    task = await work.tasks.lock(interview_id)
    require(work.principal, action, task.facts)
    require_stage_takes(task.stage_state, extended=task.extended, paused=task.stage_paused)
    if not task.task.owed:
        raise InterviewStateInvalid("the interview has ended", meta={"state": task.task.state.value})
    if task.task.assignee_id is None:
        raise InterviewStateInvalid("nobody has been found to hold the interview")
    return InterviewView(await work.interviews.of_task(task), task)


def _is_employee(work: NeedsInterviews, view: InterviewView) -> bool:
    return view.task.task.subject_id == work.principal.employee_id


async def _save(work: NeedsInterviews, kind: str, view: InterviewView, changed: Interview) -> InterviewView:
    saved = await work.interviews.save(changed)
    await _tell(work, kind, saved, view.task)
    return replace(view, interview=saved)


async def _tell(work: NeedsInterviews, kind: str, interview: Interview, task: TaskView) -> None:
    by_employee = task.task.subject_id == work.principal.employee_id
    detail = {
        "interview_id": str(interview.id),
        "task_id": str(task.id),
        "cycle_id": str(interview.cycle_id),
        "stage_id": str(task.task.stage_id),
        "participant_id": str(interview.participant_id),
        "employee_id": str(interview.employee_id),
        "manager_id": str(interview.manager_id),
        "side": "employee" if by_employee else "interviewer",
        "state": interview.state.value,
        "scheduled_at": interview.scheduled_at.isoformat() if interview.scheduled_at else None,
    }
    await work.audit(f"interview.{kind}", "interview", interview.id, detail=detail)
    await work.emit(f"reviews.interview_{kind}", "interview", interview.id, interview.version, detail)
