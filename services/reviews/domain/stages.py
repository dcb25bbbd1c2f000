"""How a stage changes: pure steps, each refusing what its state forbids."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.due import Action, ActionKind, reminder_instant
from services.reviews.domain.errors import NotLater, StageStateInvalid
from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    ESCALATION,
    Mark,
    Span,
    Stage,
    StageState,
    Unit,
)
from services.reviews.domain.process import keep_length


def require_state(stage: Stage, allowed: Iterable[StageState], verb: str) -> None:
    if stage.state not in set(allowed):
        raise StageStateInvalid(
            f"stage {stage.key} is {stage.state} and cannot be {verb}", meta={"state": stage.state.value}
        )


def begin_opening(stage: Stage, at: datetime, calendar: Calendar) -> Stage:
    """planned → opening; opened later than planned it keeps its length."""
    require_state(stage, {StageState.PLANNED}, "opened")
    due_at = keep_length(stage, at, calendar)
    return replace(_step(stage), state=StageState.OPENING, epoch=stage.epoch + 1, opened_at=at, due_at=due_at)


def finish_opening(stage: Stage) -> Stage:
    require_state(stage, {StageState.OPENING}, "finished opening")
    return replace(_step(stage), state=StageState.OPEN)


def close(stage: Stage, at: datetime, *, early: bool) -> Stage:
    """open → closing: from here only extended tasks accept answers."""
    require_state(stage, {StageState.OPEN}, "closed")
    return replace(_step(stage), state=StageState.CLOSING, epoch=stage.epoch + 1, closing_at=at, closed_early=early)


def begin_settling(stage: Stage) -> Stage:
    require_state(stage, {StageState.CLOSING}, "settled")
    return replace(_step(stage), state=StageState.SETTLING)


def finish(stage: Stage, at: datetime) -> Stage:
    """closing or settling → closed."""
    require_state(stage, {StageState.CLOSING, StageState.SETTLING}, "finished")
    return replace(_step(stage), state=StageState.CLOSED, closed_at=at)


def skip(stage: Stage, at: datetime) -> Stage:
    """What a canceled cycle does with every stage that has not ended."""
    if stage.state in ENDED_STAGE_STATES:
        return stage
    return replace(_step(stage), state=StageState.SKIPPED, epoch=stage.epoch + 1, closed_at=at, paused=False)


def extend(stage: Stage, until: datetime, now: datetime) -> Stage:
    """Move the deadline of a stage that has not begun to close to a later instant."""
    require_state(stage, {StageState.PLANNED, StageState.OPENING, StageState.OPEN}, "extended")
    require_later(stage.due_at, until, now)
    return replace(_step(stage), due_at=until)


def require_later(due_at: datetime | None, until: datetime, now: datetime) -> None:
    if until <= now:
        raise NotLater("the new deadline has already passed", field="until")
    if due_at is not None and until <= due_at:
        raise NotLater("the new deadline is not later than the present one", field="until")


def reschedule(stage: Stage, open_at: datetime, due_at: datetime, now: datetime) -> Stage:
    """Give a stage that has not opened another window."""
    require_state(stage, {StageState.PLANNED}, "rescheduled")
    if due_at <= open_at:
        raise NotLater("the deadline must be later than the opening", field="due_at")
    if due_at <= now:
        raise NotLater("the new deadline has already passed", field="due_at")
    definition = replace(stage.definition, opens_at=open_at, closes_at=due_at)
    return replace(_step(stage), definition=definition, open_at=open_at, due_at=due_at)


def grace(stage: Stage) -> Span:
    """The second chance that `extend_once` and `escalate` give."""
    return stage.definition.grace or stage.definition.length


def extend_once(stage: Stage, calendar: Calendar) -> Stage:
    """The policy `extend_once`: the deadline moves by the grace, one time in an opening."""
    require_state(stage, {StageState.OPEN}, "extended")
    if stage.due_at is None:
        raise StageStateInvalid(f"stage {stage.key} has no window yet")
    return replace(_step(stage), due_at=calendar.add(stage.due_at, grace(stage)), extended_once=True)


def reopen(stage: Stage, until: datetime, now: datetime) -> Stage:
    """closed → opening again; it no longer closes early, because all may be done already."""
    require_state(stage, {StageState.CLOSED}, "reopened")
    require_later(None, until, now)
    return replace(
        _step(stage),
        state=StageState.OPENING,
        epoch=stage.epoch + 1,
        opened_at=now,
        due_at=until,
        closing_at=None,
        closed_at=None,
        closed_early=False,
        extended_once=False,
        early_close=False,
    )


def pause(stage: Stage) -> Stage:
    return stage if stage.state in ENDED_STAGE_STATES else replace(_step(stage), paused=True)


def resume(stage: Stage, paused_at: datetime, now: datetime, calendar: Calendar) -> Stage:
    """Move what had not passed when the pause began by the paused time; reminders sent stay sent."""
    if not stage.paused:
        return stage
    unit = counted_in(stage)

    def moved(at: datetime | None) -> datetime | None:
        if at is None or at < paused_at:
            return at
        return calendar.shift(at, paused_at=paused_at, resumed_at=now, unit=unit)

    open_at = moved(stage.open_at) if stage.state is StageState.PLANNED else stage.open_at
    due_at = moved(stage.due_at) if stage.state not in ENDED_STAGE_STATES else stage.due_at
    resumed = replace(_step(stage), paused=False, open_at=open_at, due_at=due_at)
    return replace(resumed, marks=tuple(_remarked(resumed, mark, calendar) for mark in stage.marks))


def counted_in(stage: Stage) -> Unit:
    """The unit that a pause is counted in: the window's, or elapsed time between two instants."""
    fixed = stage.definition.closes_at is not None
    return Unit.SECONDS if fixed else stage.definition.length.unit


def _remarked(stage: Stage, mark: Mark, calendar: Calendar) -> Mark:
    at = reminder_instant(stage, mark.ordinal, calendar)
    return replace(mark, due_at=at) if at is not None and mark.epoch == stage.epoch else mark


def mark_due(stage: Stage, ordinal: int, at: datetime) -> Stage:
    """A reminder became due; older ones that were not told yet give way to it."""
    told = ordinal == ESCALATION
    older = tuple(replace(mark, finished=True) if not told else mark for mark in stage.marks)
    return replace(_step(stage), marks=(*older, Mark(ordinal, stage.epoch, at, finished=told)))


def finish_reminder(stage: Stage, ordinal: int) -> Stage:
    marks = tuple(replace(mark, finished=True) if mark.ordinal == ordinal else mark for mark in stage.marks)
    return replace(_step(stage), marks=marks)


def block(stage: Stage, reason: str, at: datetime) -> Stage:
    """What keeps the stage's work from being done; shown as a stall until any step succeeds, or cleared by ''."""
    return replace(stage, blocked_reason=reason, blocked_since=at if reason else None, version=stage.version + 1)


def take_step(action: Action, now: datetime, calendar: Calendar) -> Stage:
    """The stage after one of the steps that `due_actions` leaves to reviews itself; ValueError for any other."""
    stage, at = action.stage, action.at or now
    if stage is None:
        raise ValueError("this action concerns no stage")
    match action.kind:
        case ActionKind.BEGIN_OPENING:
            return begin_opening(stage, at, calendar)
        case ActionKind.CLOSE:
            return close(stage, at, early=action.early)
        case ActionKind.EXTEND_ONCE:
            return extend_once(stage, calendar)
        case ActionKind.BEGIN_SETTLING:
            return begin_settling(stage)
        case ActionKind.FINISH_STAGE:
            return finish(stage, at)
        case ActionKind.MARK_REMINDER | ActionKind.MARK_ESCALATION:
            return mark_due(stage, action.ordinal, at)
    raise ValueError(f"{action.kind} is not a step of reviews itself")


def _step(stage: Stage) -> Stage:
    return replace(stage, version=stage.version + 1, blocked_reason="", blocked_since=None)
