"""Ways to really cause each stall that reviews tells of, and to do what is offered against it."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from services.reviews import tables
from services.reviews.consumers import HANDLERS
from services.reviews.domain.actuals import Entry
from services.reviews.domain.model import FormRule, StageKind, StageState, TaskKind, TaskState
from services.reviews.store.definitions import to_json
from services.reviews.usecases.actuals import PutActuals, put_actuals
from services.reviews.usecases.appeal_commands import AssignAppeal, assign_appeal
from services.reviews.usecases.end_tasks import ExpireStage, expire_stage
from services.reviews.usecases.list_stalled import StalledPage, StallFilter, list_stalled
from services.reviews.usecases.run_cycle import ChangeCycle, pause_cycle, release_cycle, resume_cycle
from services.reviews.usecases.run_stage import CloseStage, ReopenStage, close_stage, reopen_stage
from services.reviews.usecases.settle import (
    FinishSettling,
    MarkScored,
    ReportBlocked,
    finish_settling,
    mark_scored,
    report_blocked,
)
from services.reviews.usecases.task_commands import (
    ExtendTask,
    ReassignTask,
    RemindTasks,
    ReturnTask,
    extend_task,
    reassign_task,
    remind_tasks,
    return_task,
)
from services.runtime.clock import new_id
from services.runtime.eventlog import Event
from services.runtime.identity import Principal
from tests.reviews.seed import Seed

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WHY = "because"


@dataclass
class Company:
    """One cycle with everything open at once, HR who may do all, and an operator who looks."""

    seed: Seed

    @property
    def hr(self) -> Principal:
        return self.seed.person(self.seed.owner_id, "hr_admin")

    @property
    def worker(self) -> Principal:
        return Principal(tenant_id=self.seed.tenant_id, kind="service", name="worker")

    async def command(
        self, use_case: Callable[..., Awaitable[Any]], command: Any, *, by: Principal | None = None
    ) -> Any:
        return await self.seed.do(by or self.hr, use_case, command)

    async def follow(self, kind: str, **payload: Any) -> None:
        """An event of another service comes, of the session that the payload names or of something else."""
        aggregate = payload.get("session_id") or new_id()
        event = Event(new_id(), self.seed.tenant_id, kind, "x", aggregate, 2, payload, "", self.seed.now)
        reviews = Principal(tenant_id=self.seed.tenant_id, kind="service", name="reviews")
        async with self.seed.work(reviews) as work:
            await HANDLERS[kind](work, event)

    async def owes(self, due: timedelta = DAY, kind: str = "manager_review", **given: Any) -> tuple[UUID, UUID]:
        """Somebody owes a task of a stage of its own: the task, and who."""
        participant, employee = await self.seed.participant(new_id())
        stage_kind = StageKind({"appeal": "appeals"}.get(kind, kind))
        stage = await self.seed.stage(stage_kind, due_at=self.seed.now + due)
        who = given.pop("who", None) or new_id()
        about = {"participant_id": participant, "subject_id": employee}
        return await self.seed.task(stage, who, TaskKind(kind), **{**about, **given}), who

    async def key_of(self, stage_id: UUID) -> str:
        return str((await self.seed.rows("SELECT key FROM stage WHERE id = :id", id=stage_id))[0].key)

    async def stalled(self, **wanted: Any) -> StalledPage:
        operator = self.seed.person(new_id(), "operator")
        page: StalledPage = await self.command(list_stalled, StallFilter(**wanted), by=operator)
        return page


Clear = Callable[[], Awaitable[Any]]
Cause = Callable[[Company], Awaitable[Clear]]


async def overdue(company: Company) -> Clear:
    task, _ = await company.owes(-HOUR)
    return lambda: company.command(extend_task, ExtendTask(task, datetime.now(UTC) + DAY, WHY))


async def overdue_undelivered(company: Company) -> Clear:
    """The mail server was away; a reminder gets through."""
    task, who = await company.owes(-HOUR)
    told = {
        "recipient_id": str(who),
        "task_ids": [str(task)],
        "channel": "email",
        "since": company.seed.now.isoformat(),
    }
    await company.follow("notify.delivery_failed", **told, error="SMTPConnectError", state="pending")

    async def remind() -> None:
        [outcome] = await company.command(remind_tasks, RemindTasks((task,), WHY))
        assert outcome.code == "OK"
        await company.follow("notify.delivery_made", **told, error="", state="sent")

    return remind


async def assignee_left(company: Company) -> Clear:
    """What comes to somebody after they left is handed to nobody by itself."""
    who = new_id()
    today = (datetime.now(UTC) - DAY).date().isoformat()
    await company.follow("people.employee_departed", employee_id=str(who), left_on=today, manager_id=None)
    task, _ = await company.owes(who=who)
    return lambda: company.command(reassign_task, ReassignTask(task, "E1", WHY, new_id()))


async def assignee_on_leave(company: Company) -> Clear:
    task, who = await company.owes(DAY)
    days = {"from": (company.seed.now - DAY).date().isoformat(), "to": (company.seed.now + 30 * DAY).date().isoformat()}
    for _ in range(2):
        await company.follow("people.employee_absent", employee_id=str(who), **days)
    return lambda: company.command(extend_task, ExtendTask(task, datetime.now(UTC) + 40 * DAY, WHY))


async def no_assignee(company: Company) -> Clear:
    """The manager leaves, and there is nobody above."""
    task, who = await company.owes()
    today = company.seed.now.date().isoformat()
    await company.follow("people.employee_departed", employee_id=str(who), left_on=today, manager_id=None)
    return lambda: company.command(reassign_task, ReassignTask(task, "E1", WHY, new_id()))


async def returned(company: Company) -> Clear:
    task, _ = await company.owes(state=TaskState.SUBMITTED)
    await company.command(return_task, ReturnTask(task, WHY))
    sent = "UPDATE task SET state = 'submitted' WHERE id = :id RETURNING id"
    return lambda: company.seed.rows(sent, id=task)


async def barrier_held(company: Company) -> Clear:
    """Somebody was given longer, and the next stage waits for them; HR waits no more."""
    seed = company.seed
    before = await seed.stage(StageKind.CUSTOM, StageState.CLOSING, seed.now - HOUR, closing_at=seed.now)
    await seed.task(before, new_id(), TaskKind.CUSTOM, due_override=seed.now + DAY)
    behind = await seed.stage(StageKind.CUSTOM, StageState.PLANNED)
    key = await company.key_of(before)
    after = "UPDATE stage SET definition = definition || CAST(:shape AS jsonb) WHERE id = :id RETURNING id"
    await seed.rows(after, id=behind, shape=json.dumps({"after": [key]}))

    async def wait_no_longer() -> None:
        await company.command(close_stage, CloseStage(seed.cycle_id, key, WHY, end_extensions=True))
        ended = await company.command(expire_stage, ExpireStage(before, 1), by=company.worker)
        assert ended.count == 1

    return wait_no_longer


async def cycle_paused(company: Company) -> Clear:
    await company.command(pause_cycle, ChangeCycle(company.seed.cycle_id, WHY))
    return lambda: company.command(resume_cycle, ChangeCycle(company.seed.cycle_id, WHY))


async def calibration_open(company: Company) -> Clear:
    session = new_id()
    await company.owes(-HOUR, "calibration", participant_id=None, subject_id=None, reference_id=session)
    return lambda: company.follow("scoring.session_committed", session_id=session)


async def appeal_stalled(company: Company) -> Clear:
    """Nobody was free to decide; HR finds somebody."""
    seed = company.seed
    participant, employee = await seed.participant(new_id(), state="disputed")
    stage = await seed.stage(StageKind.APPEALS)
    appeal = new_id()
    about: dict[str, Any] = {"participant_id": participant, "subject_id": employee, "reference_id": appeal}
    task = await seed.task(stage, None, TaskKind.APPEAL, blocked_reason="NO_ASSIGNEE", blocked_since=seed.now, **about)
    facts = {"result_id": participant, "result_version": 1, "filed_by": employee, "grounds": WHY, "task_id": task}
    await seed.insert(
        tables.appeal, id=appeal, cycle_id=seed.cycle_id, participant_id=participant, due_at=seed.now + DAY, **facts
    )
    return lambda: company.command(assign_appeal, AssignAppeal(appeal, new_id(), WHY))


async def owed_value(seed: Seed, participant: UUID) -> None:
    """A value of the cycle's form that somebody has to give."""
    rule = FormRule(seed.form_id, new_id(), 1)
    await seed.rows("UPDATE cycle SET forms = CAST(:forms AS jsonb) RETURNING id", forms=json.dumps([to_json(rule)]))
    row = {"cycle_id": seed.cycle_id, "participant_id": participant, "item": "kpi/output", "provider_id": new_id()}
    await seed.insert(tables.provider, **row)


async def actual_missing(company: Company) -> Clear:
    """The providers' stage has closed without a value; HR enters it."""
    seed = company.seed
    await seed.stage(StageKind.DATA_ENTRY, StageState.CLOSED, seed.now - HOUR, closed_at=seed.now)
    participant, _ = await seed.participant(new_id())
    await owed_value(seed, participant)

    async def enter() -> None:
        entry = Entry(0, "kpi/output", "12", participant_id=participant)
        done = await company.command(put_actuals, PutActuals(seed.cycle_id, (entry,), WHY))
        assert done.failed == ()

    return enter


async def formula_error(company: Company) -> Clear:
    """Scoring has no result; HR has the review done again, and then there is one."""
    seed = company.seed
    stage = await seed.stage(StageKind.MANAGER_REVIEW, StageState.SETTLING, seed.now - HOUR)
    participant, _ = await seed.participant(new_id(), state="in_review")
    await owed_value(seed, participant)
    before = UUID(int=participant.int - 1)
    marked = MarkScored(stage, 1, before, participant, {participant: "FORMULA_ERROR"})
    await company.command(mark_scored, marked, by=company.worker)
    await company.command(finish_settling, FinishSettling(stage, 1), by=company.worker)
    key = await company.key_of(stage)

    async def review_again() -> None:
        until = datetime.now(UTC) + DAY
        await company.command(reopen_stage, ReopenStage(seed.cycle_id, key, until, WHY))
        await seed.rows("UPDATE stage SET state = 'settling' WHERE id = :id RETURNING id", id=stage)
        await company.command(mark_scored, MarkScored(stage, 2, before, participant, {}), by=company.worker)

    return review_again


async def release_pending(company: Company) -> Clear:
    await company.owes(-HOUR, "release", participant_id=None, subject_id=None)
    return lambda: company.command(release_cycle, ChangeCycle(company.seed.cycle_id, WHY))


async def activity_retrying(company: Company) -> Clear:
    """The worker reports what it could not have done, until it can."""
    cycle = company.seed.cycle_id
    await company.command(report_blocked, ReportBlocked(cycle, None, "UNAVAILABLE"), by=company.worker)
    return lambda: company.command(report_blocked, ReportBlocked(cycle, None, ""), by=company.worker)


CAUSES: Mapping[str, Cause] = {
    "OVERDUE_SEEN": overdue,
    "OVERDUE_UNDELIVERED": overdue_undelivered,
    "ASSIGNEE_LEFT": assignee_left,
    "ASSIGNEE_ON_LEAVE": assignee_on_leave,
    "NO_ASSIGNEE": no_assignee,
    "RETURNED": returned,
    "BARRIER_HELD": barrier_held,
    "CALIBRATION_OPEN": calibration_open,
    "APPEAL_STALLED": appeal_stalled,
    "ACTUAL_MISSING": actual_missing,
    "FORMULA_ERROR": formula_error,
    "RELEASE_PENDING": release_pending,
    "ACTIVITY_RETRYING": activity_retrying,
    "CYCLE_PAUSED": cycle_paused,
}
"""Pausing comes last: nothing can be caused by a command in a paused cycle."""

BY_TIME = frozenset({"OVERDUE_SEEN", "OVERDUE_UNDELIVERED", "CALIBRATION_OPEN", "RELEASE_PENDING"})
"""Told only while the clock runs."""

LEFT_AFTER: Mapping[str, frozenset[str]] = {
    "OVERDUE_UNDELIVERED": frozenset({"OVERDUE_SEEN"}),  # they know of it now, and are still late
    "CYCLE_PAUSED": BY_TIME,
}
"""What may be told once the remedy has been taken."""
