"""A small cycle put into the tables by hand: one stage open, its people and their tasks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import insert, text

from services.reviews import tables
from services.reviews.domain.form_body import content_hash
from services.reviews.domain.model import Signature, Stage, StageDefinition, StageKind, StageState, TaskKind, TaskState
from services.reviews.store import ReviewsWork
from services.reviews.store.stages import stage_row
from services.runtime.clock import new_id
from services.runtime.database import Database, Origin
from services.runtime.identity import Grant, Principal

Command = TypeVar("Command")
Outcome = TypeVar("Outcome")
LONG = timedelta(days=7)
FORM: dict[str, Any] = {
    "form_version": 1,
    "name": "Engineers",
    "ceiling": "120",
    "bonus_cap": "10",
    "sections": [
        {
            "key": "kpi",
            "name": "Figures",
            "weight": "60",
            "indicators": [
                {"key": "output", "name": "Output", "kind": "quantitative", "question": "number", "method": "ratio"},
            ],
        },
        {
            "key": "conduct",
            "name": "Conduct",
            "weight": "40",
            "indicators": [
                {
                    "key": "teamwork",
                    "name": "Teamwork",
                    "kind": "qualitative",
                    "question": "rating",
                    "required": True,
                    "scale": {"points": [{"value": str(value), "label": str(value)} for value in range(1, 6)]},
                },
                {"key": "note", "name": "Note", "kind": "qualitative", "question": "text", "required": False},
                {
                    "key": "pace",
                    "name": "Pace",
                    "kind": "qualitative",
                    "question": "choice",
                    "required": False,
                    "choices": [{"value": "slow", "label": "slow"}, {"value": "fast", "label": "fast"}],
                },
                {"key": "extra", "name": "Extra", "kind": "bonus", "question": "number", "required": True},
            ],
        },
    ],
}


def definition(kind: StageKind, **given: Any) -> StageDefinition:
    return StageDefinition(key=kind.value, kind=kind, **given)


@dataclass
class Seed:
    """One tenant with one cycle; every method writes in a transaction of its own."""

    database: Database
    tenant_id: UUID = field(default_factory=new_id)
    cycle_id: UUID = field(default_factory=new_id)
    owner_id: UUID = field(default_factory=new_id)
    form_id: UUID = field(default_factory=new_id)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def insert(self, table: Any, **row: Any) -> None:
        async with self.database.transaction(self.tenant_id) as connection:
            await connection.execute(insert(table).values(tenant_id=self.tenant_id, **row))

    async def cycle(self, **given: Any) -> "Seed":
        row = {
            "id": self.cycle_id,
            "name": "2026 Q3",
            "kind": "quarter",
            "period_start": self.now.date(),
            "period_end": self.now.date(),
            "state": "running",
            "owner_id": self.owner_id,
            "zone": "Asia/Shanghai",
            "template_id": new_id(),
            "template_version": 1,
            "start_at": self.now,
            "launched_at": self.now,
        }
        await self.insert(tables.cycle, **row | given)
        await self.insert(
            tables.form, id=self.form_id, content_hash=content_hash({**FORM, "of": str(self.form_id)}), body=FORM
        )
        return self

    async def stage(
        self,
        kind: StageKind = StageKind.SELF_REVIEW,
        state: StageState = StageState.OPEN,
        due_at: datetime | None = None,
        *,
        strict: bool = False,
        signature: Signature = Signature.NONE,
        options: dict[str, Any] | None = None,
        **given: Any,
    ) -> UUID:
        stage_id = new_id()
        shape = replace(
            definition(kind, options=options or {}),
            key=f"{kind.value}-{stage_id.hex}",  # so that a cycle may have several of a kind
            strict=strict,
            signature=signature,
        )
        made = Stage(
            id=stage_id,
            cycle_id=self.cycle_id,
            definition=shape,
            position=0,
            state=state,
            epoch=1,
            open_at=self.now - LONG,
            opened_at=self.now - LONG,
            due_at=due_at or self.now + LONG,
        )
        row = stage_row(made) | given
        await self.insert(tables.stage, **row)
        return made.id

    async def participant(self, manager_id: UUID | None = None, **given: Any) -> tuple[UUID, UUID]:
        """(participant, employee)."""
        row: dict[str, Any] = {
            "id": new_id(),
            "cycle_id": self.cycle_id,
            "employee_id": new_id(),
            "code": f"E{uuid4().hex[:8]}",
            "manager_chain": [manager_id] if manager_id else [],
            "form_id": self.form_id,
        } | given
        await self.insert(tables.participant, **row)
        return row["id"], row["employee_id"]

    async def task(
        self,
        stage_id: UUID,
        assignee_id: UUID | None,
        kind: TaskKind = TaskKind.SELF_REVIEW,
        state: TaskState = TaskState.OPEN,
        **given: Any,
    ) -> UUID:
        row: dict[str, Any] = {
            "id": new_id(),
            "cycle_id": self.cycle_id,
            "stage_id": stage_id,
            "kind": kind,
            "state": state,
            "epoch": 1,
            "assignee_id": assignee_id,
            "origin_id": new_id(),  # so that one person may owe several of a kind
            "form_id": self.form_id,
            "opened_at": self.now,
            "relation": {"self_review": "self", "manager_review": "manager", "peer_review": "peer"}.get(kind, ""),
        } | given
        await self.insert(tables.task, **row)
        return UUID(str(row["id"]))

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """Rows of this tenant, as the app role sees them."""
        async with self.database.transaction(self.tenant_id) as connection:
            return list(await connection.execute(text(sql), parameters))

    @asynccontextmanager
    async def work(self, principal: Principal) -> AsyncIterator[ReviewsWork]:
        """The unit of work of one command of this person."""
        async with self.database.transaction(self.tenant_id) as connection:
            yield ReviewsWork(connection, Origin(principal, self.tenant_id, "request", "trace"))

    async def do(
        self, principal: Principal, use_case: Callable[[Any, Command], Awaitable[Outcome]], command: Command
    ) -> Outcome:
        """Run one use case in a transaction of its own."""
        async with self.work(principal) as work:
            return await use_case(work, command)

    def person(self, employee_id: UUID, *roles: str, **given: Any) -> Principal:
        return Principal(
            tenant_id=self.tenant_id,
            kind="user",
            name="user",
            employee_id=employee_id,
            roles=tuple(Grant(role) for role in roles),
            **given,
        )
