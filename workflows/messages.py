"""Everything that passes between workflows, activities and clients: messages, ids, queues and search attributes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import NAMESPACE_URL, uuid5

from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

CYCLE_QUEUE = "cycle"  # workflows and short activities
BULK_QUEUE = "bulk"  # chunked activities
QUEUES = (CYCLE_QUEUE, BULK_QUEUE)
DEPLOYMENT = "attune"  # what the engine calls all versions of the worker together

REVIEW_CYCLE = "ReviewCycle"
SCHEDULED_LAUNCH = "ScheduledLaunch"
HINT = "hint"

LOOK_AGAIN_SECONDS = 6 * 3600.0  # whatever happens; a lost hint costs no more than this


class ActionKind(StrEnum):
    """What may be due in a cycle."""

    ENROL = "enrol"
    OPEN = "open"
    REMIND = "remind"
    EXPIRE = "expire"
    SETTLE = "settle"


class StageKind(StrEnum):
    """The kinds of stages whose actions need other services than reviews; all others are the same to a workflow."""

    MANAGER_REVIEW = "manager_review"
    CALIBRATION = "calibration"
    RELEASE = "release"
    OTHER = "other"


class Step(StrEnum):
    """The activities, by the names under which workers register them."""

    TICK = "tick"
    REPORT_BLOCKED = "report_blocked"
    ENROL = "enrol"
    OPEN_STAGE = "open_stage"
    OPEN_CALIBRATION = "open_calibration"
    REMIND_STAGE = "remind_stage"
    EXPIRE_STAGE = "expire_stage"
    FREEZE_ATTAINMENTS = "freeze_attainments"
    SETTLE_STAGE = "settle_stage"
    SETTLE_SCORES = "settle_scores"
    SETTLE_CALIBRATION = "settle_calibration"
    SETTLE_RELEASE = "settle_release"
    CREATE_SCHEDULED_CYCLE = "create_scheduled_cycle"


@dataclass(frozen=True)
class CycleRef:
    """Input of a review cycle's workflow: which cycle, and what one run leaves to the next."""

    tenant_id: str
    cycle_id: str
    look_again_seconds: float = LOOK_AGAIN_SECONDS
    reported: tuple[str, ...] = ()  # keys of what was reported as blocked and not yet as free


@dataclass(frozen=True)
class Look:
    """Asks reviews what is due at the workflow's time."""

    cycle: CycleRef
    at: datetime


@dataclass(frozen=True)
class Action:
    """One thing that is due to a stage as it was at `epoch`; without a stage, to the cycle."""

    kind: ActionKind
    stage_id: str = ""
    stage_key: str = ""
    stage_kind: StageKind = StageKind.OTHER
    epoch: int = 0
    reminder: str = ""
    traceparent: str = ""  # W3C, of the request that caused it


@dataclass(frozen=True)
class Sight:
    """What a look at a cycle saw."""

    finished: bool = False  # nothing will ever be due again
    stage_closed: bool = False
    due: tuple[Action, ...] = ()
    next_in_seconds: float = LOOK_AGAIN_SECONDS  # by the clock of reviews
    state: str = ""
    open_stages: tuple[str, ...] = ()
    next_due_at: datetime | None = None


@dataclass(frozen=True)
class Deed:
    """Input of every step that performs an action."""

    cycle: CycleRef
    action: Action
    at: datetime  # the workflow's time at the look

    @property
    def traceparent(self) -> str:
        return self.action.traceparent


@dataclass(frozen=True)
class Blocked:
    """Tells reviews why an action could not be done; without a reason, that it can be done again."""

    cycle: CycleRef
    stage_id: str = ""
    reason: str = ""  # UPPER_SNAKE, then opaque detail; no personal data
    kind: ActionKind | None = None  # none: the look itself

    @property
    def key(self) -> str:
        """What the report is about."""
        return f"{self.stage_id}:{self.kind or 'look'}"


@dataclass(frozen=True)
class ScheduleRef:
    """Input of a launcher: which recurring cycle."""

    tenant_id: str
    schedule_id: str


@dataclass(frozen=True)
class NominalLaunch:
    """Asks reviews for the cycle of a schedule's nominal time, which may lie behind when a launch was caught up."""

    schedule: ScheduleRef
    at: datetime


@dataclass(frozen=True)
class LaunchedCycle:
    """The cycle of a nominal time; not launched when its check failed and HR was told."""

    cycle_id: str
    launched: bool


def cycle_workflow_id(tenant_id: str, cycle_id: str) -> str:
    return f"cycle/{tenant_id}/{cycle_id}"


def schedule_id(tenant_id: str, schedule: str) -> str:
    return f"schedule/{tenant_id}/{schedule}"


def launcher_workflow_id(tenant_id: str, schedule: str) -> str:
    """The id of a launcher; the engine appends the nominal time."""
    return f"launch/{tenant_id}/{schedule}"


def attainment_freeze_id(stage_id: str, epoch: int) -> str:
    """The key under which goals freezes attainments for one settling: the same however often the step is repeated."""
    return str(uuid5(NAMESPACE_URL, f"attune:attainments:{stage_id}:{epoch}"))


TENANT = SearchAttributeKey.for_keyword("AttuneTenant")
CYCLE = SearchAttributeKey.for_keyword("AttuneCycle")
KIND = SearchAttributeKey.for_keyword("AttuneKind")
STAGE = SearchAttributeKey.for_keyword("AttuneStage")
STATE = SearchAttributeKey.for_keyword("AttuneState")
DUE_AT = SearchAttributeKey.for_datetime("AttuneDueAt")
SCHEDULED_START = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")  # set by the engine, nominal
KEYWORDS = (TENANT, CYCLE, KIND, STAGE, STATE)


def running_cycles_of(tenant_id: str) -> str:
    """The query that finds the running workflows of a tenant's cycles."""
    return f"WorkflowType = '{REVIEW_CYCLE}' AND ExecutionStatus = 'Running' AND {TENANT.name} = '{tenant_id}'"


def cycle_attributes(cycle: CycleRef) -> TypedSearchAttributes:
    """What a cycle's workflow can be found by from its start."""
    return TypedSearchAttributes(
        [
            SearchAttributePair(TENANT, cycle.tenant_id),
            SearchAttributePair(CYCLE, cycle.cycle_id),
            SearchAttributePair(KIND, REVIEW_CYCLE),
        ]
    )


def schedule_attributes(tenant_id: str) -> TypedSearchAttributes:
    """What a recurring cycle's schedule and launchers can be found by."""
    return TypedSearchAttributes([SearchAttributePair(TENANT, tenant_id), SearchAttributePair(KIND, SCHEDULED_LAUNCH)])


def changed_attributes(
    shown: TypedSearchAttributes, sight: Sight
) -> Sequence[SearchAttributeUpdate[str] | SearchAttributeUpdate[datetime]]:
    """The updates that make what is shown agree with what was seen; none when it does already."""
    updates: list[SearchAttributeUpdate[str] | SearchAttributeUpdate[datetime]] = []
    for key, seen in ((STATE, sight.state), (STAGE, ",".join(sight.open_stages))):
        if seen != shown.get(key, ""):
            updates.append(key.value_set(seen) if seen else key.value_unset())
    due_at = sight.next_due_at.replace(microsecond=0) if sight.next_due_at else None
    if due_at != shown.get(DUE_AT):
        updates.append(DUE_AT.value_set(due_at) if due_at else DUE_AT.value_unset())
    return updates


def carried_over(cycle: CycleRef, reported: Sequence[str]) -> CycleRef:
    """The input of the next run."""
    return replace(cycle, reported=tuple(reported))
