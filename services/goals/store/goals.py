"""Goals, their versions and check-ins."""

import json
from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, any_, insert, literal, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from services.goals import policy
from services.goals.domain.model import CheckIn, Goal, GoalState, Mode, Owner
from services.goals.store.documents import goal_document, measures_document, read_measures, read_version
from services.goals.tables import check_in, goal, goal_version
from services.goals.usecases.ports import GoalFilter

CANCELED = GoalState.CANCELED.value
LIVE = [
    state.value
    for state in (GoalState.DRAFT, GoalState.PROPOSED, GoalState.REJECTED, GoalState.CONFIRMED, GoalState.ACTIVE)
]
OWNERS_BELOW = text(
    "SELECT DISTINCT owner_id FROM goal WHERE tenant_id = :tenant_id AND state = ANY (CAST(:live AS text[]))"
    " AND (owner_id = ANY (CAST(:employees AS uuid[])) OR manager_chain && CAST(:employees AS uuid[]))"
)
RESTAND = text(
    "UPDATE goal SET department_path = s.department_path, manager_chain = s.manager_chain"
    " FROM jsonb_to_recordset(CAST(:standing AS jsonb))"
    " AS s (owner_id uuid, department_path uuid[], manager_chain uuid[])"
    " WHERE goal.tenant_id = :tenant_id AND goal.owner_id = s.owner_id AND goal.state = ANY (CAST(:live AS text[]))"
    " AND (goal.department_path, goal.manager_chain) IS DISTINCT FROM (s.department_path, s.manager_chain)"
)
LOCK_IMPORT = text("SELECT pg_advisory_xact_lock(hashtextextended('goals.import:' || :tenant_id, 0))")


class GoalStore:
    """The goals of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection, self._tenant_id = connection, tenant_id

    async def add(self, goals: Sequence[Goal], author: str) -> None:
        """Insert goals with their first versions."""
        for batch in (goals[at : at + 1000] for at in range(0, len(goals), 1000)):
            await self._connection.execute(insert(goal), [self._row(each) for each in batch])
            await self._connection.execute(insert(goal_version), [self._version_row(each, author) for each in batch])

    async def get(self, goal_id: UUID, actor: policy.Actor) -> Goal | None:
        """Return a goal that the actor may see."""
        query = select(goal).where(self._own(), goal.c.id == goal_id, policy.visible(actor))
        row = (await self._connection.execute(query)).one_or_none()
        return _goal(row) if row else None

    async def lock(self, goal_id: UUID, actor: policy.Actor) -> Goal | None:
        """Return a goal that the actor may see, locked until the end of the transaction."""
        query = select(goal).where(self._own(), goal.c.id == goal_id, policy.visible(actor)).with_for_update()
        row = (await self._connection.execute(query)).one_or_none()
        return _goal(row) if row else None

    async def save(self, changed: Goal, author: str) -> None:
        """Write a goal and remember the version."""
        row = self._row(changed)
        await self._connection.execute(update(goal).where(self._own(), goal.c.id == changed.id).values(row))
        await self._connection.execute(insert(goal_version).values(self._version_row(changed, author)))

    async def page(self, wanted: GoalFilter, actor: policy.Actor, after: UUID | None, limit: int) -> list[Goal]:
        """Return goals by id that the actor may see."""
        query = select(goal).where(self._own(), policy.visible(actor)).order_by(goal.c.id).limit(limit)
        if wanted.owner_id is not None:
            query = query.where(goal.c.owner_id == wanted.owner_id)
        if wanted.state is not None:
            query = query.where(goal.c.state == wanted.state.value)
        if wanted.period_start is not None:
            query = query.where(goal.c.period_end >= wanted.period_start)
        if wanted.period_end is not None:
            query = query.where(goal.c.period_start <= wanted.period_end)
        if after is not None:
            query = query.where(goal.c.id > after)
        return [_goal(row) for row in await self._connection.execute(query)]

    async def versions(self, of: Goal, before: int, limit: int) -> list[Goal]:
        """Return versions below a number, newest first."""
        mine = (goal_version.c.tenant_id == self._tenant_id, goal_version.c.goal_id == of.id)
        query = select(goal_version.c.version, goal_version.c.snapshot).where(*mine, goal_version.c.version < before)
        rows = await self._connection.execute(query.order_by(goal_version.c.version.desc()).limit(limit))
        return [read_version(of.id, of.owner, row.version, row.snapshot) for row in rows]

    async def add_check_in(self, report: CheckIn) -> None:
        """Insert a check-in."""
        values = {
            "tenant_id": self._tenant_id,
            "id": report.id,
            "goal_id": report.goal_id,
            "measure_id": report.measure_id,
            "value": report.value,
            "done": report.done,
            "confidence": report.confidence,
            "note": report.note,
            "author_id": report.author_id,
        }
        await self._connection.execute(insert(check_in).values(values))

    async def check_ins(self, goal_id: UUID, before: UUID | None, limit: int) -> list[CheckIn]:
        """Return check-ins of a goal below an id, newest first."""
        query = select(check_in).where(check_in.c.tenant_id == self._tenant_id, check_in.c.goal_id == goal_id)
        if before is not None:
            query = query.where(check_in.c.id < before)
        rows = await self._connection.execute(query.order_by(check_in.c.id.desc()).limit(limit))
        return [CheckIn(**{name: getattr(row, name) for name in CheckIn.__dataclass_fields__}) for row in rows]

    async def owners_below(self, employee_ids: Sequence[UUID]) -> list[UUID]:
        """Return the owners of live goals whose standing depends on these employees: their own and their lines'."""
        parameters = {"tenant_id": self._tenant_id, "live": LIVE, "employees": list(employee_ids)}
        return list((await self._connection.execute(OWNERS_BELOW, parameters)).scalars())

    async def restand(self, owners: Sequence[Owner]) -> None:
        """Write where owners stand now on their live goals, in one statement."""
        standing = [
            {
                "owner_id": str(owner.id),
                "department_path": [str(each) for each in owner.department_path],
                "manager_chain": [str(each) for each in owner.manager_chain],
            }
            for owner in owners
        ]
        parameters = {"tenant_id": self._tenant_id, "live": LIVE, "standing": json.dumps(standing)}
        await self._connection.execute(RESTAND, parameters)

    async def lock_import(self) -> None:
        """Let nobody else import goals of the tenant until this transaction ends."""
        await self._connection.execute(LOCK_IMPORT, {"tenant_id": str(self._tenant_id)})

    async def taken(self, owner_ids: Collection[UUID]) -> set[tuple[UUID, str, date, date]]:
        """Return owner, name and period of the goals that owners have, cancelled ones aside."""
        query = select(goal.c.owner_id, goal.c.name, goal.c.period_start, goal.c.period_end).where(
            self._own(), goal.c.owner_id == any_(literal(list(owner_ids), ARRAY(Uuid))), goal.c.state != CANCELED
        )
        rows = await self._connection.execute(query)
        return {(row.owner_id, row.name, row.period_start, row.period_end) for row in rows}

    def _own(self) -> Any:
        return goal.c.tenant_id == self._tenant_id

    def _row(self, each: Goal) -> dict[str, Any]:
        return {
            "tenant_id": self._tenant_id,
            "id": each.id,
            "owner_id": each.owner.id,
            "department_path": list(each.owner.department_path),
            "manager_chain": list(each.owner.manager_chain),
            "name": each.name,
            "description": each.description,
            "mode": each.mode.value,
            "state": each.state.value,
            "weight": each.weight,
            "period_start": each.period_start,
            "period_end": each.period_end,
            "measures": measures_document(each.measures),
            "version": each.version,
            "reason": each.reason,
            **({"create_time": each.create_time} if each.create_time else {}),
        }

    def _version_row(self, each: Goal, author: str) -> dict[str, Any]:
        snapshot = goal_document(each)
        return {
            "tenant_id": self._tenant_id,
            "goal_id": each.id,
            "version": each.version,
            "snapshot": snapshot,
            "author": author,
        }


def _goal(row: Any) -> Goal:
    return Goal(
        id=row.id,
        owner=Owner(row.owner_id, tuple(row.department_path), tuple(row.manager_chain)),
        name=row.name,
        description=row.description,
        mode=Mode(row.mode),
        state=GoalState(row.state),
        weight=row.weight,
        period_start=row.period_start,
        period_end=row.period_end,
        measures=read_measures(row.measures),
        version=row.version,
        reason=row.reason,
        create_time=row.create_time,
    )
