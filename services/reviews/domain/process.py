"""The process graph: what may follow what, and when each stage is planned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import ProcessInvalid
from services.reviews.domain.model import (
    Advance,
    Barrier,
    OnTimeout,
    Stage,
    StageDefinition,
    StageKind,
)

NEEDS_ALL = frozenset({StageKind.CALIBRATION, StageKind.RELEASE, StageKind.APPEALS})
"""Kinds that judge people against one another, or speak to all at once: nobody may still be on the way."""

ALWAYS_HOLDS = frozenset({StageKind.RELEASE})
"""A manual release waits for its person however late; it is a stall, never a silent release."""


def process_problems(stages: Sequence[StageDefinition]) -> Iterable[tuple[str, str, str]]:
    """(stage key, code, message) for everything that keeps the graph from ending."""
    keys = [stage.key for stage in stages]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield key, "STAGE_TWICE", f"stage {key} occurs twice"
    for stage in stages:
        for name in stage.after:
            if name not in keys:
                yield stage.key, "STAGE_UNKNOWN", f"stage {stage.key} comes after {name}, which does not exist"
        if stage.kind in NEEDS_ALL and (stage.barrier is not Barrier.ALL or stage.advance is not Advance.TOGETHER):
            yield stage.key, "BARRIER_MUST_BE_ALL", f"stage {stage.key} must wait for everybody (barrier: all)"
        if stage.opens_at and stage.closes_at and stage.closes_at <= stage.opens_at:
            yield stage.key, "WINDOW_EMPTY", f"stage {stage.key} closes before it opens"
        if stage.length.amount <= 0 and stage.closes_at is None:
            yield stage.key, "WINDOW_EMPTY", f"stage {stage.key} has no length"
        if stage.offset.amount < 0:
            yield stage.key, "OFFSET_NEGATIVE", f"stage {stage.key} would open before the stages it depends on end"
        if stage.kind in ALWAYS_HOLDS and stage.on_timeout is OnTimeout.SUBMIT_DRAFT:
            yield stage.key, "TIMEOUT_INVALID", f"stage {stage.key} has no draft to submit"
    try:
        tuple(TopologicalSorter({stage.key: set(stage.after) for stage in stages}).static_order())
    except CycleError as error:
        path = " → ".join(str(node) for node in error.args[1])
        yield str(error.args[1][0]), "PROCESS_LOOP", f"stages wait for one another: {path}"


def in_order(after: Mapping[str, Iterable[str]]) -> list[str]:
    """Stage keys, each behind its predecessors; ProcessInvalid on a loop."""
    try:
        return list(TopologicalSorter({key: sorted(names) for key, names in after.items()}).static_order())
    except CycleError as error:
        raise ProcessInvalid("stages wait for one another", field="process") from error


def descendants(key: str, stages: Sequence[Stage]) -> set[str]:
    """Keys of all stages that directly or indirectly come after `key`."""
    found: set[str] = set()
    for name in in_order({stage.key: stage.after for stage in stages}):
        stage = next(stage for stage in stages if stage.key == name)
        if found & set(stage.after) or key in stage.after:
            found.add(name)
    return found


def plan_stages(stages: Sequence[Stage], start: datetime, calendar: Calendar) -> list[Stage]:
    """Give every stage its planned window, in process order.

    open_at = the latest due of its predecessors, or `start`, plus offset; due_at = open_at plus length; instants of
    the definition win. Rule: product.md §5.
    """
    by_key = {stage.key: stage for stage in stages}
    for key in in_order({stage.key: stage.after for stage in stages}):
        stage = by_key[key]
        definition = stage.definition
        earliest = max([due for name in stage.after if (due := by_key[name].due_at)], default=start)
        open_at = definition.opens_at or calendar.add(max(earliest, start), definition.offset)
        due_at = definition.closes_at or calendar.add(open_at, definition.length)
        by_key[key] = replace(stage, planned_open_at=open_at, planned_due_at=due_at, open_at=open_at, due_at=due_at)
    return [by_key[stage.key] for stage in stages]


def keep_length(stage: Stage, opened_at: datetime, calendar: Calendar) -> datetime:
    """The due instant of a stage opened at `opened_at`: later than planned keeps its length, earlier keeps its due.

    A delay of less than a twentieth of the window (at most five minutes) is the machine's, not the process's: the
    planned wall time stays.
    """
    assert stage.open_at is not None
    assert stage.due_at is not None
    delay = opened_at - stage.open_at
    planned = stage.due_at - stage.open_at
    if delay.total_seconds() <= min(300.0, planned.total_seconds() / 20):
        return stage.due_at
    definition = stage.definition
    if definition.closes_at is not None:
        return stage.due_at + delay
    return max(stage.due_at, calendar.add(opened_at, definition.length))
