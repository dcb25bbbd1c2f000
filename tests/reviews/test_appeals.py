"""Released results: acknowledged by their owners alone, and disputed before somebody who did not make them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from services.reviews import tables
from services.reviews.domain.answers import Evidence
from services.reviews.domain.errors import (
    AnswersInvalid,
    AppealExists,
    AppealNotFound,
    AppealStateInvalid,
    AppealWindowClosed,
    AssigneeInvalid,
    CyclePaused,
    Denied,
    Invalid,
    ReasonRequired,
    ResultDisputed,
    ResultNotReleased,
    ReviewsError,
    SignatureRequired,
    StageClosed,
    TaskNotYours,
    TaskStateInvalid,
)
from services.reviews.domain.model import AppealState, Opinion, Signature, StageKind, StageState, TaskKind, TaskState
from services.reviews.usecases.acknowledge_result import AcknowledgeResult, acknowledge_result
from services.reviews.usecases.appeal_commands import (
    AssignAppeal,
    DecideAppeal,
    FileAppeal,
    StepOfAppeal,
    accept_appeal,
    assign_appeal,
    decide_appeal,
    decline_appeal,
    file_appeal,
    withdraw_appeal,
)
from services.reviews.usecases.appeal_reading import GetAppeal, PageAppeals, get_appeal, list_appeals
from services.reviews.usecases.follow_scoring import ResultAmended, follow_amendment
from services.reviews.usecases.list_stalled import StallFilter, list_stalled
from services.reviews.usecases.outcome_ports import AppealView
from services.reviews.usecases.view_cycle import PageParticipants, get_participant, list_participants
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.identity import Principal
from tests.reviews.seed import LONG, Seed

PROOF = (Evidence("ledger", "https://files.example/ledger.pdf", "ab" * 32),)


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


class Case:
    """A released participant with the task to acknowledge, and the stage for appeals open."""

    def __init__(self, seed: Seed) -> None:
        self.seed = seed

    async def build(self, *, appeals: dict[str, Any] | None = None, **acknowledgement: Any) -> "Case":
        seed = self.seed
        self.manager = seed.person(new_id(), "manager")
        self.owner = seed.person(new_id(), "appeal_owner")
        self.hr = seed.person(seed.owner_id, "hr_admin")
        await seed.cycle(appeal_owner_id=self.owner.employee_id)
        self.stage = await seed.stage(StageKind.ACKNOWLEDGEMENT, **acknowledgement)
        self.appeals = await seed.stage(StageKind.APPEALS, **(appeals or {}))
        self.participant, employee_id = await seed.participant(
            self.manager.employee_id, state="released", result_released_at=seed.now - timedelta(hours=1)
        )
        self.employee = seed.person(employee_id)
        self.task = await seed.task(
            self.stage,
            employee_id,
            TaskKind.ACKNOWLEDGEMENT,
            participant_id=self.participant,
            subject_id=employee_id,
            form_id=None,
        )
        return self

    async def file(self, who: Principal | None = None, **given: Any) -> AppealView:
        body: dict[str, Any] = {"result_version": 1, "grounds": "the output was counted twice"}
        command = FileAppeal(self.participant, **body | given)
        return await self.seed.do(who or self.employee, file_appeal, command)

    async def acknowledge(self, who: Principal | None = None, opinion: Opinion = Opinion.AGREE, **given: Any) -> Any:
        command = AcknowledgeResult(self.participant, opinion, 1, **given)
        return await self.seed.do(who or self.employee, acknowledge_result, command)

    async def decide(self, appeal: AppealView, *, amended: bool = True, **given: Any) -> AppealView:
        outcome: dict[str, Any] = {"score": Decimal("88.5"), "grade": "A", "evidence": PROOF} if amended else {}
        command = DecideAppeal(appeal.appeal.id, amended, **{"reason": "checked"} | outcome | given)
        return await self.seed.do(self.owner, decide_appeal, command)

    async def participant_row(self) -> Any:
        [row] = await self.seed.rows("SELECT * FROM participant WHERE id = :id", id=self.participant)
        return row

    async def task_row(self, task_id: UUID | None) -> Any:
        [row] = await self.seed.rows("SELECT * FROM task WHERE id = :id", id=task_id)
        return row

    async def undecided(self) -> int:
        async with self.seed.work(self.hr) as work:
            return await work.appeals.count_undecided(self.seed.cycle_id)


@pytest.fixture
async def case(database: Database) -> Case:
    return await Case(Seed(database)).build()


async def test_acknowledging_records_opinion_signature_and_ends_the_task(case: Case) -> None:
    done = await case.acknowledge(opinion=Opinion.DISAGREE, comment="too low", signature="Han Mei")
    assert done.task_id == case.task
    row = await case.participant_row()
    assert (row.state, row.opinion) == ("acknowledged", "disagree")
    assert (await case.task_row(case.task)).state == "accepted"
    [signed] = await case.seed.rows("SELECT * FROM sign_off")
    assert (signed.subject_type, signed.subject_id, signed.note) == ("result", case.participant, "too low")
    assert (signed.method, signed.typed_name, len(signed.content_hash)) == ("typed", "Han Mei", 32)
    kinds = [row.kind for row in await case.seed.rows("SELECT kind FROM event ORDER BY id")]
    assert kinds == ["reviews.task_accepted", "reviews.result_acknowledged"]
    with pytest.raises(TaskStateInvalid):
        await case.acknowledge()


async def test_only_the_employee_acknowledges_and_never_a_delegate(case: Case) -> None:
    delegate = case.seed.person(new_id(), on_behalf_of=case.employee.employee_id)
    for who in (case.manager, case.hr, delegate):
        with pytest.raises(TaskNotYours):
            await case.acknowledge(who)


@pytest.mark.parametrize(
    ("stage", "refusal"),
    [
        ({"state": StageState.CLOSED}, StageClosed),
        ({"paused": True}, CyclePaused),
        ({"strict": True, "due_at": datetime(2020, 1, 1, tzinfo=UTC)}, StageClosed),
        ({"signature": Signature.TYPED}, SignatureRequired),
    ],
)
async def test_the_stage_decides_whether_an_acknowledgement_counts(
    database: Database, stage: dict[str, Any], refusal: type[ReviewsError]
) -> None:
    case = await Case(Seed(database)).build(**stage)
    with pytest.raises(refusal):
        await case.acknowledge(signature="click")


async def test_nothing_is_acknowledged_or_disputed_before_the_release(case: Case) -> None:
    await case.seed.rows("UPDATE participant SET result_released_at = NULL, state = 'scored' RETURNING id")
    with pytest.raises(ResultNotReleased):
        await case.acknowledge()
    with pytest.raises(ResultNotReleased):
        await case.file()


async def test_filing_gives_the_owner_a_task_and_disputes_the_result(case: Case) -> None:
    view = await case.file(items=("kpi/output",), evidence=PROOF)
    assert (view.appeal.state, view.appeal.owner_id) == (AppealState.FILED, case.owner.employee_id)
    task = await case.task_row(view.appeal.task_id)
    assert (task.kind, task.assignee_id, task.state, task.reference_id) == (
        "appeal",
        case.owner.employee_id,
        "open",
        view.appeal.id,
    )
    assert task.due_override == view.appeal.due_at
    assert (await case.participant_row()).state == "disputed"
    assert await case.undecided() == 1
    with pytest.raises(ResultDisputed):
        await case.acknowledge()
    for version in (1, 2):
        with pytest.raises(AppealExists):
            await case.file(result_version=version)


@pytest.mark.parametrize("answer", ["none", "given", "expired"])
async def test_managers_see_the_participant_as_if_nothing_were_disputed(case: Case, answer: str) -> None:
    if answer == "given":
        await case.acknowledge(opinion=Opinion.DISAGREE)
    if answer == "expired":
        await case.seed.rows("UPDATE task SET state = 'expired' WHERE id = :id RETURNING id", id=case.task)
    task_id = (await case.file()).appeal.task_id
    operator = case.seed.person(new_id(), "operator")
    undisputed = {"none": "released", "given": "acknowledged", "expired": "no_answer"}[answer]
    for who, state in ((case.manager, undisputed), (case.employee, "disputed"), (operator, "disputed")):
        seen = await case.seed.do(who, get_participant, case.participant)
        assert seen.participant.state == state
        for wanted in ("disputed", undisputed):
            page = PageParticipants(case.seed.cycle_id, wanted, None, None, 10)
            assert len(await case.seed.do(who, list_participants, page)) == (wanted == state)
    stalled = StallFilter(include_waiting=True)
    told = {row.task_id for row in (await case.seed.do(case.manager, list_stalled, stalled)).rows}
    assert task_id not in told
    assert task_id in {row.task_id for row in (await case.seed.do(operator, list_stalled, stalled)).rows}


@pytest.mark.parametrize("conflict", ["manager", "rater", "employee"])
async def test_the_owner_never_made_the_result_else_the_deputy_decides(case: Case, conflict: str) -> None:
    seed = case.seed
    person = case.owner.employee_id
    if conflict == "manager":
        await seed.rows("UPDATE participant SET manager_chain = ARRAY[CAST(:id AS uuid)] RETURNING id", id=person)
    elif conflict == "rater":
        rated = {"id": new_id(), "cycle_id": seed.cycle_id, "participant_id": case.participant}
        await seed.insert(tables.rater, relation="peer", rater_id=person, **rated)
    else:
        await seed.rows("UPDATE cycle SET appeal_owner_id = :id RETURNING id", id=case.employee.employee_id)
    assert (await case.file()).appeal.owner_id == seed.owner_id


async def test_without_anybody_free_to_decide_the_appeal_is_a_stall(case: Case) -> None:
    seed = case.seed
    chain = "UPDATE participant SET manager_chain = ARRAY[CAST(:id AS uuid)] RETURNING id"
    await seed.rows(chain, id=case.owner.employee_id)
    await seed.rows("UPDATE cycle SET owner_id = :id RETURNING id", id=case.employee.employee_id)
    view = await case.file()
    assert view.appeal.owner_id is None
    assert (await case.task_row(view.appeal.task_id)).blocked_reason == "NO_ASSIGNEE"
    helper = new_id()
    hr = seed.person(new_id(), "hr_admin")
    command = AssignAppeal(view.appeal.id, helper, "nobody was free")
    assert (await seed.do(hr, assign_appeal, command)).appeal.owner_id == helper
    task = await case.task_row(view.appeal.task_id)
    assert (task.assignee_id, task.blocked_reason) == (helper, "")
    assert case.owner.employee_id
    with pytest.raises(AssigneeInvalid):
        await seed.do(hr, assign_appeal, AssignAppeal(view.appeal.id, case.owner.employee_id, "back"))


@pytest.mark.parametrize(
    ("appeals", "refusal"),
    [
        ({"state": StageState.PLANNED}, AppealWindowClosed),
        ({"state": StageState.CLOSED}, AppealWindowClosed),
        ({"paused": True}, CyclePaused),
    ],
)
async def test_appeals_have_a_window(database: Database, appeals: dict[str, Any], refusal: type[ReviewsError]) -> None:
    case = await Case(Seed(database)).build(appeals=appeals)
    with pytest.raises(refusal):
        await case.file()


async def test_the_window_ends_with_the_stage_and_counts_from_ones_own_release(database: Database) -> None:
    seed = Seed(database)
    case = await Case(seed).build(appeals={"due_at": seed.now - timedelta(minutes=1)})
    await seed.rows("UPDATE participant SET result_released_at = :at RETURNING id", at=seed.now - 2 * LONG)
    with pytest.raises(AppealWindowClosed):
        await case.file()
    await seed.rows("UPDATE participant SET result_released_at = :at RETURNING id", at=seed.now - timedelta(days=1))
    await seed.rows("UPDATE stage SET state = 'closing' WHERE id = :id RETURNING id", id=case.appeals)
    assert (await case.file()).appeal.state is AppealState.FILED


async def test_only_the_employee_files_and_says_why(case: Case) -> None:
    for who in (case.manager, case.seed.person(new_id(), on_behalf_of=case.employee.employee_id)):
        with pytest.raises(TaskNotYours):
            await case.file(who)
    bad: list[dict[str, Any]] = [
        {"grounds": "  "},
        {"grounds": "x" * 10_001},
        {"evidence": (Evidence("a", "ftp://x"),)},
        {"result_version": 0},
        {"items": ("a\x00",)},
    ]
    for given in bad:
        with pytest.raises(AnswersInvalid):
            await case.file(**given)


async def test_a_kept_result_goes_on_where_it_was(case: Case) -> None:
    await case.acknowledge(opinion=Opinion.DISAGREE)
    view = await case.file()
    with pytest.raises(AppealStateInvalid):
        await case.decide(view, amended=False)
    await case.seed.do(case.owner, accept_appeal, StepOfAppeal(view.appeal.id))
    decided = await case.decide(view, amended=False)
    assert (decided.appeal.state, decided.appeal.decided_by) == (AppealState.KEPT, case.owner.employee_id)
    assert (await case.participant_row()).state == "acknowledged"
    assert (await case.task_row(view.appeal.task_id)).state == "accepted"
    assert await case.undecided() == 0
    [event] = await case.seed.rows("SELECT payload FROM event WHERE kind = 'reviews.appeal_decided'")
    assert event.payload["outcome"] == "kept"


async def test_declining_and_withdrawing_leave_the_result_to_be_acknowledged(database: Database) -> None:
    for step, who, state in ((decline_appeal, "owner", "declined"), (withdraw_appeal, "employee", "withdrawn")):
        case = await Case(Seed(database)).build()
        view = await case.file()
        done = await case.seed.do(getattr(case, who), step, StepOfAppeal(view.appeal.id, "no grounds"))
        assert done.appeal.state == state
        assert (await case.participant_row()).state == "released"
        await case.acknowledge()
        with pytest.raises(AppealStateInvalid):
            await case.seed.do(getattr(case, who), step, StepOfAppeal(view.appeal.id, "again"))


async def test_an_amendment_is_open_until_scoring_has_released_it(case: Case) -> None:
    seed = case.seed
    await case.acknowledge()
    view = await case.file()
    await seed.do(case.owner, accept_appeal, StepOfAppeal(view.appeal.id))
    decided = await case.decide(view)
    assert (decided.appeal.state, decided.appeal.amended_at) == (AppealState.AMENDED, None)
    assert await case.undecided() == 1
    [event] = await seed.rows("SELECT payload FROM event WHERE kind = 'reviews.appeal_decided'")
    expected = {"outcome": "amended", "score": "88.5", "grade": "A", "participant_id": str(case.participant)}
    assert expected.items() <= event.payload.items()

    amended = ResultAmended(case.participant, 2, view.appeal.id)
    for _ in range(2):
        await seed.do(case.hr, follow_amendment, amended)
    assert await case.undecided() == 0
    row = await case.participant_row()
    assert (row.state, row.opinion) == ("released", None)
    assert row.result_released_at > seed.now
    task = await case.task_row(case.task)
    assert task.state == "open"
    assert task.due_override > seed.now
    assert len(await seed.rows("SELECT 1 FROM event WHERE kind = 'reviews.appeal_amended'")) == 1
    await case.acknowledge()
    assert (await case.file(result_version=2)).appeal.result_version == 2


async def test_an_amended_result_is_acknowledged_even_when_the_stage_has_closed(case: Case) -> None:
    seed = case.seed
    view = await case.file()
    await seed.do(case.owner, accept_appeal, StepOfAppeal(view.appeal.id))
    await case.decide(view)
    closed = "UPDATE stage SET state = 'closed', closed_at = :at WHERE id = :id RETURNING id"
    await seed.rows(closed, at=seed.now, id=case.stage)
    await seed.rows("UPDATE task SET state = 'expired' WHERE id = :id RETURNING id", id=case.task)
    await seed.do(case.hr, follow_amendment, ResultAmended(case.participant, 2, view.appeal.id))
    assert (await case.task_row(case.task)).state == TaskState.EXPIRED
    await case.acknowledge()
    assert (await case.participant_row()).state == "acknowledged"
    with pytest.raises(TaskStateInvalid):
        await case.acknowledge()


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"reason": " "}, ReasonRequired),
        ({"evidence": ()}, ReasonRequired),
        ({"score": None, "grade": ""}, Invalid),
        ({"score": Decimal(121)}, AnswersInvalid),
        ({"score": Decimal(-1)}, AnswersInvalid),
        ({"grade": "Z"}, AnswersInvalid),
        ({"evidence": (Evidence("a", "nowhere"),)}, AnswersInvalid),
    ],
)
async def test_an_amendment_that_scoring_could_not_make_is_refused(
    case: Case, given: dict[str, Any], refusal: type[ReviewsError]
) -> None:
    view = await case.file()
    await case.seed.do(case.owner, accept_appeal, StepOfAppeal(view.appeal.id))
    with pytest.raises(refusal):
        await case.decide(view, **given)
    assert (await case.seed.do(case.owner, get_appeal, GetAppeal(view.appeal.id))).appeal.state is AppealState.ACCEPTED


async def test_who_decides_and_who_sees_an_appeal(case: Case) -> None:
    seed = case.seed
    view = await case.file()
    operator, auditor = seed.person(new_id(), "operator"), seed.person(new_id(), "auditor")
    for who in (case.employee, case.owner, case.hr, auditor):
        assert (await seed.do(who, get_appeal, GetAppeal(view.appeal.id))).appeal.grounds
        assert len(await seed.do(who, list_appeals, PageAppeals(seed.cycle_id, "filed"))) == 1
    for who in (case.manager, operator, seed.person(new_id())):
        with pytest.raises(AppealNotFound):
            await seed.do(who, get_appeal, GetAppeal(view.appeal.id))
        assert await seed.do(who, list_appeals, PageAppeals()) == []
    for who in (case.employee, case.hr, auditor):
        with pytest.raises(Denied):
            await seed.do(who, accept_appeal, StepOfAppeal(view.appeal.id))
    with pytest.raises(Denied):
        await seed.do(case.owner, withdraw_appeal, StepOfAppeal(view.appeal.id))
    assert await seed.do(case.hr, list_appeals, PageAppeals(state="amending")) == []


async def test_after_the_end_of_the_cycle_an_amendment_is_acknowledged_and_everybody_stays_closed(
    database: Database,
) -> None:
    case = await Case(Seed(database)).build(appeals={"state": StageState.CLOSED})
    await case.acknowledge()
    ended = "UPDATE participant SET state = 'closed' RETURNING id"
    closing = "UPDATE stage SET state = 'closed', closed_at = clock_timestamp() RETURNING id"
    for statement in (ended, closing):
        await case.seed.rows(statement)
    with pytest.raises(AppealWindowClosed):
        await case.file()
    reviews = Principal(tenant_id=case.seed.tenant_id, kind="service", name="reviews")
    await case.seed.do(reviews, follow_amendment, ResultAmended(case.participant, 2))
    [row] = await case.seed.rows("SELECT state, opinion FROM participant")
    assert tuple(row) == ("closed", None)
    await case.acknowledge(opinion=Opinion.DISAGREE)
    [row] = await case.seed.rows("SELECT state, opinion FROM participant")
    assert tuple(row) == ("closed", "disagree")
