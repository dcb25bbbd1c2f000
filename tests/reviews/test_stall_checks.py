"""The checks of stalls alone: each cause, and a row that names everything whatever the cause."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reviews.domain.model import (
    Cycle,
    CycleKind,
    CycleState,
    OnTimeout,
    Period,
    Stage,
    StageDefinition,
    StageKind,
    StageState,
    Task,
    TaskKind,
    TaskState,
)
from services.reviews.domain.stalls import (
    Assignee,
    CycleFacts,
    HeldBarrier,
    MissingActuals,
    Stall,
    TaskFacts,
    Unscored,
    stalls_of_cycle,
    stalls_of_task,
)
from services.reviews.domain.task_rules import MOST_REMINDERS, reminder_problem

NOW = datetime(2026, 9, 10, 4, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE, TWO = UUID(int=1), UUID(int=2)
PERIOD = Period(CycleKind.QUARTER, date(2026, 7, 1), date(2026, 9, 30))
CYCLE = Cycle(ONE, "2026 Q3", PERIOD, CycleState.RUNNING, ONE, "Asia/Shanghai", ONE, 1, trace_id="launch")
UNDELIVERED = Assignee(undelivered_since=NOW - DAY, undelivered_error="SMTPConnectError")
AWAY = Assignee(away_from=NOW - DAY, away_until=NOW + 9 * DAY)


def stage(kind: StageKind = StageKind.MANAGER_REVIEW, due: timedelta = DAY, **given: Any) -> Stage:
    definition = StageDefinition(key=kind.value, kind=kind, after=given.pop("after", ()))
    facts = {"state": StageState.OPEN, "due_at": NOW + due, "open_at": NOW - 2 * DAY, **given}
    return Stage(UUID(int=hash(kind) % 1000), ONE, definition, 0, **facts)


def facts(
    kind: TaskKind = TaskKind.MANAGER_REVIEW,
    due: timedelta = DAY,
    *,
    cycle: Cycle = CYCLE,
    told: Assignee | None = None,
    **given: Any,
) -> TaskFacts:
    stages = {each.value: each for each in StageKind}
    owed = Task(ONE, ONE, ONE, kind, TaskState.OPEN, 1, TWO, NOW - DAY, trace_id="request")
    of = stages.get({"appeal": "appeals"}.get(kind.value, kind.value), StageKind.CUSTOM)
    return TaskFacts(replace(owed, **given), stage(of, due), cycle, NOW, told or Assignee())


PAUSED = replace(CYCLE, state=CycleState.PAUSED, paused_at=NOW - HOUR)
CAUSES: Mapping[str, TaskFacts] = {
    "WAITING": facts(),
    "OVERDUE_SEEN": facts(due=-HOUR),
    "OVERDUE_UNDELIVERED": facts(due=-HOUR, told=UNDELIVERED),
    "ASSIGNEE_LEFT": facts(told=Assignee(left_at=NOW - DAY)),
    "ASSIGNEE_ON_LEAVE": facts(told=AWAY),
    "NO_ASSIGNEE": facts(assignee_id=None, blocked_since=NOW - HOUR),
    "RETURNED": facts(state=TaskState.RETURNED, returned_at=NOW - HOUR),
    "CYCLE_PAUSED": facts(due=-HOUR, cycle=PAUSED),
    "CALIBRATION_OPEN": facts(TaskKind.CALIBRATION, -HOUR),
    "APPEAL_STALLED": facts(TaskKind.APPEAL, -HOUR, reference_id=TWO),
    "ACTUAL_MISSING": facts(TaskKind.DATA_ENTRY, -HOUR),
    "RELEASE_PENDING": facts(TaskKind.RELEASE, -HOUR),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_told_alone_and_names_everything(cause: str) -> None:
    [row] = stalls_of_task(CAUSES[cause])
    assert row.cause == cause
    names_everything(row)
    assert (row.task_id, row.assignee_id) == (ONE, CAUSES[cause].task.assignee_id)


def names_everything(row: Stall) -> None:
    """What it waits for, since when, what comes next, what can be done by which call and whom, and the trace."""
    assert row.cause
    assert row.since is not None
    assert row.next_action
    assert row.trace_id
    assert row.remedies or row.cause == "CYCLE_PAUSED"
    for remedy in row.remedies:
        method, path, *_ = remedy.call.split(" ", 2)
        assert (method in ("POST", "PUT"), path.startswith("/v1/"), bool(remedy.role)) == (True, True, True)
        assert "None" not in remedy.call


def test_without_facilitator_or_owner_a_session_or_an_appeal_stands_at_once() -> None:
    for kind, cause in ((TaskKind.CALIBRATION, "CALIBRATION_OPEN"), (TaskKind.APPEAL, "APPEAL_STALLED")):
        [row] = stalls_of_task(facts(kind, assignee_id=None))
        assert (row.cause, bool(row.detail)) == (cause, True)
        assert "remind" not in [remedy.action for remedy in row.remedies]


def test_who_opened_the_task_needs_no_message() -> None:
    [row] = stalls_of_task(facts(due=-HOUR, told=UNDELIVERED, seen_at=NOW - HOUR))
    assert row.cause == "OVERDUE_SEEN"


def test_who_is_back_before_the_deadline_keeps_nobody_waiting() -> None:
    assert [row.cause for row in stalls_of_task(facts(due=10 * DAY, told=AWAY))] == ["WAITING"]


def test_an_escalated_task_is_late_by_the_deadline_that_it_was_escalated_for() -> None:
    escalated = facts(due=-HOUR, escalated_at=NOW - HOUR, due_override=NOW + DAY)
    late = replace(escalated.stage, definition=replace(escalated.stage.definition, on_timeout=OnTimeout.ESCALATE))
    [row] = stalls_of_task(replace(escalated, stage=late))
    assert (row.cause, row.since, row.due_at) == ("OVERDUE_SEEN", NOW - HOUR, NOW + DAY)
    assert (row.next_at, row.next_action) == (NOW + DAY, "expire")


def test_what_only_one_person_may_do_is_not_offered_to_another() -> None:
    for kind in (TaskKind.SELF_REVIEW, TaskKind.ACKNOWLEDGEMENT):
        for told in (Assignee(), Assignee(left_at=NOW - DAY), AWAY):
            for row in stalls_of_task(facts(kind, -HOUR, told=told)):
                assert "reassign" not in [remedy.action for remedy in row.remedies]


assignees = st.builds(
    Assignee,
    left_at=st.sampled_from([None, NOW - DAY]),
    away_from=st.just(NOW - DAY),
    away_until=st.sampled_from([None, NOW + HOUR, NOW + 9 * DAY]),
    undelivered_since=st.sampled_from([None, NOW - DAY]),
    undelivered_error=st.sampled_from(["", "NO_ADDRESS"]),
)
anything = st.builds(
    facts,
    kind=st.sampled_from(sorted(TaskKind)),
    due=st.sampled_from([-DAY, HOUR, 30 * DAY]),
    cycle=st.sampled_from([CYCLE, PAUSED]),
    told=assignees,
    state=st.sampled_from([TaskState.OPEN, TaskState.IN_PROGRESS, TaskState.RETURNED, TaskState.RECALLED]),
    returned_at=st.just(NOW - HOUR),
    assignee_id=st.sampled_from([None, TWO]),
    seen_at=st.sampled_from([None, NOW]),
    reference_id=st.just(TWO),
    due_override=st.sampled_from([None, NOW + DAY]),
    escalated_at=st.sampled_from([None, NOW - HOUR]),
)


@given(anything)
def test_whatever_the_facts_there_is_a_row_that_names_everything(given_facts: TaskFacts) -> None:
    rows = stalls_of_task(given_facts)
    causes = [row.cause for row in rows]
    assert len(set(causes)) == len(causes) > 0
    assert ("WAITING" in causes) == (causes == ["WAITING"])
    for row in rows:
        if row.cause != "NO_ASSIGNEE" or given_facts.task.kind not in (
            "self_review",
            "goal_setting",
            "acknowledgement",
        ):
            names_everything(row)
        assert (row.overdue_seconds > 0) == (given_facts.late_since is not None)
    assert ("CYCLE_PAUSED" in causes) == (given_facts.cycle.state is CycleState.PAUSED)


@given(anything, st.sampled_from([None, NOW - HOUR / 2, NOW - DAY]), st.sampled_from([0, MOST_REMINDERS]))
def test_nobody_is_to_be_reminded_who_may_not_be(
    given_facts: TaskFacts, reminded_at: datetime | None, count: int
) -> None:
    task = replace(given_facts.task, reminded_at=reminded_at, reminder_count=count)
    allowed = reminder_problem(task, NOW) is None
    for row in stalls_of_task(replace(given_facts, task=task)):
        assert allowed or "remind" not in [remedy.action for remedy in row.remedies]


def test_what_holds_a_cycle_names_everything() -> None:
    closing = stage(StageKind.SELF_REVIEW, state=StageState.CLOSING, closing_at=NOW - HOUR, trace_id="opened")
    entry = stage(StageKind.DATA_ENTRY, state=StageState.CLOSED, closed_at=NOW - DAY)
    judged = stage(StageKind.MANAGER_REVIEW, state=StageState.PLANNED, after=("self_review",), due_at=NOW + 2 * DAY)
    blocked = stage(StageKind.CALIBRATION, blocked_reason="UNAVAILABLE", blocked_since=NOW - HOUR)
    rows = stalls_of_cycle(
        CycleFacts(
            PAUSED,
            (closing, entry, judged, blocked),
            NOW,
            barriers={closing.id: HeldBarrier(7, NOW + DAY, (ONE, TWO), (ONE,))},
            unscored=[Unscored("FORMULA_ERROR", 1, NOW, ONE), Unscored("ACTUAL_MISSING", 3, NOW)],
            missing=[MissingActuals(TWO, 4)],
        )
    )
    causes = ["BARRIER_HELD", "CYCLE_PAUSED", "ACTUAL_MISSING", "FORMULA_ERROR", "ACTUAL_MISSING", "ACTIVITY_RETRYING"]
    assert [row.cause for row in rows] == causes
    for row in rows:
        names_everything(row)
    assert str(TWO) in rows[0].detail
    assert rows[2].assignee_id == TWO
    assert (rows[3].kind, rows[3].participant_id) == ("participant", ONE)


@pytest.mark.parametrize(
    ("code", "offered"),
    [
        ("ACTUAL_MISSING", ["enter_actuals", "reopen_stage"]),
        ("FORMULA_ERROR", ["enter_actuals", "reopen_stage"]),
        ("NO_INTERVAL", ["enter_actuals", "reopen_stage"]),
        ("ANSWERS_MISSING", ["reopen_stage"]),
        ("TARGET_ZERO", ["reopen_stage"]),
    ],
)
def test_a_value_is_asked_for_where_another_one_gives_a_score(code: str, offered: list[str]) -> None:
    judged = stage(StageKind.MANAGER_REVIEW, state=StageState.CLOSED, closed_at=NOW - HOUR)
    held = CycleFacts(CYCLE, (judged,), NOW, barriers={}, unscored=[Unscored(code, 1, NOW, ONE)], missing=[])
    [row] = stalls_of_cycle(held)
    assert [remedy.action for remedy in row.remedies] == offered


def test_a_cycle_that_nothing_holds_says_nothing() -> None:
    extended = {stage().id: HeldBarrier(1, NOW + DAY, (ONE,))}
    assert stalls_of_cycle(CycleFacts(CYCLE, (stage(), stage(StageKind.RELEASE)), NOW, extended)) == []
