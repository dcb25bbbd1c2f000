"""Appeals: filed by the employee, decided by an owner who neither rated nor leads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from services.reviews.domain import appeals as step
from services.reviews.domain.answers import (
    Evidence,
    evidence_document,
    malformed_evidence,
    require_valid,
    text_problems,
)
from services.reviews.domain.errors import (
    AppealExists,
    AppealNotFound,
    AppealWindowClosed,
    Invalid,
    ResultNotReleased,
    TaskNotYours,
)
from services.reviews.domain.model import (
    Appeal,
    AppealState,
    Cycle,
    ParticipantState,
    Stage,
    StageKind,
    Task,
    TaskKind,
    TaskState,
)
from services.reviews.domain.template_reader import read_grades, read_number
from services.reviews.policy import can, require
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.outcome_ports import AppealView, Judged, NeedsAppeals, tell_of_appeal
from services.reviews.usecases.task_ports import require_reason, tell_of_task
from services.runtime.clock import new_id
from services.runtime.identity import Principal

MOST_ITEMS = 500
DEFAULT_CEILING = Decimal(120)


@dataclass(frozen=True, slots=True)
class FileAppeal:
    participant_id: UUID
    result_version: int
    grounds: str
    items: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class StepOfAppeal:
    """Accept, decline, withdraw."""

    appeal_id: UUID
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AssignAppeal:
    appeal_id: UUID
    owner_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class DecideAppeal:
    appeal_id: UUID
    amended: bool
    reason: str
    score: Decimal | None = None
    grade: str = ""
    evidence: tuple[Evidence, ...] = ()


class Employment(Protocol):
    async def find(self, principal: Principal, written: str, field: str) -> UUID: ...


class Owners:
    """Makes sure, before the transaction, that a new owner works here."""

    def __init__(self, people: Employment) -> None:
        self._people = people

    async def prepare(self, principal: Principal, command: AssignAppeal) -> AssignAppeal:
        await self._people.find(principal, str(command.owner_id), "owner_id")
        return command


async def file_appeal(work: NeedsAppeals, command: FileAppeal) -> AppealView:
    """Dispute one's own released result, once a release; its owner gets a task, and nobody else is delayed."""
    _check_filing(command)
    if work.principal.on_behalf_of is not None:
        raise TaskNotYours("an appeal cannot be delegated")
    seen = await work.participants.find(command.participant_id)
    if seen.employee_id != work.principal.employee_id:
        raise TaskNotYours("only the employee appeals against their result")
    cycle = await work.cycles.get(seen.cycle_id)
    stage = await work.stages.share(_appeals_stage(await work.stages.of_cycle(cycle.id)).id)
    known = await work.participants.lock(command.participant_id)
    now = await cycle_now(work, cycle)
    calendar = await work.cycles.calendar(cycle)
    if known.state not in step.RELEASED:
        raise ResultNotReleased("the result has not been released")
    step.require_window(stage, known.released_at, now, calendar)
    if known.released_at and await work.appeals.since(known.id, known.released_at, command.result_version):
        raise AppealExists("there is an appeal against this result")
    owner_id = step.choose_owner(cycle.appeal_owner_id, cycle.owner_id, known.conflicted)
    task = _owners_task(stage, known, owner_id, now, work.trace_id)
    task = replace(task, due_override=step.decision_due(stage, now, calendar))
    appeal = _filed(command, known, task, cycle, now)
    await work.appeals.add(appeal)
    await work.tasks.add(replace(task, reference_id=appeal.id))
    await work.participants.save(known.id, ParticipantState.DISPUTED, known.opinion)
    await tell_of_task(work, "opened", replace(task, reference_id=appeal.id))
    await tell_of_appeal(work, "filed", appeal, known.employee_id, note=command.grounds)
    return await work.appeals.find(appeal.id)


async def accept_appeal(work: NeedsAppeals, command: StepOfAppeal) -> AppealView:
    view = await _locked(work, command.appeal_id, "appeal.decide")
    return await _save(work, "accepted", view, step.accept(view.appeal))


async def decline_appeal(work: NeedsAppeals, command: StepOfAppeal) -> AppealView:
    """Not taken up, with a reason; the result stands."""
    reason = _reason(command.reason)
    view, now = await _locked_now(work, command.appeal_id, "appeal.decide")
    changed = step.decline(view.appeal, work.principal.employee_id, reason, now)
    await _finish(work, view, TaskState.ACCEPTED, now)
    return await _save(work, "declined", view, changed, note=reason)


async def assign_appeal(work: NeedsAppeals, command: AssignAppeal) -> AppealView:
    """Give an appeal, with its task, to another owner."""
    reason = _reason(command.reason)
    view = await _locked(work, command.appeal_id, "appeal.assign")
    judged = await work.participants.lock(view.appeal.participant_id)
    changed = step.assign(view.appeal, command.owner_id, judged.conflicted)
    if view.appeal.task_id is not None:
        seen = (await work.tasks.lock(view.appeal.task_id)).task
        task = replace(seen, assignee_id=command.owner_id, blocked_reason="", blocked_since=None)
        await tell_of_task(work, "reassigned", await work.tasks.save(task, seen), note=reason)
    return await _save(work, "assigned", view, changed, note=reason)


async def decide_appeal(work: NeedsAppeals, command: DecideAppeal) -> AppealView:
    """Keep the result, or amend it; scoring makes the amended one, and it is shown with a release of its own."""
    reason = _reason(command.reason)
    require_valid(list(malformed_evidence("", command.evidence)))
    view, now = await _locked_now(work, command.appeal_id, "appeal.decide")
    by = work.principal.employee_id
    if not command.amended:
        if command.score is not None or command.grade:
            raise Invalid("a kept result has no new score or grade", field="outcome")
        await _finish(work, view, TaskState.ACCEPTED, now)
        return await _save(work, "decided", view, step.keep(view.appeal, by, reason, now), note=reason)
    await _check_amendment(work, view, command)
    evidence = tuple(evidence_document(command.evidence))
    changed = step.amend(view.appeal, by, reason, now, score=command.score, grade=command.grade, evidence=evidence)
    await _end_task(work, view, TaskState.ACCEPTED, now)
    return await _save(work, "decided", view, changed, note=reason)


async def withdraw_appeal(work: NeedsAppeals, command: StepOfAppeal) -> AppealView:
    """Take one's own appeal back; the result stands."""
    view, now = await _locked_now(work, command.appeal_id, "appeal.withdraw")
    await _finish(work, view, TaskState.WITHDRAWN, now)
    return await _save(work, "withdrawn", view, step.withdraw(view.appeal, now))


def _check_filing(command: FileAppeal) -> None:
    problems = [*text_problems("grounds", command.grounds), *malformed_evidence("", command.evidence)]
    if not command.grounds.strip():
        problems.append(("grounds", "REQUIRED", "say what is wrong with the result"))
    if len(command.items) > MOST_ITEMS:
        problems.append(("items", "TOO_MANY", f"at most {MOST_ITEMS} items"))
    for index, item in enumerate(command.items[:MOST_ITEMS]):
        problems += text_problems(f"items/{index}", item, 200)
    if command.result_version < 1:
        problems.append(("result_version", "OUT_OF_RANGE", "versions of a result count from 1"))
    require_valid(problems)


def _appeals_stage(stages: Sequence[Stage]) -> Stage:
    for stage in stages:
        if stage.kind is StageKind.APPEALS:
            return stage
    raise AppealWindowClosed("this cycle takes no appeals")


def _owners_task(stage: Stage, judged: Judged, owner_id: UUID | None, now: datetime, trace_id: str) -> Task:
    return Task(
        id=new_id(),
        cycle_id=stage.cycle_id,
        stage_id=stage.id,
        kind=TaskKind.APPEAL,
        state=TaskState.OPEN,
        epoch=stage.epoch,
        assignee_id=owner_id,
        origin_id=owner_id,
        opened_at=now,
        participant_id=judged.id,
        subject_id=judged.employee_id,
        blocked_reason="" if owner_id else "NO_ASSIGNEE",
        blocked_since=None if owner_id else now,
        trace_id=trace_id,
    )


def _filed(command: FileAppeal, judged: Judged, task: Task, cycle: Cycle, now: datetime) -> Appeal:
    return Appeal(
        id=new_id(),
        cycle_id=cycle.id,
        participant_id=judged.id,
        result_id=judged.id,
        result_version=command.result_version,
        filed_by=judged.employee_id,
        state=AppealState.FILED,
        grounds=command.grounds.strip(),
        create_time=now,
        items=command.items,
        evidence=tuple(evidence_document(command.evidence)),
        owner_id=task.assignee_id,
        task_id=task.id,
        due_at=task.due_override,
    )


async def _check_amendment(work: NeedsAppeals, view: AppealView, command: DecideAppeal) -> None:
    cycle = await work.cycles.get(view.appeal.cycle_id)
    version = await work.templates.version(cycle.template_id, cycle.template_version)
    body = version.body if version else {}
    grades = [grade.grade for grade in read_grades(body)]
    ceiling = read_number(body.get("ceiling", DEFAULT_CEILING))
    require_valid(step.amendment_problems(command.score, command.grade, grades, ceiling))


async def _locked(work: NeedsAppeals, appeal_id: UUID, action: str) -> AppealView:
    view = await work.appeals.lock(appeal_id)
    if not can(work.principal, "appeal.see", view.facts):
        raise AppealNotFound("there is no such appeal")
    require(work.principal, action, view.facts)
    return view


async def _locked_now(work: NeedsAppeals, appeal_id: UUID, action: str) -> tuple[AppealView, datetime]:
    view = await _locked(work, appeal_id, action)
    return view, await cycle_now(work, await work.cycles.get(view.appeal.cycle_id))


async def _finish(work: NeedsAppeals, view: AppealView, state: TaskState, now: datetime) -> None:
    """The appeal has ended and the result stands: its task ends, and the participant is where they would be without."""
    await _end_task(work, view, state, now)
    judged = await work.participants.lock(view.appeal.participant_id)
    if judged.state is ParticipantState.DISPUTED:
        expected = await work.tasks.of_participant(judged.id, TaskKind.ACKNOWLEDGEMENT)
        expired = bool(expected) and expected[0].task.state is TaskState.EXPIRED
        await work.participants.save(judged.id, step.state_after(judged.opinion, expired=expired), judged.opinion)


async def _end_task(work: NeedsAppeals, view: AppealView, state: TaskState, now: datetime) -> None:
    if view.appeal.task_id is None:
        return
    seen = (await work.tasks.lock(view.appeal.task_id)).task
    if seen.owed:
        ended = await work.tasks.save(replace(seen, state=state, ended_at=now), seen)
        await tell_of_task(work, state.value, ended)


async def _save(work: NeedsAppeals, kind: str, view: AppealView, changed: Appeal, *, note: str = "") -> AppealView:
    saved = await work.appeals.save(changed)
    await tell_of_appeal(work, kind, saved, view.employee_id, note=note)
    return replace(view, appeal=saved)


def _reason(reason: str) -> str:
    require_valid(text_problems("reason", reason))
    return require_reason(reason)
