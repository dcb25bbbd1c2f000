"""Tasks of people: found, listed by urgency, locked and saved, with the latest answers to them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    and_,
    cast,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.errors import TaskNotFound, VersionConflict
from services.reviews.domain.model import (
    OWED_TASK_STATES,
    Actual,
    ActualState,
    Relation,
    StageState,
    Submission,
    Task,
    TaskKind,
    TaskState,
)
from services.reviews.policy import Columns, Facts, acting_for, where
from services.reviews.tables import actual, cycle, form, participant, provider, sign_off, stage, submission, task
from services.reviews.tables.registry import INSTANT
from services.reviews.usecases.task_view import TaskFilter, TaskView
from services.runtime.identity import Principal

TASK_FIELDS = tuple(field.name for field in fields(Task))
COLUMNS = Columns(
    assignee_id=task.c.assignee_id,
    subject_id=task.c.subject_id,
    kind=task.c.kind,
    manager_chain=participant.c.manager_chain,
    department_path=participant.c.department_path,
    group_ids=participant.c.group_ids,
    confidential=cycle.c.confidential,
)
AT = (func.clock_timestamp() + cycle.c.clock_offset).label("at")
DUE = func.greatest(stage.c.due_at, task.c.due_override)  # ignores nulls
NEVER: ColumnElement[Any] = literal_column("'infinity'::timestamptz", INSTANT)
OWED = task.c.state.in_(sorted(OWED_TASK_STATES))
SURROUNDED = (
    task.join(stage, and_(stage.c.tenant_id == task.c.tenant_id, stage.c.id == task.c.stage_id))
    .join(cycle, and_(cycle.c.tenant_id == task.c.tenant_id, cycle.c.id == task.c.cycle_id))
    .outerjoin(
        participant, and_(participant.c.tenant_id == task.c.tenant_id, participant.c.id == task.c.participant_id)
    )
)
NOT_WRITTEN = frozenset({"id", "cycle_id", "stage_id", "opened_at", "epoch"})
RESTORE_DRAFTS = text(
    """
    UPDATE task t SET draft = s.answers, draft_comment = s.comment
    FROM submission s WHERE s.tenant_id = t.tenant_id AND s.task_id = t.id AND t.tenant_id = :tenant_id AND t.id = :id
        AND s.version = (SELECT max(version) FROM submission l WHERE l.tenant_id = t.tenant_id AND l.task_id = t.id)
    """
)
HAND_OVER = text(
    """
    UPDATE task SET assignee_id = moved.to_id, version = version + 1, update_time = clock_timestamp(),
        blocked_reason = CASE WHEN moved.to_id IS NULL THEN 'NO_ASSIGNEE' ELSE '' END,
        blocked_since = CASE WHEN moved.to_id IS NULL THEN clock_timestamp() END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tos AS uuid[])) AS moved (id, to_id)
    WHERE task.tenant_id = :tenant_id AND task.id = moved.id
    """
)
HAND_OVER_RATERS = text(
    """
    UPDATE rater r SET rater_id = :to, reason = 'handed over', version = r.version + 1, update_time = clock_timestamp()
    FROM participant p
    WHERE r.tenant_id = :tenant_id AND r.rater_id = :of AND r.cycle_id = ANY(:cycle_ids) AND r.state = 'approved'
        AND p.tenant_id = r.tenant_id AND p.id = r.participant_id AND p.employee_id <> :to
        AND NOT EXISTS (SELECT FROM rater o WHERE o.tenant_id = r.tenant_id AND o.participant_id = r.participant_id
                        AND o.relation = r.relation AND o.rater_id = :to)
    """
)


class TaskStore:
    """The tasks of one tenant, one by one or by page."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def find(self, task_id: UUID) -> TaskView:
        """The task as it stands; TaskNotFound."""
        found = await self._views(self._surrounded().where(task.c.id == task_id))
        if not found:
            raise TaskNotFound("there is no such task")
        return found[0]

    async def lock(self, task_id: UUID) -> TaskView:
        """The task, held until commit; take the stage's lock before. TaskNotFound."""
        await self._lock([task_id])
        return await self.find(task_id)

    async def lock_many(self, task_ids: Sequence[UUID]) -> dict[UUID, TaskView]:
        """Those of the tasks that exist, held until commit."""
        await self._lock(sorted(task_ids))
        views = await self._views(self._surrounded().where(task.c.id.in_(task_ids)))
        return {view.id: view for view in views}

    async def of_participant(self, participant_id: UUID, kind: TaskKind, stage_key: str = "") -> list[TaskView]:
        """Tasks of a kind about a participant, newest opening first."""
        query = self._surrounded().where(task.c.participant_id == participant_id, task.c.kind == kind)
        if stage_key:
            query = query.where(stage.c.key == stage_key)
        return await self._views(query.order_by(task.c.epoch.desc(), task.c.id.desc()))

    async def page(self, actor: Principal, wanted: TaskFilter) -> list[TaskView]:
        """Tasks that the actor may see, most urgent first: by effective deadline, then id."""
        query = self._surrounded().where(where(actor, "task.see", COLUMNS), *_conditions(actor, wanted))
        due = func.coalesce(DUE, NEVER)
        if wanted.after is not None:
            last_due, last_id = wanted.after
            after = func.coalesce(cast(last_due, INSTANT), NEVER)
            query = query.where(or_(due > after, and_(due == after, task.c.id > last_id)))
        return await self._views(query.order_by(due, task.c.id).limit(wanted.size))

    async def by_id(self, conditions: Sequence[ColumnElement[bool]], size: int) -> list[TaskView]:
        """Tasks that fulfil all conditions, by id."""
        return await self._views(self._surrounded().where(*conditions).order_by(task.c.id).limit(size))

    async def save(self, changed: Task, seen: Task) -> Task:
        """Write a locked task one version on; VersionConflict if it is not the one that was seen."""
        values = {name: getattr(changed, name) for name in TASK_FIELDS if name not in NOT_WRITTEN}
        values |= {"version": seen.version + 1, "relation": changed.relation or ""}
        done = await self._connection.execute(
            update(task)
            .where(task.c.tenant_id == self._tenant_id, task.c.id == changed.id, task.c.version == seen.version)
            .values(**values, update_time=func.clock_timestamp())
        )
        if done.rowcount != 1:
            raise VersionConflict("the task was changed meanwhile")
        return task_of({**{name: getattr(changed, name) for name in TASK_FIELDS}, **values})

    async def add(self, new: Task) -> None:
        values = {name: getattr(new, name) for name in TASK_FIELDS} | {"relation": new.relation or ""}
        await self._connection.execute(insert(task).values(tenant_id=self._tenant_id, **values))

    async def save_reminded(self, task_ids: Sequence[UUID], at: datetime) -> None:
        """Note that these tasks were reminded now."""
        await self._connection.execute(
            update(task)
            .where(task.c.tenant_id == self._tenant_id, task.c.id.in_(task_ids))
            .values(reminded_at=at, reminder_count=task.c.reminder_count + 1)
        )

    async def mark_seen(self, task_id: UUID) -> None:
        """Note that the assignee has opened the task, the first time."""
        await self._connection.execute(
            update(task)
            .where(task.c.tenant_id == self._tenant_id, task.c.id == task_id, task.c.seen_at.is_(None))
            .values(seen_at=func.clock_timestamp())
        )

    async def restore_draft(self, task_id: UUID) -> None:
        """Make the latest submission the draft again, so that a recalled or returned task goes on from there."""
        await self._connection.execute(RESTORE_DRAFTS, {"tenant_id": self._tenant_id, "id": task_id})

    async def latest_submission(self, task_id: UUID) -> Submission | None:
        query = self._submissions().where(submission.c.task_id == task_id)
        row = (await self._connection.execute(query.limit(1))).mappings().one_or_none()
        return _submission(row) if row else None

    async def submissions_about(self, participant_id: UUID, relation: Relation) -> list[Submission]:
        """The latest submission of every task of this relation about the participant that counts as done."""
        done = (TaskState.SUBMITTED, TaskState.ACCEPTED)
        query = (
            self._submissions()
            .join(task, and_(task.c.tenant_id == submission.c.tenant_id, task.c.id == submission.c.task_id))
            .where(submission.c.participant_id == participant_id, submission.c.relation == relation)
            .where(task.c.state.in_(done), submission.c.version == task.c.submission_version)
        )
        return [_submission(row) for row in (await self._connection.execute(query)).mappings()]

    async def form_body(self, form_id: UUID | None) -> dict[str, Any] | None:
        if form_id is None:
            return None
        query = select(form.c.body).where(form.c.tenant_id == self._tenant_id, form.c.id == form_id)
        return (await self._connection.execute(query)).scalar_one_or_none()

    async def actuals_of(self, participant_id: UUID) -> list[Actual]:
        """The newest version of each value."""
        query = (
            select(actual)
            .ext(distinct_on(actual.c.item))
            .where(actual.c.tenant_id == self._tenant_id, actual.c.participant_id == participant_id)
            .order_by(actual.c.item, actual.c.version.desc())
        )
        return [_actual(row) for row in (await self._connection.execute(query)).mappings()]

    async def owed_by(self, employee_id: UUID) -> list[TaskView]:
        """What somebody owes in live cycles, held until commit, in id order."""
        mine = (task.c.tenant_id == self._tenant_id, task.c.assignee_id == employee_id, OWED)
        await self._connection.execute(select(task.c.id).where(*mine).order_by(task.c.id).with_for_update())
        live = and_(cycle.c.launched_at.is_not(None), cycle.c.ended_at.is_(None))
        return await self._views(self._surrounded().where(*mine, live).order_by(task.c.id))

    async def hand_over(self, moves: Mapping[UUID, UUID | None]) -> None:
        """Give tasks, with their drafts, to others; to nobody where there is none, which shows as a stall."""
        parameters = {"tenant_id": self._tenant_id, "ids": list(moves), "tos": list(moves.values())}
        await self._connection.execute(HAND_OVER, parameters)

    async def hand_over_raters(self, cycle_ids: Iterable[UUID], of: UUID, to: UUID) -> None:
        """Replace a rater in cycles under way, so that later stages ask the new one; nobody rates themselves."""
        parameters = {"tenant_id": self._tenant_id, "of": of, "to": to, "cycle_ids": list(cycle_ids)}
        await self._connection.execute(HAND_OVER_RATERS, parameters)

    async def hand_over_sheets(self, cycle_ids: Iterable[UUID], of: UUID, to: UUID) -> None:
        """Let somebody else supply the values that a provider owes."""
        mine = (provider.c.tenant_id == self._tenant_id, provider.c.cycle_id.in_(list(cycle_ids)))
        await self._connection.execute(
            update(provider).where(*mine, provider.c.provider_id == of).values(provider_id=to)
        )

    async def sign(self, **row: Any) -> None:
        """Keep a signature; `content_hash` is the sha256 of what was shown."""
        await self._connection.execute(insert(sign_off).values(tenant_id=self._tenant_id, **row))

    async def _lock(self, task_ids: Sequence[UUID]) -> None:
        rows = select(task.c.id).where(task.c.tenant_id == self._tenant_id, task.c.id.in_(task_ids))
        await self._connection.execute(rows.order_by(task.c.id).with_for_update(key_share=True))

    def _surrounded(self) -> Select[Any]:
        return (
            select(
                *(task.c[name] for name in TASK_FIELDS),
                participant.c.manager_chain,
                participant.c.department_path,
                participant.c.group_ids,
                cycle.c.confidential,
                cycle.c.name.label("cycle_name"),
                cycle.c.released_at.is_not(None).label("cycle_released"),
                stage.c.key.label("stage_key"),
                stage.c.state.label("stage_state"),
                stage.c.due_at.label("stage_due_at"),
                stage.c.paused.label("stage_paused"),
                stage.c.strict.label("stage_strict"),
                stage.c.signature.label("stage_signature"),
                AT,
            )
            .select_from(SURROUNDED)
            .where(task.c.tenant_id == self._tenant_id)
        )

    def _submissions(self) -> Select[Any]:
        return (
            select(submission)
            .where(submission.c.tenant_id == self._tenant_id)
            .order_by(submission.c.version.desc(), submission.c.task_id)
        )

    async def _views(self, query: Select[Any]) -> list[TaskView]:
        return [_view(row) for row in (await self._connection.execute(query)).mappings()]


def _conditions(actor: Principal, wanted: TaskFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.mine:
        yield task.c.assignee_id == (acting_for(actor) or null())
    given = (
        (task.c.assignee_id, wanted.assignee_id),
        (task.c.cycle_id, wanted.cycle_id),
        (stage.c.cycle_id, wanted.cycle_id),  # tasks are found by their stages
        (task.c.participant_id, wanted.participant_id),
        (task.c.state, wanted.state or None),
        (stage.c.key, wanted.stage_key or None),
    )
    for column, value in given:
        if value is not None:
            yield column == value
    if wanted.owed or wanted.overdue:
        yield OWED
    if wanted.overdue:
        yield func.clock_timestamp() + cycle.c.clock_offset > DUE


def task_of(row: Mapping[Any, Any]) -> Task:
    values = {name: row[name] for name in TASK_FIELDS}
    values |= {"kind": TaskKind(row["kind"]), "state": TaskState(row["state"])}
    return Task(**values | {"relation": Relation(row["relation"]) if row["relation"] else None})


def _view(row: RowMapping) -> TaskView:
    return TaskView(
        task=task_of(row),
        facts=Facts(
            assignee_id=row["assignee_id"],
            subject_id=row["subject_id"],
            kind=row["kind"],
            manager_chain=tuple(row["manager_chain"] or ()),
            department_path=tuple(row["department_path"] or ()),
            group_ids=frozenset(row["group_ids"] or ()),
            confidential=row["confidential"],
        ),
        stage_key=row["stage_key"],
        stage_state=StageState(row["stage_state"]),
        stage_due_at=row["stage_due_at"],
        stage_paused=row["stage_paused"],
        stage_strict=row["stage_strict"],
        stage_signature=row["stage_signature"],
        cycle_name=row["cycle_name"],
        cycle_released=row["cycle_released"],
        at=row["at"],
    )


def _submission(row: RowMapping) -> Submission:
    names = {field.name for field in fields(Submission)}
    values = {name: row[name] for name in names}
    return Submission(**values | {"relation": Relation(row["relation"]) if row["relation"] else None})


def _actual(row: RowMapping) -> Actual:
    values = {field.name: row[field.name] for field in fields(Actual)}
    return Actual(**values | {"state": ActualState(row["state"]), "evidence": tuple(row["evidence"])})
