"""Open and close the calibration sessions of a stage."""

from dataclasses import dataclass
from uuid import UUID

from services.scoring.domain.calibration import Session, SessionState
from services.scoring.domain.errors import NotFound, ScoresMissing
from services.scoring.domain.model import CycleRules, Department, NewSession
from services.scoring.domain.quota import Group, pool_departments
from services.scoring.usecases.needs import NeedsSessions

Path = tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class OfStage:
    """One opening of a calibration stage."""

    cycle_id: UUID
    stage_id: UUID
    epoch: int


async def open_sessions(work: NeedsSessions, command: OfStage) -> tuple[Session, ...]:
    """One session per department of the scored participants, small ones with their parent; repeatable.

    A later epoch opens the sessions of the stage again; an earlier one only answers what there is.
    """
    await work.sessions.lock_stage(command.stage_id)
    rules = await work.scores.rules(command.cycle_id)
    if rules is None:
        raise ScoresMissing("the cycle has no scores to calibrate")
    before = await work.sessions.of_stage(command.cycle_id, command.stage_id)
    if any(session.epoch > command.epoch for session in before):
        return before
    reopened = [session for session in before if session.epoch < command.epoch]
    await _reopen(work, reopened, rules)
    departments = await work.sessions.departments(command.cycle_id)
    groups, homes = group_departments(departments, rules)
    await work.sessions.open(command.cycle_id, command.stage_id, command.epoch, groups, homes)
    opened = await work.sessions.of_stage(command.cycle_id, command.stage_id)
    if len(opened) > len(before) or reopened:
        detail = {"stage_id": str(command.stage_id), "epoch": command.epoch, "sessions": len(opened)}
        await work.audit("sessions.opened", "cycle", command.cycle_id, detail=detail)
    return opened


async def _reopen(work: NeedsSessions, sessions: list[Session], rules: CycleRules) -> None:
    """Take what these sessions decided back out of the results, and their snapshot anew where scores changed."""
    coefficients = {grade.code: grade.coefficient for grade in rules.scale().grades}
    for session in sessions:
        if session.state is SessionState.COMMITTED:
            await work.results.withdraw_session(session.cycle_id, session.id, coefficients)
        if session.state is SessionState.STALE:
            await work.sessions.undo_moves(session.id)
            await work.sessions.refresh_members(session.id)


def group_departments(
    departments: tuple[Department, ...], rules: CycleRules
) -> tuple[tuple[NewSession, ...], dict[Path, Path]]:
    """The groups to calibrate, and the group's path for each department path. Sizes are of people directly in it."""
    paths = [tuple(str(part) for part in each.path) for each in departments for _ in range(each.size)]
    groups = pool_departments(paths, rules.minimum)
    by_path = {tuple(str(part) for part in each.path): each for each in departments}
    homes: dict[Path, Path] = {}
    sessions: dict[Path, NewSession] = {}
    for path, group in groups.items():
        home = by_path[path].path[: len(group.path)]
        homes[by_path[path].path] = home
        if home not in sessions or home == by_path[path].path:
            sessions[home] = _session(home, by_path[path], group, rules)
    return tuple(sessions.values()), homes


def _session(home: Path, department: Department, group: Group, rules: CycleRules) -> NewSession:
    own = department.path == home
    name = department.name if own else "/".join(department.name.split("/")[: len(home)])
    return NewSession(home, name, facilitator_of(rules, department.head if own else None), group.pooled)


def facilitator_of(rules: CycleRules, head: UUID | None) -> UUID | None:
    """Who calibrates: the cycle's owner, the department's head (the owner where there is none), or one named by id."""
    if rules.facilitator == "owner":
        return rules.owner_id
    if rules.facilitator == "department_head":
        return head or rules.owner_id
    try:
        return UUID(rules.facilitator)
    except ValueError:
        return None


async def close_sessions(work: NeedsSessions, command: OfStage) -> int:
    """End the sessions that nobody committed: the scored grades stand. Answers how many lapsed, also when repeated."""
    await work.sessions.lock_stage(command.stage_id)
    sessions = await work.sessions.of_stage(command.cycle_id, command.stage_id)
    ending = [each for each in sessions if each.state in (SessionState.OPEN, SessionState.STALE)]
    for session in ending:
        if await work.sessions.find(session.id, lock=True) is None:
            raise NotFound("the session is gone")
        saved = await work.sessions.save(session, state=SessionState.LAPSED)
        detail = {"cycle_id": str(command.cycle_id), "moves": session.moves}
        await work.audit("session.lapsed", "session", saved.id, detail=detail)
    return len(ending) + sum(each.state is SessionState.LAPSED for each in sessions)
