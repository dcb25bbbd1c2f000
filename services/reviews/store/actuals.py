"""Actual values and who provides them; batches are read and written in one statement each."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, literal, null, or_, select, text, true, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.actuals import Accepted, Target
from services.reviews.domain.form_body import canonical_json
from services.reviews.domain.model import TASKED_PARTICIPANT_STATES, Actual, ActualState
from services.reviews.policy import Columns, where
from services.reviews.tables import OWED, actual, cycle, participant, provider, task
from services.runtime.identity import Principal

LOCK_CYCLE = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")
WRITE = text(
    """
    INSERT INTO actual (tenant_id, participant_id, item, version, cycle_id, value, state, source, provider_id,
        entered_by, evidence, note, create_time)
    SELECT :tenant_id, v.participant_id, v.item, v.version, :cycle_id, v.value, 'entered', :source, v.provider_id,
        CAST(:entered_by AS uuid), v.evidence, :note, clock_timestamp()
    FROM unnest(CAST(:participants AS uuid[]), CAST(:items AS text[]), CAST(:versions AS integer[]),
                CAST(:values AS numeric[]), CAST(:providers AS uuid[]), CAST(:evidence AS jsonb[]))
        AS v (participant_id, item, version, value, provider_id, evidence)
    """
)
PROVIDE = text(
    """
    INSERT INTO provider (tenant_id, cycle_id, participant_id, item, provider_id)
    SELECT :tenant_id, :cycle_id, v.participant_id, v.item, CAST(:entered_by AS uuid)
    FROM unnest(CAST(:participants AS uuid[]), CAST(:items AS text[])) AS v (participant_id, item)
    ON CONFLICT DO NOTHING
    """
)


class ActualStore:
    """Rows of `actual` and `provider` of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock(self, cycle_id: UUID) -> None:
        """Batches of one cycle wait for one another: versions are counted up without gaps or clashes."""
        await self._connection.execute(LOCK_CYCLE, {"name": f"actual/{self._tenant_id}/{cycle_id}"})

    async def targets(
        self, actor: Principal, cycle_id: UUID, ids: Sequence[UUID], codes: Sequence[str]
    ) -> list[Target]:
        """The participants named, with their providers and latest values."""
        administered = where(actor, "actual.administer", _columns(null()))
        query = self._participants(cycle_id, administered.label("administered"))
        query = query.where(or_(participant.c.id.in_(ids), participant.c.code.in_(codes)))
        rows = (await self._connection.execute(query)).mappings().all()
        found = [row["id"] for row in rows]
        providers = await self._providers(found)
        latest = await self._latest(found)
        return [_target(row, providers.get(row["id"], {}), latest.get(row["id"], {})) for row in rows]

    async def write(self, cycle_id: UUID, accepted: Sequence[Accepted], **entered: Any) -> None:
        """The next version of each value; who enters a value that nobody provides becomes its provider."""
        if not accepted:
            return
        keys: Mapping[str, Any] = {
            "tenant_id": self._tenant_id,
            "cycle_id": cycle_id,
            "entered_by": entered["entered_by"],
            "participants": [each.target.participant_id for each in accepted],
            "items": [each.item for each in accepted],
        }
        values = {
            "versions": [(each.before.version if each.before else 0) + 1 for each in accepted],
            "values": [each.value for each in accepted],
            "providers": [each.target.providers.get(each.item) for each in accepted],
            "evidence": [_json(each.evidence) for each in accepted],
            "source": entered["source"],
            "note": entered["note"],
        }
        await self._connection.execute(WRITE, {**keys, **values})
        if entered["entered_by"] is not None:
            await self._connection.execute(PROVIDE, keys)

    async def extended_providers(self, stage_id: UUID, now: Any) -> set[UUID]:
        """Providers whose own sheet was extended beyond now."""
        query = select(task.c.assignee_id).where(
            task.c.tenant_id == self._tenant_id, task.c.stage_id == stage_id, text(OWED), task.c.due_override > now
        )
        return set((await self._connection.execute(query)).scalars())

    async def page(
        self, actor: Principal, cycle_id: UUID, participant_id: UUID | None, missing: bool, after: Any, size: int
    ) -> list[tuple[Actual, str]]:
        """Values with their participant's code, missing ones included, as far as the caller may see them."""
        latest = _newest_of(provider)
        query = (
            select(provider, participant.c.code, *[latest.c[name].label(f"a_{name}") for name in KEPT])
            .join(participant, _same_participant(provider))
            .join(cycle, and_(cycle.c.tenant_id == provider.c.tenant_id, cycle.c.id == provider.c.cycle_id))
            .outerjoin(latest, true())
            .where(provider.c.tenant_id == self._tenant_id, provider.c.cycle_id == cycle_id)
            .where(where(actor, "actual.see", _columns(provider.c.provider_id)))
            .order_by(provider.c.participant_id, provider.c.item)
            .limit(size)
        )
        if participant_id is not None:
            query = query.where(provider.c.participant_id == participant_id)
        if missing:
            query = query.where(latest.c.value.is_(None))
        if after is not None:
            query = query.where(tuple_(provider.c.participant_id, provider.c.item) > after)
        rows = (await self._connection.execute(query)).mappings()
        return [(_listed(row), row["code"]) for row in rows]

    def _participants(self, cycle_id: UUID, *more: Any) -> Any:
        return (
            select(participant.c.id, participant.c.code, participant.c.form_id, participant.c.state, *more)
            .join(cycle, and_(cycle.c.tenant_id == participant.c.tenant_id, cycle.c.id == participant.c.cycle_id))
            .where(participant.c.tenant_id == self._tenant_id, participant.c.cycle_id == cycle_id)
        )

    async def _providers(self, ids: Sequence[UUID]) -> dict[UUID, dict[str, UUID]]:
        query = select(provider.c.participant_id, provider.c.item, provider.c.provider_id).where(
            provider.c.tenant_id == self._tenant_id, provider.c.participant_id.in_(ids)
        )
        found: dict[UUID, dict[str, UUID]] = {}
        for row in await self._connection.execute(query):
            found.setdefault(row.participant_id, {})[row.item] = row.provider_id
        return found

    async def _latest(self, ids: Sequence[UUID]) -> dict[UUID, dict[str, Actual]]:
        query = _latest_query(self._tenant_id).where(actual.c.participant_id.in_(ids))
        found: dict[UUID, dict[str, Actual]] = {}
        for row in (await self._connection.execute(query)).mappings():
            found.setdefault(row["participant_id"], {})[row["item"]] = _actual(row)
        return found


KEPT = ("version", "value", "state", "source", "entered_by", "evidence", "note", "create_time")


def _latest_query(tenant_id: UUID) -> Any:
    return (
        select(actual)
        .ext(distinct_on(actual.c.participant_id, actual.c.item))
        .where(actual.c.tenant_id == tenant_id)
        .order_by(actual.c.participant_id, actual.c.item, actual.c.version.desc())
    )


def _newest_of(row: Any) -> Any:
    """The newest version of one row's value: looked up by key for each row of a page, not for the whole cycle."""
    return (
        select(*[actual.c[name] for name in KEPT])
        .where(
            actual.c.tenant_id == row.c.tenant_id,
            actual.c.participant_id == row.c.participant_id,
            actual.c.item == row.c.item,
        )
        .order_by(actual.c.version.desc())
        .limit(1)
        .lateral("latest")
    )


def _same_participant(of: Any) -> ColumnElement[bool]:
    return and_(participant.c.tenant_id == of.c.tenant_id, participant.c.id == of.c.participant_id)


def _columns(assignee: ColumnElement[Any]) -> Columns:
    return Columns(
        assignee_id=assignee,
        subject_id=participant.c.employee_id,
        kind=literal("data_entry"),
        manager_chain=participant.c.manager_chain,
        department_path=participant.c.department_path,
        group_ids=participant.c.group_ids,
        confidential=cycle.c.confidential,
    )


def _target(row: RowMapping, providers: Mapping[str, UUID], latest: Mapping[str, Actual]) -> Target:
    takes_part = row["state"] in {state.value for state in TASKED_PARTICIPANT_STATES}
    return Target(row["id"], row["code"], row["form_id"], takes_part, row["administered"], providers, latest)


def _actual(row: RowMapping) -> Actual:
    return Actual(
        **{name: row[name] for name in ("cycle_id", "participant_id", "item", "provider_id")},
        **{name: row[name] for name in KEPT if name not in ("state", "evidence")},
        state=ActualState(row["state"]),
        evidence=tuple(row["evidence"]),
    )


def _listed(row: RowMapping) -> Actual:
    entered = row["a_version"] is not None
    return Actual(
        **{name: row[name] for name in ("cycle_id", "participant_id", "item", "provider_id")},
        version=row["a_version"] or 0,
        value=row["a_value"],
        state=ActualState(row["a_state"]) if entered else ActualState.ENTERED,
        source=row["a_source"] or "",
        entered_by=row["a_entered_by"],
        create_time=row["a_create_time"],
        evidence=tuple(row["a_evidence"] or ()),
        note=row["a_note"] or "",
    )


def _json(evidence: Sequence[dict[str, Any]]) -> str:
    return canonical_json(list(evidence)).decode()
