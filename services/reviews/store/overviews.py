"""Counts, history and participants of a cycle, for people to look at."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, case, exists, literal, null, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.model import (
    Opinion,
    OrgSnapshot,
    Participant,
    ParticipantState,
    TaskKind,
    TaskState,
)
from services.reviews.domain.overview import SeenParticipant, StageCounts, TimelineEntry
from services.reviews.policy import Columns, where
from services.reviews.tables import OWED, cycle, form, participant, task, template
from services.runtime.identity import Principal

COUNTS = text(
    f"""
    SELECT t.stage_id, count(*) FILTER (WHERE t.state <> 'withdrawn') AS owed,
        count(*) FILTER (WHERE t.state IN ('submitted', 'accepted')) AS done,
        count(*) FILTER (WHERE t.{OWED} AND greatest(s.due_at, t.due_override) < :now) AS overdue,
        count(*) FILTER (WHERE t.due_override > s.due_at) AS extended,
        count(*) FILTER (WHERE t.state = 'bypassed') AS bypassed,
        count(*) FILTER (WHERE t.state = 'expired') AS expired,
        count(*) FILTER (WHERE t.late) AS late
    FROM task t JOIN stage s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id
    WHERE t.tenant_id = :tenant_id AND t.stage_id = ANY(:stages) GROUP BY t.stage_id
    """  # noqa: S608 - built from constants of ours
)
PARTICIPANTS = text(
    "SELECT state, count(*) FROM participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id GROUP BY state"
)
HISTORY = text(
    """
    SELECT create_time, action, coalesce(detail ->> 'stage', '') AS stage,
        CASE WHEN actor_kind = 'user' THEN actor ELSE '' END AS actor
    FROM audit_entry
    WHERE tenant_id = :tenant_id AND (subject_type = 'cycle' AND subject_id = :cycle_id
        OR subject_type = 'stage' AND subject_id = ANY(:stages) AND action NOT LIKE 'tasks_%')
    ORDER BY xid, id LIMIT 2000
    """
)
VISIBLE = Columns(
    assignee_id=null(),
    subject_id=participant.c.employee_id,
    kind=literal(""),
    manager_chain=participant.c.manager_chain,
    department_path=participant.c.department_path,
    group_ids=participant.c.group_ids,
    confidential=cycle.c.confidential,
)
SEEN = (
    participant.join(cycle, and_(cycle.c.tenant_id == participant.c.tenant_id, cycle.c.id == participant.c.cycle_id))
    .outerjoin(form, and_(form.c.tenant_id == participant.c.tenant_id, form.c.id == participant.c.form_id))
    .outerjoin(template, and_(template.c.tenant_id == form.c.tenant_id, template.c.id == form.c.template_id))
)


UNANSWERED = exists(
    select(1)
    .select_from(task)
    .where(task.c.tenant_id == participant.c.tenant_id, task.c.participant_id == participant.c.id)
    .where(task.c.kind == TaskKind.ACKNOWLEDGEMENT, task.c.state == TaskState.EXPIRED)
    .correlate(participant)
)
# The state that a withdrawn appeal would leave (domain.appeals.state_after).
UNDISPUTED = case(
    (participant.c.opinion.is_not(None), ParticipantState.ACKNOWLEDGED),
    (UNANSWERED, ParticipantState.NO_ANSWER),
    else_=ParticipantState.RELEASED,
)


class OverviewStore:
    """Reads only."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def counts(self, stages: Iterable[UUID], now: datetime) -> Mapping[UUID, StageCounts]:
        keys = {"tenant_id": self._tenant_id, "stages": list(stages), "now": now}
        rows = (await self._connection.execute(COUNTS, keys)).mappings()
        return {row["stage_id"]: StageCounts(**{k: v for k, v in row.items() if k != "stage_id"}) for row in rows}

    async def participants_by_state(self, cycle_id: UUID) -> Mapping[str, int]:
        rows = await self._connection.execute(PARTICIPANTS, {"tenant_id": self._tenant_id, "cycle_id": cycle_id})
        return {state: count for state, count in rows}

    async def history(self, cycle_id: UUID, stages: Iterable[UUID]) -> list[TimelineEntry]:
        """What was done to the cycle and its stages, in order; the clock's doings have no actor."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "stages": list(stages)}
        return [
            TimelineEntry(row.create_time, row.action, row.stage, actor_id=row.actor)
            for row in await self._connection.execute(HISTORY, keys)
        ]

    async def participants(
        self, actor: Principal, cycle_id: UUID, wanted: Mapping[str, Any], after: UUID | None, size: int
    ) -> list[SeenParticipant]:
        """Those the caller may see, by id; `wanted`: state, department_id."""
        query = self._seen(actor).where(participant.c.cycle_id == cycle_id)
        if wanted.get("state"):
            query = query.where(_state_for(actor) == wanted["state"])
        if wanted.get("department_id"):
            query = query.where(participant.c.department_path.any(wanted["department_id"]))
        if after is not None:
            query = query.where(participant.c.id > after)
        rows = (await self._connection.execute(query.order_by(participant.c.id).limit(size))).mappings()
        return [_seen(row) for row in rows]

    async def participant(self, actor: Principal, participant_id: UUID) -> SeenParticipant | None:
        """The participant, if the caller may see them."""
        query = self._seen(actor).where(participant.c.id == participant_id)
        row = (await self._connection.execute(query)).mappings().one_or_none()
        return _seen(row) if row else None

    def _seen(self, actor: Principal) -> Any:
        columns = (template.c.name.label("template_name"), _state_for(actor).label("shown_state"))
        found = select(participant, *columns).select_from(SEEN)
        return found.where(participant.c.tenant_id == self._tenant_id, where(actor, "participant.see", VISIBLE))


def _state_for(actor: Principal) -> ColumnElement[str]:
    """The state as this reader may know it: that a result is disputed is not for everybody who sees the participant."""
    known = or_(participant.c.state != ParticipantState.DISPUTED, where(actor, "dispute.see", VISIBLE))
    return case((known, participant.c.state), else_=UNDISPUTED)


def _seen(row: RowMapping) -> SeenParticipant:
    seen = replace(participant_of(row), state=ParticipantState(row["shown_state"]))
    return SeenParticipant(seen, row["template_name"] or "")


def participant_of(row: RowMapping) -> Participant:
    """A row of `participant`."""
    return Participant(
        id=row["id"],
        cycle_id=row["cycle_id"],
        employee_id=row["employee_id"],
        state=ParticipantState(row["state"]),
        snapshot=OrgSnapshot(
            code=row["code"],
            department_path=tuple(row["department_path"]),
            department_name=row["department_name"],
            manager_chain=tuple(row["manager_chain"]),
            department_head_id=row["department_head_id"],
            post=row["post"],
            level=row["level"],
            group_ids=frozenset(row["group_ids"]),
            hired_on=row["hired_on"],
        ),
        form_id=row["form_id"],
        findings=tuple(row["findings"]),
        opinion=Opinion(row["opinion"]) if row["opinion"] else None,
        reason=row["reason"],
        version=row["version"],
    )
