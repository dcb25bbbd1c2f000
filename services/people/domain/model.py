"""What people knows: tenants, employees and where they stand on a date, grants, groups, frozen populations."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID


class Edition(StrEnum):
    """What a tenant has bought."""

    BASIC = "basic"
    PROFESSIONAL = "professional"


class Role(StrEnum):
    """Roles that are granted; `employee` and `manager` follow from the staff list and are never granted."""

    HR_PARTNER = "hr_partner"
    HR_ADMIN = "hr_admin"
    APPEAL_OWNER = "appeal_owner"
    FACILITATOR = "facilitator"
    AUDITOR = "auditor"
    OPERATOR = "operator"


class ScopeKind(StrEnum):
    """Over whom a role holds."""

    TENANT = "tenant"
    DEPARTMENT = "department"
    GROUP = "group"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One customer company."""

    id: UUID
    name: str
    zone: str
    country: str
    language: str
    edition: Edition
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where somebody stands from a day on, until the day before `valid_to`."""

    valid_from: date
    valid_to: date | None
    department_id: UUID | None
    manager_id: UUID | None
    dotted_manager_ids: tuple[UUID, ...]
    post: str
    level: str


@dataclass(frozen=True, slots=True)
class Employee:
    """A person of a tenant with the assignment of the day that was asked for."""

    id: UUID
    code: str
    name: str
    email: str
    mobile: str
    language: str
    hired_on: date | None
    left_on: date | None
    attributes: Mapping[str, str]
    version: int
    assignment: Assignment
    department_path: tuple[UUID, ...] = ()
    department_names: tuple[str, ...] = ()

    def employed_on(self, day: date) -> bool:
        """Whether the person works here on `day`; the day of leaving is the last one worked."""
        return (self.hired_on is None or self.hired_on <= day) and (self.left_on is None or day <= self.left_on)


@dataclass(frozen=True, slots=True)
class Absence:
    """A span of days, both included, in which somebody is away."""

    id: UUID
    employee_id: UUID
    from_on: date
    to_on: date
    kind: str


@dataclass(frozen=True, slots=True)
class RoleGrant:
    """A role that somebody holds over a scope; `scope_id` is empty for the whole tenant."""

    id: UUID
    employee_id: UUID
    role: Role
    scope_kind: ScopeKind
    scope_id: str
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A dynamic group: a rule whose members are found on a date."""

    id: UUID
    name: str
    rule: Mapping[str, object]
    version: int = 1
    create_time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """A population fixed as of one instant."""

    id: UUID
    as_of: date
    population_hash: bytes
    members: int
    create_time: datetime


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of a file: counts in people; lines refused are those with at least one problem."""

    lines: int
    created: int
    updated: int
    unchanged: int
    refused: int
    departments_created: int
    dry_run: bool
    problems: tuple[object, ...] = field(default=())
