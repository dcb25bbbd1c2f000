"""Appeals of one tenant, and which of them nobody decided in time."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.appeals import UNDECIDED
from services.reviews.domain.errors import AppealExists, AppealNotFound, VersionConflict
from services.reviews.domain.model import OWED_TASK_STATES, Appeal, AppealState
from services.reviews.policy import Columns, where
from services.reviews.store.outcomes import judged_facts
from services.reviews.tables import appeal, cycle, participant, task
from services.reviews.usecases.outcome_ports import AppealView
from services.runtime.identity import Principal

APPEAL_FIELDS = tuple(field.name for field in fields(Appeal))
APPEAL_COLUMNS = Columns(
    assignee_id=appeal.c.owner_id,
    subject_id=participant.c.employee_id,
    kind=literal("appeal"),
    manager_chain=participant.c.manager_chain,
    department_path=participant.c.department_path,
    group_ids=participant.c.group_ids,
    confidential=cycle.c.confidential,
)
APPEALS = (
    appeal.join(
        participant, and_(participant.c.tenant_id == appeal.c.tenant_id, participant.c.id == appeal.c.participant_id)
    )
    .join(cycle, and_(cycle.c.tenant_id == appeal.c.tenant_id, cycle.c.id == appeal.c.cycle_id))
    .outerjoin(task, and_(task.c.tenant_id == appeal.c.tenant_id, task.c.id == appeal.c.task_id))
)
# A pause and an extension move the deadline of the task: it is the appeal's.
DUE = func.coalesce(task.c.due_override, appeal.c.due_at).label("decision_due_at")
WHO = (
    participant.c.employee_id,
    participant.c.manager_chain,
    participant.c.department_path,
    participant.c.group_ids,
    cycle.c.confidential,
)


class AppealStore:
    """Appeals of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(self, appeal_id: UUID) -> AppealView:
        """AppealNotFound."""
        return await self._one(self._all().where(appeal.c.id == appeal_id))

    async def lock(self, appeal_id: UUID) -> AppealView:
        """The appeal, held until commit; AppealNotFound."""
        return await self._one(self._all().where(appeal.c.id == appeal_id).with_for_update(of=appeal, key_share=True))

    async def since(self, participant_id: UUID, released_at: datetime, result_version: int) -> bool:
        """Whether there is an appeal against this version, or one filed since this release."""
        query = select(appeal.c.id).where(
            appeal.c.tenant_id == self._tenant_id,
            appeal.c.participant_id == participant_id,
            or_(appeal.c.create_time >= released_at, appeal.c.result_version == result_version),
        )
        return (await self._connection.execute(query.limit(1))).first() is not None

    async def add(self, new: Appeal) -> None:
        """AppealExists where somebody was quicker."""
        values = {name: getattr(new, name) for name in APPEAL_FIELDS}
        statement = upsert(appeal).values(tenant_id=self._tenant_id, **_lists(values)).on_conflict_do_nothing()
        if (await self._connection.execute(statement)).rowcount != 1:
            raise AppealExists("there is an appeal against this result")

    async def save(self, changed: Appeal) -> Appeal:
        """Write a locked appeal one version on."""
        values = {name: getattr(changed, name) for name in APPEAL_FIELDS if name not in {"id", "create_time"}}
        values["version"] = changed.version + 1
        done = await self._connection.execute(
            update(appeal)
            .where(
                appeal.c.tenant_id == self._tenant_id, appeal.c.id == changed.id, appeal.c.version == changed.version
            )
            .values(**_lists(values), update_time=func.clock_timestamp())
        )
        if done.rowcount != 1:
            raise VersionConflict("the appeal was changed meanwhile")
        return (await self.find(changed.id)).appeal

    async def page(
        self, actor: Principal, cycle_id: UUID | None, state: str, after: UUID | None, size: int
    ) -> list[AppealView]:
        """Appeals that the actor may see, newest first."""
        query = self._all().where(where(actor, "appeal.see", APPEAL_COLUMNS), *_in_state(state))
        if cycle_id is not None:
            query = query.where(appeal.c.cycle_id == cycle_id)
        if after is not None:
            query = query.where(appeal.c.id < after)
        rows = await self._connection.execute(query.order_by(appeal.c.id.desc()).limit(size))
        return [_appeal_view(row) for row in rows.mappings()]

    async def count_undecided(self, cycle_id: UUID) -> int:
        """Appeals that keep the cycle from closing: not decided, or amended and not yet released."""
        query = select(func.count()).where(
            appeal.c.tenant_id == self._tenant_id,
            appeal.c.cycle_id == cycle_id,
            or_(
                appeal.c.state.in_(sorted(UNDECIDED)),
                and_(appeal.c.state == AppealState.AMENDED, appeal.c.amended_at.is_(None)),
            ),
        )
        return (await self._connection.execute(query)).scalar_one()

    async def lock_overdue(self, cycle_id: UUID, now: datetime, size: int) -> list[AppealView]:
        """Undecided appeals whose deadline has passed and was not escalated, held until commit; by id."""
        query = self._all().where(
            appeal.c.cycle_id == cycle_id,
            appeal.c.state.in_(sorted(UNDECIDED)),
            task.c.state.in_(sorted(OWED_TASK_STATES)),
            task.c.due_override <= now,
            or_(task.c.escalated_at.is_(None), task.c.escalated_at < task.c.due_override),
        )
        rows = await self._connection.execute(
            query.order_by(appeal.c.id).limit(size).with_for_update(of=appeal, key_share=True)
        )
        return [_appeal_view(row) for row in rows.mappings()]

    async def mark_escalated(self, task_ids: Sequence[UUID], now: datetime) -> None:
        """On the tasks: a deadline that is moved later may pass, and be escalated, again."""
        await self._connection.execute(
            update(task)
            .where(task.c.tenant_id == self._tenant_id, task.c.id.in_(task_ids))
            .values(escalated_at=now, update_time=func.clock_timestamp())
        )

    def _all(self) -> Select[Any]:
        return select(appeal, DUE, *WHO).select_from(APPEALS).where(appeal.c.tenant_id == self._tenant_id)

    async def _one(self, query: Select[Any]) -> AppealView:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise AppealNotFound("there is no such appeal")
        return _appeal_view(row)


def _in_state(state: str) -> list[ColumnElement[bool]]:
    if state == "amending":
        return [appeal.c.state == AppealState.AMENDED, appeal.c.amended_at.is_(None)]
    if state == AppealState.AMENDED:
        return [appeal.c.state == AppealState.AMENDED, appeal.c.amended_at.is_not(None)]
    return [appeal.c.state == state] if state else []


def _lists(values: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _appeal_view(row: RowMapping) -> AppealView:
    values = {name: row[name] for name in APPEAL_FIELDS} | {"state": AppealState(row["state"])}
    values["due_at"] = row["decision_due_at"]
    values |= {name: tuple(row[name]) for name in ("items", "evidence", "decision_evidence")}
    return AppealView(Appeal(**values), row["employee_id"], judged_facts(row, row["owner_id"]))
