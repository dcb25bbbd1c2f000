"""Results as rows: read as far as the caller may see, written by sessions and amendments."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, TextClause, and_, func, literal, select, text, true, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.clock import new_id
from services.runtime.identity import Principal
from services.scoring.domain.documents import read_explanation
from services.scoring.domain.model import Counted, Result, ResultFilter
from services.scoring.policy import counted_results, exported_results, visible_results
from services.scoring.tables import release, result

# Tables that were filled a moment ago have no statistics, and the planner takes them for empty: a table of the members
# with a key, of which it knows the size, keeps a session of 100 000 from being joined row against row.
CREATE_CALIBRATED = text(
    "CREATE TEMPORARY TABLE calibrated (participant_id uuid PRIMARY KEY, calibrated numeric, final numeric, grade text,"
    " coefficient numeric) ON COMMIT DROP"
)
TAKE_SESSION = text(
    "INSERT INTO calibrated SELECT participant_id, score, score, grade,"
    " CAST(CAST(:coefficients AS jsonb) ->> grade AS numeric)"
    " FROM session_member WHERE tenant_id = :tenant_id AND session_id = :session_id"
)
TAKE_SCORED = text(
    "INSERT INTO calibrated SELECT participant_id, NULL, weighted, scored_grade,"
    " CAST(CAST(:coefficients AS jsonb) ->> scored_grade AS numeric)"
    " FROM session_member WHERE tenant_id = :tenant_id AND session_id = :session_id"
)
ANALYZE_CALIBRATED = text("ANALYZE calibrated")
APPLY_CALIBRATED = text(
    "UPDATE result SET calibrated = c.calibrated, final = c.final, grade = c.grade, coefficient = c.coefficient,"
    " revision = revision + 1, update_time = clock_timestamp() FROM calibrated c"
    " WHERE result.tenant_id = :tenant_id AND result.cycle_id = :cycle_id AND result.participant_id = c.participant_id"
    " AND result.latest"
)
DROP_CALIBRATED = text("DROP TABLE calibrated")
AMEND = text(
    "INSERT INTO result (tenant_id, id, cycle_id, participant_id, employee_id, version, stage_id, epoch, inputs_hash,"
    " raw, weighted, calibrated, final, scored_grade, grade, coefficient, explanation, department_path,"
    " department_name, department_head, manager_chain, facilitator_id, amended, appeal_id, amend_reason, released_at)"
    " SELECT tenant_id, :id, cycle_id, participant_id, employee_id, version + 1, stage_id, epoch, inputs_hash, raw,"
    " weighted, calibrated, :final, scored_grade, :grade, :coefficient, explanation, department_path, department_name,"
    " department_head, manager_chain, facilitator_id, true, :appeal_id, :reason, :released_at"
    " FROM result WHERE tenant_id = :tenant_id AND id = :before_id"
)


# Lists and exports do without: it is most of a row.
WITHOUT_EXPLANATION = tuple(column for column in result.c if column is not result.c.explanation)


class ResultStore:
    """Results of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(
        self, *, result_id: UUID | None = None, cycle_id: UUID | None = None, participant_id: UUID | None = None
    ) -> Result | None:
        """A result by its id, or the latest one of a participant, with its explanation."""
        if result_id is not None:
            wanted: ColumnElement[bool] = result.c.id == result_id
        else:
            wanted = and_(result.c.participant_id == participant_id, result.c.latest)
            wanted = and_(wanted, result.c.cycle_id == cycle_id) if cycle_id else wanted
        found = await self._connection.execute(self._select(with_explanation=True).where(wanted).limit(1))
        row = found.one_or_none()
        return None if row is None else _result(row, with_explanation=True)

    async def lock_latest(self, cycle_id: UUID, participant_id: UUID) -> Result | None:
        """The latest result of a participant, locked against other amendments."""
        locked = await self._connection.execute(
            select(result.c.id)
            .where(
                result.c.tenant_id == self._tenant_id,
                result.c.cycle_id == cycle_id,
                result.c.participant_id == participant_id,
                result.c.latest,
            )
            .with_for_update()
        )
        found = locked.scalar_one_or_none()
        return None if found is None else await self.find(result_id=found)

    async def by_appeal(self, appeal_id: UUID) -> Result | None:
        """The version that an appeal made."""
        row = (await self._connection.execute(self._select().where(result.c.appeal_id == appeal_id))).one_or_none()
        return None if row is None else _result(row)

    async def of_appeal(self, appeal_id: UUID) -> Result:
        """The version that an appeal has made."""
        return _result((await self._connection.execute(self._select().where(result.c.appeal_id == appeal_id))).one())

    async def page(
        self, principal: Principal, wanted: ResultFilter, after: UUID | None, size: int
    ) -> tuple[Result, ...]:
        """Latest versions that the caller may see, by id."""
        statement = self._select().where(result.c.latest, visible_results(principal), _filter(wanted))
        if after is not None:
            statement = statement.where(result.c.id > after)
        rows = await self._connection.execute(statement.order_by(result.c.id).limit(size))
        return tuple(_result(row) for row in rows)

    async def count(self, principal: Principal, cycle_id: UUID, department_id: UUID | None) -> Counted:
        """Grades of a cycle as far as the caller may see them counted."""
        wanted = ResultFilter(cycle_id=cycle_id, department_id=department_id)
        rows = await self._connection.execute(
            select(result.c.grade, func.count().label("held"), func.count().filter(result.c.amended).label("amended"))
            .where(result.c.tenant_id == self._tenant_id, result.c.latest, counted_results(principal), _filter(wanted))
            .group_by(result.c.grade)
        )
        counts = rows.all()
        held = {row.grade: row.held for row in counts if row.grade}
        unscored = sum(row.held for row in counts if not row.grade)
        return Counted(held, unscored, sum(row.amended for row in counts))

    async def exported(self, principal: Principal, cycle_id: UUID, batch: int) -> AsyncIterator[Sequence[Result]]:
        """All latest results of a cycle that the caller may export, in batches by participant."""
        after: UUID | None = None
        while True:
            statement = self._select().where(
                result.c.latest, result.c.cycle_id == cycle_id, exported_results(principal)
            )
            if after is not None:
                statement = statement.where(result.c.participant_id > after)
            rows = await self._connection.execute(statement.order_by(result.c.participant_id).limit(batch))
            found = [_result(row) for row in rows]
            if found:
                yield found
            if len(found) < batch:
                return
            after = found[-1].participant_id

    async def apply_session(self, cycle_id: UUID, session_id: UUID, coefficients: Mapping[str, Decimal]) -> int:
        """Write a session's grades and scores to the results of its members; answers how many."""
        return await self._by_session(TAKE_SESSION, cycle_id, session_id, coefficients)

    async def withdraw_session(self, cycle_id: UUID, session_id: UUID, coefficients: Mapping[str, Decimal]) -> int:
        """Take a session's grades and scores back: results are as scored again."""
        return await self._by_session(TAKE_SCORED, cycle_id, session_id, coefficients)

    async def amend(
        self, before: Result, *, appeal_id: UUID, final: Decimal | None, grade: str, coefficient: Decimal | None,
        reason: str, released_at: datetime,
    ) -> Result:  # fmt: skip
        """Add the next version of a result, with a release of its own; the one before stays readable."""
        await self._connection.execute(
            update(result)
            .where(result.c.tenant_id == self._tenant_id, result.c.id == before.id)
            .values(latest=False, update_time=func.clock_timestamp())
        )
        row = {
            "tenant_id": self._tenant_id,
            "id": new_id(),
            "before_id": before.id,
            "final": final,
            "grade": grade,
            "coefficient": coefficient,
            "appeal_id": appeal_id,
            "reason": reason,
            "released_at": released_at,
        }
        await self._connection.execute(AMEND, row)
        return await self.of_appeal(appeal_id)

    async def _by_session(
        self, take: TextClause, cycle_id: UUID, session_id: UUID, coefficients: Mapping[str, Decimal]
    ) -> int:
        known = json.dumps({grade: str(coefficient) for grade, coefficient in coefficients.items()})
        members = {"tenant_id": self._tenant_id, "session_id": session_id, "coefficients": known}
        await self._connection.execute(CREATE_CALIBRATED)
        await self._connection.execute(take, members)
        await self._connection.execute(ANALYZE_CALIBRATED)
        done = await self._connection.execute(APPLY_CALIBRATED, {"tenant_id": self._tenant_id, "cycle_id": cycle_id})
        await self._connection.execute(DROP_CALIBRATED)
        return done.rowcount

    def _select(self, *, with_explanation: bool = False) -> Select[Any]:
        visible_since = func.coalesce(result.c.released_at, release.c.released_at).label("visible_since")
        joined = result.outerjoin(
            release, and_(release.c.tenant_id == result.c.tenant_id, release.c.cycle_id == result.c.cycle_id)
        )
        columns = result.c if with_explanation else WITHOUT_EXPLANATION
        return select(*columns, visible_since).select_from(joined).where(result.c.tenant_id == self._tenant_id)


def _filter(wanted: ResultFilter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.cycle_id is not None:
        conditions.append(result.c.cycle_id == wanted.cycle_id)
    if wanted.employee_id is not None:
        conditions.append(result.c.employee_id == wanted.employee_id)
    if wanted.department_id is not None:
        conditions.append(result.c.department_path.op("@>")(array([literal(wanted.department_id)])))
    if wanted.grade:
        conditions.append(result.c.grade == wanted.grade)
    return and_(*conditions)


def _result(row: Row[Any], *, with_explanation: bool = False) -> Result:
    return Result(
        id=row.id,
        cycle_id=row.cycle_id,
        participant_id=row.participant_id,
        employee_id=row.employee_id,
        version=row.version,
        raw=row.raw,
        weighted=row.weighted,
        calibrated=row.calibrated,
        final=row.final,
        scored_grade=row.scored_grade,
        grade=row.grade,
        coefficient=row.coefficient,
        unscored_code=row.unscored_code,
        unscored_message=row.unscored_message,
        department_path=tuple(row.department_path),
        department_name=row.department_name,
        department_head=row.department_head,
        manager_chain=tuple(row.manager_chain),
        facilitator_id=row.facilitator_id,
        amended=row.amended,
        released_at=row.visible_since,
        revision=row.revision,
        explanation=read_explanation(row.explanation) if with_explanation else None,
    )
