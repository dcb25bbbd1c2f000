"""What can be done now about a stall, by which call and by whom: nothing is offered that would be refused.

What a call needs beyond what it fixes is asked of who makes it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from services.reviews.domain import task_rules
from services.reviews.domain.model import Cycle, CycleState, Stage, StageKind, StageState, TaskKind
from services.reviews.domain.stalls.facts import Remedy, TaskFacts
from services.reviews.domain.task_rules import OWN_KINDS

HR = "hr_partner"
HAS_TASKS = frozenset({StageState.OPENING, StageState.OPEN, StageState.CLOSING})

Offer = Callable[[TaskFacts], Iterable[Remedy]]


def resume(cycle: Cycle) -> Iterable[Remedy]:
    if cycle.state is CycleState.PAUSED:
        yield Remedy("resume", f"POST /v1/cycles/{cycle.id}:resume")


def close_stage(cycle: Cycle, stage: Stage, *, held: bool) -> Iterable[Remedy]:
    """Of an open stage; one that is closing, while extensions hold it, waits no longer for them."""
    call = f"POST /v1/cycles/{cycle.id}/stages/{stage.key}:close"
    if cycle.state is CycleState.PAUSED:
        return
    if stage.state is StageState.OPEN:
        yield Remedy("close_stage", call)
    elif stage.state is StageState.CLOSING and held and stage.kind is not StageKind.APPEALS:
        yield Remedy("close_stage", f"{call} {json.dumps({'end_extensions': True})}")


def reopen_stage(cycle: Cycle, stage: Stage) -> Iterable[Remedy]:
    """Until the release; afterwards only an appeal or an amendment changes a score."""
    if cycle.state is CycleState.RUNNING and cycle.released_at is None and stage.state is StageState.CLOSED:
        yield Remedy("reopen_stage", f"POST /v1/cycles/{cycle.id}/stages/{stage.key}:reopen")


def enter_actuals(cycle: Cycle) -> Iterable[Remedy]:
    if cycle.state is CycleState.RUNNING:
        yield Remedy("enter_actuals", f"PUT /v1/cycles/{cycle.id}/actuals")


def restart_workflow(cycle_id: UUID) -> Iterable[Remedy]:
    yield Remedy("restart_workflow", f"POST /v1/ops/cycles/{cycle_id}:restart-workflow", "operator")


def remind_of(task_ids: Sequence[UUID]) -> Iterable[Remedy]:
    """One call for several tasks, which says of each what became of it."""
    if task_ids:
        yield Remedy(
            "remind", f"POST /v1/tasks:remind {json.dumps({'ids': [str(task_id) for task_id in task_ids]})}", HR
        )


def _remind(facts: TaskFacts) -> Iterable[Remedy]:
    if task_rules.reminder_problem(facts.task, facts.now) is None:
        yield from remind_of([facts.task.id])


def _extend(facts: TaskFacts) -> Iterable[Remedy]:
    if facts.stage.state in HAS_TASKS:
        yield Remedy("extend", f"POST /v1/tasks/{facts.task.id}:extend", HR)


def _reassign(facts: TaskFacts) -> Iterable[Remedy]:
    """Another assignee; of an appeal another owner."""
    task = facts.task
    if task.kind is TaskKind.APPEAL:
        yield Remedy("assign", f"POST /v1/appeals/{task.reference_id}:assign", HR)
    elif task.kind not in OWN_KINDS:
        yield Remedy("reassign", f"POST /v1/tasks/{task.id}:reassign", HR)


def _extend_their_own(facts: TaskFacts) -> Iterable[Remedy]:
    """What nobody else may do can only wait for its person."""
    if facts.task.kind in OWN_KINDS:
        yield from _extend(facts)


def _resume(facts: TaskFacts) -> Iterable[Remedy]:
    return resume(facts.cycle)


def _release(facts: TaskFacts) -> Iterable[Remedy]:
    if facts.cycle.state is CycleState.RUNNING and facts.stage.state is StageState.OPEN:
        yield Remedy("release", f"POST /v1/cycles/{facts.cycle.id}:release")


def _close_stage(facts: TaskFacts) -> Iterable[Remedy]:
    extended = facts.task.due_override is not None and facts.task.due_override > facts.now
    return close_stage(facts.cycle, facts.stage, held=extended)


def _enter_actuals(facts: TaskFacts) -> Iterable[Remedy]:
    return enter_actuals(facts.cycle)


USUAL: tuple[Offer, ...] = (_remind, _reassign, _extend)
OFFERS: Mapping[str, tuple[Offer, ...]] = {
    "CYCLE_PAUSED": (_resume,),
    "NO_ASSIGNEE": (_reassign,),
    "ASSIGNEE_LEFT": (_reassign, _extend_their_own),
    "ASSIGNEE_ON_LEAVE": (_reassign, _extend),
    "RELEASE_PENDING": (_release,),
    "CALIBRATION_OPEN": (_remind, _reassign, _close_stage),
    "APPEAL_STALLED": (_reassign, _remind),
    "ACTUAL_MISSING": (*USUAL, _enter_actuals),
}


def of_task(cause: str, facts: TaskFacts) -> tuple[Remedy, ...]:
    """What HR can do about a task that waits for this cause, best first; in a paused cycle at least resume it."""
    offered = tuple(remedy for offer in OFFERS.get(cause, USUAL) for remedy in offer(facts))
    return offered or tuple(resume(facts.cycle))
