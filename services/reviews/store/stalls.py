"""What waits: owed tasks by urgency with what is known of their assignees, and what holds whole cycles."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, DateTime, and_, cast, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import OWED_TASK_STATES, Task
from services.reviews.domain.stalls import Assignee, HeldBarrier, MissingActuals, Unscored
from services.reviews.domain.task_rules import MOST_REMINDERS, REMINDER_INTERVAL
from services.reviews.policy import where
from services.reviews.store.tasks import AT, COLUMNS, DUE, NEVER, SURROUNDED, TASK_FIELDS, task_of
from services.reviews.tables import (
    OWED,
    UNSCORED,
    absence,
    cycle,
    departure,
    participant,
    stage,
    task,
    undelivered,
)
from services.reviews.tables.registry import INSTANT
from services.reviews.usecases.list_stalled import StallFilter
from services.runtime.identity import Principal

NAMED = 5  # tasks of a held barrier that are told by id
BARRIERS = text(
    f"""
    SELECT stage_id, count(*) AS number, max(due_override) AS until,
        (array_agg(id ORDER BY due_override DESC, id))[1:{NAMED}] AS task_ids,
        (array_agg(id ORDER BY due_override DESC, id) FILTER (WHERE assignee_id IS NOT NULL
            AND reminder_count < :most AND coalesce(reminded_at <= :reminded_before, true)))[1:{NAMED}] AS remindable
    FROM task
    WHERE tenant_id = :tenant_id AND stage_id = ANY(:stages) AND due_override > :at AND {OWED} GROUP BY stage_id
    """  # noqa: S608 - built from constants of ours
)
UNSCORED_NOW = text(
    f"""
    SELECT findings[1] AS code, count(*) AS number, min(update_time) AS since,
        CASE WHEN count(*) = 1 THEN (array_agg(id))[1] END AS participant_id
    FROM participant
    WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND {UNSCORED}
        AND (CAST(:participant_id AS uuid) IS NULL OR id = :participant_id)
    GROUP BY findings[1] ORDER BY number DESC, code
    """  # noqa: S608 - built from constants of ours
)
MISSING = text(
    """
    SELECT v.provider_id, count(*) AS number,
        CASE WHEN count(DISTINCT v.participant_id) = 1 THEN (array_agg(v.participant_id))[1] END AS participant_id
    FROM provider v JOIN participant p ON p.tenant_id = v.tenant_id AND p.id = v.participant_id
    WHERE v.tenant_id = :tenant_id AND v.cycle_id = :cycle_id AND p.state IN ('enrolled', 'in_review')
        AND p.findings = '{}' AND (CAST(:participant_id AS uuid) IS NULL OR p.id = :participant_id)
        AND NOT EXISTS (SELECT FROM actual a WHERE a.tenant_id = v.tenant_id AND a.participant_id = v.participant_id
                        AND a.item = v.item)
    GROUP BY v.provider_id ORDER BY number DESC, v.provider_id
    """
)
TODAY: ColumnElement[Any] = cast(func.timezone(cycle.c.zone, AT.element), Date)
LEFT_ON = (
    select(departure.c.left_on)
    .where(departure.c.tenant_id == task.c.tenant_id, departure.c.employee_id == task.c.assignee_id)
    .where(departure.c.left_on <= TODAY)
    .correlate(task, cycle)
)
LEAVE = (
    select(absence)
    .where(absence.c.tenant_id == task.c.tenant_id, absence.c.employee_id == task.c.assignee_id)
    .where(absence.c.from_on <= TODAY, absence.c.to_on >= TODAY)
    .correlate(task, cycle, stage)
)
BACK: ColumnElement[Any] = func.timezone(cycle.c.zone, cast(absence.c.to_on + 1, DateTime))  # the midnight after
UNREACHED = (
    select(undelivered)
    .where(undelivered.c.tenant_id == task.c.tenant_id, undelivered.c.task_id == task.c.id)
    .where(undelivered.c.recipient_id == task.c.assignee_id)
    .correlate(task)
)
SINCE = undelivered.c.since
ASSIGNEE = (
    LEFT_ON.scalar_subquery().label("left_on"),
    LEAVE.with_only_columns(func.min(absence.c.from_on)).scalar_subquery().label("away_from"),
    LEAVE.with_only_columns(func.max(absence.c.to_on)).scalar_subquery().label("away_to"),
    UNREACHED.with_only_columns(func.min(SINCE)).scalar_subquery().label("undelivered_since"),
    UNREACHED.with_only_columns(func.min(undelivered.c.error)).scalar_subquery().label("undelivered_error"),
    cycle.c.zone,
)
# Whatever `domain.stalls.task_checks` has a cause for; the rest waits in time.
STALLED = or_(
    task.c.assignee_id.is_(None),
    task.c.state == "returned",
    cycle.c.state == "paused",
    func.coalesce(DUE, NEVER) < AT.element,
    and_(task.c.escalated_at.is_not(None), stage.c.due_at < AT.element),
    LEFT_ON.exists(),
    LEAVE.where(or_(DUE.is_(None), DUE < BACK)).exists(),
)


class StallStore:
    """Reads only."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def tasks(self, actor: Principal, wanted: StallFilter) -> Sequence[tuple[Task, Assignee]]:
        """Owed tasks that the caller may see and that do not simply wait in time, by effective deadline, then id."""
        due = func.coalesce(DUE, NEVER)
        query = (
            select(*(task.c[name] for name in TASK_FIELDS), *ASSIGNEE)
            .select_from(SURROUNDED)
            .where(
                task.c.tenant_id == self._tenant_id,
                task.c.state.in_(sorted(OWED_TASK_STATES)),
                cycle.c.ended_at.is_(None),
                where(actor, "task.see", COLUMNS),
            )
        )
        if not wanted.include_waiting:
            query = query.where(STALLED)
        for condition in _conditions(wanted):
            query = query.where(condition)
        if wanted.after is not None:
            at, last = wanted.after
            after = func.coalesce(cast(at, INSTANT), NEVER)
            query = query.where(or_(due > after, and_(due == after, task.c.id > last)))
        rows = (await self._connection.execute(query.order_by(due, task.c.id).limit(wanted.size))).mappings()
        return [(task_of(row), _assignee(row)) for row in rows]

    async def barriers(self, stages: Sequence[UUID], at: datetime, now: datetime) -> dict[UUID, HeldBarrier]:
        """Owed tasks with a deadline of their own, by stage."""
        limits = {"most": MOST_REMINDERS, "reminded_before": now - REMINDER_INTERVAL}
        keys = {"tenant_id": self._tenant_id, "stages": list(stages), "at": at}
        return {
            row.stage_id: HeldBarrier(row.number, row.until, tuple(row.task_ids), tuple(row.remindable or ()))
            for row in await self._connection.execute(BARRIERS, keys | limits)
        }

    async def unscored(self, cycle_id: UUID, participant_id: UUID | None) -> list[Unscored]:
        """Who takes part and has no score, by the reason that scoring gave."""
        rows = await self._connection.execute(UNSCORED_NOW, self._of(cycle_id, participant_id))
        return [Unscored(row.code, row.number, row.since, row.participant_id) for row in rows]

    async def missing_actuals(self, cycle_id: UUID, participant_id: UUID | None) -> list[MissingActuals]:
        """Values of participants without a score that nobody entered, by provider."""
        rows = await self._connection.execute(MISSING, self._of(cycle_id, participant_id))
        return [MissingActuals(row.provider_id, row.number, row.participant_id) for row in rows]

    async def live_cycles(self) -> Sequence[UUID]:
        """Cycles of the tenant that have begun and not ended."""
        query = select(cycle.c.id).where(
            cycle.c.tenant_id == self._tenant_id, cycle.c.launched_at.is_not(None), cycle.c.ended_at.is_(None)
        )
        return list((await self._connection.execute(query)).scalars())

    async def cycle_of(self, wanted: StallFilter) -> UUID | None:
        """The cycle that a task or a participant belongs to; none for an id that is nobody's."""
        table, key = (task, wanted.task_id) if wanted.task_id else (participant, wanted.participant_id)
        query = select(table.c.cycle_id).where(table.c.tenant_id == self._tenant_id, table.c.id == key)
        return (await self._connection.execute(query)).scalar_one_or_none()

    def _of(self, cycle_id: UUID, participant_id: UUID | None) -> dict[str, Any]:
        return {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "participant_id": participant_id}


def _assignee(row: Mapping[Any, Any]) -> Assignee:
    zone = ZoneInfo(row["zone"])

    def midnight(day: date | None, later: int = 0) -> datetime | None:
        return datetime.combine(day + timedelta(days=later), time(), zone).astimezone(UTC) if day else None

    return Assignee(
        left_at=midnight(row["left_on"]),
        away_from=midnight(row["away_from"]),
        away_until=midnight(row["away_to"], 1),
        undelivered_since=row["undelivered_since"],
        undelivered_error=row["undelivered_error"] or "",
    )


def _conditions(wanted: StallFilter) -> list[Any]:
    found: list[Any] = []
    if wanted.cycle_id is not None:
        found.append(task.c.cycle_id == wanted.cycle_id)
    if wanted.stage:
        found.append(stage.c.key == wanted.stage)
    if wanted.task_id is not None:
        found.append(task.c.id == wanted.task_id)
    if wanted.participant_id is not None:
        found.append(task.c.participant_id == wanted.participant_id)
    if wanted.department_id is not None:
        found.append(participant.c.department_path.any(wanted.department_id))
    return found
