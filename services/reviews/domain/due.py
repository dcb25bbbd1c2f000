"""What is due in a cycle at an instant, and when to look again: the only model of time there is.

The function is pure; reviews' Tick, the operators' timeline and rehearsal all call it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    ESCALATION,
    Advance,
    Barrier,
    Cycle,
    CycleState,
    OnTimeout,
    ReleaseMode,
    Span,
    Stage,
    StageKind,
    StageState,
)


class ActionKind(StrEnum):
    """The first five are performed by the worker, the others by Tick itself."""

    ENROL = "enrol"
    OPEN = "open"
    REMIND = "remind"
    EXPIRE = "expire"
    SETTLE = "settle"
    BEGIN_OPENING = "begin_opening"
    MARK_REMINDER = "mark_reminder"
    MARK_ESCALATION = "mark_escalation"
    ESCALATE_APPEALS = "escalate_appeals"
    EXTEND_ONCE = "extend_once"
    CLOSE = "close"
    BEGIN_SETTLING = "begin_settling"
    FINISH_STAGE = "finish_stage"
    FINISH_CYCLE = "finish_cycle"


FOR_THE_WORKER = frozenset({ActionKind.ENROL, ActionKind.OPEN, ActionKind.REMIND, ActionKind.EXPIRE, ActionKind.SETTLE})

SETTLED_ELSEWHERE = frozenset({StageKind.MANAGER_REVIEW, StageKind.CALIBRATION, StageKind.RELEASE})
"""Kinds whose settling needs goals or scoring."""

HAS_CLOSED = frozenset({StageState.CLOSING, StageState.SETTLING, StageState.CLOSED, StageState.SKIPPED})
HAS_OPENED = HAS_CLOSED | {StageState.OPEN}


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do now, to the stage as it was at `epoch`."""

    kind: ActionKind
    stage: Stage | None = None
    ordinal: int = 0
    at: datetime | None = None
    early: bool = False

    @property
    def epoch(self) -> int:
        return self.stage.epoch if self.stage else 0


@dataclass(frozen=True, slots=True)
class StageFacts:
    """What the rows say about the tasks of one stage."""

    owed: bool = False  # a task without its own extension is owed
    submitted: bool = False  # answers that were not accepted yet
    earliest_override: datetime | None = None  # of the owed tasks that were extended
    admissible: bool = False  # somebody may go on into this stage
    held: bool = False  # an appeal is undecided, or its amendment is not done
    decision_due_at: datetime | None = None  # the earliest of the undecided appeals that were not escalated

    @property
    def waits(self) -> bool:
        return self.owed or self.earliest_override is not None or self.held


@dataclass(frozen=True, slots=True)
class Facts:
    calendar: Calendar
    stages: Mapping[str, StageFacts] = field(default_factory=dict)

    def of(self, stage: Stage) -> StageFacts:
        return self.stages.get(stage.key, NO_FACTS)


NO_FACTS = StageFacts()


@dataclass(frozen=True, slots=True)
class View:
    """One stage among the others at one instant."""

    cycle: Cycle
    stage: Stage
    predecessors: tuple[Stage, ...]
    facts: Facts
    now: datetime

    @property
    def own(self) -> StageFacts:
        return self.facts.of(self.stage)

    @property
    def predecessors_ended(self) -> bool:
        return all(stage.state in ENDED_STAGE_STATES for stage in self.predecessors)

    @property
    def admits_one_by_one(self) -> bool:
        definition = self.stage.definition
        return definition.advance is Advance.INDIVIDUALLY or definition.barrier is Barrier.ON_TIME


Finding = Action | datetime
"""An action that is due, or an instant to look again."""

Rule = Callable[[View], Iterable[Finding]]


def may_open(view: View) -> bool:
    """Whether the predecessors let anybody through; see `Barrier` and `Advance` in product.md §5."""
    if view.predecessors_ended:
        return True
    definition = view.stage.definition
    states = {stage.state for stage in view.predecessors}
    if definition.advance is Advance.INDIVIDUALLY:
        return states <= HAS_OPENED and view.own.admissible
    return definition.barrier is Barrier.ON_TIME and states <= HAS_CLOSED


def opening_gate(stage: Stage) -> datetime | None:
    """The instant before which the stage stays shut; none if it simply follows its predecessors."""
    definition = stage.definition
    follows = bool(stage.after) and definition.offset.amount == 0 and definition.opens_at is None
    return None if follows else stage.open_at


def opens(view: View) -> Iterable[Finding]:
    if view.stage.state is not StageState.PLANNED or not may_open(view):
        return
    gate = opening_gate(view.stage)
    if gate is not None and view.now < gate:
        yield gate
    else:
        yield Action(ActionKind.BEGIN_OPENING, view.stage, at=view.now)


def admits(view: View) -> Iterable[Finding]:
    state = view.stage.state
    late_comers = state in {StageState.OPEN, StageState.CLOSING} and view.admits_one_by_one and view.own.admissible
    if state is StageState.OPENING or late_comers:
        yield Action(ActionKind.OPEN, view.stage)


def is_held_open(view: View) -> bool:
    """A manual release that was not given waits past its due instant."""
    manual = view.stage.kind is StageKind.RELEASE and view.cycle.release_mode is ReleaseMode.MANUAL
    return manual and view.own.waits


def may_close_early(view: View) -> bool:
    stage = view.stage
    given = stage.kind is StageKind.RELEASE and view.cycle.release_mode is ReleaseMode.MANUAL
    wanted = (stage.early_close or given) and stage.kind is not StageKind.APPEALS
    return wanted and not view.own.waits and not view.own.admissible and view.predecessors_ended


def closes(view: View) -> Iterable[Finding]:
    stage = view.stage
    if stage.state is not StageState.OPEN or stage.due_at is None:
        return
    if may_close_early(view):
        yield Action(ActionKind.CLOSE, stage, at=view.now, early=view.now < stage.due_at)
    elif view.now < stage.due_at:
        yield stage.due_at
    elif is_held_open(view):
        return
    elif stage.definition.on_timeout is OnTimeout.EXTEND_ONCE and not stage.extended_once and view.own.owed:
        yield Action(ActionKind.EXTEND_ONCE, stage, at=stage.due_at)
    else:
        yield Action(ActionKind.CLOSE, stage, at=view.now)


def reminder_instant(stage: Stage, ordinal: int, calendar: Calendar) -> datetime | None:
    """When the reminder fires, by the deadline as it stands; None before the stage has a window."""
    if stage.due_at is None:
        return None
    if ordinal == ESCALATION:
        escalation = stage.definition.escalation
        return calendar.add(stage.due_at, escalation.after) if escalation else None
    reminder = stage.definition.reminders[ordinal]
    amount = -reminder.span.amount if reminder.before else reminder.span.amount
    return calendar.add(stage.due_at, Span(amount, reminder.span.unit), wall=reminder.at)


def is_marked(stage: Stage, ordinal: int, at: datetime) -> bool:
    return any(mark.ordinal == ordinal and mark.due_at == at for mark in stage.marks)


def reminds(view: View) -> Iterable[Finding]:
    """A reminder is for those who still owe; one that lies before the opening is not sent late."""
    stage = view.stage
    if stage.state not in {StageState.OPEN, StageState.CLOSING}:
        return
    for ordinal, reminder in enumerate(stage.definition.reminders):
        at = reminder_instant(stage, ordinal, view.facts.calendar)
        if at is None or (reminder.before and stage.state is not StageState.OPEN) or not view.own.waits:
            continue
        if is_marked(stage, ordinal, at) or (stage.opened_at and at <= stage.opened_at):
            continue
        yield Action(ActionKind.MARK_REMINDER, stage, ordinal=ordinal, at=at) if at <= view.now else at
    for mark in stage.marks:
        if not mark.finished and mark.epoch == stage.epoch and mark.ordinal != ESCALATION:
            yield Action(ActionKind.REMIND, stage, ordinal=mark.ordinal, at=mark.due_at)


def escalates(view: View) -> Iterable[Finding]:
    stage = view.stage
    if stage.state not in {StageState.OPEN, StageState.CLOSING} or not view.own.waits:
        return
    at = reminder_instant(stage, ESCALATION, view.facts.calendar)
    if at is not None and not is_marked(stage, ESCALATION, at):
        yield Action(ActionKind.MARK_ESCALATION, stage, ordinal=ESCALATION, at=at) if at <= view.now else at


def escalates_appeals(view: View) -> Iterable[Finding]:
    """An appeal that nobody decides in time is told to the owner of the cycle, and waits on (product.md §8)."""
    at = view.own.decision_due_at
    if at is not None:
        yield Action(ActionKind.ESCALATE_APPEALS, view.stage, at=at) if at <= view.now else at


def expires(view: View) -> Iterable[Finding]:
    """While closing, tasks end as their own extensions pass; an appeal waits for its decision instead."""
    own = view.own
    if view.stage.state is not StageState.CLOSING:
        return
    endable = view.stage.kind is not StageKind.APPEALS
    passed = own.earliest_override is not None and own.earliest_override <= view.now
    if own.submitted or (endable and (own.owed or passed)):
        yield Action(ActionKind.EXPIRE, view.stage)
    elif endable and own.earliest_override is not None:
        yield own.earliest_override


def settles(view: View) -> Iterable[Finding]:
    stage = view.stage
    if stage.state is StageState.SETTLING:
        yield Action(ActionKind.SETTLE, stage)
    if stage.state is not StageState.CLOSING:
        return
    if view.own.waits or view.own.submitted or view.own.admissible or not view.predecessors_ended:
        return
    elsewhere = stage.kind in SETTLED_ELSEWHERE
    yield Action(ActionKind.BEGIN_SETTLING if elsewhere else ActionKind.FINISH_STAGE, stage, at=view.now)


STAGE_RULES: tuple[Rule, ...] = (opens, admits, reminds, escalates, escalates_appeals, closes, expires, settles)


def due_actions(
    cycle: Cycle, stages: Sequence[Stage], facts: Facts, now: datetime
) -> tuple[list[Action], datetime | None]:
    """Everything due at `now`, in process order, and the next instant at which time alone makes something due."""
    if cycle.state is CycleState.LAUNCHING:
        return [Action(ActionKind.ENROL)], None
    if cycle.state is CycleState.CANCELED:
        return _withdrawals(cycle, stages, facts), None
    if cycle.state not in {CycleState.RUNNING, CycleState.RELEASED}:
        return [], None
    if all(stage.state in ENDED_STAGE_STATES for stage in stages):
        return [Action(ActionKind.FINISH_CYCLE, at=now)], None
    by_key = {stage.key: stage for stage in stages}
    findings: list[Finding] = []
    for stage in stages:
        view = View(cycle, stage, tuple(by_key[key] for key in stage.after), facts, now)
        for rule in STAGE_RULES:
            findings.extend(rule(view))
    actions = [finding for finding in findings if isinstance(finding, Action)]
    instants = [finding for finding in findings if isinstance(finding, datetime)]
    return actions, min(instants, default=None)


def _withdrawals(cycle: Cycle, stages: Sequence[Stage], facts: Facts) -> list[Action]:
    """What a canceled cycle still has in people's lists is withdrawn in chunks."""
    if cycle.ended_at is not None:
        return []
    left = [stage for stage in stages if facts.of(stage).waits or facts.of(stage).submitted]
    return [Action(ActionKind.EXPIRE, stage) for stage in left] or [Action(ActionKind.FINISH_CYCLE)]
