"""The to-do list and what people do with tasks before and after they are submitted."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from services.reviews import tables
from services.reviews.domain.answers import Answer
from services.reviews.domain.cycle_definition import References
from services.reviews.domain.errors import (
    AlreadySubmitted,
    AnswersInvalid,
    AssigneeInvalid,
    CyclePaused,
    Denied,
    Invalid,
    NotLater,
    ReasonRequired,
    SelfDealing,
    StageClosed,
    TaskKindInvalid,
    TaskNotFound,
    TaskNotYours,
    TaskStateInvalid,
    VersionConflict,
)
from services.reviews.domain.model import StageKind, StageState, TaskKind, TaskState
from services.reviews.store.submit import Submissions
from services.reviews.usecases.submit_task import FormCache, SubmitTask, submit_task
from services.reviews.usecases.task_answers import RecallTask, SaveTask, recall_task, save_task
from services.reviews.usecases.task_commands import (
    Assignees,
    ExtendTask,
    ReassignTask,
    RemindTasks,
    ReturnTask,
    extend_task,
    reassign_task,
    remind_tasks,
    return_task,
)
from services.reviews.usecases.task_reading import GetTask, get_task, list_tasks
from services.reviews.usecases.task_view import TaskFilter
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal
from tests.reviews.seed import FORM, LONG, Seed

RATED = Answer("conduct/teamwork", "3")


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


class Case:
    """One employee with a self review, their manager with a manager review, and HR."""

    def __init__(self, seed: Seed) -> None:
        self.seed = seed
        self.manager = seed.person(new_id(), "manager")
        self.hr = seed.person(new_id(), "hr_admin")
        self.operator = seed.person(new_id(), "operator")
        self.auditor = seed.person(new_id(), "auditor")

    async def build(self, **stage: Any) -> "Case":
        seed = self.seed
        assert self.manager.employee_id
        self.participant_id, employee_id = await seed.participant(self.manager.employee_id)
        self.employee = seed.person(employee_id)
        about: dict[str, Any] = {"participant_id": self.participant_id, "subject_id": employee_id}
        self.self_stage = await seed.stage(StageKind.SELF_REVIEW, **stage)
        self.manager_stage = await seed.stage(StageKind.MANAGER_REVIEW, **stage)
        self.own = await seed.task(self.self_stage, employee_id, **about)
        manager_id = self.manager.employee_id
        self.rating = await seed.task(self.manager_stage, manager_id, TaskKind.MANAGER_REVIEW, **about)
        self.peer = seed.person(new_id())
        self.peers = await seed.task(self.manager_stage, self.peer.employee_id, TaskKind.PEER_REVIEW, **about)
        return self

    async def submit(self, who: Principal, task_id: UUID, stage_id: UUID, version: int = 0, *answers: Answer) -> None:
        given = answers or (RATED,)
        body = hashlib.sha256(repr((task_id, version, given)).encode()).digest()
        command = SubmitTask(str(new_id()), body, task_id, stage_id, version, given)
        await submit_task(Submissions(self.seed.database), FormCache(), who, command, "")

    async def state(self, task_id: UUID) -> Any:
        [row] = await self.seed.rows("SELECT * FROM task WHERE id = :id", id=task_id)
        return row

    async def told(self, task_id: UUID) -> list[str]:
        rows = await self.seed.rows("SELECT kind FROM event WHERE aggregate_id = :id ORDER BY id", id=task_id)
        return [row.kind for row in rows]


@pytest.fixture
async def case(database: Database) -> Case:
    return await Case(await Seed(database).cycle()).build()


async def listed(case: Case, who: Principal, **wanted: Any) -> set[UUID]:
    return {view.id for view in await case.seed.do(who, list_tasks, TaskFilter(**wanted))}


async def test_everybody_sees_their_own_duties_and_those_they_lead_or_administer(case: Case) -> None:
    everything = {case.own, case.rating, case.peers}
    assert await listed(case, case.employee) == {case.own}
    assert await listed(case, case.employee, mine=False) == {case.own}
    assert await listed(case, case.manager) == {case.rating}
    assert await listed(case, case.manager, mine=False) == {case.own, case.rating}
    assert await listed(case, case.hr) == set()
    for who in (case.hr, case.operator, case.auditor):
        assert await listed(case, who, mine=False) == everything
    assert await listed(case, case.hr, mine=False, assignee_id=case.peer.employee_id) == {case.peers}
    assert await listed(case, case.hr, mine=False, stage_key="nowhere") == set()
    assert await listed(case, case.seed.person(new_id()), mine=False) == set()


async def test_the_most_urgent_comes_first_and_pages_go_on_where_they_stopped(case: Case) -> None:
    seed = case.seed
    stage_id = await seed.stage(due_at=seed.now + timedelta(hours=1))
    tasks = [await seed.task(stage_id, case.employee.employee_id, TaskKind.CUSTOM) for _ in range(3)]
    extended = await seed.task(
        stage_id, case.employee.employee_id, TaskKind.CUSTOM, due_override=seed.now + timedelta(days=1)
    )
    wanted = [*sorted(tasks), extended, case.own]
    found: list[UUID] = []
    after = None
    while page := await seed.do(case.employee, list_tasks, TaskFilter(after=after, size=2)):
        found += [view.id for view in page]
        after = (page[-1].due_at, page[-1].id)
    assert found == wanted


async def test_overdue_is_what_is_owed_past_its_own_deadline(case: Case) -> None:
    seed = case.seed
    stage_id = await seed.stage(due_at=seed.now - timedelta(hours=1))
    me = case.employee.employee_id
    late = await seed.task(stage_id, me, TaskKind.CUSTOM)
    await seed.task(stage_id, me, TaskKind.CUSTOM, due_override=seed.now + LONG)
    await seed.task(stage_id, me, TaskKind.CUSTOM, TaskState.SUBMITTED)
    assert await listed(case, case.employee, overdue=True) == {late}
    assert len(await listed(case, case.employee, owed=True)) == 3
    assert len(await listed(case, case.employee, state="submitted")) == 1


async def test_a_draft_is_versioned_and_may_be_incomplete(case: Case) -> None:
    seed = case.seed
    note = Answer("conduct/note", text="so far")
    view = await seed.do(case.employee, save_task, SaveTask(case.own, 0, (note,), "thinking"))
    assert (view.task.state, view.task.submission_version) == (TaskState.IN_PROGRESS, 1)
    sheet = await seed.do(case.employee, get_task, GetTask(case.own))
    assert sheet.drafted
    assert sheet.submission
    assert (sheet.submission.answers, sheet.submission.comment) == ({"conduct/note": {"text": "so far"}}, "thinking")
    with pytest.raises(VersionConflict):
        await seed.do(case.employee, save_task, SaveTask(case.own, 0, (note,)))
    with pytest.raises(TaskNotYours):
        await seed.do(case.manager, save_task, SaveTask(case.own, 1, (note,)))
    with pytest.raises(AnswersInvalid):
        await seed.do(case.employee, save_task, SaveTask(case.own, 1, (Answer("conduct/teamwork", "9"),)))
    await case.submit(case.employee, case.own, case.self_stage, 1)
    with pytest.raises(AlreadySubmitted):
        await seed.do(case.employee, save_task, SaveTask(case.own, 2, (note,)))


async def test_while_paused_drafts_are_kept_but_nothing_is_recalled(database: Database) -> None:
    case = await Case(await Seed(database).cycle()).build(paused=True)
    await case.seed.do(case.employee, save_task, SaveTask(case.own, 0, (RATED,)))
    await case.seed.rows("UPDATE task SET state = 'submitted' WHERE id = :id RETURNING id", id=case.own)
    with pytest.raises(CyclePaused):
        await case.seed.do(case.employee, recall_task, RecallTask(case.own))


async def test_a_closed_stage_keeps_no_drafts(database: Database) -> None:
    case = await Case(await Seed(database).cycle()).build(state=StageState.CLOSED)
    with pytest.raises(StageClosed):
        await case.seed.do(case.employee, save_task, SaveTask(case.own, 0, (RATED,)))


async def test_a_recalled_submission_is_the_draft_again(case: Case) -> None:
    await case.submit(case.employee, case.own, case.self_stage)
    view = await case.seed.do(case.employee, recall_task, RecallTask(case.own))
    assert view.task.state is TaskState.RECALLED
    assert view.task.draft == {"conduct/teamwork": {"value": "3"}}
    with pytest.raises(TaskStateInvalid):
        await case.seed.do(case.employee, recall_task, RecallTask(case.own))
    await case.submit(case.employee, case.own, case.self_stage, 1, Answer("conduct/teamwork", "5"))
    rows = await case.seed.rows("SELECT version FROM submission WHERE task_id = :id ORDER BY 1", id=case.own)
    assert [row.version for row in rows] == [1, 2]
    assert await case.told(case.own) == ["reviews.task_submitted", "reviews.task_recalled", "reviews.task_submitted"]


async def test_the_manager_is_shown_the_self_review_once_it_is_submitted(case: Case) -> None:
    seed = case.seed
    assert (await seed.do(case.manager, get_task, GetTask(case.rating))).references == ()
    await seed.do(case.employee, save_task, SaveTask(case.own, 0, (RATED,)))
    assert (await seed.do(case.manager, get_task, GetTask(case.rating))).references == ()
    await case.submit(case.employee, case.own, case.self_stage, 1)
    [shown] = (await seed.do(case.manager, get_task, GetTask(case.rating))).references
    assert shown.answers == {"conduct/teamwork": {"value": "3"}}
    assert (await seed.do(case.peer, get_task, GetTask(case.peers))).references == ()


async def test_a_template_may_keep_the_self_review_from_the_manager(case: Case) -> None:
    hidden = {**FORM, "visibility": [{"what": "self_review", "to": ["manager"], "when": "never"}]}
    async with case.seed.work(case.hr) as work:
        form_id = await work.templates.keep_form(hidden, new_id(), 1)
    await case.seed.rows("UPDATE task SET form_id = :form RETURNING id", form=form_id)
    await case.submit(case.employee, case.own, case.self_stage)
    assert (await case.seed.do(case.manager, get_task, GetTask(case.rating))).references == ()


async def test_state_without_content_for_those_who_may_not_read(case: Case) -> None:
    seed = case.seed
    await case.submit(case.peer, case.peers, case.manager_stage)
    await case.submit(case.manager, case.rating, case.manager_stage)
    for who, task_id in ((case.operator, case.rating), (case.operator, case.peers), (case.hr, case.peers)):
        sheet = await seed.do(who, get_task, GetTask(task_id))
        assert (sheet.form, sheet.submission, sheet.references) == (None, None, ())
    await seed.rows("UPDATE task SET returned_reason = 'unfair' RETURNING id")
    for who, reason in ((case.operator, ""), (case.hr, ""), (case.auditor, "unfair"), (case.peer, "unfair")):
        sheet = await seed.do(who, get_task, GetTask(case.peers))
        [view] = await seed.do(who, list_tasks, TaskFilter(mine=False, assignee_id=case.peer.employee_id))
        assert sheet.view.task.returned_reason == view.task.returned_reason == reason
    for who, task_id in ((case.hr, case.rating), (case.auditor, case.peers), (case.peer, case.peers)):
        assert (await seed.do(who, get_task, GetTask(task_id))).submission
    for who, task_id in ((case.employee, case.rating), (case.employee, case.peers), (case.manager, case.peers)):
        with pytest.raises(TaskNotFound):
            await seed.do(who, get_task, GetTask(task_id))


async def test_opening_ones_own_task_is_noted_once(case: Case) -> None:
    await case.seed.do(case.hr, get_task, GetTask(case.own))
    assert (await case.state(case.own)).seen_at is None
    await case.seed.do(case.employee, get_task, GetTask(case.own))
    seen = (await case.state(case.own)).seen_at
    await case.seed.do(case.employee, get_task, GetTask(case.own))
    assert seen is not None
    assert (await case.state(case.own)).seen_at == seen


async def test_the_manager_returns_a_self_review_with_a_reason_and_a_deadline(case: Case) -> None:
    seed = case.seed
    await case.submit(case.employee, case.own, case.self_stage)
    until = seed.now + timedelta(days=2)
    for wrong, refusal in (
        (ReturnTask(case.own, "  "), ReasonRequired),
        (ReturnTask(case.own, "x", seed.now), NotLater),
    ):
        with pytest.raises(refusal):
            await seed.do(case.manager, return_task, wrong)
    with pytest.raises(Denied):
        await seed.do(case.employee, return_task, ReturnTask(case.own, "again"))
    view = await seed.do(case.manager, return_task, ReturnTask(case.rating, "too short", until, to=await key(case)))
    assert (view.id, view.task.state, view.task.returned_by) == (case.own, TaskState.RETURNED, case.manager.employee_id)
    assert (view.task.due_override, view.task.returned_reason) == (until, "too short")
    assert view.task.draft == {"conduct/teamwork": {"value": "3"}}
    with pytest.raises(TaskStateInvalid):
        await seed.do(case.manager, return_task, ReturnTask(case.own, "again"))
    assert await case.told(case.own) == ["reviews.task_submitted", "reviews.task_returned"]
    [note] = await seed.rows("SELECT note FROM audit_note")
    assert note.note == "too short"


async def key(case: Case) -> str:
    [row] = await case.seed.rows("SELECT key FROM stage WHERE id = :id", id=case.self_stage)
    return str(row.key)


class People:
    """Answers like the service of people: some are employed, one has left."""

    def __init__(self, here: Mapping[str, UUID], gone: Sequence[UUID] = ()) -> None:
        self.here, self.gone = here, gone

    async def resolve(
        self, tenant_id: UUID, employees: Sequence[str], departments: Sequence[str], groups: Sequence[str]
    ) -> References:
        return References({code: self.here[code] for code in employees if code in self.here})

    async def employed(self, tenant_id: UUID, employee_ids: Any) -> Mapping[UUID, bool]:
        return {each: each not in self.gone for each in employee_ids if each in (*self.here.values(), *self.gone)}


async def reassign(case: Case, people: People, task_id: UUID, assignee: str, reason: str = "on leave") -> Any:
    command = await Assignees(people).prepare(case.hr, ReassignTask(task_id, assignee, reason))
    return await case.seed.do(case.hr, reassign_task, command)


async def test_hr_gives_a_task_away_with_its_draft(case: Case) -> None:
    seed = case.seed
    other, gone = new_id(), new_id()
    assert case.employee.employee_id
    people = People({"E2": other, "E1": case.employee.employee_id}, [gone])
    await seed.do(case.manager, save_task, SaveTask(case.rating, 0, (RATED,)))
    view = await reassign(case, people, case.rating, "E2")
    assert view.task.assignee_id == other
    assert view.task.draft == {"conduct/teamwork": {"value": "3"}}
    with pytest.raises(TaskNotYours):
        await case.submit(case.manager, case.rating, case.manager_stage, 1)
    await case.submit(seed.person(other), case.rating, case.manager_stage, 1)
    with pytest.raises(TaskStateInvalid):
        await reassign(case, people, case.rating, "E2")
    for assignee in ("E9", str(gone), str(new_id())):
        with pytest.raises(AssigneeInvalid):
            await reassign(case, people, case.peers, assignee)
    with pytest.raises(SelfDealing):
        await reassign(case, people, case.peers, "E1")
    with pytest.raises(TaskKindInvalid):
        await reassign(case, people, case.own, "E2")
    with pytest.raises(ReasonRequired):
        await reassign(case, people, case.peers, "E2", "")
    sheet = await seed.task(case.self_stage, gone, TaskKind.DATA_ENTRY, form_id=None)
    item = {"cycle_id": seed.cycle_id, "participant_id": case.participant_id, "item": "kpi/output"}
    await seed.insert(tables.provider, provider_id=gone, **item)
    await reassign(case, people, sheet, "E2")
    assert [row.provider_id for row in await seed.rows("SELECT provider_id FROM provider")] == [other]
    assert "reviews.task_reassigned" in await case.told(case.rating)


async def test_hr_extends_one_task_also_while_its_stage_closes(case: Case) -> None:
    seed = case.seed
    until = seed.now + 2 * LONG
    for wrong in (seed.now, seed.now + timedelta(days=1)):
        with pytest.raises(NotLater):
            await seed.do(case.hr, extend_task, ExtendTask(case.own, wrong, "ill"))
    for who in (case.manager, case.employee, case.operator):
        with pytest.raises((Denied, SelfDealing)):
            await seed.do(who, extend_task, ExtendTask(case.own, until, "ill"))
    await seed.rows("UPDATE stage SET state = 'closing' WHERE id = :id RETURNING id", id=case.self_stage)
    view = await seed.do(case.hr, extend_task, ExtendTask(case.own, until, "ill"))
    assert (view.due_at, view.extended) == (until, True)
    await case.submit(case.employee, case.own, case.self_stage)
    await seed.rows("UPDATE stage SET state = 'settling' WHERE id = :id RETURNING id", id=case.manager_stage)
    with pytest.raises(StageClosed):
        await seed.do(case.hr, extend_task, ExtendTask(case.rating, until, "ill"))


async def test_reminding_many_tells_an_outcome_each_and_has_a_limit(case: Case) -> None:
    seed = case.seed
    await case.submit(case.manager, case.rating, case.manager_stage)
    nobody = await seed.task(case.self_stage, None, TaskKind.CUSTOM)
    ids = (case.own, case.rating, new_id(), nobody)
    outcomes = await seed.do(case.hr, remind_tasks, RemindTasks(ids, "please"))
    assert [each.code for each in outcomes] == ["OK", "TASK_STATE_INVALID", "TASK_NOT_FOUND", "NO_ASSIGNEE"]
    assert [each.code for each in await seed.do(case.hr, remind_tasks, RemindTasks((case.own,)))] == [
        "REMINDED_RECENTLY"
    ]
    [row] = await seed.rows("SELECT reminder_count, version FROM task WHERE id = :id", id=case.own)
    assert (row.reminder_count, row.version) == (1, 1)
    assert await case.told(case.own) == ["reviews.task_reminded"]
    assert [each.code for each in await seed.do(case.manager, remind_tasks, RemindTasks((case.own, case.peers)))] == [
        "PERMISSION_DENIED",
        "TASK_NOT_FOUND",
    ]
    with pytest.raises(Invalid):
        await seed.do(case.hr, remind_tasks, RemindTasks(()))


async def test_a_partner_administers_only_their_own_department(case: Case) -> None:
    seed = case.seed
    department = new_id()
    partner = Principal(
        seed.tenant_id, "user", "user", new_id(), (Grant("hr_partner", "department", f"{new_id()}/{department}"),)
    )
    assert await listed(case, partner, mine=False) == set()
    await seed.rows(
        "UPDATE participant SET department_path = ARRAY[CAST(:department AS uuid)] RETURNING id", department=department
    )
    assert await listed(case, partner, mine=False) == {case.own, case.rating, case.peers}


async def test_a_delegate_sees_what_they_may_do_and_nothing_of_what_is_personal(case: Case) -> None:
    assert case.employee.employee_id
    delegate = case.seed.person(new_id(), on_behalf_of=case.manager.employee_id)
    assert await listed(case, delegate) == {case.rating}
    for_employee = case.seed.person(new_id(), on_behalf_of=case.employee.employee_id)
    assert await listed(case, for_employee) == set()
    with pytest.raises(TaskNotFound):
        await case.seed.do(for_employee, get_task, GetTask(case.own))
    with pytest.raises(TaskNotYours):
        await case.seed.do(for_employee, save_task, SaveTask(case.own, 0, (RATED,)))
