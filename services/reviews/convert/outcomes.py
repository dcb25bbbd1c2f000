"""OutcomeService: proto ↔ domain."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from protos.reviews.v1 import outcomes_pb2, tasks_pb2
from services.reviews.convert.tasks import optional_id, read_evidence, read_instant, text_of
from services.reviews.convert.templates import page_size, read_id, read_token, timestamp, write_token
from services.reviews.domain.answers import DECIMAL
from services.reviews.domain.errors import Invalid
from services.reviews.domain.form_body import plain_number
from services.reviews.domain.model import Appeal, AppealState, InterviewState, Opinion
from services.reviews.usecases.acknowledge_result import Acknowledged, AcknowledgeResult
from services.reviews.usecases.appeal_commands import AssignAppeal, DecideAppeal, FileAppeal, StepOfAppeal
from services.reviews.usecases.appeal_reading import GetAppeal, PageAppeals
from services.reviews.usecases.interview_commands import (
    PageInterviews,
    RecordInterview,
    ScheduleInterview,
    SignInterview,
)
from services.reviews.usecases.outcome_ports import AppealView, InterviewView

OPINIONS: Mapping[int, Opinion] = {
    outcomes_pb2.OPINION_AGREE: Opinion.AGREE,
    outcomes_pb2.OPINION_DISAGREE: Opinion.DISAGREE,
}
APPEAL_STATES = {
    AppealState.FILED: outcomes_pb2.APPEAL_STATE_FILED,
    AppealState.ACCEPTED: outcomes_pb2.APPEAL_STATE_ACCEPTED,
    AppealState.INVESTIGATING: outcomes_pb2.APPEAL_STATE_ACCEPTED,
    AppealState.DECLINED: outcomes_pb2.APPEAL_STATE_DECLINED,
    AppealState.KEPT: outcomes_pb2.APPEAL_STATE_KEPT,
    AppealState.CLOSED: outcomes_pb2.APPEAL_STATE_KEPT,
    AppealState.WITHDRAWN: outcomes_pb2.APPEAL_STATE_WITHDRAWN,
}
FILTERS: Mapping[int, str] = {
    outcomes_pb2.APPEAL_STATE_FILED: "filed",
    outcomes_pb2.APPEAL_STATE_ACCEPTED: "accepted",
    outcomes_pb2.APPEAL_STATE_DECLINED: "declined",
    outcomes_pb2.APPEAL_STATE_KEPT: "kept",
    outcomes_pb2.APPEAL_STATE_AMENDING: "amending",
    outcomes_pb2.APPEAL_STATE_AMENDED: "amended",
    outcomes_pb2.APPEAL_STATE_WITHDRAWN: "withdrawn",
}
OUTCOMES: Mapping[int, bool] = {
    outcomes_pb2.APPEAL_OUTCOME_KEPT: False,
    outcomes_pb2.APPEAL_OUTCOME_AMENDED: True,
}
INTERVIEW_STATES = {
    InterviewState.PLANNED: outcomes_pb2.INTERVIEW_STATE_OPEN,
    InterviewState.SCHEDULED: outcomes_pb2.INTERVIEW_STATE_SCHEDULED,
    InterviewState.RECORDED: outcomes_pb2.INTERVIEW_STATE_RECORDED,
    InterviewState.SIGNED: outcomes_pb2.INTERVIEW_STATE_SIGNED,
    InterviewState.CANCELED: outcomes_pb2.INTERVIEW_STATE_OPEN,
}


def acknowledge_result(request: outcomes_pb2.AcknowledgeResultRequest) -> AcknowledgeResult:
    if request.opinion not in OPINIONS:
        raise Invalid("say whether you agree or disagree", field="opinion")
    return AcknowledgeResult(
        read_id(request.participant_id, "participant_id"),
        OPINIONS[request.opinion],
        request.result_version,
        request.comment,
        request.signature,
    )


def acknowledge_result_reply(done: Acknowledged) -> outcomes_pb2.AcknowledgeResultResponse:
    return outcomes_pb2.AcknowledgeResultResponse(task_id=str(done.task_id), acknowledge_time=timestamp(done.at))


def file_appeal(request: outcomes_pb2.FileAppealRequest) -> FileAppeal:
    return FileAppeal(
        read_id(request.participant_id, "participant_id"),
        request.result_version,
        request.grounds,
        tuple(request.items),
        read_evidence(request.evidence),
    )


def file_appeal_reply(view: AppealView) -> outcomes_pb2.FileAppealResponse:
    return outcomes_pb2.FileAppealResponse(appeal=appeal_message(view))


def get_appeal(request: outcomes_pb2.GetAppealRequest) -> GetAppeal:
    return GetAppeal(read_id(request.appeal_id, "appeal_id"))


def get_appeal_reply(view: AppealView) -> outcomes_pb2.GetAppealResponse:
    return outcomes_pb2.GetAppealResponse(appeal=appeal_message(view))


def list_appeals(request: outcomes_pb2.ListAppealsRequest) -> PageAppeals:
    if request.state and request.state not in FILTERS:
        raise Invalid("there is no such state", field="state")
    return PageAppeals(
        optional_id(request.cycle_id, "cycle_id"),
        FILTERS.get(request.state, ""),
        _after(request.page_token),
        page_size(request.page_size),
    )


def list_appeals_reply(views: list[AppealView], size: int) -> outcomes_pb2.ListAppealsResponse:
    token = write_token(str(views[-1].appeal.id)) if len(views) == size else ""
    return outcomes_pb2.ListAppealsResponse(appeals=[appeal_message(view) for view in views], next_page_token=token)


def accept_appeal(request: outcomes_pb2.AcceptAppealRequest) -> StepOfAppeal:
    return StepOfAppeal(read_id(request.appeal_id, "appeal_id"))


def accept_appeal_reply(view: AppealView) -> outcomes_pb2.AcceptAppealResponse:
    return outcomes_pb2.AcceptAppealResponse(appeal=appeal_message(view))


def decline_appeal(request: outcomes_pb2.DeclineAppealRequest) -> StepOfAppeal:
    return StepOfAppeal(read_id(request.appeal_id, "appeal_id"), request.reason)


def decline_appeal_reply(view: AppealView) -> outcomes_pb2.DeclineAppealResponse:
    return outcomes_pb2.DeclineAppealResponse(appeal=appeal_message(view))


def assign_appeal(request: outcomes_pb2.AssignAppealRequest) -> AssignAppeal:
    return AssignAppeal(read_id(request.appeal_id, "appeal_id"), read_id(request.owner_id, "owner_id"), request.reason)


def assign_appeal_reply(view: AppealView) -> outcomes_pb2.AssignAppealResponse:
    return outcomes_pb2.AssignAppealResponse(appeal=appeal_message(view))


def decide_appeal(request: outcomes_pb2.DecideAppealRequest) -> DecideAppeal:
    if request.outcome not in OUTCOMES:
        raise Invalid("say whether the result is kept or amended", field="outcome")
    return DecideAppeal(
        read_id(request.appeal_id, "appeal_id"),
        OUTCOMES[request.outcome],
        request.reason,
        read_decimal(request.score, "score"),
        request.grade.strip(),
        read_evidence(request.evidence),
    )


def decide_appeal_reply(view: AppealView) -> outcomes_pb2.DecideAppealResponse:
    return outcomes_pb2.DecideAppealResponse(appeal=appeal_message(view))


def withdraw_appeal(request: outcomes_pb2.WithdrawAppealRequest) -> StepOfAppeal:
    return StepOfAppeal(read_id(request.appeal_id, "appeal_id"))


def withdraw_appeal_reply(view: AppealView) -> outcomes_pb2.WithdrawAppealResponse:
    return outcomes_pb2.WithdrawAppealResponse(appeal=appeal_message(view))


def list_interviews(request: outcomes_pb2.ListInterviewsRequest) -> PageInterviews:
    return PageInterviews(
        optional_id(request.cycle_id, "cycle_id"), _after(request.page_token), page_size(request.page_size)
    )


def list_interviews_reply(views: list[InterviewView], size: int) -> outcomes_pb2.ListInterviewsResponse:
    token = write_token(str(views[-1].interview.id)) if len(views) == size else ""
    messages = [interview_message(view) for view in views]
    return outcomes_pb2.ListInterviewsResponse(interviews=messages, next_page_token=token)


def schedule_interview(request: outcomes_pb2.ScheduleInterviewRequest) -> ScheduleInterview:
    if not request.HasField("scheduled_time"):
        raise Invalid("scheduled_time is required", field="scheduled_time")
    return ScheduleInterview(
        read_id(request.interview_id, "interview_id"),
        read_instant(request.scheduled_time, "scheduled_time"),
        request.place,
    )


def schedule_interview_reply(view: InterviewView) -> outcomes_pb2.ScheduleInterviewResponse:
    return outcomes_pb2.ScheduleInterviewResponse(interview=interview_message(view))


def record_interview(request: outcomes_pb2.RecordInterviewRequest) -> RecordInterview:
    return RecordInterview(read_id(request.interview_id, "interview_id"), request.notes)


def record_interview_reply(view: InterviewView) -> outcomes_pb2.RecordInterviewResponse:
    return outcomes_pb2.RecordInterviewResponse(interview=interview_message(view))


def sign_interview(request: outcomes_pb2.SignInterviewRequest) -> SignInterview:
    return SignInterview(read_id(request.interview_id, "interview_id"), request.signature)


def sign_interview_reply(view: InterviewView) -> outcomes_pb2.SignInterviewResponse:
    return outcomes_pb2.SignInterviewResponse(interview=interview_message(view))


def appeal_message(view: AppealView) -> outcomes_pb2.Appeal:
    appeal = view.appeal
    return outcomes_pb2.Appeal(
        id=str(appeal.id),
        cycle_id=str(appeal.cycle_id),
        participant_id=str(appeal.participant_id),
        employee_id=str(view.employee_id),
        result_version=appeal.result_version,
        state=appeal_state(appeal),
        owner_id=text_of(appeal.owner_id),
        grounds=appeal.grounds,
        items=appeal.items,
        evidence=[
            tasks_pb2.Evidence(name=each["name"], url=each["url"], sha256=each.get("sha256", ""))
            for each in appeal.evidence
        ],
        decision_reason=appeal.reason,
        score="" if appeal.score is None else plain_number(appeal.score),
        grade=appeal.grade,
        create_time=timestamp(appeal.create_time),
        due_at=timestamp(appeal.due_at),
        decide_time=timestamp(appeal.decided_at),
    )


def appeal_state(appeal: Appeal) -> "outcomes_pb2.AppealState.ValueType":
    """An amended appeal is amending until scoring has released the new result."""
    if appeal.state is AppealState.AMENDED:
        return outcomes_pb2.APPEAL_STATE_AMENDED if appeal.amended_at else outcomes_pb2.APPEAL_STATE_AMENDING
    return APPEAL_STATES[appeal.state]


def interview_message(view: InterviewView) -> outcomes_pb2.Interview:
    interview = view.interview
    return outcomes_pb2.Interview(
        id=str(interview.id),
        cycle_id=str(interview.cycle_id),
        participant_id=str(interview.participant_id),
        employee_id=str(interview.employee_id),
        interviewer_id=text_of(view.task.task.assignee_id),
        state=INTERVIEW_STATES[interview.state],
        scheduled_time=timestamp(interview.scheduled_at),
        place=interview.place,
        interviewer_notes=interview.manager_notes,
        employee_notes=interview.employee_notes,
        interviewer_sign_time=timestamp(interview.manager_signed_at),
        employee_sign_time=timestamp(interview.employee_signed_at),
        task_id=str(view.task.id),
    )


def read_decimal(written: str, field: str) -> Decimal | None:
    """A decimal, None for nothing; Invalid for anything else."""
    if not written.strip():
        return None
    if not DECIMAL.fullmatch(written.strip()):
        raise Invalid(f"{field} is not a decimal number", field=field)
    return Decimal(written.strip())


def _after(token: str) -> UUID | None:
    parts = read_token(token)
    if parts is None:
        return None
    try:
        (identifier,) = parts
        return UUID(identifier)
    except ValueError:
        raise Invalid("the page token is not one of ours", field="page_token") from None
