"""What people knows: tenants, employees and where they stand on a date, grants, groups, frozen populations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from services.people.domain.problems import Problem

# Assignments hold from the beginning until changed; when employment begins is the employee's own date.
BEGINNING = date(1900, 1, 1)

# The facts of a row of a staff file, in the order in which they are loaded.
INCOMING_COLUMNS = (
    "id", "code", "name", "email", "mobile", "language", "hired_on", "left_on", "attributes", "department_id",
    "manager_code", "dotted_codes", "post", "level",
)  # fmt: skip


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """A page of a list, and whether there is more."""

    items: tuple[Item, ...]
    more: bool

    @classmethod
    def cut(cls, found: Sequence[Item], limit: int) -> "Page[Item]":
        """A page of at most `limit` of what was found by asking for one more."""
        return cls(tuple(found[:limit]), len(found) > limit)


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
    version: int = 1
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
    department_names: str = ""
    contact_visible: bool = False
    on_staff: bool = True

    def employed_on(self, day: date) -> bool:
        """Whether the person works here on `day`; the day of leaving is the last one worked."""
        return (self.hired_on is None or self.hired_on <= day) and (self.left_on is None or day <= self.left_on)


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody's last day, the nearest manager above who is still here, and the version of the employee that tells."""

    employee_id: UUID
    left_on: date
    manager_id: UUID | None
    version: int


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody whose departure was told and is none, or not yet; `left_on` is the last day that is planned now."""

    employee_id: UUID
    hired_on: date | None
    former_left_on: date
    left_on: date | None
    version: int


@dataclass(frozen=True, slots=True)
class Absence:
    """A span of days, both included, in which somebody is away."""

    id: UUID
    employee_id: UUID
    from_on: date
    to_on: date


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


class MemberProblem(StrEnum):
    """Why a frozen member may not be able to take part; that is for reviews to decide."""

    NONE = ""
    NO_MANAGER = "no_manager"
    MANAGER_LOOP = "manager_loop"
    ROOT = "root"


@dataclass(frozen=True, slots=True)
class Population:
    """Who is meant: everyone employed, or the union of departments (with their subtrees), groups and people."""

    everyone: bool = False
    department_ids: tuple[UUID, ...] = ()
    group_ids: tuple[UUID, ...] = ()
    employee_ids: tuple[UUID, ...] = ()
    exclude_employee_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class FrozenPage:
    """A page of a frozen population as columns of equal length; ids are packed, 16 bytes each."""

    employee_ids: bytes
    codes: tuple[str, ...]
    posts: tuple[str, ...]
    levels: tuple[str, ...]
    hired_on: tuple[str, ...]
    department_paths: tuple[bytes, ...]
    department_names: tuple[str, ...]
    department_heads: tuple[str, ...]
    manager_chains: tuple[bytes, ...]
    group_ids: tuple[bytes, ...]
    problems: tuple[str, ...]
    last: bool


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What became of a file: counts of rows; refused are those with at least one problem."""

    total: int
    created: int
    updated: int
    unchanged: int
    refused: int
    problems: tuple[Problem, ...]
    language: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A role with its scope as a principal carries it; derived roles have no id."""

    role: str
    scope_kind: str = "tenant"
    scope_id: str = ""
    id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a sign-in is: an employee with roles, or an administrator of the installation."""

    tenant_id: UUID | None
    employee_id: UUID | None
    grants: tuple[Grant, ...]
    unit_path: tuple[UUID, ...]
    group_ids: tuple[UUID, ...]
    installation_administrator: bool
    language: str


@dataclass(frozen=True, slots=True)
class EmployeeFilter:
    """Which employees a list asks for; empty fields do not narrow."""

    department_id: UUID | None = None
    manager_id: UUID | None = None
    query: str = ""
    include_left: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many rows became what, and whom it touched: chunks of ids for the event log."""

    created: int
    updated: int
    unchanged: int
    chunks: tuple[Mapping[str, Any], ...]
