"""What holds a cycle or a whole stage: named checks in the order in which causes are told."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    CycleState,
    Stage,
    StageKind,
    StageState,
)
from services.reviews.domain.stalls import remedies
from services.reviews.domain.stalls.facts import CycleFacts, Stall

CycleCheck = Callable[[CycleFacts], Iterable[Stall]]
ACTUAL_MISSING = "ACTUAL_MISSING"
CURED_BY_A_VALUE = frozenset({ACTUAL_MISSING, "FORMULA_ERROR", "NO_INTERVAL"})
"""Scoring's codes for a value that is not there, or of which the item's method makes no points: another one may."""


def barrier_is_held_by_extensions(facts: CycleFacts) -> Iterable[Stall]:
    for stage in facts.stages:
        if stage.state is not StageState.PLANNED:
            continue
        for before in (facts.by_key[key] for key in stage.after):
            held = facts.barriers.get(before.id) if before.state is StageState.CLOSING else None
            if held is not None:
                named = ", ".join(str(task_id) for task_id in held.task_ids)
                more = " …" if held.count > len(held.task_ids) else ""
                yield Stall(
                    kind="stage",
                    cycle_id=facts.cycle.id,
                    cause="BARRIER_HELD",
                    since=before.closing_at,
                    stage=stage.key,
                    due_at=held.until,
                    next_at=held.until,
                    next_action="open",
                    remedies=(
                        *remedies.remind_of(held.remindable),
                        *remedies.close_stage(facts.cycle, before, held=True),
                    ),
                    trace_id=stage.trace_id or before.trace_id or facts.cycle.trace_id,
                    detail=f"{held.count} extended tasks of {before.key}: {named}{more}",
                )


def cycle_is_paused(facts: CycleFacts) -> Iterable[Stall]:
    cycle = facts.cycle
    if cycle.state is CycleState.PAUSED:
        yield Stall(
            "cycle",
            cycle.id,
            "CYCLE_PAUSED",
            cycle.paused_at,
            next_action="resume",
            remedies=tuple(remedies.resume(cycle)),
            trace_id=cycle.trace_id,
        )


def values_were_not_entered(facts: CycleFacts) -> Iterable[Stall]:
    """After the providers' stage, until scores are made of what there is."""
    entry = _first(facts, StageKind.DATA_ENTRY)
    if entry is None or entry.state not in ENDED_STAGE_STATES:
        return
    for each in facts.missing:
        yield Stall(
            kind="participant" if each.participant_id else "stage",
            cycle_id=facts.cycle.id,
            cause=ACTUAL_MISSING,
            since=entry.closed_at,
            due_at=entry.due_at,
            stage=entry.key,
            participant_id=each.participant_id,
            assignee_id=each.provider_id,
            next_action="score",
            next_at=_due(_first(facts, StageKind.MANAGER_REVIEW)),
            remedies=tuple(remedies.enter_actuals(facts.cycle)),
            trace_id=entry.trace_id or facts.cycle.trace_id,
            detail=f"{each.count} values",
        )


def scores_have_no_result(facts: CycleFacts) -> Iterable[Stall]:
    """Why scoring has no score: a formula without result, an answer or an actual that is not there."""
    scored = _first(facts, StageKind.MANAGER_REVIEW)
    if scored is None:
        return
    cycle_id = facts.cycle.id
    for each in facts.unscored:
        missing = each.code == ACTUAL_MISSING
        cure = tuple(remedies.enter_actuals(facts.cycle)) if each.code in CURED_BY_A_VALUE else ()
        yield Stall(
            kind="participant" if each.participant_id else "stage",
            cycle_id=cycle_id,
            cause=ACTUAL_MISSING if missing else "FORMULA_ERROR",
            since=each.since,
            due_at=scored.due_at,
            stage=scored.key,
            participant_id=each.participant_id,
            next_action="wait",
            remedies=(*cure, *remedies.reopen_stage(facts.cycle, scored)),
            trace_id=scored.trace_id or facts.cycle.trace_id,
            detail=f"{each.count} participants: {each.code}",
        )


def work_is_blocked(facts: CycleFacts) -> Iterable[Stall]:
    """What the worker could not have done and reported; it tries again by itself."""
    cycle = facts.cycle
    reported: list[tuple[str, Stage | None, str, datetime | None]] = [
        ("cycle", None, cycle.blocked_reason, cycle.blocked_since),
        *(("stage", stage, stage.blocked_reason, stage.blocked_since) for stage in facts.stages),
    ]
    for kind, stage, reason, since in reported:
        if reason:
            yield Stall(
                kind,
                cycle.id,
                "ACTIVITY_RETRYING",
                since,
                stage=stage.key if stage else "",
                due_at=stage.due_at if stage else None,
                next_action="retry",
                remedies=tuple(remedies.restart_workflow(cycle.id)),
                trace_id=(stage.trace_id if stage else "") or cycle.trace_id,
                detail=reason,
            )


CYCLE_CHECKS: tuple[CycleCheck, ...] = (
    barrier_is_held_by_extensions,
    cycle_is_paused,
    values_were_not_entered,
    scores_have_no_result,
    work_is_blocked,
)


def stalls_of_cycle(facts: CycleFacts, checks: Sequence[CycleCheck] = CYCLE_CHECKS) -> list[Stall]:
    """Everything that holds the cycle itself or a whole stage of it; what nothing helps now may wait for a resume."""
    found = [stall for check in checks for stall in check(facts)]
    return [
        stall if stall.remedies else replace(stall, remedies=tuple(remedies.resume(facts.cycle))) for stall in found
    ]


def _first(facts: CycleFacts, kind: StageKind) -> Stage | None:
    return next((stage for stage in facts.stages if stage.kind is kind), None)


def _due(stage: Stage | None) -> datetime | None:
    return stage.due_at if stage else None
