"""Everything that reviews refuses, one class per reason.

ReviewsError
├── Invalid            INVALID_ARGUMENT
├── NotFound           NOT_FOUND
├── Conflict           ABORTED
├── Refused            FAILED_PRECONDITION
├── Denied             PERMISSION_DENIED
├── Exhausted          RESOURCE_EXHAUSTED
└── Unavailable        UNAVAILABLE
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

Violation = tuple[str, str, str]


class ReviewsError(Exception):
    """Base of the tree; `reason` is stable, `category` decides the status."""

    reason: ClassVar[str] = "REVIEWS_ERROR"
    category: ClassVar[str] = "invalid"

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        violations: Sequence[Violation] = (),
        meta: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations: list[Violation] = list(violations)
        if field and not self.violations:
            self.violations = [(field, self.reason, message)]
        self.meta: dict[str, str] = dict(meta or {})


class Invalid(ReviewsError):
    """The request itself is wrong, whatever the state of the rows."""

    reason = "INVALID_REQUEST"
    category = "invalid"


class NotFound(ReviewsError):
    """The named row does not exist, or the caller may not know that it does."""

    reason = "NOT_FOUND"
    category = "not_found"


class Conflict(ReviewsError):
    """Somebody else changed the row meanwhile; look again."""

    reason = "VERSION_CONFLICT"
    category = "conflict"


class Refused(ReviewsError):
    """The state of the rows forbids it now."""

    reason = "PRECONDITION_FAILED"
    category = "precondition"


class Denied(ReviewsError):
    """The caller may not do this."""

    reason = "PERMISSION_DENIED"
    category = "denied"


class Exhausted(ReviewsError):
    """A quota of the tenant is used up."""

    reason = "QUOTA_EXCEEDED"
    category = "exhausted"


class Unavailable(ReviewsError):
    """A dependency, or the clock, cannot be relied on now; retry."""

    reason = "UNAVAILABLE"
    category = "unavailable"


# --- not found


class TemplateNotFound(NotFound):
    reason = "TEMPLATE_NOT_FOUND"


class FormNotFound(NotFound):
    reason = "FORM_NOT_FOUND"


class CycleNotFound(NotFound):
    reason = "CYCLE_NOT_FOUND"


class StageNotFound(NotFound):
    reason = "STAGE_NOT_FOUND"


class ParticipantNotFound(NotFound):
    reason = "PARTICIPANT_NOT_FOUND"


class TaskNotFound(NotFound):
    reason = "TASK_NOT_FOUND"


class AppealNotFound(NotFound):
    reason = "APPEAL_NOT_FOUND"


class InterviewNotFound(NotFound):
    reason = "INTERVIEW_NOT_FOUND"


class ScheduleNotFound(NotFound):
    reason = "SCHEDULE_NOT_FOUND"


# --- cycles and stages


class CycleStateInvalid(Refused):
    """The cycle's state does not allow this command."""

    reason = "CYCLE_STATE_INVALID"


class CyclePaused(Refused):
    reason = "CYCLE_PAUSED"


class CycleHasErrors(Refused):
    """The launch check found errors, or person findings with `refuse`."""

    reason = "CYCLE_HAS_ERRORS"


class EnrolmentIncomplete(Refused):
    """Pages of the frozen population are missing; enrol them first."""

    reason = "ENROLMENT_INCOMPLETE"


class CycleReleased(Refused):
    """After release only an appeal or an amendment changes a score."""

    reason = "CYCLE_RELEASED"


class StageStateInvalid(Refused):
    """The stage's state does not allow this command."""

    reason = "STAGE_STATE_INVALID"


class StageClosed(Refused):
    """The stage no longer accepts submissions."""

    reason = "STAGE_CLOSED"


class StageNotOpen(Refused):
    """The stage does not accept submissions yet."""

    reason = "STAGE_NOT_OPEN"


class StageEpochStale(Refused):
    """The stage was opened, closed or reopened since the caller looked; look again."""

    reason = "STAGE_EPOCH_STALE"


class NotLater(Invalid):
    """An extension must move the deadline to a later, future instant."""

    reason = "NOT_LATER"


class ReasonRequired(Invalid):
    reason = "REASON_REQUIRED"


class ProcessInvalid(Invalid):
    """The process is not a finite, acyclic graph of stages."""

    reason = "PROCESS_INVALID"


class ClockSkew(Unavailable):
    """The worker's clock is more than a minute ahead of the database's."""

    reason = "CLOCK_SKEW"


# --- tasks


class TaskStateInvalid(Refused):
    """The task's state does not allow this."""

    reason = "TASK_STATE_INVALID"


class TaskNotYours(Denied):
    """Only the assignee, or their valid delegate, acts on a task."""

    reason = "TASK_NOT_YOURS"


class SelfDealing(Denied):
    """Nobody rates, approves, calibrates, releases or decides on themselves."""

    reason = "SELF_DEALING"


class AnswersInvalid(Invalid):
    """The answers do not fit the form."""

    reason = "ANSWERS_INVALID"


class SignatureRequired(Invalid):
    reason = "SIGNATURE_REQUIRED"


class VersionConflict(Conflict):
    """The row has another version than the one the caller saw."""

    reason = "VERSION_CONFLICT"


class AlreadySubmitted(Refused):
    """The answers were submitted; recall them first."""

    reason = "ALREADY_SUBMITTED"


class TaskKindInvalid(Refused):
    """This kind of task is done by another command."""

    reason = "TASK_KIND_INVALID"


class KeyReused(Refused):
    """The request_id came before, with another body."""

    reason = "IDEMPOTENCY_KEY_REUSED"


class AssigneeInvalid(Invalid):
    """The person named cannot do this task."""

    reason = "ASSIGNEE_INVALID"


# --- results, appeals, interviews


class ResultNotReleased(Refused):
    reason = "RESULT_NOT_RELEASED"


class ResultDisputed(Refused):
    """An appeal is under way; its decision comes first."""

    reason = "RESULT_DISPUTED"


class AppealExists(Refused):
    """One appeal for each version of a result."""

    reason = "APPEAL_EXISTS"


class AppealStateInvalid(Refused):
    reason = "APPEAL_STATE_INVALID"


class AppealWindowClosed(Refused):
    reason = "APPEAL_WINDOW_CLOSED"


class InterviewStateInvalid(Refused):
    reason = "INTERVIEW_STATE_INVALID"


# --- templates and definitions


class TemplateInvalid(Invalid):
    """The template breaks rules; the violations name each with its line."""

    reason = "TEMPLATE_INVALID"


class TemplateNameTaken(Refused):
    """Another template of the company has this name."""

    reason = "TEMPLATE_NAME_TAKEN"


class TemplateAlreadyPublished(Refused):
    """There is no draft to publish; published versions never change."""

    reason = "TEMPLATE_ALREADY_PUBLISHED"


class TemplateNotPublished(Refused):
    """A cycle can only use a published version."""

    reason = "TEMPLATE_NOT_PUBLISHED"


class EtagMismatch(Refused):
    """Somebody else wrote meanwhile; look again."""

    reason = "ETAG_MISMATCH"


class CycleDefinitionInvalid(Invalid):
    """The definition of a cycle cannot be read; the violations name each field."""

    reason = "CYCLE_DEFINITION_INVALID"


class ActualsFileInvalid(Invalid):
    """The file cannot be read as a sheet of actuals."""

    reason = "ACTUALS_FILE_INVALID"
