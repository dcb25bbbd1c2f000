"""What scoring refuses.

ScoringError
├── InvalidInput            invalid       INVALID_INPUT
│   ├── FormInvalid         invalid       FORM_INVALID
│   ├── FormulaInvalid      invalid       FORMULA_INVALID
│   ├── GradeUnknown        invalid       GRADE_UNKNOWN
│   └── ReasonRequired      invalid       REASON_REQUIRED
├── NotFound                not_found     NOT_FOUND
├── Conflict                conflict      CONFLICT
│   ├── EtagMismatch        conflict      ETAG_MISMATCH
│   └── EpochOutdated       conflict      EPOCH_OUTDATED
├── Precondition            precondition  PRECONDITION
│   ├── SessionNotOpen      precondition  SESSION_NOT_OPEN
│   ├── SessionNotCommitted precondition  SESSION_NOT_COMMITTED
│   ├── SessionsUncommitted precondition  SESSIONS_UNCOMMITTED
│   ├── GuidelineMissed     precondition  GUIDELINE_MISSED
│   ├── AlreadyReleased     precondition  ALREADY_RELEASED
│   └── ScoresMissing       precondition  SCORES_MISSING
├── Denied                  denied        DENIED
│   └── OwnRow              denied        OWN_ROW
└── Exhausted               exhausted     EXPORT_QUOTA
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class ScoringError(Exception):
    """Root of what scoring refuses; the interceptor reads `reason` and `category`."""

    reason: ClassVar[str]
    category: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        violations: Sequence[tuple[str, str, str]] = (),
        meta: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.violations = list(violations) or ([(field, self.reason, message)] if field else [])
        self.meta = dict(meta or {})


class InvalidInput(ScoringError):
    """A request that cannot be understood."""

    reason = "INVALID_INPUT"
    category = "invalid"


class FormInvalid(InvalidInput):
    """A form or a template that cannot be scored by."""

    reason = "FORM_INVALID"


class FormulaInvalid(InvalidInput):
    """A formula that does not compile; one violation per problem."""

    reason = "FORMULA_INVALID"


class GradeUnknown(InvalidInput):
    """A grade that the scale of this cycle does not have."""

    reason = "GRADE_UNKNOWN"


class ReasonRequired(InvalidInput):
    """A move that needs a reason and has none."""

    reason = "REASON_REQUIRED"


class NotFound(ScoringError):
    """Nothing there, or nothing that the caller may know of."""

    reason = "NOT_FOUND"
    category = "not_found"


class Conflict(ScoringError):
    """Somebody else was first."""

    reason = "CONFLICT"
    category = "conflict"


class EtagMismatch(Conflict):
    """The session has changed since the caller read it."""

    reason = "ETAG_MISMATCH"


class EpochOutdated(Conflict):
    """The command belongs to an earlier opening of the stage."""

    reason = "EPOCH_OUTDATED"


class Precondition(ScoringError):
    """Not in this state."""

    reason = "PRECONDITION"
    category = "precondition"


class SessionNotOpen(Precondition):
    """The session is committed, closed or stale."""

    reason = "SESSION_NOT_OPEN"


class SessionNotCommitted(Precondition):
    """Only a committed session can be reopened."""

    reason = "SESSION_NOT_COMMITTED"


class SessionsUncommitted(Precondition):
    """The cycle has sessions that nobody committed."""

    reason = "SESSIONS_UNCOMMITTED"


class GuidelineMissed(Precondition):
    """The guideline is enforced and the distribution is outside it."""

    reason = "GUIDELINE_MISSED"


class AlreadyReleased(Precondition):
    """The results of this cycle are open to its participants."""

    reason = "ALREADY_RELEASED"


class ScoresMissing(Precondition):
    """There is nothing to release or to calibrate."""

    reason = "SCORES_MISSING"


class Denied(ScoringError):
    """The caller may not do this."""

    reason = "DENIED"
    category = "denied"


class OwnRow(Denied):
    """Nobody sees or moves their own row."""

    reason = "OWN_ROW"


class ExportQuota(ScoringError):
    """Too many exports of this caller are under way."""

    reason = "EXPORT_QUOTA"
    category = "exhausted"
