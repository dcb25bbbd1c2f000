"""Which tasks a stage gives to whom: set-based inserts; by uq_task_duty a repeated chunk gives nobody a second one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.bulk import CHUNK, NOBODY, Admission, Admitted
from services.reviews.domain.model import TASKED_PARTICIPANT_STATES, Stage, StageKind
from services.reviews.tables import OWED

TASKED = "p.state IN (" + ", ".join(f"'{state}'" for state in sorted(TASKED_PARTICIPANT_STATES)) + ")"
STAGE, EPOCH = "CAST(CAST(:stage_id AS uuid) AS text)", "CAST(CAST(:epoch AS integer) AS text)"
EPOCH_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
TIME_SHIFT = 80  # bits of an id behind its milliseconds
RATERS_OF_CHUNK = "AND r.participant_id > :after AND r.participant_id <= :last"
# The rows of a cycle launched a moment ago have no statistics: a nested loop would compare everybody with everybody.
NO_NESTED_LOOPS = text("SELECT set_config('enable_nestloop', 'off', true)")
REVIEWS = frozenset({StageKind.SELF_REVIEW, StageKind.PEER_REVIEW, StageKind.MANAGER_REVIEW})

# Own predecessors are done, or their stages have ended. A predecessor that gives no task to a person waits for its end.
OWN_PREDECESSORS_DONE = f"""
    NOT EXISTS (
        SELECT FROM stage b
        WHERE b.tenant_id = p.tenant_id AND b.id = ANY(:before) AND b.state NOT IN ('closed', 'skipped')
        AND (NOT EXISTS (SELECT FROM task t WHERE t.tenant_id = p.tenant_id AND t.stage_id = b.id
                         AND t.participant_id = p.id)
             OR EXISTS (SELECT FROM task t WHERE t.tenant_id = p.tenant_id AND t.stage_id = b.id
                        AND t.participant_id = p.id AND (t.state = 'planned' OR t.{OWED}))))
"""  # noqa: S608 - built from constants of ours


def _forms_where(condition: str) -> str:
    """That the participant's form is among those of the cycle that meet the condition; these are looked up once."""
    return f"""p.form_id = ANY(ARRAY(
        SELECT f.id FROM cycle c CROSS JOIN jsonb_array_elements(c.forms) AS rule
            JOIN form f ON f.tenant_id = c.tenant_id AND f.id = CAST(rule ->> 'form_id' AS uuid)
        WHERE c.tenant_id = :tenant_id AND c.id = :cycle_id AND {condition}))"""  # noqa: S608 - constants of ours


def _asks(*relations: str) -> str:
    """A relation of weight 0 that the reporting line would name is not asked (see domain.enrolment.relations_of)."""
    weights = [f"coalesce(CAST(f.body -> 'raters' ->> '{name}' AS numeric), 0)" for name in relations]
    return _forms_where(f"greatest({', '.join(weights)}) > 0")


@dataclass(frozen=True, slots=True)
class Duty:
    """Who owes the tasks of a stage kind that are about participants: a join and the assignee's column.

    In the join `{chunk}` stands for what narrows it to the participants of a chunk. To participants who do not meet
    `applies` the stage is not applicable: their form has no use for it (product.md §4).
    """

    source: str
    assignee: str
    relation: str
    applies: str = "true"


def _raters(*relations: str, outer: bool) -> str:
    names = ", ".join(f"'{name}'" for name in relations)
    return f"""{"LEFT" if outer else ""} JOIN rater r ON r.tenant_id = p.tenant_id AND r.participant_id = p.id
        {{chunk}} AND r.relation IN ({names}) AND r.state IN ('approved', 'done') AND r.rater_id <> p.employee_id"""


OWN = Duty("", "p.employee_id", "'self'")
SELF = replace(OWN, applies=_forms_where("jsonb_exists(f.body -> 'raters', 'self')"))  # also of weight 0: a reference
PEERS = Duty(_raters("peer", "report", "cross", "dotted", "project", outer=False), "r.rater_id", "r.relation")
MANAGERS = Duty(
    _raters("manager", "skip", outer=True),
    "r.rater_id",
    f"coalesce(r.relation, CASE WHEN {_asks('manager')} THEN 'manager' ELSE 'skip' END)",
    _asks("manager", "skip"),
)
# Managers talk with their people, whoever rated them.
TALKS = Duty(_raters("manager", outer=True), "coalesce(r.rater_id, p.manager_chain[1])", "'manager'")

DUTIES: Mapping[StageKind, Duty] = {
    StageKind.SELF_REVIEW: SELF,
    StageKind.PEER_REVIEW: PEERS,
    StageKind.MANAGER_REVIEW: MANAGERS,
    StageKind.ACKNOWLEDGEMENT: OWN,
    StageKind.INTERVIEW: TALKS,
}
"""The other kinds owe one sheet per provider, one task per session, one release; or nothing at opening."""


def kinds_of(stage: Stage) -> Duty | None:
    return DUTIES.get(stage.kind)


def _insert(kind: StageKind, duty: Duty) -> TextClause:
    return text(
        f"""
        INSERT INTO task (tenant_id, id, cycle_id, stage_id, participant_id, subject_id, kind, relation, state, epoch,
            assignee_id, origin_id, form_id, opened_at, due_override, blocked_reason, blocked_since, trace_id)
        SELECT p.tenant_id,
            deterministic_id(:at, {STAGE}, p.id::text, '{kind}', {duty.relation},
                coalesce({duty.assignee}::text, ''), {EPOCH}),
            p.cycle_id, CAST(:stage_id AS uuid), p.id, p.employee_id, '{kind}', {duty.relation}, 'open',
            CAST(:epoch AS integer), {duty.assignee}, {duty.assignee}, p.form_id, CAST(:opened_at AS timestamptz),
            CAST(:due_override AS timestamptz),
            CASE WHEN {duty.assignee} IS NULL THEN 'NO_ASSIGNEE' ELSE '' END,
            CASE WHEN {duty.assignee} IS NULL THEN CAST(:opened_at AS timestamptz) END, CAST(:trace_id AS text)
        FROM participant p {duty.source.format(chunk=RATERS_OF_CHUNK)}
        WHERE p.tenant_id = :tenant_id AND p.cycle_id = :cycle_id AND p.id > :after AND p.id <= :last AND {TASKED}
            AND {duty.applies}
            AND (NOT CAST(:one_by_one AS boolean) OR {OWN_PREDECESSORS_DONE})
        ON CONFLICT DO NOTHING
        """  # noqa: S608 - built from constants of ours
    )


INSERTS: Mapping[StageKind, TextClause] = {kind: _insert(kind, duty) for kind, duty in DUTIES.items()}
ADMISSIBLE: Mapping[StageKind, TextClause] = {
    kind: text(
        f"""
        SELECT EXISTS (
            SELECT FROM participant p {duty.source.format(chunk="")}
            WHERE p.tenant_id = :tenant_id AND p.cycle_id = :cycle_id AND {TASKED} AND {duty.applies}
            AND {OWN_PREDECESSORS_DONE}
            AND NOT EXISTS (SELECT FROM task own WHERE own.tenant_id = p.tenant_id AND own.stage_id = :stage_id
                            AND own.participant_id = p.id))
        """  # noqa: S608 - built from constants of ours
    )
    for kind, duty in DUTIES.items()
}
# Also the newest of the stage's tasks that are owed: those of the chunks before, while nobody can have submitted.
PAGE = text(
    f"""
    SELECT page.id AS last, page.place,
        (SELECT id FROM task WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND {OWED} ORDER BY id DESC LIMIT 1)
        AS newest
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM participant
          WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND id > :after ORDER BY id LIMIT :size) AS page
    ORDER BY page.place DESC LIMIT 1
    """  # noqa: S608 - built from constants of ours
)
SHEETS = text(
    f"""
    INSERT INTO task (tenant_id, id, cycle_id, stage_id, kind, state, epoch, assignee_id, origin_id, opened_at,
        trace_id)
    SELECT DISTINCT v.tenant_id,
        deterministic_id(:at, {STAGE}, v.provider_id::text, 'data_entry', {EPOCH}),
        v.cycle_id, CAST(:stage_id AS uuid), 'data_entry', 'open', CAST(:epoch AS integer), v.provider_id,
        v.provider_id, CAST(:opened_at AS timestamptz), CAST(:trace_id AS text)
    FROM provider v JOIN participant p ON p.tenant_id = v.tenant_id AND p.id = v.participant_id
    WHERE v.tenant_id = :tenant_id AND v.cycle_id = :cycle_id AND {TASKED}
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - built from constants of ours
)
SINGLES = text(
    f"""
    INSERT INTO task (tenant_id, id, cycle_id, stage_id, kind, state, epoch, assignee_id, origin_id, reference_id,
        opened_at, blocked_reason, blocked_since, trace_id)
    SELECT CAST(:tenant_id AS uuid),
        deterministic_id(:at, {STAGE}, coalesce(reference_id, assignee_id)::text,
            CAST(:kind AS text), {EPOCH}),
        CAST(:cycle_id AS uuid), CAST(:stage_id AS uuid), CAST(:kind AS text), 'open', CAST(:epoch AS integer),
        assignee_id, assignee_id, reference_id, CAST(:opened_at AS timestamptz),
        CASE WHEN assignee_id IS NULL THEN 'NO_ASSIGNEE' ELSE '' END,
        CASE WHEN assignee_id IS NULL THEN CAST(:opened_at AS timestamptz) END, CAST(:trace_id AS text)
    FROM unnest(CAST(:assignees AS uuid[]), CAST(:references AS uuid[])) AS owed (assignee_id, reference_id)
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - built from constants of ours
)
IN_REVIEW = text(
    "UPDATE participant SET state = 'in_review', version = version + 1 WHERE tenant_id = :tenant_id"
    " AND cycle_id = :cycle_id AND id > :after AND id <= :last AND state = 'enrolled'"
)
# A reopened stage gives back what expired; what was accepted may be recalled, and counts as done if it is not.
REVIVE = text(
    """
    UPDATE task SET state = CASE WHEN state = 'accepted' THEN 'submitted' ELSE 'open' END, epoch = :epoch,
        ended_at = NULL, due_override = NULL, trace_id = :trace_id, version = version + 1,
        update_time = clock_timestamp()
    WHERE tenant_id = :tenant_id AND stage_id = :stage_id AND state IN ('accepted', 'expired') AND epoch < :epoch
        AND (participant_id IS NULL OR participant_id > :after AND participant_id <= :last)
    """
)
INPUT_CHANGED = text(
    """
    UPDATE task SET input_changed = true, version = version + 1
    WHERE tenant_id = :tenant_id AND stage_id = ANY(:later) AND participant_id > :after AND participant_id <= :last
        AND NOT input_changed
    """
)


class AdmissionStore:
    """Makes the tasks of stages."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def admit_chunk(self, admission: Admission, after: UUID | None, size: int = CHUNK) -> Admitted:
        """Give the next participants by id their tasks; repeated it gives nobody a second one."""
        stage = admission.stage
        if stage.kind not in INSERTS:
            return await self._admit_others(admission)
        whole = {"tenant_id": self._tenant_id, "cycle_id": stage.cycle_id}
        begin = {"after": after or NOBODY}
        of_page = {**whole, **begin, "stage_id": stage.id, "size": size}
        page = (await self._connection.execute(PAGE, of_page)).one_or_none()
        if page is None:
            return Admitted(0, NOBODY, NOBODY, after or NOBODY, last=True)
        chunk = {**whole, **begin, "last": page.last}
        at = instant_after(page.newest, admission.at)
        if stage.epoch > 1:
            await self._revive(admission, chunk)
        await self._connection.execute(NO_NESTED_LOOPS)
        rows = await self._connection.execute(
            INSERTS[stage.kind],
            {
                **chunk,
                "at": at,
                "stage_id": stage.id,
                "epoch": stage.epoch,
                "opened_at": admission.opened_at,
                "due_override": admission.due_override,
                "one_by_one": admission.one_by_one,
                "before": list(admission.before),
                "trace_id": admission.trace_id,
            },
        )
        if stage.kind in REVIEWS:
            await self._connection.execute(IN_REVIEW, chunk)
        return Admitted(rows.rowcount, *id_range(at), page.last, last=page.place < size)

    async def _admit_others(self, admission: Admission) -> Admitted:
        stage = admission.stage
        whole = {"tenant_id": self._tenant_id, "cycle_id": stage.cycle_id, "stage_id": stage.id, "epoch": stage.epoch}
        made = {**whole, "at": admission.at, "opened_at": admission.opened_at, "trace_id": admission.trace_id}
        if stage.epoch > 1:
            await self._revive(admission, {**whole, "after": NOBODY, "last": UUID(int=2**128 - 1)})
        opened = 0
        if stage.kind is StageKind.DATA_ENTRY:
            opened = (await self._connection.execute(SHEETS, made)).rowcount
        elif admission.assignees:
            owed = {"assignees": list(admission.assignees), "references": list(admission.references)}
            opened = (await self._connection.execute(SINGLES, {**made, **owed, "kind": stage.kind.value})).rowcount
        return Admitted(opened, *id_range(admission.at), NOBODY, last=True)

    async def _revive(self, admission: Admission, chunk: Mapping[str, object]) -> None:
        stage = admission.stage
        keys = {"tenant_id": self._tenant_id, "after": chunk["after"], "last": chunk["last"]}
        facts = {"stage_id": stage.id, "epoch": stage.epoch, "trace_id": admission.trace_id}
        await self._connection.execute(REVIVE, {**keys, **facts})
        if admission.later:
            await self._connection.execute(INPUT_CHANGED, {**keys, "later": list(admission.later)})


def id_range(at: datetime) -> tuple[UUID, UUID]:
    """The least and the greatest id that deterministic_id makes at that instant: it rounds to the millisecond."""
    low = _milliseconds(at) << TIME_SHIFT
    return UUID(int=low), UUID(int=low | (1 << TIME_SHIFT) - 1)


def instant_after(newest: UUID | None, at: datetime) -> datetime:
    """`at`, or the first millisecond of which no id was made if ids up to `newest` were."""
    if newest is None or _milliseconds(at) > newest.int >> TIME_SHIFT:
        return at
    return EPOCH_OF_TIME + timedelta(milliseconds=(newest.int >> TIME_SHIFT) + 1)


def _milliseconds(at: datetime) -> int:
    return ((at - EPOCH_OF_TIME) // timedelta(microseconds=1) + 500) // 1_000
