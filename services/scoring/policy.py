"""Who may call which RPC, and who sees how much of a result: one table for `can` and for the SQL of lists."""

from collections.abc import Mapping
from enum import IntEnum
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, false, literal, or_, select, true
from sqlalchemy.dialects.postgresql import array

from services.runtime.identity import Access, Grant, Principal
from services.scoring.domain.calibration import Session
from services.scoring.domain.errors import Denied, NotFound
from services.scoring.domain.model import Result
from services.scoring.tables import release, result, session

SERVICE = "/attune.scoring.v1.ScoringService/"
STAFF = frozenset({"employee", "hr_admin", "hr_partner", "facilitator", "auditor"})
CALIBRATORS = frozenset({"employee", "hr_admin", "hr_partner", "facilitator"})
WORKER = Access(services=frozenset({"worker"}))
RPC_ACCESS: Mapping[str, Access] = {
    **{
        SERVICE + name: Access(roles=STAFF)
        for name in (
            "ListSessions",
            "GetSession",
            "PreviewMove",
            "ListResults",
            "GetResult",
            "GetDistribution",
            "CreateExport",
            "GetExport",
            "DownloadExport",
        )
    },
    **{
        SERVICE + name: Access(roles=CALIBRATORS)
        for name in ("MoveMember", "UndoSession", "CommitSession", "ReopenSession")
    },
    **{SERVICE + name: WORKER for name in ("ComputeScores", "OpenSessions", "CloseSessions", "ReleaseResults")},
    SERVICE + "CheckFormulas": Access(roles=frozenset({"hr_admin"}), services=frozenset({"reviews"})),
}

READS_ALL = ("hr_admin", "hr_partner", "auditor")
CALIBRATES = ("hr_admin",)


class View(IntEnum):
    """How much of a result somebody sees."""

    NONE = 0
    OWN = 1  # the participant, after release: final score, grade, explanation as anonymity allows
    LINE = 2  # the participant's managers, after release: the same, of their own line
    FULL = 3  # HR, auditor, the facilitator: raw, weighted and calibrated too


def view_of(principal: Principal, row: Result) -> View:
    """How much of the result the caller sees; one's own is seen with a participant's eyes, whatever one's roles."""
    released = row.released_at is not None
    if row.employee_id == principal.employee_id:
        return View.OWN if released else View.NONE
    if _covers_any(principal, READS_ALL, row.department_path) or _is(principal, row.facilitator_id):
        return View.FULL
    return View.LINE if released and principal.employee_id in row.manager_chain else View.NONE


def visible_results(principal: Principal) -> ColumnElement[bool]:
    """The rows of `result` for which `view_of` is not NONE."""
    if principal.employee_id is None:
        return _covered(principal, READS_ALL)
    me = principal.employee_id
    own = and_(result.c.employee_id == me, _released())
    line = and_(_contains(result.c.manager_chain, me), _released())
    full = or_(_covered(principal, READS_ALL), result.c.facilitator_id == me)
    return or_(own, and_(result.c.employee_id != me, or_(full, line)))


def counted_results(principal: Principal) -> ColumnElement[bool]:
    """The rows that the caller may see counted: HR and facilitators at any time, heads and managers after release."""
    full = _covered(principal, READS_ALL)
    if principal.employee_id is None:
        return full
    me = principal.employee_id
    line = or_(result.c.department_head == me, _contains(result.c.manager_chain, me))
    return or_(full, result.c.facilitator_id == me, and_(line, _released()))


def exported_results(principal: Principal) -> ColumnElement[bool]:
    """The rows that the caller may export with all their columns: HR's and the auditor's scope, never the own row."""
    covered = _covered(principal, READS_ALL)
    if principal.employee_id is None:
        return covered
    return and_(covered, result.c.employee_id != principal.employee_id)


def may_export(principal: Principal) -> bool:
    """Whether the caller exports at all."""
    return any(principal.has(role) for role in READS_ALL)


def can_read_session(principal: Principal, row: Session) -> bool:
    """The facilitator, HR and the auditor of its department."""
    return _is(principal, row.facilitator_id) or _covers_any(principal, READS_ALL, path_of(row.department_path))


def can_calibrate(principal: Principal, row: Session) -> bool:
    """The facilitator, and HR administrators of its department."""
    return _is(principal, row.facilitator_id) or _covers_any(principal, CALIBRATES, path_of(row.department_path))


def may_waive(principal: Principal, row: Session) -> bool:
    """Whether the caller may commit a session against an enforced guideline."""
    return _covers_any(principal, CALIBRATES, path_of(row.department_path))


def require_calibrator(principal: Principal, row: Session) -> None:
    """Raises NotFound for a session that the caller may not know of, Denied for one that they may only read."""
    require_reader(principal, row)
    if not can_calibrate(principal, row):
        raise Denied("only the facilitator and HR calibrate this session")


def require_reader(principal: Principal, row: Session) -> None:
    """Raises NotFound for a session that the caller may not see."""
    if not can_read_session(principal, row):
        raise NotFound("there is no such session")


def visible_sessions(principal: Principal) -> ColumnElement[bool]:
    """The rows of `session` for which `can_read_session` holds."""
    covered = or_(
        *(_scope(grant, session.c.department_path) for grant in principal.roles if grant.role in READS_ALL), false()
    )
    if principal.employee_id is None:
        return covered
    return or_(covered, session.c.facilitator_id == principal.employee_id)


def path_of(text: str) -> tuple[UUID, ...]:
    """The department ids of a path written with slashes, root first."""
    return tuple(UUID(part) for part in text.split("/") if part)


def _is(principal: Principal, employee_id: UUID | None) -> bool:
    return employee_id is not None and principal.employee_id == employee_id


def _covers_any(principal: Principal, roles: tuple[str, ...], department_path: tuple[UUID, ...]) -> bool:
    return any(_covers(grant, department_path) for grant in principal.roles if grant.role in roles)


def _covers(grant: Grant, department_path: tuple[UUID, ...]) -> bool:
    if grant.scope_kind == "tenant":
        return True
    return grant.scope_kind == "department" and _department(grant) in department_path


def _covered(principal: Principal, roles: tuple[str, ...]) -> ColumnElement[bool]:
    held = (_scope(grant, result.c.department_path) for grant in principal.roles if grant.role in roles)
    return or_(*held, false())


def _scope(grant: Grant, path: ColumnElement[list[UUID]]) -> ColumnElement[bool]:
    if grant.scope_kind == "tenant":
        return true()
    department = _department(grant)
    return _contains(path, department) if grant.scope_kind == "department" and department else false()


def _department(grant: Grant) -> UUID | None:
    """The department of a scope that is given as an id or as a path of ids."""
    try:
        return UUID(grant.scope_id.rstrip("/").rsplit("/", 1)[-1])
    except ValueError:
        return None


def _contains(column: ColumnElement[list[UUID]], value: UUID) -> ColumnElement[bool]:
    return column.op("@>", is_comparison=True)(array([literal(value)]))


def _released() -> ColumnElement[bool]:
    """An amended version has its own release; all others become visible with their cycle's one row."""
    of_cycle = exists(
        select(1)
        .select_from(release)
        .where(release.c.tenant_id == result.c.tenant_id, release.c.cycle_id == result.c.cycle_id)
        .correlate(result)
    )
    return or_(result.c.released_at.is_not(None), of_cycle)
