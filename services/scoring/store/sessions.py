"""Calibration sessions as rows: opened and closed set by set, moved row by row."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Text, cast, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.clock import new_id
from services.runtime.identity import Principal
from services.scoring.domain.calibration import Member, Move, Session, SessionState
from services.scoring.domain.model import Department, NewSession
from services.scoring.policy import visible_sessions
from services.scoring.tables import move, result, session, session_member

LOCK_STAGE = text("SELECT pg_advisory_xact_lock(hashtextextended('calibration:' || CAST(:stage_id AS text), 0))")
# A later opening of the stage opens its sessions again; the same one changes nothing.
OPEN_SESSIONS = text(
    "INSERT INTO session (tenant_id, id, cycle_id, stage_id, epoch, department_id, department_path, department_name,"
    " facilitator_id, pooled, size)"
    " VALUES (:tenant_id, :id, :cycle_id, :stage_id, :epoch, :department_id, :department_path, :department_name,"
    " :facilitator_id, :pooled, 0)"
    " ON CONFLICT (tenant_id, cycle_id, stage_id, department_path) DO UPDATE SET epoch = excluded.epoch,"
    " state = 'open', pooled = excluded.pooled, facilitator_id = excluded.facilitator_id, committed_at = NULL,"
    " version = session.version + 1, update_time = clock_timestamp() WHERE session.epoch < excluded.epoch"
)
# Tables that were filled a moment ago have no statistics, and the planner takes them for empty: so no join here has
# more than two sides, and each can be looked up by a key of the other.
CREATE_HOME = text(
    "CREATE TEMPORARY TABLE home (path uuid[] PRIMARY KEY, session_path uuid[] NOT NULL, session_id uuid,"
    " facilitator_id uuid) ON COMMIT DROP"
)
FIND_HOMES = text(
    "UPDATE home SET session_id = s.id, facilitator_id = s.facilitator_id FROM session s"
    " WHERE s.tenant_id = :tenant_id AND s.cycle_id = :cycle_id"
    " AND s.stage_id = :stage_id AND s.department_path = home.session_path AND s.state = 'open'"
)
ADD_MEMBERS = text(
    "INSERT INTO session_member (tenant_id, session_id, stage_id, participant_id, employee_id, weighted, scored_grade,"
    " score, grade) SELECT r.tenant_id, h.session_id, :stage_id, r.participant_id, r.employee_id, r.weighted,"
    " r.scored_grade, r.weighted, r.scored_grade FROM result r JOIN home h ON h.path = r.department_path"
    " WHERE r.tenant_id = :tenant_id AND r.cycle_id = :cycle_id AND r.latest AND r.weighted IS NOT NULL"
    " AND h.session_id IS NOT NULL ON CONFLICT DO NOTHING"
)
NAME_FACILITATORS = text(
    "UPDATE result SET facilitator_id = h.facilitator_id FROM home h WHERE h.path = result.department_path"
    " AND result.tenant_id = :tenant_id AND result.cycle_id = :cycle_id AND result.latest"
    " AND result.facilitator_id IS DISTINCT FROM h.facilitator_id"
)
COUNT_MEMBERS = text(
    "UPDATE session SET size = (SELECT count(*) FROM session_member m WHERE m.tenant_id = session.tenant_id"
    " AND m.session_id = session.id) WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND stage_id = :stage_id"
)
REFRESH_MEMBERS = text(
    "UPDATE session_member m SET weighted = r.weighted, scored_grade = r.scored_grade, score = r.weighted,"
    " grade = r.scored_grade FROM result r, session s WHERE m.tenant_id = :tenant_id AND m.session_id = :session_id"
    " AND s.tenant_id = m.tenant_id AND s.id = m.session_id AND r.tenant_id = m.tenant_id AND r.cycle_id = s.cycle_id"
    " AND r.participant_id = m.participant_id AND r.latest AND r.weighted IS NOT NULL"
)


class SessionStore:
    """Sessions, their members and moves, of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def departments(self, cycle_id: UUID) -> tuple[Department, ...]:
        """The departments that scored participants of a cycle stand in."""
        rows = await self._connection.execute(
            select(
                result.c.department_path,
                func.max(result.c.department_name).label("name"),
                func.max(cast(result.c.department_head, Text)).label("head"),
                func.count().label("size"),
            )
            .where(
                result.c.tenant_id == self._tenant_id,
                result.c.cycle_id == cycle_id,
                result.c.latest,
                result.c.weighted.is_not(None),
            )
            .group_by(result.c.department_path)
        )
        return tuple(
            Department(tuple(row.department_path), row.name, UUID(row.head) if row.head else None, row.size)
            for row in rows
        )

    async def open(
        self,
        cycle_id: UUID,
        stage_id: UUID,
        epoch: int,
        groups: Sequence[NewSession],
        homes: Mapping[tuple[UUID, ...], tuple[UUID, ...]],
    ) -> None:
        """Open a session per group and put the participants of each department path into the one of its home."""
        key = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "stage_id": stage_id}
        rows = [
            {
                **key,
                "id": new_id(),
                "epoch": epoch,
                "department_id": group.path[-1] if group.path else None,
                "department_path": list(group.path),
                "department_name": group.name,
                "facilitator_id": group.facilitator_id,
                "pooled": group.pooled,
            }
            for group in groups
        ]
        if rows:
            await self._connection.execute(OPEN_SESSIONS, rows)
        await self._connection.execute(CREATE_HOME)
        borrowed = await self._connection.get_raw_connection()
        driver: Any = borrowed.driver_connection
        pairs = [(list(path), list(home)) for path, home in homes.items()]
        await driver.copy_records_to_table("home", records=pairs, columns=["path", "session_path"])
        await self._connection.execute(FIND_HOMES, key)
        await self._connection.execute(ADD_MEMBERS, key)
        await self._connection.execute(COUNT_MEMBERS, key)
        await self._connection.execute(NAME_FACILITATORS, key)

    async def lock_stage(self, stage_id: UUID) -> None:
        """Hold back others who open or close the sessions of this stage."""
        await self._connection.execute(LOCK_STAGE, {"stage_id": str(stage_id)})

    async def of_stage(self, cycle_id: UUID, stage_id: UUID) -> tuple[Session, ...]:
        """All sessions of a stage, by id."""
        rows = await self._connection.execute(
            self._select().where(session.c.cycle_id == cycle_id, session.c.stage_id == stage_id).order_by(session.c.id)
        )
        return tuple(_session(row) for row in rows)

    async def of_cycle(self, cycle_id: UUID, states: Sequence[SessionState]) -> tuple[Session, ...]:
        """The sessions of a cycle in these states, locked, by id."""
        rows = await self._connection.execute(
            self._select()
            .where(session.c.cycle_id == cycle_id, session.c.state.in_([state.value for state in states]))
            .order_by(session.c.id)
            .with_for_update()
        )
        return tuple(_session(row) for row in rows)

    async def page(
        self, principal: Principal, cycle_id: UUID | None, after: UUID | None, size: int
    ) -> tuple[Session, ...]:
        """Sessions that the caller may see, by id."""
        statement = self._select().where(visible_sessions(principal))
        if cycle_id is not None:
            statement = statement.where(session.c.cycle_id == cycle_id)
        if after is not None:
            statement = statement.where(session.c.id > after)
        rows = await self._connection.execute(statement.order_by(session.c.id).limit(size))
        return tuple(_session(row) for row in rows)

    async def find(self, session_id: UUID, *, lock: bool = False) -> Session | None:
        """A session, locked where it is to be written."""
        statement = self._select().where(session.c.id == session_id)
        row = (await self._connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
        return None if row is None else _session(row)

    async def members(self, session_ids: Sequence[UUID]) -> dict[UUID, tuple[Member, ...]]:
        """The members of sessions, by session."""
        found: dict[UUID, list[Member]] = {session_id: [] for session_id in session_ids}
        rows = await self._connection.execute(
            select(session_member)
            .where(session_member.c.tenant_id == self._tenant_id, session_member.c.session_id.in_(session_ids))
            .order_by(session_member.c.participant_id)
        )
        for row in rows:
            found[row.session_id].append(_member(row))
        return {session_id: tuple(members) for session_id, members in found.items()}

    async def set_member(self, session_id: UUID, member: Member) -> None:
        """Store where a member stands now."""
        await self._connection.execute(
            update(session_member)
            .where(
                session_member.c.tenant_id == self._tenant_id,
                session_member.c.session_id == session_id,
                session_member.c.participant_id == member.participant_id,
            )
            .values(score=member.score, grade=member.grade)
        )

    async def reset_members(self, session_id: UUID) -> None:
        """Put every member back to the snapshot: as scored."""
        await self._connection.execute(
            update(session_member)
            .where(session_member.c.tenant_id == self._tenant_id, session_member.c.session_id == session_id)
            .values(score=session_member.c.weighted, grade=session_member.c.scored_grade)
        )

    async def refresh_members(self, session_id: UUID) -> None:
        """Take a new snapshot from the results as they are scored now; those without a score leave."""
        key = {"tenant_id": self._tenant_id, "session_id": session_id}
        await self._connection.execute(REFRESH_MEMBERS, key)
        scored = select(result.c.participant_id).where(
            result.c.tenant_id == self._tenant_id,
            result.c.cycle_id == select(session.c.cycle_id).where(session.c.id == session_id).scalar_subquery(),
            result.c.latest,
            result.c.weighted.is_not(None),
        )
        await self._connection.execute(
            delete(session_member).where(
                session_member.c.tenant_id == self._tenant_id,
                session_member.c.session_id == session_id,
                session_member.c.participant_id.not_in(scored),
            )
        )

    async def add_move(self, session_id: UUID, made: Move, moved_by: str) -> None:
        """Record a move."""
        await self._connection.execute(
            insert(move).values(
                tenant_id=self._tenant_id,
                session_id=session_id,
                sequence=made.sequence,
                participant_id=made.participant_id,
                from_grade=made.from_grade,
                from_score=made.from_score,
                to_grade=made.to_grade,
                to_score=made.to_score,
                reason=made.reason,
                moved_by=moved_by,
            )
        )

    async def next_sequence(self, session_id: UUID) -> int:
        """The number of the next move; moves that were undone keep theirs."""
        found = await self._connection.execute(
            select(func.coalesce(func.max(move.c.sequence), 0) + 1).where(
                move.c.tenant_id == self._tenant_id, move.c.session_id == session_id
            )
        )
        sequence: int = found.scalar_one()
        return sequence

    async def last_move(self, session_id: UUID) -> Move | None:
        """The last move that stands."""
        found = await self._connection.execute(
            select(move)
            .where(move.c.tenant_id == self._tenant_id, move.c.session_id == session_id, move.c.undone_at.is_(None))
            .order_by(move.c.sequence.desc())
            .limit(1)
        )
        row = found.one_or_none()
        if row is None:
            return None
        return Move(
            row.sequence, row.participant_id, row.from_grade, row.from_score, row.to_grade, row.to_score, row.reason
        )

    async def undo_moves(self, session_id: UUID, since: int = 0) -> int:
        """Mark the standing moves from a sequence on as undone; answers how many."""
        done = await self._connection.execute(
            update(move)
            .where(
                move.c.tenant_id == self._tenant_id,
                move.c.session_id == session_id,
                move.c.sequence >= since,
                move.c.undone_at.is_(None),
            )
            .values(undone_at=func.clock_timestamp())
        )
        return done.rowcount

    async def save(
        self, row: Session, *, state: SessionState | None = None, moves: int | None = None, waiver_reason: str = ""
    ) -> Session:
        """Write a session's new state and count of moves; its version rises."""
        values: dict[str, Any] = {"version": session.c.version + 1, "update_time": func.clock_timestamp()}
        if state is not None:
            values["state"] = state.value
            values["committed_at"] = func.clock_timestamp() if state is SessionState.COMMITTED else None
        if moves is not None:
            values["moves"] = moves
        if waiver_reason:
            values["waiver_reason"] = waiver_reason
        await self._connection.execute(
            update(session).where(session.c.tenant_id == self._tenant_id, session.c.id == row.id).values(values)
        )
        return _session((await self._connection.execute(self._select().where(session.c.id == row.id))).one())

    def _select(self) -> Select[Any]:
        return select(session).where(session.c.tenant_id == self._tenant_id)


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        cycle_id=row.cycle_id,
        stage_id=row.stage_id,
        epoch=row.epoch,
        department_id=row.department_id,
        department_name=row.department_name,
        department_path="/".join(str(part) for part in row.department_path),
        facilitator_id=row.facilitator_id,
        state=SessionState(row.state),
        pooled=row.pooled,
        version=row.version,
        size=row.size,
        moves=row.moves,
        update_time=row.update_time,
    )


def _member(row: Row[Any]) -> Member:
    return Member(
        participant_id=row.participant_id,
        employee_id=row.employee_id,
        weighted=row.weighted,
        scored_grade=row.scored_grade,
        score=row.score,
        grade=row.grade,
        counted=row.counted,
    )
