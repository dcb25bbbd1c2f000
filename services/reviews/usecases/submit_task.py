"""Submit the answers to a task: validate, let the one statement decide, and say exactly why not."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.answers import (
    Answer,
    answers_document,
    malformed,
    require_valid,
    text_problems,
    unfitting,
)
from services.reviews.domain.errors import (
    AlreadySubmitted,
    AnswersInvalid,
    CyclePaused,
    KeyReused,
    ReviewsError,
    SelfDealing,
    SignatureRequired,
    StageClosed,
    StageNotOpen,
    TaskKindInvalid,
    TaskNotFound,
    TaskNotYours,
    TaskStateInvalid,
    VersionConflict,
    Violation,
)
from services.reviews.domain.form_body import content_hash
from services.reviews.domain.signatures import MAX_SIGNATURE, signature_method, typed_name
from services.reviews.policy import acting_for
from services.runtime.clock import new_id
from services.runtime.identity import Principal

OK = "OK"
FORMS_KEPT = 256

REFUSALS: Mapping[str, Callable[[], ReviewsError]] = {
    "NOT_ASSIGNEE": lambda: TaskNotYours("only the assignee submits a task"),
    "NOT_DELEGABLE": lambda: TaskNotYours("a self review cannot be delegated"),
    "SELF_DEALING": lambda: SelfDealing("nobody rates themselves"),
    "KIND_INVALID": lambda: TaskKindInvalid("this kind of task is done by another command"),
    "ALREADY_SUBMITTED": lambda: AlreadySubmitted("the task was submitted; recall it first"),
    "STAGE_CLOSED": lambda: StageClosed("the stage no longer accepts submissions"),
    "STATE_INVALID": lambda: TaskStateInvalid("the task's state does not allow a submission"),
    "CYCLE_PAUSED": lambda: CyclePaused("the cycle is paused; drafts may be saved"),
    "STAGE_NOT_OPEN": lambda: StageNotOpen("the stage does not accept submissions yet"),
    "VERSION_CONFLICT": lambda: VersionConflict("the answers were changed meanwhile; load them again"),
    "SIGNATURE_REQUIRED": lambda: SignatureRequired("the stage wants a signature", field="signature"),
}
HIDES_THE_REPLY = frozenset({"NOT_ASSIGNEE", "NOT_DELEGABLE", "SELF_DEALING"})
"""Who may not submit is not given the reply to an earlier request either."""


@dataclass(frozen=True, slots=True)
class SubmitTask:
    """The command as it was sent; `request_hash` identifies its body."""

    request_id: str
    request_hash: bytes
    task_id: UUID
    stage_id: UUID
    version: int
    answers: tuple[Answer, ...]
    comment: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was stored, and when by the cycle's clock."""

    task_id: UUID
    version: int
    late: bool
    submitted_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """What one submission brings: who, under which request, for which task, and the answers in their stored shape."""

    tenant_id: UUID
    actor: str
    actor_kind: str
    employee_id: UUID
    acting_for: UUID
    request_id: str
    request_hash: bytes
    task_id: UUID
    stage_id: UUID
    version: int
    answers: dict[str, Any]
    comment: str
    content_hash: bytes
    method: str  # none is ''
    typed_name: str
    trace_id: str
    ids: tuple[UUID, UUID, UUID]  # of sign-off, audit entry and event


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the statement decided; nothing was written unless the code is OK."""

    code: str
    form_id: UUID | None
    version: int  # before this submission
    at: datetime
    late: bool


@dataclass(frozen=True, slots=True)
class KeptReply:
    """The reply that an earlier request with the same id was given."""

    request_hash: bytes
    facts: dict[str, Any]


class Desk(Protocol):
    async def record(self, entry: Entry) -> Verdict | None: ...
    async def kept_reply(self, entry: Entry) -> KeptReply | None: ...
    async def form_of_task(self, entry: Entry) -> UUID | None: ...
    async def form(self, tenant_id: UUID, form_id: UUID) -> dict[str, Any]: ...


class Desks(Protocol):
    def open(self, tenant_id: UUID, stage_id: UUID) -> AbstractAsyncContextManager[Desk]: ...


class FormCache:
    """The forms used last by this process; a form's id comes from its content, so an entry never goes stale."""

    def __init__(self, size: int = FORMS_KEPT) -> None:
        self._size = size
        self._kept: OrderedDict[tuple[UUID, UUID], dict[str, Any]] = OrderedDict()

    async def get(self, desk: Desk, tenant_id: UUID, form_id: UUID | None) -> dict[str, Any] | None:
        """The form's body; None for a task without a form."""
        if form_id is None:
            return None
        key = (tenant_id, form_id)
        if key not in self._kept:
            self._kept[key] = await desk.form(tenant_id, form_id)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


async def submit_task(
    desks: Desks, forms: FormCache, principal: Principal, command: SubmitTask, trace_id: str
) -> Receipt:
    """Store the answers and tell of them in one transaction; the order of commits decides who was in time.

    Refusals are domain errors; all faults of the answers come in one AnswersInvalid. A repeated request_id is given the
    first receipt again.
    """
    problems = [*malformed(command.answers, command.comment), *_request_problems(command)]
    entry = _entry(principal, command, trace_id, sound=not problems)
    async with desks.open(entry.tenant_id, command.stage_id) as desk:
        if problems:
            form = await forms.get(desk, entry.tenant_id, await desk.form_of_task(entry))
            raise _invalid([*problems, *(unfitting(form, command.answers, complete=True) if form else ())])
        verdict = await desk.record(entry)
        if verdict is None:
            raise TaskNotFound("there is no such task in this stage")
        if verdict.code != OK:
            return await _answer_again(desk, entry, verdict.code)
        form = await forms.get(desk, entry.tenant_id, verdict.form_id)
        require_valid(unfitting(form, command.answers, complete=True))
    return Receipt(command.task_id, verdict.version + 1, verdict.late, verdict.at)


async def _answer_again(desk: Desk, entry: Entry, code: str) -> Receipt:
    """The receipt of the same request, sent before; else what keeps this one from being accepted."""
    kept = None if code in HIDES_THE_REPLY else await desk.kept_reply(entry)
    if kept is None:
        raise REFUSALS[code]()
    if kept.request_hash != entry.request_hash:
        raise KeyReused("the request_id was used for another request")
    facts = kept.facts
    return Receipt(
        UUID(facts["task_id"]), int(facts["version"]), bool(facts["late"]), datetime.fromisoformat(facts["submit_time"])
    )


def _entry(principal: Principal, command: SubmitTask, trace_id: str, *, sound: bool) -> Entry:
    acting = acting_for(principal)
    if principal.tenant_id is None or principal.employee_id is None or acting is None:
        raise TaskNotYours("only people submit tasks")
    answers = answers_document(command.answers) if sound else {}
    return Entry(
        tenant_id=principal.tenant_id,
        actor=principal.actor,
        actor_kind=principal.kind,
        employee_id=principal.employee_id,
        acting_for=acting,
        request_id=command.request_id,
        request_hash=command.request_hash,
        task_id=command.task_id,
        stage_id=command.stage_id,
        version=command.version,
        answers=answers,
        comment=command.comment,
        content_hash=content_hash({"task": str(command.task_id), "answers": answers, "comment": command.comment}),
        method=signature_method(command.signature),
        typed_name=typed_name(command.signature),
        trace_id=trace_id,
        ids=(new_id(), new_id(), new_id()),
    )


def _request_problems(command: SubmitTask) -> Sequence[Violation]:
    problems = text_problems("signature", command.signature, MAX_SIGNATURE)
    if command.version < 0:
        problems.append(("version", "OUT_OF_RANGE", "the version cannot be negative"))
    return problems


def _invalid(violations: Sequence[Violation]) -> AnswersInvalid:
    return AnswersInvalid("the answers cannot be accepted", violations=violations)
