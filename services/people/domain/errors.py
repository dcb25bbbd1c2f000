"""Everything that people refuses, as one tree.

PeopleError
├── Invalid               INVALID_FIELD
│   └── RuleInvalid       GROUP_RULE_INVALID
├── Missing
│   ├── TenantNotFound    ├── EmployeeNotFound   ├── DepartmentNotFound
│   ├── GroupNotFound     ├── GrantNotFound      ├── FreezeNotFound
│   └── IdentityUnknown
├── Conflict
│   ├── IdentityTaken     ├── GroupTaken         └── FreezeDiffers
├── Refused
│   ├── ManagementLoop    ├── AlreadyDeparted    ├── NotDeparted
│   ├── DatesOutOfOrder   └── LastAdministrator
└── NotAllowed
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

Violation = tuple[str, str, str]


class PeopleError(Exception):
    """An answer of people that is not a success; the edge turns category and reason into a status."""

    reason: ClassVar[str] = "PEOPLE_ERROR"
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


class Invalid(PeopleError):
    """A field of the request is malformed."""

    reason = "INVALID_FIELD"
    category = "invalid"


class RuleInvalid(Invalid):
    """A group rule does not follow the grammar; every fault is a violation with its pointer."""

    reason = "GROUP_RULE_INVALID"


class Missing(PeopleError):
    """What was named does not exist, or not for this caller."""

    reason = "NOT_FOUND"
    category = "not_found"


class TenantNotFound(Missing):
    """No such tenant."""

    reason = "TENANT_NOT_FOUND"


class EmployeeNotFound(Missing):
    """No such employee in this tenant, or outside the caller's scope."""

    reason = "EMPLOYEE_NOT_FOUND"


class DepartmentNotFound(Missing):
    """No such department."""

    reason = "DEPARTMENT_NOT_FOUND"


class GroupNotFound(Missing):
    """No such dynamic group."""

    reason = "GROUP_NOT_FOUND"


class GrantNotFound(Missing):
    """No such role grant, or it was revoked before."""

    reason = "ROLE_GRANT_NOT_FOUND"


class FreezeNotFound(Missing):
    """No population was frozen under this id."""

    reason = "FREEZE_NOT_FOUND"


class IdentityUnknown(Missing):
    """The sign-in belongs to nobody here."""

    reason = "IDENTITY_UNKNOWN"


class Conflict(PeopleError):
    """The request meets something that is already there."""

    reason = "CONFLICT"
    category = "conflict"


class IdentityTaken(Conflict):
    """The sign-in is linked to somebody else."""

    reason = "IDENTITY_TAKEN"


class GroupTaken(Conflict):
    """A group of this name exists."""

    reason = "GROUP_TAKEN"


class FreezeDiffers(Conflict):
    """The freeze id was used before for another population or instant."""

    reason = "FREEZE_DIFFERS"


class Refused(PeopleError):
    """Well formed, but the present state does not permit it."""

    reason = "REFUSED"
    category = "precondition"


class ManagementLoop(Refused):
    """The reporting line would lead back to where it began."""

    reason = "MANAGEMENT_LOOP"


class AlreadyDeparted(Refused):
    """The employee has left before."""

    reason = "EMPLOYEE_DEPARTED"


class NotDeparted(Refused):
    """Only somebody who has left can be rehired."""

    reason = "EMPLOYEE_NOT_DEPARTED"


class DatesOutOfOrder(Refused):
    """A date lies before one that it must follow."""

    reason = "DATES_OUT_OF_ORDER"


class LastAdministrator(Refused):
    """A tenant keeps at least one HR administrator of the whole tenant."""

    reason = "LAST_ADMINISTRATOR"


class NotAllowed(PeopleError):
    """The caller has no role or scope for this."""

    reason = "NOT_ALLOWED"
    category = "denied"
