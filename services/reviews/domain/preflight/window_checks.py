"""Checks of the windows: in order, in the future, and reminders within them."""

from collections.abc import Iterator
from datetime import datetime

from services.reviews.domain.due import reminder_instant
from services.reviews.domain.findings import Finding, error, warning
from services.reviews.domain.model import Advance, Barrier, OnTimeout, Stage, StageKind
from services.reviews.domain.preflight.facts import LaunchFacts

WAITS_AFTER_DUE = frozenset({StageKind.RELEASE, StageKind.APPEALS})
SECOND_CHANCES = frozenset({OnTimeout.EXTEND_ONCE, OnTimeout.ESCALATE})


def start_is_not_past(facts: LaunchFacts) -> Iterator[Finding]:
    start = facts.cycle.start_at
    if start is not None and start < facts.now:
        yield error("START_IN_THE_PAST", "/start", start=_local(facts, start))


def windows_follow_one_another(facts: LaunchFacts) -> Iterator[Finding]:
    """A stage may not open before one that it depends on is due, unless people go on one by one."""
    due = {stage.key: stage.due_at for stage in facts.stages}
    for index, stage in enumerate(facts.stages):
        one_by_one = stage.definition.advance is Advance.INDIVIDUALLY or stage.definition.barrier is Barrier.ON_TIME
        for before in stage.after:
            ends = due.get(before)
            if stage.open_at and ends and stage.open_at < ends and not one_by_one:
                yield error(
                    "WINDOW_BEFORE_PREDECESSOR",
                    f"/template/process/{index}",
                    stage.key,
                    stage=stage.key,
                    before=before,
                    opens=_local(facts, stage.open_at),
                    due=_local(facts, ends),
                )


def windows_have_a_length(facts: LaunchFacts) -> Iterator[Finding]:
    for index, stage in enumerate(facts.stages):
        if stage.open_at and stage.due_at and stage.due_at <= stage.open_at and stage.definition.closes_at:
            opens, due = _local(facts, stage.open_at), _local(facts, stage.due_at)
            yield error("WINDOW_EMPTY", f"/template/process/{index}", stage.key, stage=stage.key, opens=opens, due=due)


def windows_are_not_past(facts: LaunchFacts) -> Iterator[Finding]:
    for index, stage in enumerate(facts.stages):
        if stage.due_at and stage.due_at <= facts.now:
            due = _local(facts, stage.due_at)
            yield error("WINDOW_IN_THE_PAST", f"/template/process/{index}", stage.key, stage=stage.key, due=due)


def reminders_reach_somebody(facts: LaunchFacts) -> Iterator[Finding]:
    """By the planned instants: a reminder at or before the opening, or after the close, reaches nobody."""
    for index, stage in enumerate(facts.stages):
        for ordinal, reminder in enumerate(stage.definition.reminders):
            at = reminder_instant(stage, ordinal, facts.calendar)
            if at is None or stage.open_at is None or stage.due_at is None:
                continue
            pointer = f"/template/process/{index}/reminders/{ordinal}"
            words = {"stage": stage.key, "found": _span(stage, ordinal), "length": _length(stage)}
            if reminder.before and at <= stage.open_at:
                yield warning("REMINDER_BEFORE_OPEN", pointer, stage.key, **words)
            if not reminder.before and at >= stage.due_at and not _lives_on(stage):
                yield warning("REMINDER_AFTER_CLOSE", pointer, stage.key, **words)


def _lives_on(stage: Stage) -> bool:
    return stage.kind in WAITS_AFTER_DUE or stage.definition.on_timeout in SECOND_CHANCES


def _span(stage: Stage, ordinal: int) -> str:
    span = stage.definition.reminders[ordinal].span
    return f"{span.amount} {span.unit.value.replace('_', ' ')}"


def _length(stage: Stage) -> str:
    length = stage.definition.length
    return f"{length.amount} {length.unit.value.replace('_', ' ')}"


def _local(facts: LaunchFacts, at: datetime) -> str:
    return facts.calendar.local(at).strftime("%Y-%m-%d %H:%M")
