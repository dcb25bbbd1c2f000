"""Reminding, ending and marking many rows at once, in chunks by key that may be repeated."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.bulk import CHUNK, NOBODY, Chunk
from services.reviews.domain.model import OnTimeout, Stage, StageKind
from services.reviews.tables import OWED

DUE = "(due_override IS NULL OR due_override <= :now)"
RANGE = "tenant_id = :tenant_id AND stage_id = :stage_id AND id > :after AND id <= :last"


def _page(*conditions: str) -> TextClause:
    """The next tasks by id that meet one of the conditions, of which none meets two.

    Each is looked for by itself, along its own partial index, so that no chunk reads what is left to later ones.
    """
    left = "SELECT id FROM task WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND id > :after"
    sides = " UNION ALL ".join(f"({left} AND {condition} ORDER BY id LIMIT :size)" for condition in conditions)
    return text(
        f"""
        WITH page AS (
            SELECT id, row_number() OVER (ORDER BY id) AS place FROM ({sides}) AS side ORDER BY id LIMIT :size)
        SELECT (SELECT id FROM page WHERE place = 1) AS first, id AS last, place FROM page ORDER BY place DESC LIMIT 1
        """  # noqa: S608 - built from constants of ours
    )


REMINDED_PAGE = _page(f"{OWED} AND reminder <> :reminder")
REMIND = text(
    f"""
    UPDATE task SET reminded_at = :now, reminder_count = reminder_count + 1, reminder = :reminder
    WHERE {RANGE} AND {OWED} AND reminder <> :reminder
    """  # noqa: S608 - built from constants of ours
)
ENDED_PAGE = _page("state = 'submitted'", f"{OWED} AND {DUE}")
ACCEPT = text(
    f"""
    UPDATE task SET state = 'accepted', ended_at = :now, version = version + 1, update_time = clock_timestamp()
    WHERE {RANGE} AND state = 'submitted'
    """  # noqa: S608 - built from constants of ours
)
END = text(
    f"""
    UPDATE task SET state = CAST(:state AS text), ended_at = :now, version = version + 1,
        update_time = clock_timestamp()
    WHERE {RANGE} AND {OWED} AND {DUE}
    """  # noqa: S608 - built from constants of ours
)
# Self reviews keep their author: nobody else may speak for them. Nobody is asked to judge themselves.
ESCALATE = text(
    f"""
    UPDATE task t SET escalated_at = :now, due_override = :grace, version = t.version + 1,
        assignee_id = CASE WHEN t.kind IN ('self_review', 'acknowledgement') THEN t.assignee_id ELSE coalesce(
            CASE CAST(:target AS text)
                WHEN 'owner' THEN NULL
                WHEN 'department_head' THEN nullif(p.department_head_id, p.employee_id)
                ELSE p.manager_chain[coalesce(array_position(p.manager_chain, t.assignee_id), 0) + 1]
            END, nullif(CAST(:owner_id AS uuid), p.employee_id), t.assignee_id) END,
        blocked_reason = '', blocked_since = NULL, update_time = clock_timestamp()
    FROM task own LEFT JOIN participant p ON p.tenant_id = own.tenant_id AND p.id = own.participant_id
    WHERE t.tenant_id = own.tenant_id AND t.id = own.id AND own.tenant_id = :tenant_id AND own.stage_id = :stage_id
        AND own.id > :after AND own.id <= :last AND t.escalated_at IS NULL
        AND t.{OWED} AND (t.due_override IS NULL OR t.due_override <= :now)
    """  # noqa: S608 - built from constants of ours
)
SUBMIT_DRAFTS = text(
    f"""
    WITH ended AS (
        UPDATE task SET state = 'accepted', submission_version = submission_version + 1, submitted_at = :now,
            ended_at = :now, version = version + 1, update_time = clock_timestamp()
        WHERE {RANGE} AND {OWED} AND {DUE} AND draft <> '{{}}'
        RETURNING tenant_id, id, submission_version, cycle_id, stage_id, participant_id, relation, assignee_id, draft,
            draft_comment, on_behalf_of)
    INSERT INTO submission (tenant_id, task_id, version, cycle_id, stage_id, participant_id, relation, rater_id, epoch,
        answers, comment, automatic, submitted_by, on_behalf_of, content_hash)
    SELECT tenant_id, id, submission_version, cycle_id, stage_id, participant_id, relation, assignee_id, :epoch,
        draft, draft_comment, true, assignee_id, on_behalf_of, sha256(convert_to(draft::text, 'UTF8'))
    FROM ended
    """  # noqa: S608 - built from constants of ours
)
NO_ANSWER = text(
    """
    UPDATE participant p SET state = 'no_answer', version = p.version + 1
    FROM task t WHERE t.tenant_id = p.tenant_id AND t.participant_id = p.id AND t.tenant_id = :tenant_id
        AND t.stage_id = :stage_id AND t.id > :after AND t.id <= :last AND t.state = 'expired' AND p.state = 'released'
    """
)
WITHDRAW = text(
    f"""
    UPDATE task SET state = 'withdrawn', ended_at = :now, version = version + 1, update_time = clock_timestamp()
    WHERE {RANGE} AND (state = 'submitted' OR {OWED})
    """  # noqa: S608 - built from constants of ours
)
WITHDRAWN_PAGE = _page("state = 'submitted'", OWED)
SCORED = text(
    """
    UPDATE participant SET state = CASE WHEN id = ANY(:unscored) THEN state ELSE 'scored' END,
        findings = CASE WHEN id = ANY(:unscored)
            THEN ARRAY[(CAST(:codes AS text[]))[array_position(CAST(:unscored AS uuid[]), id)]] ELSE '{}' END,
        version = version + 1, update_time = clock_timestamp()
    WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND id > :after AND id <= :last
        AND state IN ('enrolled', 'in_review', 'scored', 'calibrated')
    """
)
ADVANCE = text(
    """
    UPDATE participant SET state = CAST(:state AS text), version = version + 1, update_time = clock_timestamp(),
        result_released_at = coalesce(CAST(:released_at AS timestamptz), result_released_at)
    WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND state = ANY(:before)
    """
)
ENDS: Mapping[OnTimeout, str] = {OnTimeout.SKIP: "bypassed"}


class ChunkStore:
    """Bulk work on the tasks of one stage."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def left_to_remind(self, stage: Stage, reminder: str, after: UUID | None) -> bool:
        """Whether a next chunk has anybody in it."""
        return await self._page(REMINDED_PAGE, stage, after, size=1, reminder=reminder) is not None

    async def remind(self, stage: Stage, reminder: str, after: UUID | None, now: datetime) -> Chunk:
        """Remind those who still owe and have not heard this reminder."""
        page = await self._page(REMINDED_PAGE, stage, after, reminder=reminder)
        if page is None:
            return Chunk(0, NOBODY, after or NOBODY, last=True)
        done = await self._connection.execute(REMIND, {**page[0], "reminder": reminder, "now": now})
        return Chunk(done.rowcount, *page[1:])

    async def end(
        self, stage: Stage, after: UUID | None, now: datetime, *, owner_id: UUID, grace: datetime
    ) -> tuple[Chunk, int]:
        """Accept what was submitted and end what is overdue by the stage's policy; also how many had not been done."""
        page = await self._page(ENDED_PAGE, stage, after, now=now)
        if page is None:
            return Chunk(0, NOBODY, after or NOBODY, last=True), 0
        keys = {**page[0], "now": now}
        accepted = (await self._connection.execute(ACCEPT, keys)).rowcount
        missed = 0
        if stage.kind is not StageKind.APPEALS:
            missed = await self._end_missed(stage, keys, owner_id, grace)
        if stage.kind is StageKind.ACKNOWLEDGEMENT:
            await self._connection.execute(NO_ANSWER, page[0])
        return Chunk(accepted + missed, *page[1:]), missed

    async def _end_missed(self, stage: Stage, keys: dict[str, Any], owner_id: UUID, grace: datetime) -> int:
        policy = stage.definition.on_timeout
        count = 0
        if policy is OnTimeout.ESCALATE:
            escalation = stage.definition.escalation
            to = {"target": escalation.to if escalation else "manager", "owner_id": owner_id, "grace": grace}
            count += (await self._connection.execute(ESCALATE, {**keys, **to})).rowcount
        elif policy is OnTimeout.SUBMIT_DRAFT:
            count += (await self._connection.execute(SUBMIT_DRAFTS, {**keys, "epoch": stage.epoch})).rowcount
        state = ENDS.get(policy, "expired")
        return count + (await self._connection.execute(END, {**keys, "state": state})).rowcount

    async def withdraw(self, stage: Stage, after: UUID | None, now: datetime) -> Chunk:
        """Take what a canceled cycle asked for out of people's lists."""
        page = await self._page(WITHDRAWN_PAGE, stage, after)
        if page is None:
            return Chunk(0, NOBODY, after or NOBODY, last=True)
        done = await self._connection.execute(WITHDRAW, {**page[0], "now": now})
        return Chunk(done.rowcount, *page[1:])

    async def mark_scored(self, cycle_id: UUID, after: UUID | None, last: UUID, unscored: Mapping[UUID, str]) -> int:
        """Mark the participants of a page as scored, all but those who could not be."""
        keys = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "after": after or NOBODY, "last": last}
        outcome = {"unscored": list(unscored), "codes": list(unscored.values())}
        return (await self._connection.execute(SCORED, {**keys, **outcome})).rowcount - len(unscored)

    async def advance(
        self, cycle_id: UUID, state: str, before: tuple[str, ...], released_at: datetime | None = None
    ) -> int:
        """Move all participants of the cycle that are in one of the states `before`."""
        row = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "state": state, "before": list(before)}
        return (await self._connection.execute(ADVANCE, {**row, "released_at": released_at})).rowcount

    async def _page(
        self, query: TextClause, stage: Stage, after: UUID | None, size: int = CHUNK, **facts: object
    ) -> tuple[dict[str, Any], UUID, UUID, bool] | None:
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id, "after": after or NOBODY}
        row = (await self._connection.execute(query, {**keys, **facts, "size": size})).one_or_none()
        return ({**keys, "last": row.last}, row.first, row.last, row.place < size) if row else None
