"""Everything that goals refuses, as one tree.

GoalsError
├── Invalid             INVALID_FIELD
├── GoalNotFound        GOAL_NOT_FOUND
├── FreezeNotFound      FREEZE_NOT_FOUND
├── OwnerUnknown        OWNER_UNKNOWN
├── EtagMismatch        ETAG_MISMATCH
├── WrongState          GOAL_STATE
└── NotAllowed          NOT_ALLOWED
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

Violation = tuple[str, str, str]


class GoalsError(Exception):
    """An answer of goals that is not a success; the edge turns category and reason into a status."""

    reason: ClassVar[str] = "GOALS_ERROR"
    category: ClassVar[str] = "precondition"

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
        self.violations: tuple[Violation, ...] = tuple(violations) or (
            ((field, self.reason, message),) if field else ()
        )
        self.meta: Mapping[str, str] = dict(meta or {})


class Invalid(GoalsError):
    """A field of the request is malformed."""

    reason = "INVALID_FIELD"
    category = "invalid"


class GoalNotFound(GoalsError):
    """No such goal, or not for this caller."""

    reason = "GOAL_NOT_FOUND"
    category = "not_found"


class FreezeNotFound(GoalsError):
    """Nothing was frozen under this id."""

    reason = "FREEZE_NOT_FOUND"
    category = "not_found"


class OwnerUnknown(GoalsError):
    """The owner does not work here."""

    reason = "OWNER_UNKNOWN"
    category = "invalid"


class EtagMismatch(GoalsError):
    """The goal was changed since it was read."""

    reason = "ETAG_MISMATCH"
    category = "precondition"


class WrongState(GoalsError):
    """The goal's state does not permit this."""

    reason = "GOAL_STATE"
    category = "precondition"


class NotAllowed(GoalsError):
    """The caller may not do this with this goal."""

    reason = "NOT_ALLOWED"
    category = "denied"
