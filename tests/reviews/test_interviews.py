"""Interviews: set, recorded by each side, signed by both."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.reviews.domain.errors import (
    AnswersInvalid,
    CyclePaused,
    Denied,
    InterviewNotFound,
    InterviewStateInvalid,
    Invalid,
    ReviewsError,
    SelfDealing,
    SignatureRequired,
    StageClosed,
)
from services.reviews.domain.model import InterviewState, Signature, StageKind, StageState, TaskKind
from services.reviews.usecases.interview_commands import (
    PageInterviews,
    RecordInterview,
    ScheduleInterview,
    SignInterview,
    list_interviews,
    record_interview,
    schedule_interview,
    sign_interview,
)
from services.runtime.clock import new_id
from services.runtime.database import Database
from tests.reviews.seed import Seed

AT = datetime(2026, 12, 1, 6, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


class Case:
    def __init__(self, seed: Seed) -> None:
        self.seed = seed

    async def build(self, **stage: Any) -> "Case":
        seed = await self.seed.cycle()
        self.manager = seed.person(new_id(), "manager")
        self.hr = seed.person(new_id(), "hr_admin")
        self.stage = await seed.stage(StageKind.INTERVIEW, **stage)
        participant, employee_id = await seed.participant(self.manager.employee_id)
        self.employee = seed.person(employee_id)
        self.id = await seed.task(
            self.stage,
            self.manager.employee_id,
            TaskKind.INTERVIEW,
            participant_id=participant,
            subject_id=employee_id,
            form_id=None,
        )
        return self


@pytest.fixture
async def case(database: Database) -> Case:
    return await Case(Seed(database)).build()


async def test_an_interview_goes_from_a_date_to_two_signatures(case: Case) -> None:
    seed = case.seed
    view = await seed.do(case.manager, schedule_interview, ScheduleInterview(case.id, AT, "room 3"))
    assert (view.interview.state, view.interview.scheduled_at) == (InterviewState.SCHEDULED, AT)
    await seed.do(case.employee, record_interview, RecordInterview(case.id, "I asked for training"))
    with pytest.raises(InterviewStateInvalid):
        await seed.do(case.employee, sign_interview, SignInterview(case.id))
    view = await seed.do(case.manager, record_interview, RecordInterview(case.id, "training agreed"))
    assert (view.interview.manager_notes, view.interview.employee_notes) == ("training agreed", "I asked for training")
    view = await seed.do(case.employee, sign_interview, SignInterview(case.id, "Han Mei"))
    assert view.interview.state is InterviewState.RECORDED
    for who in (case.employee, case.manager):
        with pytest.raises(InterviewStateInvalid):
            await seed.do(who, record_interview, RecordInterview(case.id, "and one more thing"))
    with pytest.raises(InterviewStateInvalid):
        await seed.do(case.employee, sign_interview, SignInterview(case.id))
    view = await seed.do(case.manager, sign_interview, SignInterview(case.id, "click"))
    assert view.interview.state is InterviewState.SIGNED
    [task] = await seed.rows("SELECT state FROM task WHERE id = :id", id=case.id)
    assert task.state == "accepted"
    signatures = await seed.rows("SELECT method, content_hash FROM sign_off ORDER BY create_time")
    assert [row.method for row in signatures] == ["typed", "click"]
    assert len({row.content_hash for row in signatures}) == 1
    with pytest.raises(InterviewStateInvalid):
        await seed.do(case.manager, schedule_interview, ScheduleInterview(case.id, AT))


async def test_both_sides_see_it_before_anybody_has_touched_it(case: Case) -> None:
    seed = case.seed
    other = await Case(Seed(case.seed.database)).build()
    for who in (case.manager, case.employee, case.hr, seed.person(new_id(), "auditor")):
        [view] = await seed.do(who, list_interviews, PageInterviews(seed.cycle_id))
        assert (view.interview.id, view.interview.state) == (case.id, InterviewState.PLANNED)
    for who in (seed.person(new_id()), seed.person(new_id(), "operator")):
        assert await seed.do(who, list_interviews, PageInterviews()) == []
        with pytest.raises(InterviewNotFound):
            await seed.do(who, record_interview, RecordInterview(case.id, "x"))
    with pytest.raises(InterviewNotFound):
        await seed.do(case.manager, record_interview, RecordInterview(other.id, "x"))
    assert await seed.do(case.manager, list_interviews, PageInterviews(after=case.id)) == []


async def test_only_the_interviewer_sets_the_date_and_only_the_two_record(case: Case) -> None:
    with pytest.raises(SelfDealing):
        await case.seed.do(case.employee, schedule_interview, ScheduleInterview(case.id, AT))
    refused: list[tuple[Any, Any]] = [
        (schedule_interview, ScheduleInterview(case.id, AT)),
        (record_interview, RecordInterview(case.id, "x")),
        (sign_interview, SignInterview(case.id)),
    ]
    for use_case, command in refused:
        with pytest.raises(Denied):
            await case.seed.do(case.hr, use_case, command)


@pytest.mark.parametrize(
    ("stage", "refusal"),
    [({"state": StageState.CLOSED}, StageClosed), ({"paused": True}, CyclePaused)],
)
async def test_the_stage_must_take_it(database: Database, stage: dict[str, Any], refusal: type[ReviewsError]) -> None:
    case = await Case(Seed(database)).build(**stage)
    with pytest.raises(refusal):
        await case.seed.do(case.manager, schedule_interview, ScheduleInterview(case.id, AT))


async def test_a_typed_name_where_the_stage_wants_one(database: Database) -> None:
    case = await Case(Seed(database)).build(signature=Signature.TYPED)
    await case.seed.do(case.manager, record_interview, RecordInterview(case.id, "notes"))
    with pytest.raises(SignatureRequired):
        await case.seed.do(case.manager, sign_interview, SignInterview(case.id, "click"))


async def test_known_bad_input(case: Case) -> None:
    with pytest.raises(Invalid):
        await case.seed.do(case.manager, schedule_interview, ScheduleInterview(case.id, AT - timedelta(days=40_000)))
    with pytest.raises(AnswersInvalid):
        await case.seed.do(case.manager, schedule_interview, ScheduleInterview(case.id, AT, "x" * 501))
    with pytest.raises(AnswersInvalid):
        await case.seed.do(case.manager, record_interview, RecordInterview(case.id, "a\x00"))
    with pytest.raises(InterviewNotFound):
        await case.seed.do(case.manager, record_interview, RecordInterview(new_id(), "x"))
