"""The states and kinds of everything in reviews; their values are stored and sent as they stand."""

from enum import StrEnum


class TemplateState(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    ARCHIVED = "archived"


class CycleState(StrEnum):
    DRAFT = "draft"
    VALIDATED = "validated"
    LAUNCHING = "launching"
    RUNNING = "running"
    PAUSED = "paused"
    RELEASED = "released"
    CLOSED = "closed"
    ARCHIVED = "archived"
    CANCELED = "canceled"


class CycleKind(StrEnum):
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half_year"
    YEAR = "year"
    PROBATION = "probation"
    PROJECT = "project"
    CUSTOM = "custom"


class StageKind(StrEnum):
    GOAL_SETTING = "goal_setting"
    OPEN = "open"
    DATA_ENTRY = "data_entry"
    SELF_REVIEW = "self_review"
    PEER_REVIEW = "peer_review"
    MANAGER_REVIEW = "manager_review"
    APPROVAL = "approval"
    CALIBRATION = "calibration"
    RELEASE = "release"
    ACKNOWLEDGEMENT = "acknowledgement"
    APPEALS = "appeals"
    INTERVIEW = "interview"
    CUSTOM = "custom"


class StageState(StrEnum):
    PLANNED = "planned"
    OPENING = "opening"
    OPEN = "open"
    CLOSING = "closing"
    SETTLING = "settling"
    CLOSED = "closed"
    SKIPPED = "skipped"


class ParticipantState(StrEnum):
    EXCLUDED = "excluded"  # could not be enrolled; `findings` say why
    ENROLLED = "enrolled"
    IN_REVIEW = "in_review"
    SCORED = "scored"
    CALIBRATED = "calibrated"
    RELEASED = "released"
    ACKNOWLEDGED = "acknowledged"
    DISPUTED = "disputed"
    NO_ANSWER = "no_answer"
    CLOSED = "closed"
    ON_HOLD = "on_hold"
    EXEMPT = "exempt"
    WITHDRAWN = "withdrawn"


class Relation(StrEnum):
    SELF = "self"
    MANAGER = "manager"
    SKIP = "skip"
    DOTTED = "dotted"
    PROJECT = "project"
    PEER = "peer"
    REPORT = "report"
    CROSS = "cross"
    INDICATOR = "indicator"


class RaterState(StrEnum):
    PROPOSED = "proposed"
    APPROVED = "approved"
    DECLINED = "declined"
    REPLACED = "replaced"
    DONE = "done"


class TaskKind(StrEnum):
    GOAL_SETTING = "goal_setting"
    NOMINATION = "nomination"
    DATA_ENTRY = "data_entry"
    SELF_REVIEW = "self_review"
    PEER_REVIEW = "peer_review"
    MANAGER_REVIEW = "manager_review"
    APPROVAL = "approval"
    CALIBRATION = "calibration"
    RELEASE = "release"
    ACKNOWLEDGEMENT = "acknowledgement"
    APPEAL = "appeal"
    INTERVIEW = "interview"
    PLAN_STEP = "plan_step"
    CUSTOM = "custom"


class TaskState(StrEnum):
    PLANNED = "planned"
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    SUBMITTED = "submitted"
    RETURNED = "returned"
    RECALLED = "recalled"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    BYPASSED = "bypassed"


class ActualState(StrEnum):
    ENTERED = "entered"
    CONFIRMED = "confirmed"
    LOCKED = "locked"


class AppealState(StrEnum):
    FILED = "filed"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    INVESTIGATING = "investigating"
    KEPT = "kept"
    AMENDED = "amended"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class InterviewState(StrEnum):
    PLANNED = "planned"
    SCHEDULED = "scheduled"
    RECORDED = "recorded"
    SIGNED = "signed"
    CANCELED = "canceled"


class ScheduleState(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"


class OnTimeout(StrEnum):
    EXPIRE = "expire"
    SUBMIT_DRAFT = "submit_draft"
    SKIP = "skip"
    ESCALATE = "escalate"
    EXTEND_ONCE = "extend_once"


class Advance(StrEnum):
    TOGETHER = "together"
    INDIVIDUALLY = "individually"


class Barrier(StrEnum):
    ALL = "all"
    ON_TIME = "on_time"


class Signature(StrEnum):
    NONE = "none"
    CLICK = "click"
    TYPED = "typed"


class ReleaseMode(StrEnum):
    MANUAL = "manual"
    AUTOMATIC = "automatic"


class OnPersonFindings(StrEnum):
    REFUSE = "refuse"
    EXCLUDE = "exclude"


class Unit(StrEnum):
    SECONDS = "seconds"
    HOURS = "hours"
    CALENDAR_DAYS = "calendar_days"
    BUSINESS_DAYS = "business_days"


class Opinion(StrEnum):
    AGREE = "agree"
    DISAGREE = "disagree"


OWED_TASK_STATES = frozenset({TaskState.OPEN, TaskState.IN_PROGRESS, TaskState.RETURNED, TaskState.RECALLED})
"""It is the assignee's turn."""

DONE_TASK_STATES = frozenset({TaskState.SUBMITTED, TaskState.ACCEPTED, TaskState.BYPASSED})
ENDED_TASK_STATES = frozenset({TaskState.ACCEPTED, TaskState.EXPIRED, TaskState.WITHDRAWN, TaskState.BYPASSED})

LIVE_CYCLE_STATES = frozenset({CycleState.LAUNCHING, CycleState.RUNNING, CycleState.PAUSED, CycleState.RELEASED})
"""A workflow looks after these."""

ENDED_STAGE_STATES = frozenset({StageState.CLOSED, StageState.SKIPPED})
LIVE_STAGE_STATES = frozenset({StageState.OPENING, StageState.OPEN, StageState.CLOSING, StageState.SETTLING})

TASKED_PARTICIPANT_STATES = frozenset(
    {
        ParticipantState.ENROLLED,
        ParticipantState.IN_REVIEW,
        ParticipantState.SCORED,
        ParticipantState.CALIBRATED,
        ParticipantState.RELEASED,
        ParticipantState.ACKNOWLEDGED,
        ParticipantState.DISPUTED,
        ParticipantState.NO_ANSWER,
    }
)
"""Participants who get tasks when a stage opens; the end of the cycle closes them."""
