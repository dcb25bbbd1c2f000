"""Scores as rows: rules, forms, and pages of computed participants, written set by set."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime.clock import new_id
from services.scoring.domain.model import CycleRules, ScoredRow
from services.scoring.domain.score import ENGINE_VERSION
from services.scoring.tables import cycle_rule, form, score

INCOMING_COLUMNS = (
    ("id", "uuid"),
    ("participant_id", "uuid"),
    ("employee_id", "uuid"),
    ("form_hash", "bytea"),
    ("inputs", "text"),
    ("inputs_hash", "bytea"),
    ("raw", "numeric"),
    ("weighted", "numeric"),
    ("grade", "text"),
    ("coefficient", "numeric"),
    ("veto_grade", "text"),
    ("explanation", "text"),
    ("unscored_code", "text"),
    ("unscored_message", "text"),
    ("department_path", "uuid[]"),
    ("department_name", "text"),
    ("department_head", "uuid"),
    ("manager_chain", "uuid[]"),
)
# Row-level security refuses COPY into the table itself.
CREATE_INCOMING = text(
    f"CREATE TEMPORARY TABLE incoming ({', '.join(f'{name} {kind}' for name, kind in INCOMING_COLUMNS)}) ON COMMIT DROP"
)
STORE_SCORES = text(
    "INSERT INTO score (tenant_id, cycle_id, participant_id, stage_id, epoch, form_hash, engine_version, inputs,"
    " inputs_hash, raw, weighted, veto_grade, explanation, unscored_code, unscored_message)"
    " SELECT :tenant_id, :cycle_id, participant_id, :stage_id, :epoch, form_hash, :engine_version, inputs::jsonb,"
    " inputs_hash, raw, weighted, veto_grade, explanation::jsonb, unscored_code, unscored_message FROM incoming"
    " ON CONFLICT (tenant_id, cycle_id, participant_id, stage_id, epoch) DO UPDATE SET form_hash = excluded.form_hash,"
    " engine_version = excluded.engine_version, inputs = excluded.inputs, inputs_hash = excluded.inputs_hash,"
    " raw = excluded.raw, weighted = excluded.weighted, veto_grade = excluded.veto_grade,"
    " explanation = excluded.explanation, unscored_code = excluded.unscored_code,"
    " unscored_message = excluded.unscored_message, superseded = false, create_time = clock_timestamp()"
    " WHERE score.inputs_hash <> excluded.inputs_hash OR score.superseded"
)
STORE_RESULTS = text(
    "INSERT INTO result (tenant_id, id, cycle_id, participant_id, employee_id, version, stage_id, epoch, inputs_hash,"
    " raw, weighted, final, scored_grade, grade, coefficient, explanation, unscored_code, unscored_message,"
    " department_path, department_name, department_head, manager_chain)"
    " SELECT :tenant_id, id, :cycle_id, participant_id, employee_id, 1, :stage_id, :epoch, inputs_hash, raw,"
    " weighted, weighted, grade, grade, coefficient, explanation::jsonb, unscored_code, unscored_message,"
    " department_path, department_name, department_head, manager_chain FROM incoming"
    " ON CONFLICT (tenant_id, cycle_id, participant_id, version) DO UPDATE SET stage_id = excluded.stage_id,"
    " epoch = excluded.epoch, inputs_hash = excluded.inputs_hash, raw = excluded.raw, weighted = excluded.weighted,"
    " calibrated = NULL, final = excluded.final, scored_grade = excluded.scored_grade, grade = excluded.grade,"
    " coefficient = excluded.coefficient, explanation = excluded.explanation, unscored_code = excluded.unscored_code,"
    " unscored_message = excluded.unscored_message, revision = result.revision + 1, update_time = clock_timestamp()"
    " WHERE result.inputs_hash <> excluded.inputs_hash OR (result.stage_id, result.epoch)"
    " IS DISTINCT FROM (excluded.stage_id, excluded.epoch)"
)


class ScoreStore:
    """Rules, forms and scores of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def save_rules(self, rules: CycleRules) -> None:
        """Keep what the cycle's template says, so that reading results asks nobody."""
        values = {
            "cycle_name": rules.cycle_name,
            "period_start": rules.period_start,
            "period_end": rules.period_end,
            "grades": list(rules.grades),
            "guideline": rules.guideline,
            "facilitator": rules.facilitator,
            "owner_id": rules.owner_id,
        }
        statement = insert(cycle_rule).values(tenant_id=self._tenant_id, cycle_id=rules.cycle_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "cycle_id"], set_={**values, "update_time": func.clock_timestamp()}
            )
        )

    async def rules(self, cycle_id: UUID) -> CycleRules | None:
        """The rules of a cycle that has been scored."""
        found = await self._connection.execute(
            select(cycle_rule).where(cycle_rule.c.tenant_id == self._tenant_id, cycle_rule.c.cycle_id == cycle_id)
        )
        row = found.one_or_none()
        if row is None:
            return None
        return CycleRules(
            cycle_id=row.cycle_id,
            cycle_name=row.cycle_name,
            grades=tuple(row.grades),
            guideline=row.guideline,
            facilitator=row.facilitator,
            owner_id=row.owner_id,
            period_start=row.period_start,
            period_end=row.period_end,
        )

    async def save_forms(self, forms: Iterable[tuple[bytes, Mapping[str, Any]]]) -> None:
        """Keep forms by their hash; one that is known stays as it is."""
        rows = [{"tenant_id": self._tenant_id, "hash": hash_, "definition": definition} for hash_, definition in forms]
        if rows:
            await self._connection.execute(insert(form).on_conflict_do_nothing(), rows)

    async def newest_epoch(self, cycle_id: UUID, stage_id: UUID) -> int | None:
        """The latest opening of the stage that was scored."""
        found = await self._connection.execute(
            select(func.max(score.c.epoch)).where(
                score.c.tenant_id == self._tenant_id, score.c.cycle_id == cycle_id, score.c.stage_id == stage_id
            )
        )
        newest: int | None = found.scalar_one_or_none()
        return newest

    async def save_page(self, cycle_id: UUID, stage_id: UUID, epoch: int, rows: Sequence[ScoredRow]) -> None:
        """Store a page of scores and the first version of their results; what has not changed stays untouched."""
        await self._connection.execute(CREATE_INCOMING)
        borrowed = await self._connection.get_raw_connection()
        driver: Any = borrowed.driver_connection
        columns = [name for name, _ in INCOMING_COLUMNS]
        await driver.copy_records_to_table("incoming", records=[_record(row) for row in rows], columns=columns)
        key = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "stage_id": stage_id, "epoch": epoch}
        await self._connection.execute(STORE_SCORES, {**key, "engine_version": ENGINE_VERSION})
        await self._connection.execute(STORE_RESULTS, key)

    async def supersede(self, cycle_id: UUID) -> int:
        """Mark the scores of a cycle as overtaken by a reopened stage; answers how many."""
        done = await self._connection.execute(
            update(score)
            .where(score.c.tenant_id == self._tenant_id, score.c.cycle_id == cycle_id, ~score.c.superseded)
            .values(superseded=True)
        )
        return done.rowcount


def _record(row: ScoredRow) -> tuple[Any, ...]:
    subject = row.subject
    return (
        new_id(),
        subject.participant_id,
        subject.employee_id,
        row.form_hash,
        json.dumps(row.inputs, ensure_ascii=False),
        row.inputs_hash,
        row.raw,
        row.weighted,
        row.grade,
        row.coefficient,
        row.veto_grade,
        json.dumps(row.explanation or {}, ensure_ascii=False),
        row.unscored_code,
        row.unscored_message,
        list(subject.department_path),
        subject.department_name,
        subject.department_head,
        list(subject.manager_chain),
    )
