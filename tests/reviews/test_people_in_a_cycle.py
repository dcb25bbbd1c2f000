"""A whole cycle in which people do every step themselves, one appeal is amended, and one manager leaves."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.reviews.consumers import HANDLERS
from services.reviews.domain.answers import Evidence
from services.reviews.domain.model import CycleState, Opinion, StageState, TaskKind
from services.reviews.store.submit import Submissions
from services.reviews.usecases.acknowledge_result import AcknowledgeResult, acknowledge_result
from services.reviews.usecases.appeal_commands import (
    AssignAppeal,
    DecideAppeal,
    FileAppeal,
    StepOfAppeal,
    accept_appeal,
    assign_appeal,
    decide_appeal,
    file_appeal,
)
from services.reviews.usecases.interview_commands import (
    RecordInterview,
    SignInterview,
    record_interview,
    sign_interview,
)
from services.reviews.usecases.open_stage import Session
from services.reviews.usecases.outcome_ports import AppealView
from services.reviews.usecases.submit_task import FormCache, SubmitTask, submit_task
from services.reviews.usecases.task_commands import ExtendTask, extend_task
from services.reviews.usecases.task_reading import list_tasks
from services.reviews.usecases.task_view import TaskFilter, TaskView
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.eventlog import Event
from services.runtime.identity import Principal
from tests.reviews.worlds import World, employee, member, spine

CHAIR, MANAGER = employee(1), employee(2)
CREW = [member(1, []), member(2, [1]), *(member(number, [2, 1]) for number in range(3, 6))]
SESSION = Session(new_id(), CHAIR)
FAST = {
    key: {"early_close": True} for key in ("start", "self", "manager", "calibration", "acknowledgement", "interview")
}


@pytest.fixture
def world(service_database: Callable[[str], Database]) -> World:
    return World(service_database("reviews"), sessions=(SESSION,))


def person(world: World, employee_id: UUID) -> Principal:
    return Principal(world.tenant_id, "user", "user", employee_id)


async def owed(world: World, who: UUID) -> list[TaskView]:
    found: list[TaskView] = await world.run(list_tasks, TaskFilter(owed=True), person(world, who))
    return found


async def submit_all_of(world: World, who: UUID) -> int:
    """Somebody hands in whatever reviews they owe; how many."""
    done = 0
    for view in await owed(world, who):
        if view.task.kind in {TaskKind.SELF_REVIEW, TaskKind.MANAGER_REVIEW}:
            body = hashlib.sha256(view.id.bytes).digest()
            command = SubmitTask(str(new_id()), body, view.id, view.task.stage_id, 0, ())
            await submit_task(Submissions(world.database), FormCache(), person(world, who), command, "")
            done += 1
    return done


async def follow(world: World, kind: str, aggregate_id: UUID, version: int, payload: dict[str, Any]) -> None:
    async with world.work(Principal(world.tenant_id, "service", "reviews")) as work:
        event = Event(new_id(), world.tenant_id, kind, "x", aggregate_id, version, payload, "", await work.now())
        await HANDLERS[kind](work, event)


async def participant_of(world: World, who: UUID) -> UUID:
    [(found,)] = await world.rows(
        "SELECT id FROM participant WHERE tenant_id = :tenant_id AND employee_id = :who", who=who
    )
    return UUID(str(found))


async def test_people_take_a_cycle_to_its_end(world: World) -> None:
    await world.launch(spine(**FAST), CREW)
    await world.turn()
    assert [await submit_all_of(world, employee(number)) for number in range(2, 6)] == [1, 1, 1, 1]
    await world.turn()
    assert (await world.stage("self")).closed_early

    leaver = {"employee_id": str(MANAGER), "left_on": "2020-01-01", "manager_id": str(CHAIR)}
    await follow(world, "people.employee_departed", MANAGER, 2, leaver)
    assert await owed(world, MANAGER) == []
    assert await submit_all_of(world, CHAIR) == 4
    await world.turn()
    assert await world.tasks("manager") == {"accepted": 4}

    await follow(world, "scoring.session_committed", SESSION.id, 2, {})
    await world.turn()
    await world.submit_all("release", "accepted")
    await world.turn()
    assert (await world.cycle()).state is CycleState.RELEASED

    for number in range(2, 6):
        who = employee(number)
        command = AcknowledgeResult(await participant_of(world, who), Opinion.AGREE, 1)
        await world.run(acknowledge_result, command, person(world, who))
    await world.turn()
    assert (await world.stage("acknowledgement")).closed_early
    await appeal_and_amend(world, employee(3))
    await world.turn()
    assert (await world.stage("appeals")).state is StageState.CLOSED
    await hold_interviews(world)
    look = await world.turn()
    assert look.finished
    assert (await world.cycle()).state is CycleState.CLOSED
    closed = "SELECT opinion, count(*) FROM participant WHERE tenant_id = :tenant_id AND state = 'closed' GROUP BY 1"
    assert dict(await world.rows(closed)) == {"agree": 4}, "what was answered is kept"


async def appeal_and_amend(world: World, who: UUID) -> None:
    """An appeal keeps its stage open past its end, until scoring has released what was decided."""
    participant = await participant_of(world, who)
    filed = await world.run(file_appeal, FileAppeal(participant, 1, "counted twice"), person(world, who))
    assert filed.appeal.owner_id is None, "the chair owns the cycle and has rated"
    judge = person(world, employee(9))
    await world.run(assign_appeal, AssignAppeal(filed.appeal.id, employee(9), "nobody was free"), world.hr)
    await world.run(accept_appeal, StepOfAppeal(filed.appeal.id), judge)
    await skip_past(world, "appeals")
    await world.turn()
    assert (await world.stage("appeals")).state is StageState.CLOSING
    assert await escalations(world) == [(str(world.owner), str(employee(9)))], "an hour to decide has passed"
    await extend_decision(world, filed)
    proof = (Evidence("ledger", "https://files.example/ledger"),)
    decision = DecideAppeal(filed.appeal.id, True, "so it was", Decimal(90), "", proof)
    await world.run(decide_appeal, decision, judge)
    await world.turn()
    assert (await world.stage("appeals")).state is StageState.CLOSING
    amended = {"participant_id": str(participant), "result_version": 2, "appeal_id": str(filed.appeal.id)}
    await follow(world, "scoring.result_amended", new_id(), 2, amended)
    await world.turn()
    await world.run(acknowledge_result, AcknowledgeResult(participant, Opinion.AGREE, 2), person(world, who))


async def escalations(world: World) -> list[tuple[str, str]]:
    """(owner of the cycle, owner of the appeal) of every escalation so far."""
    found = await world.rows(
        "SELECT payload ->> 'cycle_owner_id', payload ->> 'owner_id' FROM event"
        " WHERE tenant_id = :tenant_id AND kind = 'reviews.appeal_escalated' ORDER BY id"
    )
    return [(cycle_owner, owner) for cycle_owner, owner in found]


async def extend_decision(world: World, filed: AppealView) -> None:
    """Given longer, the owner of an appeal is in time again; when that passes too, it is escalated again."""
    assert filed.appeal.task_id is not None
    until = await world.now() + timedelta(hours=2)
    await world.run(extend_task, ExtendTask(filed.appeal.task_id, until, "on leave"), world.hr)
    async with world.work() as work:
        assert (await work.appeals.find(filed.appeal.id)).appeal.due_at == until
    look = await world.turn()
    assert look.next_in is not None
    assert len(await escalations(world)) == 1
    await world.skip(hours=3)
    await world.turn()
    assert len(await escalations(world)) == 2
    await world.turn()
    assert len(await escalations(world)) == 2


async def skip_past(world: World, key: str) -> None:
    due_at = (await world.stage(key)).due_at
    assert due_at is not None
    await world.skip(seconds=(due_at - await world.now()).total_seconds() + 1)


async def hold_interviews(world: World) -> None:
    views = [view for view in await owed(world, CHAIR) if view.task.kind is TaskKind.INTERVIEW]
    assert len(views) == 4, "the leaver's interviews are the chair's"
    for view in views:
        assert view.task.subject_id is not None
        await world.run(record_interview, RecordInterview(view.id, "went well"), person(world, CHAIR))
        for who in (CHAIR, view.task.subject_id):
            await world.run(sign_interview, SignInterview(view.id, "click"), person(world, who))
    assert await owed(world, CHAIR) == []
