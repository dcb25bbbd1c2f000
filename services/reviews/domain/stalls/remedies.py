"""What can be done now about a stall, by which call and by whom; what else a call needs is asked of who makes it."""

import json
from collections.abc import Mapping
from uuid import UUID

from services.reviews.domain.model import Cycle, Stage, Task, TaskKind
from services.reviews.domain.stalls.facts import Remedy
from services.reviews.domain.task_rules import OWN_KINDS

HR = "hr_partner"


def resume(cycle: Cycle) -> Remedy:
    return Remedy("resume", f"POST /v1/cycles/{cycle.id}:resume")


def release(cycle_id: UUID) -> Remedy:
    return Remedy("release", f"POST /v1/cycles/{cycle_id}:release")


def close_stage(cycle_id: UUID, stage: Stage) -> Remedy:
    return Remedy("close_stage", f"POST /v1/cycles/{cycle_id}/stages/{stage.key}:close")


def reopen_stage(cycle_id: UUID, stage: Stage) -> Remedy:
    return Remedy("reopen_stage", f"POST /v1/cycles/{cycle_id}/stages/{stage.key}:reopen")


def enter_actuals(cycle_id: UUID) -> Remedy:
    return Remedy("enter_actuals", f"PUT /v1/cycles/{cycle_id}/actuals")


def restart_workflow(cycle_id: UUID) -> Remedy:
    return Remedy("restart_workflow", f"POST /v1/ops/cycles/{cycle_id}:restart-workflow", "operator")


def remind(task: Task) -> Remedy:
    return Remedy("remind", f"POST /v1/tasks:remind {json.dumps({'ids': [str(task.id)]})}", HR)


def extend(task: Task) -> Remedy:
    return Remedy("extend", f"POST /v1/tasks/{task.id}:extend", HR)


def reassign(task: Task) -> Remedy:
    """Another assignee; of an appeal another owner."""
    if task.kind is TaskKind.APPEAL:
        return Remedy("assign", f"POST /v1/appeals/{task.reference_id}:assign", HR)
    return Remedy("reassign", f"POST /v1/tasks/{task.id}:reassign", HR)


def of_task(cause: str, task: Task, stage: Stage, cycle: Cycle) -> tuple[Remedy, ...]:
    """What HR can do about a task that waits for this cause, best first."""
    others = () if task.kind in OWN_KINDS else (reassign(task),)
    asking = () if task.assignee_id is None else (remind(task),)
    longer = (extend(task),)
    usual = (*asking, *others, *longer)
    by_cause: Mapping[str, tuple[Remedy, ...]] = {
        "CYCLE_PAUSED": (resume(cycle),),
        "NO_ASSIGNEE": others,
        "ASSIGNEE_LEFT": others or longer,
        "ASSIGNEE_ON_LEAVE": (*others, *longer),
        "RELEASE_PENDING": (release(cycle.id),),
        "CALIBRATION_OPEN": (*asking, *others, close_stage(cycle.id, stage)),
        "APPEAL_STALLED": (*others, *asking),
        "ACTUAL_MISSING": (*asking, *others, *longer, enter_actuals(cycle.id)),
    }
    return by_cause.get(cause, usual)
