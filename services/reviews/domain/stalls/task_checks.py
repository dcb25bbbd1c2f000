"""Why a task waits: named checks in the order in which causes are told (product.md §11)."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.reviews.domain.model import OnTimeout, TaskKind, TaskState
from services.reviews.domain.stalls import remedies
from services.reviews.domain.stalls.facts import Stall, TaskFacts

Cause = tuple[str, datetime | None, str]
"""Code, since when, and more in words without personal data."""

TaskCheck = Callable[[TaskFacts], Iterable[Cause]]
KINDS_WITH_A_CAUSE_OF_THEIR_OWN = frozenset(
    {TaskKind.RELEASE, TaskKind.CALIBRATION, TaskKind.APPEAL, TaskKind.DATA_ENTRY}
)


def deadline_passed(facts: TaskFacts) -> Iterable[Cause]:
    if facts.late_since and not message_failed(facts) and facts.task.kind not in KINDS_WITH_A_CAUSE_OF_THEIR_OWN:
        yield "OVERDUE_SEEN", facts.late_since, ""


def deadline_passed_without_a_message(facts: TaskFacts) -> Iterable[Cause]:
    if facts.late_since and message_failed(facts):
        yield "OVERDUE_UNDELIVERED", facts.assignee.undelivered_since, facts.assignee.undelivered_error


def assignee_has_left(facts: TaskFacts) -> Iterable[Cause]:
    if facts.assignee.left_at is not None:
        yield "ASSIGNEE_LEFT", facts.assignee.left_at, ""


def leave_outlasts_the_deadline(facts: TaskFacts) -> Iterable[Cause]:
    """Somebody who comes back in time, or has just been extended beyond their leave, keeps nobody waiting."""
    until = facts.assignee.away_until
    if until is not None and (facts.due_at is None or facts.due_at < until):
        yield "ASSIGNEE_ON_LEAVE", facts.assignee.away_from, f"back {until.isoformat()}"


def nobody_is_assigned(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.assignee_id is None and facts.task.kind not in (TaskKind.CALIBRATION, TaskKind.APPEAL):
        yield "NO_ASSIGNEE", facts.task.blocked_since or facts.task.opened_at, ""


def was_returned(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.state is TaskState.RETURNED:
        yield "RETURNED", facts.task.returned_at, ""


def cycle_is_paused(facts: TaskFacts) -> Iterable[Cause]:
    if facts.paused:
        yield "CYCLE_PAUSED", facts.cycle.paused_at, ""


def session_is_not_committed(facts: TaskFacts) -> Iterable[Cause]:
    yield from _stalled(facts, TaskKind.CALIBRATION, "CALIBRATION_OPEN", "no facilitator")


def appeal_is_not_decided(facts: TaskFacts) -> Iterable[Cause]:
    yield from _stalled(facts, TaskKind.APPEAL, "APPEAL_STALLED", "no owner")


def sheet_is_not_handed_in(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.kind is TaskKind.DATA_ENTRY and facts.late_since:
        yield "ACTUAL_MISSING", facts.late_since, ""


def release_is_not_given(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.kind is TaskKind.RELEASE and facts.late_since:
        yield "RELEASE_PENDING", facts.late_since, ""


TASK_CHECKS: tuple[TaskCheck, ...] = (
    deadline_passed,
    deadline_passed_without_a_message,
    assignee_has_left,
    leave_outlasts_the_deadline,
    nobody_is_assigned,
    was_returned,
    cycle_is_paused,
    session_is_not_committed,
    appeal_is_not_decided,
    sheet_is_not_handed_in,
    release_is_not_given,
)


def message_failed(facts: TaskFacts) -> bool:
    """Whether nothing says that the assignee knows of the task: a message failed, and they never opened it."""
    return facts.assignee.undelivered_since is not None and facts.task.seen_at is None


def stalls_of_task(facts: TaskFacts, checks: Sequence[TaskCheck] = TASK_CHECKS) -> list[Stall]:
    """A row for each cause; WAITING when there is none."""
    task = facts.task
    causes = [cause for check in checks for cause in check(facts)]
    if len(causes) > 1:  # being late is then the consequence of another cause
        causes = [cause for cause in causes if cause[0] != "OVERDUE_SEEN"]
    late = int((facts.now - facts.late_since).total_seconds()) if facts.late_since else 0
    next_at, next_action = what_happens_next(facts)
    return [
        Stall(
            kind="task",
            cycle_id=task.cycle_id,
            stage=facts.stage.key,
            task_id=task.id,
            participant_id=task.participant_id,
            assignee_id=task.assignee_id,
            cause=code,
            since=since,
            due_at=facts.due_at,
            overdue_seconds=late,
            next_at=next_at,
            next_action=next_action,
            remedies=remedies.of_task(code, facts),
            trace_id=task.trace_id,
            detail=detail,
        )
        for code, since, detail in causes or [("WAITING", task.opened_at, "")]
    ]


def what_happens_next(facts: TaskFacts) -> tuple[datetime | None, str]:
    """What time alone will do to the task; nothing while paused, nor to what waits for its person however late."""
    if facts.paused:
        return None, "resume"
    if facts.task.kind in (TaskKind.RELEASE, TaskKind.APPEAL):
        return None, "wait"
    policy = facts.stage.definition.on_timeout
    spent = policy is OnTimeout.EXTEND_ONCE and facts.stage.extended_once
    if spent or (policy is OnTimeout.ESCALATE and facts.task.escalated_at is not None):
        policy = OnTimeout.EXPIRE
    return facts.due_at, policy.value


def _stalled(facts: TaskFacts, kind: TaskKind, code: str, nobody: str) -> Iterable[Cause]:
    if facts.task.kind is not kind:
        return
    if facts.task.assignee_id is None:
        yield code, facts.task.blocked_since or facts.task.opened_at, nobody
    elif facts.late_since:
        yield code, facts.late_since, ""
