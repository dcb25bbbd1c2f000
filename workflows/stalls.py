"""What the engine holds up: an ordered tuple of named checks over facts gathered once; the tuple is the specification.

Business causes are reviews' own (services/reviews/domain/stalls); the rows have the same shape.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from protos.engine.v1 import engine_pb2 as pb
from protos.reviews.v1 import cycles_pb2
from workflows import messages, policies
from workflows.messages import Step

Row = cycles_pb2.StalledRow
UNTAKEN = timedelta(seconds=5)  # a worker that waits for work is given it at once; the sticky queue is left after this
ABSENT = timedelta(seconds=75)  # a worker that has nothing to do asks again every minute
STARTING = timedelta(seconds=3)  # from a launch until its hint has started the workflow
BEHIND_SECONDS = 10.0  # a follower reads every half second
RUNBOOK = "see docs/operations/stalled.md#"


@dataclass(frozen=True)
class EngineFacts:
    """Live cycles with what the engine knows of each, the task queues, how far the bridge is; `down` when no answer."""

    now: datetime
    cycles: Sequence[tuple[cycles_pb2.CycleUnderWay, pb.CycleEngine]] = ()
    queues: Mapping[str, pb.Queue] = field(default_factory=dict)
    lags: Sequence[pb.Lag] = ()
    revive_at: datetime | None = None  # when missing workflows are looked for next
    down_since: datetime | None = None

    @property
    def running(self) -> Iterable[tuple[cycles_pb2.CycleUnderWay, pb.CycleEngine]]:
        """Cycles whose workflow runs: of one that was ended the engine still tells what was pending."""
        return (pair for pair in self.cycles if pair[1].state == pb.WORKFLOW_STATE_RUNNING)


Check = Callable[[EngineFacts], Iterable[Row]]


def engine_does_not_answer(facts: EngineFacts) -> Iterable[Row]:
    if facts.down_since is not None:
        yield process_row("SERVICE_DOWN", "temporal", facts.down_since, "temporal does not answer")


def activity_is_tried_again(facts: EngineFacts) -> Iterable[Row]:
    for cycle, engine in facts.running:
        for each in engine.pending_activities:
            if each.attempt > 1 and each.last_error:
                row = _row("ACTIVITY_RETRYING", cycle, engine, _instant(each.schedule_time), "retry")
                row.detail = f"{each.name}: {each.last_error} (attempt {each.attempt})"
                row.next.at.CopyFrom(
                    each.next_attempt_time if each.HasField("next_attempt_time") else _stamp(facts.now)
                )
                if (until := _until(each)) is not None:
                    row.due_at.CopyFrom(until)
                yield row


def workflow_task_fails(facts: EngineFacts) -> Iterable[Row]:
    for cycle, engine in facts.running:
        if engine.workflow_task_failing:
            since = _instant(engine.workflow_task_waiting_time) or _instant(engine.start_time)
            row = _row("WORKFLOW_TASK_FAILING", cycle, engine, since, "retry")
            row.detail = engine.workflow_task_error
            yield row


def nobody_takes_the_work(facts: EngineFacts) -> Iterable[Row]:
    """Work that waits although every worker that is there would have been given it."""
    for cycle, engine in facts.running:
        for queue, since in _waiting(engine):
            polled = _instant(facts.queues[queue].poll_time) if queue in facts.queues else None
            if facts.now - since > UNTAKEN and (polled is None or polled < since):
                row = _row("NO_WORKER", cycle, engine, since, "wait_for_worker", start("worker"))
                row.detail = f"no worker takes work from the queue {queue}"
                yield row
                break


def queue_has_no_worker(facts: EngineFacts) -> Iterable[Row]:
    for name, queue in facts.queues.items():
        polled = _instant(queue.poll_time)
        if polled is None or facts.now - polled > ABSENT:
            yield process_row("NO_WORKER", "worker", polled or facts.now, f"no worker asks the queue {name} for work")


def workflow_is_missing(facts: EngineFacts) -> Iterable[Row]:
    for cycle, engine in facts.cycles:
        launched = _instant(cycle.launch_time)
        starting = launched is not None and facts.now - launched < STARTING
        if engine.state is not pb.WORKFLOW_STATE_RUNNING and not starting:
            row = _row("WORKFLOW_MISSING", cycle, engine, _instant(engine.close_time) or launched, "start")
            if facts.revive_at is not None:
                row.next.at.CopyFrom(_stamp(facts.revive_at))
            yield row


def bridge_is_behind(facts: EngineFacts) -> Iterable[Row]:
    """Hints that do not get through; a log that cannot be read is its producer's row."""
    for lag in facts.lags:
        if lag.reachable and lag.seconds > BEHIND_SECONDS:
            since = facts.now - timedelta(seconds=lag.seconds)
            yield process_row("CONSUMER_BEHIND", lag.consumer, since, f"{lag.consumer} is behind {lag.producer}")


CHECKS: tuple[Check, ...] = (
    engine_does_not_answer,
    activity_is_tried_again,
    workflow_task_fails,
    nobody_takes_the_work,
    queue_has_no_worker,
    workflow_is_missing,
    bridge_is_behind,
)


def stalls_of_engine(facts: EngineFacts, checks: Sequence[Check] = CHECKS) -> list[Row]:
    """Everything that the engine holds up."""
    return [row for check in checks for row in check(facts)]


def process_row(cause: str, process: str, since: datetime, detail: str) -> Row:
    """A row about a process that no cycle owns: what heals it is to start it, which no call of ours does."""
    row = Row(kind="process", cause=cause, since=_stamp(since), detail=detail, remedies=[start(process)])
    row.next.action = "retry"
    return row


def start(process: str) -> cycles_pb2.Remedy:
    """Where the runbook says how a process is started."""
    return cycles_pb2.Remedy(action="start_process", call=f"{RUNBOOK}start-{process}", role="operator")


def _row(
    cause: str,
    cycle: cycles_pb2.CycleUnderWay,
    engine: pb.CycleEngine,
    since: datetime | None,
    action: str,
    *before: cycles_pb2.Remedy,
) -> Row:
    restart = cycles_pb2.Remedy(
        action="restart_workflow",
        call=f"POST /v1/ops/cycles/{cycle.cycle_id}:restart-workflow",
        role="operator",
    )
    row = Row(
        kind="cycle",
        cycle_id=cycle.cycle_id,
        cause=cause,
        trace_id=cycle.trace_id,
        workflow_id=engine.workflow_id,
        remedies=[*before, restart],
    )
    row.next.action = action
    if since is not None:
        row.since.CopyFrom(_stamp(since))
    return row


def _waiting(engine: pb.CycleEngine) -> Iterable[tuple[str, datetime]]:
    """Queue and instant of everything that no worker has taken."""
    if (since := _instant(engine.workflow_task_waiting_time)) is not None and not engine.workflow_task_failing:
        yield messages.CYCLE_QUEUE, since
    for each in engine.pending_activities:
        due = _instant(each.next_attempt_time)
        if not each.started and due is not None and each.name in _STEPS:
            yield policies.PATIENCE[Step(each.name)].queue, due


_STEPS = frozenset(step.value for step in policies.PATIENCE)


def _until(activity: pb.PendingActivity) -> Timestamp | None:
    """When the engine gives an activity up and the loop reports it."""
    if activity.name not in _STEPS or not activity.HasField("schedule_time"):
        return None
    return _stamp(activity.schedule_time.ToDatetime(UTC) + policies.PATIENCE[Step(activity.name)].all_tries)


def _instant(stamp: Timestamp) -> datetime | None:
    """The instant; none for a field that was not set."""
    return stamp.ToDatetime(UTC) if stamp.seconds else None


def _stamp(at: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(at)
    return stamp
