"""TaskService: proto ↔ domain."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from protos.reviews.v1 import tasks_pb2
from services.reviews.convert.templates import page_size, read_id, read_token, timestamp, write_token
from services.reviews.domain.answers import Answer, Evidence, answers_of
from services.reviews.domain.errors import Invalid
from services.reviews.domain.form_body import canonical_json, plain_number
from services.reviews.domain.model import Actual, ActualState, Submission, TaskState
from services.reviews.usecases.submit_task import Receipt, SubmitTask
from services.reviews.usecases.task_answers import RecallTask, SaveTask
from services.reviews.usecases.task_commands import ExtendTask, Outcome, ReassignTask, RemindTasks, ReturnTask
from services.reviews.usecases.task_reading import GetTask, TaskSheet
from services.reviews.usecases.task_view import TaskFilter, TaskView

STATES = {state: tasks_pb2.TaskState.Value(f"TASK_STATE_{state.name}") for state in TaskState}
WRITTEN_STATES: Mapping[int, str] = {number: state.value for state, number in STATES.items()}


def list_tasks(request: tasks_pb2.ListTasksRequest) -> TaskFilter:
    assignee_id = optional_id(request.assignee_id, "assignee_id")
    return TaskFilter(
        mine=not request.all and assignee_id is None,
        assignee_id=assignee_id,
        cycle_id=optional_id(request.cycle_id, "cycle_id"),
        participant_id=optional_id(request.participant_id, "participant_id"),
        stage_key=request.stage,
        state=read_state(request.state),
        overdue=request.overdue,
        owed=request.open,
        after=_read_page(request.page_token),
        size=page_size(request.page_size),
    )


def list_tasks_reply(views: list[TaskView], size: int) -> tasks_pb2.ListTasksResponse:
    token = ""
    if len(views) == size:
        last = views[-1]
        token = write_token(last.due_at.isoformat() if last.due_at else "", str(last.id))
    return tasks_pb2.ListTasksResponse(tasks=[task_message(view) for view in views], next_page_token=token)


def get_task(request: tasks_pb2.GetTaskRequest) -> GetTask:
    return GetTask(read_id(request.task_id, "task_id"))


def get_task_reply(sheet: TaskSheet) -> tasks_pb2.GetTaskResponse:
    return tasks_pb2.GetTaskResponse(
        task=task_message(sheet.view),
        form_json=canonical_json(sheet.form).decode() if sheet.form else "",
        submission=submission_message(sheet.submission, draft=sheet.drafted) if sheet.submission else None,
        references=[submission_message(each) for each in sheet.references],
        actuals=[actual_message(each) for each in sheet.actuals],
    )


def save_task(request: tasks_pb2.SaveTaskRequest) -> SaveTask:
    return SaveTask(
        read_id(request.task_id, "task_id"), request.version, read_answers(request.answers), request.comment
    )


def save_task_reply(view: TaskView) -> tasks_pb2.SaveTaskResponse:
    return tasks_pb2.SaveTaskResponse(task=task_message(view))


def submit_task(request: tasks_pb2.SubmitTaskRequest, request_hash: bytes) -> SubmitTask:
    return SubmitTask(
        request_id=request.request_id,
        request_hash=request_hash,
        task_id=read_id(request.task_id, "task_id"),
        stage_id=read_id(request.stage_id, "stage_id"),
        version=request.version,
        answers=read_answers(request.answers),
        comment=request.comment,
        signature=request.signature,
    )


def submit_task_reply(receipt: Receipt) -> tasks_pb2.SubmitTaskResponse:
    return tasks_pb2.SubmitTaskResponse(
        task_id=str(receipt.task_id),
        state=tasks_pb2.TASK_STATE_SUBMITTED,
        version=receipt.version,
        late=receipt.late,
        submit_time=timestamp(receipt.submitted_at),
    )


def recall_task(request: tasks_pb2.RecallTaskRequest) -> RecallTask:
    return RecallTask(read_id(request.task_id, "task_id"), request.reason)


def recall_task_reply(view: TaskView) -> tasks_pb2.RecallTaskResponse:
    return tasks_pb2.RecallTaskResponse(task=task_message(view))


def return_task(request: tasks_pb2.ReturnTaskRequest) -> ReturnTask:
    due_at = read_instant(request.due_at, "due_at") if request.HasField("due_at") else None
    return ReturnTask(read_id(request.task_id, "task_id"), request.reason, due_at, request.to)


def return_task_reply(view: TaskView) -> tasks_pb2.ReturnTaskResponse:
    return tasks_pb2.ReturnTaskResponse(task=task_message(view))


def reassign_task(request: tasks_pb2.ReassignTaskRequest) -> ReassignTask:
    return ReassignTask(read_id(request.task_id, "task_id"), request.assignee.strip(), request.reason)


def reassign_task_reply(view: TaskView) -> tasks_pb2.ReassignTaskResponse:
    return tasks_pb2.ReassignTaskResponse(task=task_message(view))


def extend_task(request: tasks_pb2.ExtendTaskRequest) -> ExtendTask:
    if not request.HasField("until"):
        raise Invalid("until is required", field="until")
    return ExtendTask(read_id(request.task_id, "task_id"), read_instant(request.until, "until"), request.reason)


def extend_task_reply(view: TaskView) -> tasks_pb2.ExtendTaskResponse:
    return tasks_pb2.ExtendTaskResponse(task=task_message(view))


def remind_tasks(request: tasks_pb2.RemindTasksRequest) -> RemindTasks:
    ids = tuple(read_id(written, f"task_ids/{index}") for index, written in enumerate(request.task_ids))
    return RemindTasks(ids, request.reason)


def remind_tasks_reply(outcomes: Iterable[Outcome]) -> tasks_pb2.RemindTasksResponse:
    return tasks_pb2.RemindTasksResponse(
        outcomes=[
            tasks_pb2.ItemOutcome(index=index, id=str(each.task_id), code=each.code, message=each.message)
            for index, each in enumerate(outcomes)
        ]
    )


def task_message(view: TaskView) -> tasks_pb2.Task:
    task = view.task
    return tasks_pb2.Task(
        id=str(task.id),
        cycle_id=str(task.cycle_id),
        stage_id=str(task.stage_id),
        stage=view.stage_key,
        kind=task.kind.value,
        state=STATES[task.state],
        assignee_id=text_of(task.assignee_id),
        on_behalf_of=text_of(task.on_behalf_of),
        participant_id=text_of(task.participant_id),
        employee_id=text_of(task.subject_id),
        subject_id=text_of(task.reference_id),
        due_at=timestamp(view.due_at),
        extended=task.due_override is not None,
        version=task.submission_version,
        late=task.late,
        overdue=view.overdue,
        open_time=timestamp(task.opened_at),
        submit_time=timestamp(task.submitted_at),
        return_reason=task.returned_reason,
        blocked_reason=task.blocked_reason,
        input_changed=task.input_changed,
        cycle_name=view.cycle_name,
    )


def submission_message(submission: Submission, *, draft: bool = False) -> tasks_pb2.Submission:
    return tasks_pb2.Submission(
        version=submission.version,
        author_id=text_of(submission.rater_id or submission.submitted_by),
        answers=answer_messages(submission.answers),
        comment=submission.comment,
        draft=draft,
        create_time=timestamp(submission.create_time),
        relation=submission.relation.value if submission.relation else "",
    )


def answer_messages(document: Mapping[str, Any]) -> list[tasks_pb2.Answer]:
    """The answers of a stored document."""
    return [
        tasks_pb2.Answer(
            item=answer.item,
            value=answer.value,
            text=answer.text,
            choices=answer.choices,
            evidence=evidence_messages(answer.evidence),
        )
        for answer in answers_of(document)
    ]


def evidence_messages(evidence: Iterable[Evidence]) -> list[tasks_pb2.Evidence]:
    return [tasks_pb2.Evidence(name=each.name, url=each.url, sha256=each.sha256) for each in evidence]


def read_evidence(messages: Iterable[tasks_pb2.Evidence]) -> tuple[Evidence, ...]:
    return tuple(Evidence(each.name, each.url, each.sha256) for each in messages)


def read_answers(messages: Iterable[tasks_pb2.Answer]) -> tuple[Answer, ...]:
    return tuple(
        Answer(each.item, each.value.strip(), each.text, tuple(each.choices), read_evidence(each.evidence))
        for each in messages
    )


def actual_message(value: Actual) -> tasks_pb2.Actual:
    return tasks_pb2.Actual(
        participant_id=str(value.participant_id),
        item=value.item,
        value="" if value.value is None else plain_number(value.value),
        evidence=[
            tasks_pb2.Evidence(name=each.get("name", ""), url=each.get("url", ""), sha256=each.get("sha256", ""))
            for each in value.evidence
        ],
        author_id=text_of(value.entered_by),
        update_time=timestamp(value.create_time),
        locked=value.state is ActualState.LOCKED,
        provider_id=text_of(value.provider_id),
        source=value.source,
    )


def read_instant(message: Timestamp, field: str) -> datetime:
    """An instant; Invalid names the field where there is none such."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{field} is not an instant", field=field) from None


def read_state(number: int) -> str:
    """A state to filter by; none is ''. Invalid for a number that is no state."""
    if number and number not in WRITTEN_STATES:
        raise Invalid("there is no such state", field="state")
    return WRITTEN_STATES.get(number, "")


def optional_id(written: str, field: str) -> UUID | None:
    return read_id(written, field) if written else None


def text_of(identifier: UUID | None) -> str:
    return str(identifier) if identifier else ""


def _read_page(token: str) -> tuple[datetime | None, UUID] | None:
    parts = read_token(token)
    if parts is None:
        return None
    try:
        due, identifier = parts
        return (datetime.fromisoformat(due) if due else None), UUID(identifier)
    except ValueError:
        raise Invalid("the page token is not one of ours", field="page_token") from None
