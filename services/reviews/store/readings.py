"""Bulk reads for scoring and notify, by key range."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.bulk import NOBODY
from services.reviews.domain.model import Actual, ActualState, Stage
from services.reviews.domain.reading import RatersAnswers, Recipient, ScoringInput
from services.reviews.tables import OWED

PARTICIPANTS = text(
    """
    SELECT id, employee_id, form_id, department_path, department_name, department_head_id, manager_chain
    FROM participant WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND id > :after
        AND state IN ('enrolled', 'in_review', 'scored', 'calibrated')
    ORDER BY id LIMIT :size
    """
)
ANSWERS = text(
    """
    SELECT t.participant_id, t.relation, s.rater_id, s.answers
    FROM task t JOIN submission s ON s.tenant_id = t.tenant_id AND s.task_id = t.id AND s.version = t.submission_version
    WHERE t.tenant_id = :tenant_id AND t.participant_id = ANY(:participants) AND t.state IN ('submitted', 'accepted')
        AND t.kind IN ('self_review', 'peer_review', 'manager_review')
    ORDER BY t.participant_id, t.relation, s.rater_id
    """
)
ACTUALS = text(
    """
    SELECT DISTINCT ON (participant_id, item) * FROM actual
    WHERE tenant_id = :tenant_id AND participant_id = ANY(:participants)
    ORDER BY participant_id, item, version DESC
    """
)
RECIPIENTS = text(
    f"""
    SELECT id, assignee_id, subject_id, kind, due_override FROM task
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND id >= :first AND id <= :last AND assignee_id IS NOT NULL
        AND {OWED} AND (CAST(:reminder AS text) = '' OR reminder = :reminder)
    ORDER BY id LIMIT :size
    """  # noqa: S608 - built from constants of ours
)


class ReadingStore:
    """Pages; nothing is changed."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def scoring_inputs(self, cycle_id: UUID, after: UUID | None, size: int) -> list[ScoringInput]:
        """Participants under review by id, with their raters' last answers and the last version of each actual."""
        page = {"tenant_id": self._tenant_id, "cycle_id": cycle_id, "after": after or NOBODY, "size": size}
        people = (await self._connection.execute(PARTICIPANTS, page)).all()
        keys = {"tenant_id": self._tenant_id, "participants": [row.id for row in people]}
        answers: dict[UUID, list[RatersAnswers]] = defaultdict(list)
        for row in await self._connection.execute(ANSWERS, keys):
            answers[row.participant_id].append(RatersAnswers(row.relation, row.rater_id, row.answers))
        actuals: dict[UUID, list[Actual]] = defaultdict(list)
        for row in await self._connection.execute(ACTUALS, keys):
            actuals[row.participant_id].append(_actual(row))
        return [
            ScoringInput(
                participant_id=row.id,
                employee_id=row.employee_id,
                form_id=row.form_id,
                department_path=tuple(row.department_path),
                department_name=row.department_name,
                department_head_id=row.department_head_id,
                manager_chain=tuple(row.manager_chain),
                answers=answers[row.id],
                actuals=actuals[row.id],
            )
            for row in people
        ]

    async def recipients(self, stage: Stage, ends: tuple[UUID, UUID], reminder: str, size: int) -> Sequence[Recipient]:
        """Who still owes a task of the range; with a reminder, only those who were reminded by it last."""
        keys = {"tenant_id": self._tenant_id, "stage_id": stage.id, "first": ends[0], "last": ends[1]}
        rows = await self._connection.execute(RECIPIENTS, {**keys, "reminder": reminder, "size": size})
        return [
            Recipient(row.id, row.assignee_id, row.subject_id, row.kind, _latest(stage.due_at, row.due_override))
            for row in rows
        ]


def _latest(*instants: Any) -> Any:
    return max((at for at in instants if at is not None), default=None)


def _actual(row: Row[Any]) -> Actual:
    return Actual(
        cycle_id=row.cycle_id,
        participant_id=row.participant_id,
        item=row.item,
        version=row.version,
        value=row.value,
        state=ActualState(row.state),
        source=row.source,
        entered_by=row.entered_by,
        create_time=row.create_time,
        provider_id=row.provider_id,
        evidence=tuple(row.evidence),
        note=row.note,
    )
