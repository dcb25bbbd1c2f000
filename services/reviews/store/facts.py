"""What the rows say about the tasks of live stages: the facts that `due_actions` decides by."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.due import StageFacts
from services.reviews.domain.model import Advance, Barrier, Stage, StageKind, StageState
from services.reviews.store.admission import ADMISSIBLE, kinds_of
from services.reviews.tables import OWED

# Existence only, on partial indexes: nothing is counted, however many tasks a stage has.
TASKS = text(
    f"""
    SELECT s.id,
        EXISTS (SELECT FROM task t WHERE t.tenant_id = s.tenant_id AND t.stage_id = s.id AND t.{OWED}
                AND t.due_override IS NULL) AS owed,
        EXISTS (SELECT FROM task t WHERE t.tenant_id = s.tenant_id AND t.stage_id = s.id AND t.state = 'submitted')
            AS submitted,
        (SELECT t.due_override FROM task t WHERE t.tenant_id = s.tenant_id AND t.stage_id = s.id
            AND t.due_override IS NOT NULL AND t.{OWED} ORDER BY t.due_override LIMIT 1) AS earliest_override,
        s.kind = 'appeals' AND EXISTS (SELECT FROM appeal a WHERE a.tenant_id = s.tenant_id AND a.cycle_id = s.cycle_id
            AND (a.state IN ('filed', 'accepted', 'investigating')
                 OR a.state = 'amended' AND a.amended_at IS NULL)) AS held,
        (SELECT min(t.due_override) FROM task t WHERE s.kind = 'appeals' AND t.tenant_id = s.tenant_id
            AND t.stage_id = s.id AND t.kind = 'appeal' AND t.due_override IS NOT NULL AND t.{OWED}
            AND (t.escalated_at IS NULL OR t.escalated_at < t.due_override)) AS decision_due_at
    FROM stage s WHERE s.tenant_id = :tenant_id AND s.id = ANY(:stage_ids)
    """  # noqa: S608 - built from constants of ours
)
LOOKED_AT = frozenset({StageState.OPENING, StageState.OPEN, StageState.CLOSING})
ADMITS = frozenset({StageState.PLANNED, StageState.OPEN, StageState.CLOSING})


class FactStore:
    """Reads facts; changes nothing."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def of_stages(self, stages: Sequence[Stage], *, all_stages: bool = False) -> dict[str, StageFacts]:
        """Facts of the stages that have tasks to end or people to admit."""
        looked_at = [stage for stage in stages if all_stages or stage.state in LOOKED_AT]
        facts = {stage.key: StageFacts() for stage in stages}
        if looked_at:
            ids = {stage.id: stage.key for stage in looked_at}
            rows = await self._connection.execute(TASKS, {"tenant_id": self._tenant_id, "stage_ids": list(ids)})
            for row in rows:
                facts[ids[row.id]] = StageFacts(
                    row.owed,
                    row.submitted,
                    row.earliest_override,
                    held=row.held,
                    decision_due_at=row.decision_due_at,
                )
        for stage in stages:
            if stage.state in ADMITS and await self._admits(stage, stages):
                facts[stage.key] = replace(facts[stage.key], admissible=True)
        return facts

    async def _admits(self, stage: Stage, stages: Sequence[Stage]) -> bool:
        """Whether somebody's own predecessors are done; asked only of stages that admit one by one."""
        definition = stage.definition
        one_by_one = definition.advance is Advance.INDIVIDUALLY or definition.barrier is Barrier.ON_TIME
        before = [other for other in stages if other.key in stage.after]
        started = all(other.state not in {StageState.PLANNED, StageState.OPENING} for other in before)
        if not one_by_one or not started or stage.kind is StageKind.APPEALS or kinds_of(stage) is None:
            return False
        parameters = {
            "tenant_id": self._tenant_id,
            "cycle_id": stage.cycle_id,
            "stage_id": stage.id,
            "before": [other.id for other in before],
        }
        return bool((await self._connection.execute(ADMISSIBLE[stage.kind], parameters)).scalar_one())
