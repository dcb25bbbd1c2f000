"""Whose score is to be computed again, and what it was computed from."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.scoring.domain.calibration import SessionState
from services.scoring.domain.documents import read_inputs
from services.scoring.domain.model import Correction, Scored
from services.scoring.tables import correction, result, score, session, session_member

LONGEST_WAIT_SECONDS = 300


class CorrectionStore:
    """Corrections of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def ask(self, cycle_id: UUID, participant_ids: Sequence[UUID], event_id: UUID) -> None:
        """Ask for new scores; asking again while one is awaited counts once."""
        rows = [
            {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "participant_id": each, "event_id": event_id}
            for each in sorted(participant_ids)
        ]
        if rows:
            statement = insert(correction)
            anew = {"event_id": statement.excluded.event_id, "attempts": 0, "retry_at": func.clock_timestamp()}
            key = ["tenant_id", "cycle_id", "participant_id"]
            await self._connection.execute(statement.on_conflict_do_update(index_elements=key, set_=anew), rows)

    async def done(self, asked: Correction) -> None:
        """Forget a correction, unless it was asked for again in the meantime."""
        await self._connection.execute(
            delete(correction).where(*self._key(asked), correction.c.event_id == asked.event_id)
        )

    async def postpone(self, asked: Correction) -> None:
        """Try again later, after twice the time each time."""
        seconds = func.least(func.power(2, correction.c.attempts), LONGEST_WAIT_SECONDS)
        await self._connection.execute(
            update(correction)
            .where(*self._key(asked))
            .values(
                attempts=correction.c.attempts + 1,
                retry_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, seconds),
            )
        )

    async def scored(self, cycle_id: UUID, participant_id: UUID) -> Scored | None:
        """What the present result of a participant was computed from."""
        found = await self._connection.execute(
            select(score.c.stage_id, score.c.epoch, score.c.inputs, score.c.inputs_hash)
            .join(
                result,
                (result.c.tenant_id == score.c.tenant_id)
                & (result.c.cycle_id == score.c.cycle_id)
                & (result.c.participant_id == score.c.participant_id)
                & (result.c.stage_id == score.c.stage_id)
                & (result.c.epoch == score.c.epoch),
            )
            .where(
                score.c.tenant_id == self._tenant_id,
                score.c.cycle_id == cycle_id,
                score.c.participant_id == participant_id,
                result.c.latest,
            )
        )
        row = found.one_or_none()
        if row is None:
            return None
        return Scored(row.stage_id, row.epoch, read_inputs(row.inputs), row.inputs_hash)

    async def sessions_of(self, cycle_id: UUID, participant_id: UUID) -> tuple[UUID, ...]:
        """The sessions that decided by the old score: open or committed, with the participant in them."""
        rows = await self._connection.execute(
            select(session.c.id)
            .join(
                session_member,
                (session_member.c.tenant_id == session.c.tenant_id) & (session_member.c.session_id == session.c.id),
            )
            .where(
                session.c.tenant_id == self._tenant_id,
                session.c.cycle_id == cycle_id,
                session.c.state.in_([SessionState.OPEN.value, SessionState.COMMITTED.value]),
                session_member.c.participant_id == participant_id,
            )
            .order_by(session.c.id)
        )
        return tuple(row.id for row in rows)

    def _key(self, asked: Correction) -> tuple[Any, ...]:
        return (
            correction.c.tenant_id == self._tenant_id,
            correction.c.cycle_id == asked.cycle_id,
            correction.c.participant_id == asked.participant_id,
        )


async def due_corrections(connection: AsyncConnection, limit: int) -> tuple[Correction, ...]:
    """Corrections of all tenants that are due; needs the system role."""
    rows = await connection.execute(
        select(correction)
        .where(correction.c.retry_at <= func.clock_timestamp())
        .order_by(correction.c.retry_at)
        .limit(limit)
    )
    return tuple(_correction(row) for row in rows)


def _correction(row: Row[Any]) -> Correction:
    return Correction(row.tenant_id, row.cycle_id, row.participant_id, row.event_id)
