"""What follows released results: participants as appeals see them, interviews."""

from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.errors import ParticipantNotFound
from services.reviews.domain.model import (
    Interview,
    InterviewState,
    Opinion,
    ParticipantState,
    TaskKind,
)
from services.reviews.policy import Facts, where
from services.reviews.store.tasks import COLUMNS, TaskStore
from services.reviews.tables import cycle, interview, participant, task
from services.reviews.usecases.outcome_ports import InterviewView, Judged
from services.reviews.usecases.task_view import TaskView
from services.runtime.identity import Principal

INTERVIEW_FIELDS = tuple(field.name for field in fields(Interview))
# Raters of any relation but the employee, and the manager at launch: they judged, so they do not decide.
CONFLICTED = text(
    """
    SELECT r.rater_id AS person FROM rater r WHERE r.tenant_id = :tenant_id AND r.participant_id = :id
    UNION SELECT s.rater_id FROM submission s WHERE s.tenant_id = :tenant_id AND s.participant_id = :id
    UNION SELECT p.manager_chain[1] FROM participant p WHERE p.tenant_id = :tenant_id AND p.id = :id
    """
)

# Before the release; who was calibrated stays so, and a session that decided by the old score is stale in scoring.
MARK_CORRECTED = text(
    """
    UPDATE participant SET version = version + 1, update_time = clock_timestamp(),
        state = CASE WHEN :code <> '' THEN 'in_review' WHEN state = 'calibrated' THEN state ELSE 'scored' END,
        findings = CASE WHEN :code = '' THEN '{}' ELSE ARRAY[CAST(:code AS text)] END
    WHERE tenant_id = :tenant_id AND id = :id AND state IN ('enrolled', 'in_review', 'scored', 'calibrated')
        AND findings IS DISTINCT FROM CASE WHEN :code = '' THEN '{}' ELSE ARRAY[CAST(:code AS text)] END
    """
)


class ParticipantStore:
    """Participants of one tenant after the release."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(self, participant_id: UUID) -> Judged:
        """ParticipantNotFound."""
        return await self._one(self._all(participant_id))

    async def lock(self, participant_id: UUID) -> Judged:
        """The participant, held until commit; take the stage's lock before. ParticipantNotFound."""
        return await self._one(self._all(participant_id).with_for_update(of=participant, key_share=True))

    async def mark_corrected(self, participant_id: UUID, code: str) -> bool:
        """Note that there is a score now, or why not; false when that was known."""
        keys = {"tenant_id": self._tenant_id, "id": participant_id, "code": code}
        return (await self._connection.execute(MARK_CORRECTED, keys)).rowcount > 0

    def _all(self, participant_id: UUID) -> Select[Any]:
        return (
            select(participant, cycle.c.confidential)
            .join(cycle, and_(cycle.c.tenant_id == participant.c.tenant_id, cycle.c.id == participant.c.cycle_id))
            .where(participant.c.tenant_id == self._tenant_id, participant.c.id == participant_id)
        )

    async def _one(self, query: Select[Any]) -> Judged:
        row = (await self._connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise ParticipantNotFound("there is no such participant")
        judges = await self._connection.execute(CONFLICTED, {"tenant_id": self._tenant_id, "id": row["id"]})
        conflicted = {person for (person,) in judges if person is not None} | {row["employee_id"]}
        return Judged(
            id=row["id"],
            cycle_id=row["cycle_id"],
            employee_id=row["employee_id"],
            state=ParticipantState(row["state"]),
            opinion=Opinion(row["opinion"]) if row["opinion"] else None,
            released_at=row["result_released_at"],
            version=row["version"],
            conflicted=frozenset(conflicted),
            facts=judged_facts(row, None),
        )

    async def save(self, participant_id: UUID, state: ParticipantState, opinion: Opinion | None) -> int:
        """Write state and opinion of a locked participant; return the new version."""
        return await self._update(participant_id, state=state, opinion=opinion)

    async def amend(self, participant_id: UUID, released_at: datetime) -> int:
        """The result was released anew: it has not been acknowledged. Whose cycle has ended stays closed."""
        closed = participant.c.state == ParticipantState.CLOSED
        state = case((closed, ParticipantState.CLOSED.value), else_=ParticipantState.RELEASED.value)
        return await self._update(participant_id, state=state, opinion=None, result_released_at=released_at)

    async def _update(self, participant_id: UUID, **values: Any) -> int:
        statement = (
            update(participant)
            .where(participant.c.tenant_id == self._tenant_id, participant.c.id == participant_id)
            .values(**values, version=participant.c.version + 1, update_time=func.clock_timestamp())
            .returning(participant.c.version)
        )
        return (await self._connection.execute(statement)).scalar_one()  # type: ignore[no-any-return]


class InterviewStore:
    """Interviews of one tenant; an interview has the id of its task, and a row once somebody has touched it."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID, tasks: TaskStore) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._tasks = tasks

    async def of_task(self, view: TaskView) -> Interview:
        """The interview of a locked task."""
        return (await self._rows([view]))[0].interview

    async def save(self, changed: Interview) -> Interview:
        """Write an interview whose task is locked, one version on."""
        values = {name: getattr(changed, name) for name in INTERVIEW_FIELDS} | {"version": changed.version + 1}
        values["agenda"] = list(changed.agenda)
        written = {name: value for name, value in values.items() if name != "id"}
        await self._connection.execute(
            upsert(interview)
            .values(tenant_id=self._tenant_id, **values)
            .on_conflict_do_update(
                index_elements=["tenant_id", "id"], set_=written | {"update_time": func.clock_timestamp()}
            )
        )
        return Interview(**values | {"agenda": changed.agenda})

    async def page(self, actor: Principal, cycle_id: UUID | None, after: UUID | None, size: int) -> list[InterviewView]:
        """Interviews that the actor may see, by id."""
        conditions: list[ColumnElement[bool]] = [where(actor, "interview.see", COLUMNS)]
        conditions.append(task.c.kind == TaskKind.INTERVIEW)
        if cycle_id is not None:
            conditions.append(task.c.cycle_id == cycle_id)
        if after is not None:
            conditions.append(task.c.id > after)
        return await self._rows(await self._tasks.by_id(conditions, size))

    async def _rows(self, views: list[TaskView]) -> list[InterviewView]:
        ids = [view.id for view in views]
        query = select(interview).where(interview.c.tenant_id == self._tenant_id, interview.c.id.in_(ids))
        known = {row["id"]: row for row in (await self._connection.execute(query)).mappings()}
        return [InterviewView(_interview(view, known.get(view.id)), view) for view in views]


def _interview(view: TaskView, row: RowMapping | None) -> Interview:
    task_row = view.task
    if row is None:
        return Interview(
            id=task_row.id,
            cycle_id=task_row.cycle_id,
            participant_id=task_row.participant_id or task_row.id,
            manager_id=task_row.assignee_id or UUID(int=0),
            employee_id=task_row.subject_id or UUID(int=0),
            state=InterviewState.PLANNED,
            task_id=task_row.id,
            version=0,
        )
    values = {name: row[name] for name in INTERVIEW_FIELDS}
    values |= {"state": InterviewState(row["state"]), "agenda": tuple(row["agenda"])}
    values["manager_id"] = task_row.assignee_id or row["manager_id"]
    return Interview(**values)


def judged_facts(row: RowMapping, assignee_id: UUID | None) -> Facts:
    """What decides who may see and do what about a participant's result."""
    return Facts(
        assignee_id=assignee_id,
        subject_id=row["employee_id"],
        kind="appeal",
        manager_chain=tuple(row["manager_chain"]),
        department_path=tuple(row["department_path"]),
        group_ids=frozenset(row["group_ids"]),
        confidential=row["confidential"],
    )
