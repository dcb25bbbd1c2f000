"""What is due, and when to look again: single rules, and whole cycles folded over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.reviews.domain import stages as step
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.due import (
    FOR_THE_WORKER,
    Action,
    ActionKind,
    Facts,
    StageFacts,
    due_actions,
    opening_gate,
)
from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    Advance,
    Barrier,
    Cycle,
    CycleKind,
    CycleState,
    Escalation,
    OnTimeout,
    Period,
    Reminder,
    Span,
    Stage,
    StageDefinition,
    StageKind,
    StageState,
    Unit,
)
from services.reviews.domain.process import plan_stages

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
CALENDAR = Calendar("Asia/Shanghai", {})
CYCLE = Cycle(
    id=UUID(int=1),
    name="cycle",
    period=Period(CycleKind.MONTH, date(2026, 2, 1), date(2026, 2, 28)),
    state=CycleState.RUNNING,
    owner_id=UUID(int=2),
    zone="Asia/Shanghai",
    template_id=UUID(int=3),
    template_version=1,
)
HOUR, DAY = Span(1, Unit.HOURS), Span(1, Unit.CALENDAR_DAYS)


def one(**changes: Any) -> Stage:
    """A single stage of a day, open since the start."""
    facts: dict[str, Any] = {"key": "a", "kind": StageKind.SELF_REVIEW, "length": DAY} | changes
    definition = StageDefinition(**facts)
    stage = Stage(UUID(int=9), CYCLE.id, definition, 0, early_close=definition.early_close)
    planned = plan_stages([stage], START, CALENDAR)[0]
    return step.finish_opening(step.begin_opening(planned, START, CALENDAR))


def look(stage: Stage, now: datetime, **facts: Any) -> tuple[list[tuple[ActionKind, int]], datetime | None]:
    actions, next_at = due_actions(CYCLE, [stage], Facts(CALENDAR, {"a": StageFacts(**facts)}), now)
    return [(action.kind, action.ordinal) for action in actions], next_at


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def test_an_open_stage_is_looked_at_again_when_it_is_due() -> None:
    assert look(one(), hours(1), owed=True) == ([], hours(24))
    assert look(one(), hours(24), owed=True) == ([(ActionKind.CLOSE, 0)], None)


def test_early_close_wants_everything_done() -> None:
    stage = one(early_close=True)
    assert look(stage, hours(1), owed=True)[0] == []
    assert look(stage, hours(1), earliest_override=hours(30))[0] == []
    assert look(stage, hours(1), submitted=True)[0] == [(ActionKind.CLOSE, 0)]


def test_a_reminder_is_marked_once_and_then_told() -> None:
    stage = one(reminders=(Reminder(Span(2, Unit.HOURS)), Reminder(Span(1, Unit.HOURS))))
    assert look(stage, hours(1), owed=True)[1] == hours(22)
    assert look(stage, hours(22), owed=True) == ([(ActionKind.MARK_REMINDER, 0)], hours(23))
    marked = step.mark_due(stage, 0, hours(22))
    assert look(marked, hours(22), owed=True) == ([(ActionKind.REMIND, 0)], hours(23))
    told = step.finish_reminder(marked, 0)
    assert look(told, hours(22.5), owed=True) == ([], hours(23))
    assert look(told, hours(23), owed=False)[0] == [], "nobody owes anything"


def test_an_extension_lets_a_reminder_come_again_and_a_pause_does_not() -> None:
    stage = step.finish_reminder(step.mark_due(one(reminders=(Reminder(Span(2, Unit.HOURS)),)), 0, hours(22)), 0)
    extended = step.extend(stage, hours(48), hours(23))
    assert look(extended, hours(23), owed=True) == ([], hours(46))
    resumed = step.resume(step.pause(stage), hours(23), hours(33), CALENDAR)
    assert resumed.due_at == hours(34)
    assert look(resumed, hours(33), owed=True) == ([], hours(34))


def test_an_appeal_that_nobody_decides_in_time_is_escalated() -> None:
    stage = one(kind=StageKind.APPEALS)
    undecided: dict[str, Any] = {"held": True, "decision_due_at": hours(5)}
    assert look(stage, hours(1), **undecided) == ([], hours(5))
    assert look(stage, hours(5), **undecided)[0] == [(ActionKind.ESCALATE_APPEALS, 0)]
    closing = step.close(stage, hours(24), early=False)
    assert look(closing, hours(25), **undecided)[0] == [(ActionKind.ESCALATE_APPEALS, 0)]
    assert look(closing, hours(25), held=True) == ([], None), "escalated once, it waits for its decision"


def test_a_reminder_before_the_opening_is_not_sent_late() -> None:
    assert look(one(reminders=(Reminder(Span(30, Unit.HOURS)),)), hours(1), owed=True) == ([], hours(24))


def test_escalation_follows_the_due_instant() -> None:
    stage = step.close(one(escalation=Escalation("manager", HOUR)), hours(24), early=False)
    owed = {"earliest_override": hours(40)}
    assert look(stage, hours(24), **owed) == ([], hours(25))
    assert look(stage, hours(25), **owed)[0] == [(ActionKind.MARK_ESCALATION, -1)]


def test_while_closing_tasks_end_as_their_extensions_pass() -> None:
    stage = step.close(one(), hours(24), early=False)
    assert look(stage, hours(24), owed=True)[0] == [(ActionKind.EXPIRE, 0)]
    assert look(stage, hours(24), earliest_override=hours(40)) == ([], hours(40))
    assert look(stage, hours(40), earliest_override=hours(40))[0] == [(ActionKind.EXPIRE, 0)]
    assert look(stage, hours(40))[0] == [(ActionKind.FINISH_STAGE, 0)]


def test_a_second_chance_is_given_once() -> None:
    stage = one(on_timeout=OnTimeout.EXTEND_ONCE, grace=HOUR)
    assert look(stage, hours(24), owed=True)[0] == [(ActionKind.EXTEND_ONCE, 0)]
    again = step.extend_once(stage, CALENDAR)
    assert look(again, hours(24), owed=True) == ([], hours(25))
    assert look(again, hours(25), owed=True)[0] == [(ActionKind.CLOSE, 0)]


def test_a_manual_release_waits_however_late_and_an_appeal_for_its_decision() -> None:
    release = one(kind=StageKind.RELEASE)
    assert look(release, hours(100), owed=True) == ([], None)
    assert look(release, hours(100), owed=False)[0] == [(ActionKind.CLOSE, 0)]
    appeals = step.close(one(kind=StageKind.APPEALS), hours(24), early=False)
    assert look(appeals, hours(24), held=True) == ([], None)
    assert look(appeals, hours(24), owed=True, held=True) == ([], None), "an appeal's task does not expire"
    assert look(one(kind=StageKind.APPEALS, early_close=True), hours(1))[0] == [], "somebody may still file"


def test_nothing_is_due_while_paused() -> None:
    paused = replace(CYCLE, state=CycleState.PAUSED)
    assert due_actions(paused, [one()], Facts(CALENDAR), hours(100)) == ([], None)


def test_a_canceled_cycle_withdraws_and_ends() -> None:
    canceled, stage = replace(CYCLE, state=CycleState.CANCELED), step.skip(one(), START)
    owed = Facts(CALENDAR, {"a": StageFacts(owed=True)})
    assert [each.kind for each in due_actions(canceled, [stage], owed, START)[0]] == [ActionKind.EXPIRE]
    assert [each.kind for each in due_actions(canceled, [stage], Facts(CALENDAR), START)[0]] == [
        ActionKind.FINISH_CYCLE
    ]


# --- whole cycles

PEOPLE = 3
KINDS = (StageKind.OPEN, StageKind.SELF_REVIEW, StageKind.MANAGER_REVIEW, StageKind.CALIBRATION, StageKind.RELEASE)
TASKED = frozenset({StageKind.SELF_REVIEW, StageKind.MANAGER_REVIEW})


@st.composite
def processes(draw: st.DrawFn) -> list[Stage]:
    """Acyclic graphs of up to six stages with every policy; seconds to days long."""
    stages: list[Stage] = []
    for number in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from(KINDS))
        free = kind in TASKED
        definition = StageDefinition(
            key=f"s{number}",
            kind=kind,
            after=tuple(draw(st.sets(st.sampled_from([each.key for each in stages])))) if stages else (),
            offset=Span(draw(st.sampled_from([0, 0, 2])), Unit.HOURS),
            length=draw(st.builds(Span, st.integers(1, 5), st.sampled_from(list(Unit)))),
            reminders=tuple(
                draw(
                    st.lists(
                        st.builds(Reminder, st.builds(Span, st.integers(1, 3), st.just(Unit.HOURS)), st.booleans()),
                        max_size=2,
                    )
                )
            ),
            on_timeout=draw(st.sampled_from([OnTimeout.EXPIRE, OnTimeout.EXTEND_ONCE, OnTimeout.SKIP])),
            early_close=draw(st.booleans()),
            advance=draw(st.sampled_from(list(Advance))) if free else Advance.TOGETHER,
            barrier=draw(st.sampled_from(list(Barrier))) if free else Barrier.ALL,
        )
        stages.append(Stage(UUID(int=100 + number), CYCLE.id, definition, number, early_close=definition.early_close))
    return plan_stages(stages, START, CALENDAR)


@dataclass
class Play:
    """A cycle played through: people do their tasks after the delays given, or never; the worker acts at once."""

    stages: list[Stage]
    delays: Sequence[float | None]  # hours from a task's opening, in turn
    cycle: Cycle = CYCLE
    now: datetime = START
    tasks: dict[str, dict[int, tuple[str, datetime | None]]] = field(default_factory=dict)
    given: int = 0
    story: list[tuple[datetime, ActionKind, str]] = field(default_factory=list)

    def run(self) -> None:
        for _ in range(3_000):
            actions, next_at = due_actions(self.cycle, self.stages, self.facts(), self.now)
            if any(action.kind is ActionKind.FINISH_CYCLE for action in actions):
                return
            if actions:
                self.perform(actions)
                continue
            instants = [at for at in (next_at, self.next_deed()) if at is not None]
            assert instants, f"nothing will ever happen: {[(each.key, each.state) for each in self.stages]}"
            assert min(instants) >= self.now
            self.now = max(self.now, min(instants))
            self.do_deeds()
        raise AssertionError("the cycle does not end")

    def perform(self, actions: Sequence[Action]) -> None:
        touched: set[str] = set()
        for action in actions:
            assert action.stage is not None
            key = action.stage.key
            if key in touched:
                continue
            touched.add(key)
            self.story.append((self.now, action.kind, key))
            stage = self.by_key(key)
            self.check(action, stage)
            changed = (
                self.work(action, stage)
                if action.kind in FOR_THE_WORKER
                else step.take_step(action, self.now, CALENDAR)
            )
            assert changed.version > stage.version or action.kind in {ActionKind.OPEN, ActionKind.EXPIRE}
            self.stages = [changed if each.key == key else each for each in self.stages]

    def check(self, action: Action, stage: Stage) -> None:
        if action.kind is ActionKind.BEGIN_OPENING:
            before = [self.by_key(key) for key in stage.after]
            definition = stage.definition
            if definition.advance is Advance.TOGETHER and definition.barrier is Barrier.ALL:
                assert all(each.state in ENDED_STAGE_STATES for each in before), "opened before its predecessors"
            assert all(each.state not in {StageState.PLANNED, StageState.OPENING} for each in before)
            gate = opening_gate(stage)
            assert gate is None or self.now >= gate
        if action.kind is ActionKind.CLOSE and not action.early:
            assert stage.due_at is not None
            assert self.now >= stage.due_at, "closed before its deadline"
        if action.kind is ActionKind.FINISH_STAGE:
            assert all(self.by_key(key).state in ENDED_STAGE_STATES for key in stage.after)
            assert not self.owed(stage)

    def work(self, action: Action, stage: Stage) -> Stage:
        own = self.tasks.setdefault(stage.key, {})
        if action.kind is ActionKind.OPEN:
            for person in self.admitted(stage):
                delay = self.delays[self.given % len(self.delays)]
                self.given += 1
                if stage.kind is StageKind.RELEASE:
                    delay = delay if delay is not None else 500.0
                own[person] = ("owed", None if delay is None else self.now + timedelta(hours=delay))
            return step.finish_opening(stage) if stage.state is StageState.OPENING else stage
        if action.kind is ActionKind.EXPIRE:
            self.tasks[stage.key] = {person: ("ended", None) for person in own}
            return stage
        if action.kind is ActionKind.REMIND:
            return step.finish_reminder(stage, action.ordinal)
        return step.finish(stage, self.now)

    def admitted(self, stage: Stage) -> list[int]:
        own = self.tasks.get(stage.key, {})
        if stage.kind is StageKind.RELEASE:
            return [] if own else [0]
        if stage.kind not in TASKED:
            return []
        return [person for person in range(PEOPLE) if person not in own and self.goes_on(person, stage)]

    def goes_on(self, person: int, stage: Stage) -> bool:
        for key in stage.after:
            before, tasks = self.by_key(key), self.tasks.get(key, {})
            if before.state in ENDED_STAGE_STATES:
                continue
            if tasks.get(person, ("none", None))[0] not in {"submitted", "ended"}:
                return False
        return True

    def facts(self) -> Facts:
        found = {}
        for stage in self.stages:
            definition = stage.definition
            alone = definition.advance is Advance.INDIVIDUALLY or definition.barrier is Barrier.ON_TIME
            found[stage.key] = StageFacts(
                owed=bool(self.owed(stage)),
                submitted=any(state == "submitted" for state, _ in self.tasks.get(stage.key, {}).values())
                and stage.kind in TASKED,
                admissible=alone and bool(self.admitted(stage)) and stage.state is not StageState.OPENING,
            )
        return Facts(CALENDAR, found)

    def owed(self, stage: Stage) -> list[int]:
        return [person for person, (state, _) in self.tasks.get(stage.key, {}).items() if state == "owed"]

    def next_deed(self) -> datetime | None:
        instants = [at for own in self.tasks.values() for state, at in own.values() if state == "owed" and at]
        return min(instants, default=None)

    def do_deeds(self) -> None:
        for own in self.tasks.values():
            for person, (state, at) in own.items():
                if state == "owed" and at is not None and at <= self.now:
                    own[person] = ("submitted", None)

    def by_key(self, key: str) -> Stage:
        return next(stage for stage in self.stages if stage.key == key)


@settings(max_examples=150)
@given(processes(), st.lists(st.one_of(st.none(), st.floats(0.01, 60)), min_size=1, max_size=7))
def test_every_cycle_ends_and_no_stage_opens_before_its_predecessors(
    stages: list[Stage], delays: list[float | None]
) -> None:
    play = Play(stages, delays)
    play.run()
    assert all(stage.state is StageState.CLOSED for stage in play.stages)
    for stage in play.stages:
        told = [kind for _, kind, key in play.story if key == stage.key]
        assert told.count(ActionKind.BEGIN_OPENING) == 1
        assert told.count(ActionKind.CLOSE) == 1


@settings(max_examples=50)
@given(processes(), st.lists(st.one_of(st.none(), st.floats(0.01, 60)), min_size=1, max_size=7))
def test_looking_more_often_changes_nothing(stages: list[Stage], delays: list[float | None]) -> None:
    play = Play(stages, delays)
    actions, next_at = due_actions(play.cycle, play.stages, play.facts(), play.now)
    again = due_actions(play.cycle, play.stages, play.facts(), play.now)
    assert (actions, next_at) == again
    if next_at is not None and not actions:
        before = play.now + (next_at - play.now) / 2
        assert due_actions(play.cycle, play.stages, play.facts(), before) == ([], next_at)
