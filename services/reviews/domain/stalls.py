"""Why something waits: an ordered tuple of named checks over facts gathered once; the tuple is the specification."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.reviews.domain.model import Cycle, CycleState, OnTimeout, Stage, StageState, Task, TaskKind, TaskState

KNOWN_CAUSES = frozenset(
    {
        "OVERDUE_UNDELIVERED",
        "ASSIGNEE_LEFT",
        "ASSIGNEE_ON_LEAVE",
        "DELEGATION_INVALID",
        "NOMINATION_PENDING",
        "QUORUM_UNREACHABLE",
        "FORMULA_ERROR",
        "SERVICE_DOWN",
        "ACTIVITY_RETRYING",
    }
)
"""Causes that consumers and the worker report in `blocked_reason`; its first word is the code."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What can be done now, by the exact call, and the role that may."""

    action: str
    call: str
    role: str = "hr_admin"


@dataclass(frozen=True, slots=True)
class Stall:
    """One thing that waits, for one cause."""

    kind: str  # task | stage | cycle
    cycle_id: UUID
    cause: str
    since: datetime | None
    due_at: datetime | None = None
    stage: str = ""
    task_id: UUID | None = None
    participant_id: UUID | None = None
    assignee_id: UUID | None = None
    overdue_seconds: int = 0
    next_at: datetime | None = None
    next_action: str = ""
    remedies: tuple[Remedy, ...] = ()
    trace_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class TaskFacts:
    """An owed task with its stage and the state of its cycle."""

    task: Task
    stage: Stage
    cycle: Cycle
    now: datetime

    @property
    def due_at(self) -> datetime | None:
        return self.task.due_at(self.stage.due_at)

    @property
    def overdue(self) -> bool:
        return self.due_at is not None and self.due_at < self.now


Cause = tuple[str, datetime | None]
TaskCheck = Callable[[TaskFacts], Iterable[Cause]]


def nobody_is_assigned(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.assignee_id is None:
        yield "NO_ASSIGNEE", facts.task.blocked_since or facts.task.opened_at


def something_was_reported(facts: TaskFacts) -> Iterable[Cause]:
    code = facts.task.blocked_reason.split(":")[0].split(" ")[0]
    if code in KNOWN_CAUSES:
        yield code, facts.task.blocked_since


def was_returned(facts: TaskFacts) -> Iterable[Cause]:
    if facts.task.state is TaskState.RETURNED:
        yield "RETURNED", facts.task.returned_at


OVERDUE_CAUSES = {
    TaskKind.RELEASE: "RELEASE_PENDING",
    TaskKind.CALIBRATION: "CALIBRATION_OPEN",
    TaskKind.APPEAL: "APPEAL_STALLED",
    TaskKind.DATA_ENTRY: "ACTUAL_MISSING",
}


def is_overdue(facts: TaskFacts) -> Iterable[Cause]:
    if facts.overdue:
        yield OVERDUE_CAUSES.get(facts.task.kind, "OVERDUE_SEEN"), facts.due_at


TASK_CHECKS: tuple[TaskCheck, ...] = (nobody_is_assigned, something_was_reported, was_returned, is_overdue)


def stalls_of_task(facts: TaskFacts, checks: Sequence[TaskCheck] = TASK_CHECKS) -> list[Stall]:
    """A row for each cause; WAITING when there is none. A paused cycle is the cause of all that waits in it."""
    task = facts.task
    if facts.cycle.state is CycleState.PAUSED:
        causes: list[Cause] = [("CYCLE_PAUSED", facts.cycle.paused_at)]
    else:
        causes = [cause for check in checks for cause in check(facts)] or [("WAITING", task.opened_at)]
        specific = {code for code, _ in causes}
        if len(specific) > 1:  # being late is then the consequence of the other cause
            causes = [cause for cause in causes if cause[0] != "OVERDUE_SEEN"]
    overdue = int((facts.now - facts.due_at).total_seconds()) if facts.overdue and facts.due_at else 0
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
            overdue_seconds=overdue,
            next_at=next_at,
            next_action=next_action,
            remedies=remedies(code, facts),
            trace_id=task.trace_id,
            detail=task.blocked_reason,
        )
        for code, since in causes
    ]


def what_happens_next(facts: TaskFacts) -> tuple[datetime | None, str]:
    """What time alone will do to the task; nothing while paused, nor to what waits for its person however late."""
    if facts.cycle.state is CycleState.PAUSED:
        return None, "resume"
    if facts.task.kind in {TaskKind.RELEASE, TaskKind.APPEAL}:
        return None, "wait"
    policy = facts.stage.definition.on_timeout
    if policy is OnTimeout.ESCALATE and facts.task.escalated_at is not None:
        policy = OnTimeout.EXPIRE
    return facts.due_at, policy.value


def remedies(code: str, facts: TaskFacts) -> tuple[Remedy, ...]:
    """What HR can do now about a task that waits for this cause."""
    cycle, task, stage = f"/v1/cycles/{facts.task.cycle_id}", f"/v1/tasks/{facts.task.id}", facts.stage.key
    resume = Remedy("resume", f"POST {cycle}:resume")
    remind = Remedy("remind", f"POST {task}:remind", "hr_partner")
    reassign = Remedy("reassign", f"POST {task}:reassign", "hr_partner")
    extend = Remedy("extend", f"POST {task}:extend", "hr_partner")
    close = Remedy("close_stage", f"POST {cycle}/stages/{stage}:close")
    by_code: dict[str, tuple[Remedy, ...]] = {
        "CYCLE_PAUSED": (resume,),
        "NO_ASSIGNEE": (reassign,),
        "ASSIGNEE_LEFT": (reassign,),
        "ASSIGNEE_ON_LEAVE": (reassign, extend),
        "RELEASE_PENDING": (Remedy("release", f"POST {cycle}:release"),),
        "CALIBRATION_OPEN": (remind, reassign, close),
    }
    return by_code.get(code, (remind, reassign, extend))


def stalls_of_cycle(cycle: Cycle, stages: Sequence[Stage], extended: dict[UUID, int]) -> list[Stall]:
    """What holds the cycle itself or a whole stage; `extended` counts owed tasks with their own deadline, by stage."""
    call = f"/v1/cycles/{cycle.id}"
    found: list[Stall] = []
    if cycle.state is CycleState.PAUSED:
        resume = (Remedy("resume", f"POST {call}:resume"),)
        found.append(Stall("cycle", cycle.id, "CYCLE_PAUSED", cycle.paused_at, remedies=resume))
    if cycle.blocked_reason:
        found.append(_reported("cycle", cycle, None, cycle.blocked_reason, cycle.blocked_since))
    by_key = {stage.key: stage for stage in stages}
    for stage in stages:
        if stage.blocked_reason:
            found.append(_reported("stage", cycle, stage, stage.blocked_reason, stage.blocked_since))
        if stage.state is StageState.PLANNED:
            held = [by_key[key] for key in stage.after if by_key[key].state is StageState.CLOSING]
            found += [_barrier(cycle, stage, before, extended[before.id]) for before in held if before.id in extended]
    return found


def _reported(kind: str, cycle: Cycle, stage: Stage | None, reason: str, since: datetime | None) -> Stall:
    code = reason.split(":")[0].split(" ")[0]
    restart = Remedy("restart_workflow", f"POST /v1/ops/cycles/{cycle.id}:restart-workflow", "operator")
    return Stall(
        kind,
        cycle.id,
        code if code in KNOWN_CAUSES else "ACTIVITY_RETRYING",
        since,
        stage=stage.key if stage else "",
        due_at=stage.due_at if stage else None,
        next_action="retry",
        remedies=(restart,),
        trace_id=stage.trace_id if stage else cycle.trace_id,
        detail=reason,
    )


def _barrier(cycle: Cycle, stage: Stage, before: Stage, count: int) -> Stall:
    close = Remedy("close_stage", f"POST /v1/cycles/{cycle.id}/stages/{before.key}:close")
    return Stall(
        "stage",
        cycle.id,
        "BARRIER_HELD",
        before.closing_at,
        stage=stage.key,
        due_at=stage.due_at,
        next_action="open",
        remedies=(close,),
        trace_id=stage.trace_id,
        detail=f"{count} extended tasks of {before.key}",
    )
