"""The process graph: what may follow what, and when each stage is planned."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import ProcessInvalid
from services.reviews.domain.model import Stage


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
    if stage.open_at is None or stage.due_at is None:
        raise ProcessInvalid(f"stage {stage.key} has no window yet")
    delay = opened_at - stage.open_at
    planned = stage.due_at - stage.open_at
    if delay.total_seconds() <= min(300.0, planned.total_seconds() / 20):
        return stage.due_at
    definition = stage.definition
    if definition.closes_at is not None:
        return stage.due_at + delay
    return max(stage.due_at, calendar.add(opened_at, definition.length))
