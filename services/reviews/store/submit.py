"""The hot path of a submission: one statement between BEGIN with the stage's lock and COMMIT."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from services.reviews.domain.errors import KeyReused
from services.reviews.store.locks import stage_lock_key
from services.reviews.usecases.submit_task import Entry, KeptReply, Verdict
from services.runtime import telemetry
from services.runtime.database import Database

METHOD = "attune.reviews.v1.SubmitTaskRequest"
REPLY = "attune.reviews.v1.SubmitTaskResponse"

# Lock order: the advisory lock was taken by the statement before, so this snapshot sees whatever a closer committed;
# then the stage, then the task. `moment` is read after both. What refuses is answered as a code and writes nothing.
# A task is found by its key: the stage is compared in a way that no index serves, else a planner without statistics,
# as after the first launch, reads all tasks of the stage for each submission.
SUBMIT = """
WITH gate AS MATERIALIZED (
    SELECT id, state, paused, strict, signature, epoch, due_at FROM stage
    WHERE tenant_id = $1 AND id = $7 FOR SHARE
), target AS MATERIALIZED (
    SELECT t.id, t.cycle_id, t.participant_id, t.subject_id, t.kind, t.relation, t.state, t.assignee_id, t.form_id,
           t.due_override, t.submission_version, t.version
    FROM gate JOIN task t ON t.tenant_id = $1 AND t.id = $6 AND t.stage_id IS NOT DISTINCT FROM gate.id
    FOR NO KEY UPDATE OF t
), moment AS MATERIALIZED (
    SELECT clock_timestamp() + c.clock_offset AS at
    FROM target JOIN cycle c ON c.tenant_id = $1 AND c.id = target.cycle_id
), timing AS MATERIALIZED (
    SELECT m.at, coalesce(m.at > greatest(g.due_at, t.due_override), false) AS late,
           coalesce(t.due_override > m.at, false) AS extended
    FROM gate g, target t, moment m
), verdict AS MATERIALIZED (
    SELECT CASE
        WHEN t.assignee_id IS DISTINCT FROM $9 THEN 'NOT_ASSIGNEE'
        WHEN t.kind IN ('self_review', 'goal_setting') AND $8 <> $9 THEN 'NOT_DELEGABLE'
        WHEN t.kind NOT IN ('self_review', 'goal_setting') AND t.subject_id = $8 THEN 'SELF_DEALING'
        WHEN t.kind NOT IN ('self_review', 'peer_review', 'manager_review', 'data_entry', 'goal_setting', 'custom')
            THEN 'KIND_INVALID'
        WHEN t.state IN ('submitted', 'accepted') THEN 'ALREADY_SUBMITTED'
        WHEN t.state = 'expired' OR g.state IN ('settling', 'closed', 'skipped') THEN 'STAGE_CLOSED'
        WHEN t.state NOT IN ('open', 'in_progress', 'returned', 'recalled') THEN 'STATE_INVALID'
        WHEN g.paused THEN 'CYCLE_PAUSED'
        WHEN g.state = 'planned' THEN 'STAGE_NOT_OPEN'
        WHEN g.state = 'closing' AND NOT w.extended THEN 'STAGE_CLOSED'
        WHEN g.strict AND w.late THEN 'STAGE_CLOSED'
        WHEN t.submission_version <> $10 THEN 'VERSION_CONFLICT'
        WHEN g.signature <> 'none' AND $14 = '' THEN 'SIGNATURE_REQUIRED'
        WHEN g.signature = 'typed' AND $14 <> 'typed' THEN 'SIGNATURE_REQUIRED'
        ELSE 'OK' END AS code,
        t.form_id, t.cycle_id, t.submission_version, g.epoch, w.at, w.late,
        sha256(coalesce(f.content_hash, ''::bytea) || $13) AS signed_hash
    FROM gate g CROSS JOIN target t CROSS JOIN timing w
    LEFT JOIN form f ON f.tenant_id = $1 AND f.id = t.form_id
), kept AS (
    INSERT INTO idempotency (tenant_id, actor, method, request_id, request_hash, reply_type, reply)
    SELECT $1, $2, $3, $4, $5::bytea, $21, jsonb_build_object(
        'task_id', t.id, 'state', 'TASK_STATE_SUBMITTED', 'version', t.submission_version + 1, 'late', v.late,
        'submit_time', to_char(v.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))
    FROM verdict v, target t WHERE v.code = 'OK'
    RETURNING request_id
), changed AS (
    UPDATE task SET state = 'submitted', submission_version = task.submission_version + 1, submitted_at = v.at,
        late = v.late, draft = '{}', draft_comment = '', draft_saved_at = NULL,
        blocked_reason = '', blocked_since = NULL, version = task.version + 1, update_time = v.at
    FROM verdict v, kept WHERE task.tenant_id = $1 AND task.id = $6 AND v.code = 'OK'
    RETURNING task.submission_version, task.version
), stored AS (
    INSERT INTO submission (tenant_id, task_id, version, cycle_id, stage_id, participant_id, relation, rater_id, epoch,
        late, answers, comment, submitted_by, on_behalf_of, content_hash, request_id, create_time)
    SELECT $1, t.id, c.submission_version, t.cycle_id, $7, t.participant_id, t.relation, t.assignee_id, v.epoch,
        v.late, $11, $12, $8, nullif($9, $8), $13, $4, v.at
    FROM verdict v, target t, changed c
), signed AS (
    INSERT INTO sign_off (tenant_id, id, subject_type, subject_id, cycle_id, participant_id, task_id, signer_id,
        on_behalf_of, method, typed_name, content_hash, create_time)
    SELECT $1, $17, 'submission', t.id, t.cycle_id, t.participant_id, t.id, $8,
        nullif($9, $8), $14, $15, v.signed_hash, v.at
    FROM verdict v, target t, changed c WHERE $14 <> ''
), audited AS (
    INSERT INTO audit_entry (tenant_id, id, action, subject_type, subject_id, actor_kind, actor, on_behalf_of,
        request_id, trace_id, detail, content_hash)
    SELECT $1, $18, 'task.submit', 'task', t.id, $20, $2, nullif($9, $8), $4, $16, jsonb_build_object(
        'cycle_id', t.cycle_id, 'stage_id', $7::uuid, 'version', c.submission_version, 'late', v.late, 'epoch', v.epoch,
        'signature', $14::text), v.signed_hash
    FROM verdict v, target t, changed c
), told AS (
    INSERT INTO event (tenant_id, id, kind, aggregate_type, aggregate_id, version, payload, trace_id)
    SELECT $1, $19, 'reviews.task_submitted', 'task', t.id, c.version, jsonb_build_object(
        'task_id', t.id, 'cycle_id', t.cycle_id, 'stage_id', $7::uuid, 'participant_id', t.participant_id,
        'subject_id', t.subject_id, 'assignee_id', t.assignee_id, 'kind', t.kind, 'relation', t.relation,
        'late', v.late), $16
    FROM verdict v, target t, changed c
)
SELECT code, form_id, cycle_id, submission_version, at, late FROM verdict
"""
KEPT = """
SELECT request_hash, reply FROM idempotency WHERE tenant_id = $1 AND actor = $2 AND method = $3 AND request_id = $4
"""
FORM_OF_TASK = """
SELECT t.form_id, t.cycle_id FROM task t WHERE t.tenant_id = $1 AND t.id = $2 AND t.assignee_id = $3
"""
FORM = "SELECT body FROM form WHERE tenant_id = $1 AND id = $2"


class SubmissionDesk:
    """One open transaction that holds the stage's shared lock; it commits when the block is left without an error."""

    def __init__(self, driver: asyncpg.Connection) -> None:
        self._driver = driver

    async def record(self, entry: Entry) -> Verdict | None:
        """Decide and, if all is well, write everything; None when the stage has no such task.

        KeyReused when another request, committed or under way, holds the id: the same request would have changed the
        task's version, and was answered before it came to writing.
        """
        try:
            return _verdict(_noted(await self._run(entry)))
        except asyncpg.UniqueViolationError as taken:
            if taken.constraint_name != "pk_idempotency":
                raise
            raise KeyReused("the request_id was used for another request") from taken

    async def _run(self, entry: Entry) -> asyncpg.Record | None:
        return await self._driver.fetchrow(
            SUBMIT,
            entry.tenant_id,
            entry.actor,
            METHOD,
            entry.request_id,
            entry.request_hash,
            entry.task_id,
            entry.stage_id,
            entry.employee_id,
            entry.acting_for,
            entry.version,
            json.dumps(entry.answers, ensure_ascii=False),
            entry.comment,
            entry.content_hash,
            entry.method,
            entry.typed_name,
            entry.trace_id,
            *entry.ids,
            entry.actor_kind,
            REPLY,
        )

    async def kept_reply(self, entry: Entry) -> KeptReply | None:
        """What is remembered under the request's id."""
        row = await self._driver.fetchrow(KEPT, entry.tenant_id, entry.actor, METHOD, entry.request_id)
        return None if row is None else KeptReply(row["request_hash"], row["reply"])

    async def form_of_task(self, entry: Entry) -> UUID | None:
        """The form of the caller's task, without any lock."""
        row = _noted(await self._driver.fetchrow(FORM_OF_TASK, entry.tenant_id, entry.task_id, entry.acting_for))
        return row["form_id"] if row else None

    async def form(self, tenant_id: UUID, form_id: UUID) -> dict[str, Any]:
        """The body of a form."""
        return await self._driver.fetchval(FORM, tenant_id, form_id)  # type: ignore[no-any-return]


def _noted(row: asyncpg.Record | None) -> asyncpg.Record | None:
    """The row; log lines and span carry its cycle, which a submission does not name."""
    if row is not None:
        telemetry.concerns(cycle=row["cycle_id"])
    return row


def _verdict(row: asyncpg.Record | None) -> Verdict | None:
    if row is None:
        return None
    return Verdict(row["code"], row["form_id"], row["submission_version"], row["at"], row["late"])


class Submissions:
    """Opens desks on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def open(self, tenant_id: UUID, stage_id: UUID) -> AsyncIterator[SubmissionDesk]:
        """BEGIN, tenant and the stage's shared lock in one trip; COMMIT at the end, ROLLBACK on an error."""
        async with self._database.raw_transaction(tenant_id, shared_lock=stage_lock_key(stage_id)) as driver:
            yield SubmissionDesk(driver)
