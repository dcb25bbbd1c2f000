"""What a change of the calendar does to a cycle under way: planned dates that are still to come move."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.model import Stage, StageState
from services.reviews.domain.process import in_order

RUNNING = frozenset({StageState.OPENING, StageState.OPEN})


def replan(stages: Sequence[Stage], before: Calendar, after: Calendar, start: datetime, now: datetime) -> list[Stage]:
    """The stages whose dates move, changed.

    A date moves when it is still to come, is what the definition and the old calendar give, and would not come to lie
    in the past; what somebody set by hand, or a pause has shifted, stays (architecture.md §3).
    """
    known = {stage.key: stage for stage in stages}
    moved = dict(known)
    for key in in_order({stage.key: stage.after for stage in stages}):
        stage = known[key]
        if stage.paused:
            continue
        if stage.state in RUNNING:
            moved[key] = _running(stage, before, after, now)
        elif stage.state is StageState.PLANNED:
            was = _anchor([known[name] for name in stage.after], start)
            will_be = _anchor([moved[name] for name in stage.after], start)
            moved[key] = _planned(stage, (before, was), (after, will_be), now)
    return [moved[stage.key] for stage in stages if moved[stage.key] != stage]


def _running(stage: Stage, before: Calendar, after: Calendar, now: datetime) -> Stage:
    length = stage.definition.length
    if stage.definition.closes_at is not None or stage.due_at is None or stage.due_at <= now:
        return stage
    for anchor in (stage.open_at, stage.opened_at):
        if anchor is not None and before.add(anchor, length) == stage.due_at:
            due_at = after.add(anchor, length)
            return _dated(stage, stage.open_at, due_at) if due_at > now else stage
    return stage


def _planned(stage: Stage, was: tuple[Calendar, datetime], will_be: tuple[Calendar, datetime], now: datetime) -> Stage:
    definition = stage.definition
    open_at, due_at = stage.open_at, stage.due_at
    if open_at is None or due_at is None:
        return stage
    if definition.opens_at is None and open_at == was[0].add(was[1], definition.offset):
        moved = will_be[0].add(will_be[1], definition.offset)
        open_at = moved if moved > now else open_at
    if definition.closes_at is None and due_at == was[0].add(stage.open_at or open_at, definition.length):
        due_at = will_be[0].add(open_at, definition.length)
    return _dated(stage, open_at, due_at) if due_at > now else stage


def _anchor(predecessors: Sequence[Stage], start: datetime) -> datetime:
    return max([start, *(stage.due_at for stage in predecessors if stage.due_at)])


def _dated(stage: Stage, open_at: datetime | None, due_at: datetime) -> Stage:
    if (open_at, due_at) == (stage.open_at, stage.due_at):
        return stage
    return replace(stage, open_at=open_at, due_at=due_at, version=stage.version + 1)
