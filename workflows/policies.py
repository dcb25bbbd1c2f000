"""Which steps perform an action, and how long each may take and is tried, in one table with the reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy
from temporalio.workflow import ActivityConfig, LocalActivityConfig

from workflows.messages import BULK_QUEUE, CYCLE_QUEUE, Action, ActionKind, StageKind, Step

SOON_SECONDS = 0.2  # the shortest wait: a look that never settles must not become a hot loop
BLOCKED_RETRY_SECONDS = 600.0  # when not even the report of a blocked action came through
EVENTS_A_RUN = 500  # a longer history is continued as new: replay after a restart stays quick
WORKFLOW_TASK = timedelta(seconds=5)  # a killed worker's workflow task goes to another one after this

PAGE = 5_000  # people in a chunk: larger ones hold locks longer and gain nothing
SCORE_PAGE = 1_000  # people scored in one call: each brings answers, actuals and goals
SHORT_CALL = timedelta(seconds=4)  # deadline of an RPC in short work
BULK_CALL = timedelta(seconds=30)  # deadline of an RPC that moves a chunk
BEAT = timedelta(seconds=2)  # how often bulk work shows that it lives

STEPS: Mapping[tuple[ActionKind, StageKind], tuple[Step, ...]] = {
    (ActionKind.ENROL, StageKind.OTHER): (Step.ENROL,),
    (ActionKind.OPEN, StageKind.OTHER): (Step.OPEN_STAGE,),
    (ActionKind.OPEN, StageKind.CALIBRATION): (Step.OPEN_CALIBRATION,),
    (ActionKind.REMIND, StageKind.OTHER): (Step.REMIND_STAGE,),
    (ActionKind.EXPIRE, StageKind.OTHER): (Step.EXPIRE_STAGE,),
    (ActionKind.SETTLE, StageKind.OTHER): (Step.SETTLE_STAGE,),
    (ActionKind.SETTLE, StageKind.MANAGER_REVIEW): (Step.FREEZE_ATTAINMENTS, Step.SETTLE_SCORES),
    (ActionKind.SETTLE, StageKind.CALIBRATION): (Step.SETTLE_CALIBRATION,),
    (ActionKind.SETTLE, StageKind.RELEASE): (Step.SETTLE_RELEASE,),
}


def steps_of(action: Action) -> tuple[Step, ...]:
    """The steps that perform an action, one after the other: those of its stage's kind, else those of all kinds."""
    return STEPS.get((action.kind, action.stage_kind)) or STEPS[action.kind, StageKind.OTHER]


@dataclass(frozen=True)
class Patience:
    """How long one try may take, how long all tries together, and why."""

    reason: str
    queue: str
    one_try: timedelta
    all_tries: timedelta
    beat: timedelta | None = None
    tries: int = 0  # 0: as many as fit
    longest_pause: timedelta = timedelta(seconds=10)


SHORT = Patience(
    "one small transaction; a killed worker costs one try, a dead service holds no other stage longer than two minutes",
    CYCLE_QUEUE,
    one_try=timedelta(seconds=5),
    all_tries=timedelta(minutes=2),
)
FREEZE = Patience(
    "one statement over the whole population, still within what a service allows a transaction",
    CYCLE_QUEUE,
    one_try=timedelta(seconds=35),
    all_tries=timedelta(minutes=2),
)
BULK = Patience(
    "as many chunks as there are people: judged by its heartbeat, and by tries instead of time so that a dead service "
    "is reported within about a minute while long work that gets on may take its time",
    BULK_QUEUE,
    one_try=timedelta(hours=2),
    all_tries=timedelta(hours=6),
    beat=timedelta(seconds=8),
    tries=10,
)
REPORT = Patience(
    "tells reviews, or else the log; it answers when to try again, which the loop waits for",
    CYCLE_QUEUE,
    one_try=timedelta(seconds=6),
    all_tries=timedelta(seconds=30),
)
LAUNCH = Patience(
    "no period is skipped: a launch waits for its services as long as a schedule is caught up",
    CYCLE_QUEUE,
    one_try=timedelta(seconds=35),
    all_tries=timedelta(days=30),
    longest_pause=timedelta(minutes=1),
)
PATIENCE: Mapping[Step, Patience] = {
    Step.TICK: SHORT,
    Step.REPORT_BLOCKED: REPORT,
    Step.ENROL: BULK,
    Step.OPEN_STAGE: BULK,
    Step.OPEN_CALIBRATION: BULK,
    Step.REMIND_STAGE: BULK,
    Step.EXPIRE_STAGE: BULK,
    Step.FREEZE_ATTAINMENTS: FREEZE,
    Step.SETTLE_STAGE: FREEZE,
    Step.SETTLE_SCORES: BULK,
    Step.SETTLE_CALIBRATION: BULK,
    Step.SETTLE_RELEASE: BULK,
    Step.CREATE_SCHEDULED_CYCLE: LAUNCH,
}


def options(step: Step) -> ActivityConfig:
    """The row of a step as the engine takes it."""
    patience = PATIENCE[step]
    return ActivityConfig(
        task_queue=patience.queue,
        start_to_close_timeout=patience.one_try,
        schedule_to_close_timeout=patience.all_tries,
        heartbeat_timeout=patience.beat,
        retry_policy=RetryPolicy(
            initial_interval=timedelta(seconds=0.5),
            backoff_coefficient=2.0,
            maximum_interval=patience.longest_pause,
            maximum_attempts=patience.tries,
        ),
    )


QUICK_LOOK = LocalActivityConfig(
    # The usual look costs one event of history instead of six; what fails twice is tried again where operators see it.
    start_to_close_timeout=timedelta(seconds=3),
    schedule_to_close_timeout=timedelta(seconds=4),
    retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2), maximum_attempts=2),
)
