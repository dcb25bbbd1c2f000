"""Everything that notify refuses, as one tree.

NotifyError
└── Invalid             INVALID_FIELD
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

Violation = tuple[str, str, str]


class NotifyError(Exception):
    """An answer of notify that is not a success; the edge turns category and reason into a status."""

    reason: ClassVar[str] = "NOTIFY_ERROR"
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


class Invalid(NotifyError):
    """A field of the request is malformed."""

    reason = "INVALID_FIELD"
    category = "invalid"
