"""A tenant with a cycle in a real database, and a worker that performs what Tick answers, without any other service."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text

from services.reviews.domain.bulk import FrozenMember
from services.reviews.domain.due import Action, ActionKind
from services.reviews.domain.model import (
    Cycle,
    CycleKind,
    CycleState,
    FormRule,
    Period,
    ReleaseMode,
    Span,
    Stage,
    StageDefinition,
    StageKind,
    Unit,
)
from services.reviews.domain.process import plan_stages
from services.reviews.store import ReviewsWork
from services.reviews.usecases.end_tasks import Ended, ExpireStage, RemindStage, expire_stage, remind_stage
from services.reviews.usecases.enrol import EnrolPage, FinishEnrolment, enrol_page, finish_enrolment
from services.reviews.usecases.open_stage import Opened, OpenStage, Session, open_stage
from services.reviews.usecases.settle import FinishSettling, MarkScored, finish_settling, mark_scored
from services.reviews.usecases.tick import Look, Tick, tick
from services.runtime.clock import new_id
from services.runtime.database import Database, Origin
from services.runtime.identity import Grant, Principal

Command = TypeVar("Command")
Outcome = TypeVar("Outcome")
HOUR = Span(1, Unit.HOURS)
SPINE = (
    ("start", StageKind.OPEN, ()),
    ("self", StageKind.SELF_REVIEW, ("start",)),
    ("manager", StageKind.MANAGER_REVIEW, ("self",)),
    ("calibration", StageKind.CALIBRATION, ("manager",)),
    ("release", StageKind.RELEASE, ("calibration",)),
    ("acknowledgement", StageKind.ACKNOWLEDGEMENT, ("release",)),
    ("appeals", StageKind.APPEALS, ("release",)),
    ("interview", StageKind.INTERVIEW, ("acknowledgement", "appeals")),
)


def spine(**changes: dict[str, Any]) -> tuple[StageDefinition, ...]:
    """The process of the product's default, an hour a stage; `changes` by stage key."""
    return tuple(
        StageDefinition(**{"key": key, "kind": kind, "after": after, "length": HOUR, **changes.get(key, {})})
        for key, kind, after in SPINE
    )


def member(number: int, managers: Sequence[int], **changes: Any) -> FrozenMember:
    """Employee `number` in one department, with the chain of managers by number."""
    facts: dict[str, Any] = {
        "employee_id": employee(number),
        "code": f"E{number:06}",
        "post": "clerk",
        "level": "P5",
        "department_path": [UUID(int=7)],
        "department_name": "Head office",
        "department_head_id": employee(managers[0]) if managers else None,
        "manager_chain": [employee(manager) for manager in managers],
        "group_ids": [],
        "hired_on": date(2020, 1, 1),
        "problem": 0 if managers else 3,
    }
    return FrozenMember(**(facts | changes))


def employee(number: int) -> UUID:
    return UUID(int=(0xE << 120) | number)


@dataclass
class World:
    """One tenant; `now` is virtual: the cycle's clock offset moves with it."""

    database: Database
    tenant_id: UUID = field(default_factory=new_id)
    owner: UUID = field(default_factory=lambda: employee(1))
    cycle_id: UUID = field(default_factory=new_id)
    done: list[tuple[str, str]] = field(default_factory=list)
    sessions: tuple[Session, ...] = ()
    settle: Callable[["World", Stage], Any] | None = None

    @property
    def worker(self) -> Principal:
        return Principal(tenant_id=self.tenant_id, kind="service", name="worker")

    @property
    def hr(self) -> Principal:
        return Principal(
            tenant_id=self.tenant_id, kind="user", name="user", employee_id=self.owner, roles=(Grant("hr_admin"),)
        )

    @asynccontextmanager
    async def work(self, principal: Principal | None = None) -> AsyncIterator[ReviewsWork]:
        async with self.database.transaction(self.tenant_id) as connection:
            yield ReviewsWork(connection, Origin(principal or self.worker, self.tenant_id, "", "trace"))

    async def run(self, use_case: Callable[..., Any], command: Any, principal: Principal | None = None) -> Any:
        async with self.work(principal) as work:
            return await use_case(work, command)

    async def keep_form(self, raters: Mapping[str, str] | None = None, **match: Any) -> FormRule:
        """A form by the relations it asks; given none, self is a reference and the manager decides."""
        async with self.work() as work:
            form = {"raters": dict(raters or {"self": "0", "manager": "100"})}
            form_id = await work.templates.keep_form(form, new_id(), 1)
        return FormRule(form_id, new_id(), 1, **match)

    async def create(self, process: Sequence[StageDefinition], **changes: Any) -> Cycle:
        """A launching cycle whose stages are planned from now."""
        forms = changes.pop("forms", None) or (await self.keep_form(),)
        async with self.work() as work:
            now = await work.now()
            facts: dict[str, Any] = {
                "id": self.cycle_id,
                "name": "2026 Q4",
                "period": Period(CycleKind.QUARTER, date(2026, 10, 1), date(2026, 12, 31)),
                "state": CycleState.LAUNCHING,
                "owner_id": self.owner,
                "zone": "Asia/Shanghai",
                "template_id": new_id(),
                "template_version": 1,
                "release_mode": ReleaseMode.MANUAL,
                "launched_at": now,
                "forms": forms,
            }
            cycle = Cycle(**(facts | changes))
            stages = [
                Stage(new_id(), cycle.id, definition, place, early_close=definition.early_close)
                for place, definition in enumerate(process)
            ]
            await work.cycles.add(cycle, plan_stages(stages, now, await work.cycles.calendar(cycle)))
            return cycle

    async def launch(self, process: Sequence[StageDefinition], members: Sequence[FrozenMember], **changes: Any) -> None:
        await self.create(process, **changes)
        await self.run(enrol_page, EnrolPage(self.cycle_id, members))
        await self.run(finish_enrolment, FinishEnrolment(self.cycle_id, len(members)))

    async def now(self) -> datetime:
        async with self.work() as work:
            cycle = await work.cycles.get(self.cycle_id)
            return await work.now() + cycle.clock_offset

    async def skip(self, **span: float) -> None:
        """Let virtual time pass."""
        await self.execute(
            "UPDATE cycle SET clock_offset = clock_offset + :span WHERE tenant_id = :tenant_id AND id = :cycle_id",
            span=timedelta(**span),
        )

    async def look(self) -> Look:
        look: Look = await self.run(tick, Tick(self.cycle_id, await self.now()))
        return look

    async def turn(self) -> Look:
        """Look and perform until nothing is due."""
        for _ in range(60):
            look = await self.look()
            if look.finished or not look.due:
                return look
            for action in look.due:
                await self.perform(action)
        raise AssertionError("the cycle does not come to rest")

    async def perform(self, action: Action) -> None:
        stage = action.stage
        assert stage is not None
        self.done.append((action.kind.value, stage.key))
        match action.kind:
            case ActionKind.OPEN:
                await self.open(stage)
            case ActionKind.REMIND:
                await self.chunks(
                    remind_stage,
                    lambda after: RemindStage(stage.id, stage.epoch, f"{action.ordinal}@{action.at}", after),
                )
            case ActionKind.EXPIRE:
                await self.chunks(expire_stage, lambda after: ExpireStage(stage.id, stage.epoch, after))
            case ActionKind.SETTLE:
                await self.settle_stage(stage)

    async def open(self, stage: Stage) -> int:
        """All chunks of a pass; how many tasks were made."""
        after: UUID | None = None
        opened = 0
        while True:
            sessions = self.sessions if stage.kind is StageKind.CALIBRATION else ()
            chunk: Opened = await self.run(open_stage, OpenStage(stage.id, stage.epoch, after, sessions))
            opened += chunk.opened
            if chunk.last:
                return opened
            after = chunk.last_participant_id

    async def chunks(self, use_case: Callable[..., Any], command: Callable[[UUID | None], Any]) -> None:
        after = None
        while True:
            ended: Ended = await self.run(use_case, command(after))
            if ended.last:
                return
            after = ended.last_task_id

    async def settle_stage(self, stage: Stage) -> None:
        if stage.kind is StageKind.MANAGER_REVIEW:
            everybody = UUID(int=2**128 - 1)
            await self.run(mark_scored, MarkScored(stage.id, stage.epoch, None, everybody, {}))
        await self.run(finish_settling, FinishSettling(stage.id, stage.epoch))

    async def stage(self, key: str) -> Stage:
        async with self.work() as work:
            return await work.stages.by_key(self.cycle_id, key)

    async def cycle(self) -> Cycle:
        async with self.work() as work:
            return await work.cycles.get(self.cycle_id)

    async def submit_all(self, key: str, state: str = "submitted", *, but: Sequence[UUID] = ()) -> None:
        """Everybody who owes a task of the stage hands it in."""
        await self.execute(
            "UPDATE task t SET state = :state FROM stage s WHERE s.tenant_id = t.tenant_id AND s.id = t.stage_id"
            " AND t.tenant_id = :tenant_id AND s.cycle_id = :cycle_id AND s.key = :key AND t.state = 'open'"
            " AND coalesce(t.subject_id, t.assignee_id) <> ALL(:but)",
            key=key,
            state=state,
            but=list(but),
        )

    async def execute(self, sql: str, **parameters: Any) -> None:
        async with self.work() as work:
            await work.connection.execute(
                text(sql), {"tenant_id": self.tenant_id, "cycle_id": self.cycle_id, **parameters}
            )

    async def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        keys = {"tenant_id": self.tenant_id, "cycle_id": self.cycle_id}
        async with self.work() as work:
            used = {name: value for name, value in (keys | parameters).items() if f":{name}" in sql}
            return [tuple(row) for row in await work.connection.execute(text(sql), used)]

    async def tasks(self, key: str) -> dict[str, int]:
        """Tasks of a stage by state."""
        return {
            state: count
            for state, count in await self.rows(
                "SELECT t.state, count(*) FROM task t JOIN stage s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id"
                " WHERE s.tenant_id = :tenant_id AND s.cycle_id = :cycle_id AND s.key = :key GROUP BY 1",
                key=key,
            )
        }

    async def events(self) -> list[str]:
        rows = await self.rows("SELECT kind FROM event WHERE tenant_id = :tenant_id ORDER BY xid, id")
        return [kind.removeprefix("reviews.") for (kind,) in rows]
