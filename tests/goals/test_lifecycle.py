"""A goal from its draft to its end, by gRPC: who may do what when, twice, late, and at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import grpc
import pytest
from sqlalchemy import text

from protos.goals.v1 import goals_pb2 as pb
from services.runtime.database import Database
from services.runtime.identity import Grant
from tests.goals.conftest import Company, cancel, close, confirm, kpi, propose, refusal, reject

DENIED, NOT_FOUND = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND
PRECONDITION, INVALID = grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.INVALID_ARGUMENT
Events = Callable[[], Awaitable[list[tuple[str, dict[str, Any]]]]]


@pytest.fixture
def events(company: Company, database: Database) -> Events:
    """The kinds and payloads of the company's events, oldest first."""

    async def read() -> list[tuple[str, dict[str, Any]]]:
        async with database.transaction(company.tenant_id) as connection:
            rows = await connection.execute(text("SELECT kind, payload FROM event ORDER BY xid, id"))
            return [(row.kind, row.payload) for row in rows]

    return read


async def test_from_draft_to_achieved(company: Company, events: Events) -> None:
    goal = await company.create()
    assert (goal.owner_id, goal.state, goal.version) == (str(company.owner), pb.GOAL_STATE_DRAFT, 1)
    assert (goal.progress, goal.measures[0].weight, goal.measures[0].confidence) == ("0.0000", "100", -1)
    proposed = (await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))).goal
    assert (proposed.state, proposed.version) == (pb.GOAL_STATE_PROPOSED, 2)
    confirmed = (await company.goals.ConfirmGoal(confirm(goal), **company.by(company.manager))).goal
    assert confirmed.state == pb.GOAL_STATE_ACTIVE
    checked = await company.check_in(goal, "250", note="well")
    assert (checked.goal.progress, checked.goal.measures[0].value, checked.check_in.note) == ("1.2500", "250", "well")
    closed = (await company.goals.CloseGoal(close(goal), **company.by(company.manager))).goal
    assert (closed.state, closed.version) == (pb.GOAL_STATE_ACHIEVED, 5)
    kinds = [kind for kind, _ in await events()]
    assert kinds == [f"goals.goal_{what}" for what in ("created", "proposed", "confirmed", "checked_in", "closed")]
    told = dict(await events())["goals.goal_proposed"]
    assert (told["owner_id"], told["manager_id"]) == (str(company.owner), str(company.manager))


async def test_what_is_answered_is_what_is_read(company: Company) -> None:
    created = await company.create(description="d")
    asked = pb.GetGoalRequest(goal_id=created.id)
    assert (await company.goals.GetGoal(asked, **company.by(company.owner))).goal == created
    proposed = (await company.goals.ProposeGoal(propose(created), **company.by(company.owner))).goal
    assert (await company.goals.GetGoal(asked, **company.by(company.manager))).goal == proposed


async def test_rejected_with_a_reason_and_proposed_again(company: Company, events: Events) -> None:
    goal = await company.create()
    await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))
    without = await refusal(company.goals.RejectGoal(reject(goal, "  "), **company.by(company.manager)))
    assert (without.code, without.violations[0][0]) == (INVALID, "reason")
    rejected = (await company.goals.RejectGoal(reject(goal), **company.by(company.manager))).goal
    assert (rejected.state, rejected.reason) == (pb.GOAL_STATE_REJECTED, "too easy")
    again = (await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))).goal
    assert (again.state, again.reason) == (pb.GOAL_STATE_PROPOSED, "")
    assert "too easy" not in str(await events())
    versions = await company.goals.ListGoalVersions(
        pb.ListGoalVersionsRequest(goal_id=goal.id, page_size=2), **company.by(company.owner)
    )
    assert [(each.version, each.state, each.reason) for each in versions.versions] == [
        (4, pb.GOAL_STATE_PROPOSED, ""),
        (3, pb.GOAL_STATE_REJECTED, "too easy"),
    ]
    rest = await company.goals.ListGoalVersions(
        pb.ListGoalVersionsRequest(goal_id=goal.id, page_token=versions.next_page_token), **company.by(company.owner)
    )
    assert ([each.version for each in rest.versions], rest.next_page_token) == ([2, 1], "")


async def test_each_step_done_twice_is_refused_and_says_why(company: Company) -> None:
    goal = await company.create()
    owner, manager = company.by(company.owner), company.by(company.manager)
    early = await refusal(company.goals.ConfirmGoal(confirm(goal), **manager))
    assert (early.code, early.reason) == (PRECONDITION, "GOAL_STATE")
    assert early.message == "confirm is for a goal that is proposed; this one is draft"
    await company.goals.ProposeGoal(propose(goal), **owner)
    assert (await refusal(company.goals.ProposeGoal(propose(goal), **owner))).reason == "GOAL_STATE"
    await company.goals.ConfirmGoal(confirm(goal), **manager)
    assert (await refusal(company.goals.ConfirmGoal(confirm(goal), **manager))).reason == "GOAL_STATE"
    assert (await refusal(company.goals.RejectGoal(reject(goal), **manager))).reason == "GOAL_STATE"
    await company.goals.CloseGoal(close(goal), **manager)
    for late in (
        company.goals.CloseGoal(close(goal), **manager),
        company.goals.CancelGoal(cancel(goal), **manager),
        company.check_in(goal, "1"),
    ):
        assert (await refusal(late)).reason == "GOAL_STATE"


async def test_a_repeated_request_is_answered_with_the_first_reply(company: Company, events: Events) -> None:
    request = pb.CreateGoalRequest(request_id="once", goal=kpi())
    first = await company.goals.CreateGoal(request, **company.by(company.owner))
    assert await company.goals.CreateGoal(request, **company.by(company.owner)) == first
    step = propose(first.goal)
    proposed = await company.goals.ProposeGoal(step, **company.by(company.owner))
    assert await company.goals.ProposeGoal(step, **company.by(company.owner)) == proposed
    assert len(await events()) == 2
    other = pb.CreateGoalRequest(request_id="once", goal=kpi(name="Other"))
    reused = await refusal(company.goals.CreateGoal(other, **company.by(company.owner)))
    assert reused.reason == "IDEMPOTENCY_KEY_REUSED"
    theirs = await company.goals.CreateGoal(other, **company.by(company.colleague))
    assert theirs.goal.name == "Other"  # a key belongs to who uses it
    nameless = await refusal(company.goals.CreateGoal(pb.CreateGoalRequest(goal=kpi()), **company.by(company.owner)))
    assert (nameless.code, nameless.violations[0][0]) == (INVALID, "request_id")


async def test_a_request_sent_five_times_at_once_happens_once(company: Company, events: Events) -> None:
    goal = await company.confirmed()
    request = pb.CheckInGoalRequest(request_id="r", goal_id=goal.id, value="7")
    answers = await asyncio.gather(*(company.goals.CheckInGoal(request, **company.by(company.owner)) for _ in range(5)))
    assert all(answer == answers[0] for answer in answers)
    assert [kind for kind, _ in await events()].count("goals.goal_checked_in") == 1


async def test_an_outdated_etag_is_refused(company: Company) -> None:
    goal = await company.create()
    await company.goals.ProposeGoal(propose(goal, goal.etag), **company.by(company.owner))
    stale = await refusal(company.goals.ConfirmGoal(confirm(goal, goal.etag), **company.by(company.manager)))
    assert (stale.reason, stale.violations[0][0]) == ("ETAG_MISMATCH", "etag")
    assert "version 2" in stale.message
    confirmed = await company.goals.ConfirmGoal(confirm(goal, "2"), **company.by(company.manager))
    assert confirmed.goal.etag == "3"


async def test_of_two_who_decide_at_once_one_wins(company: Company) -> None:
    goal = await company.create()
    proposed = (await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))).goal
    outcomes = await asyncio.gather(
        company.goals.ConfirmGoal(confirm(goal, proposed.etag), **company.by(company.manager)),
        company.goals.RejectGoal(reject(goal), **company.by(company.head)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, grpc.aio.AioRpcError) for outcome in outcomes) == 1
    final = (await company.goals.GetGoal(pb.GetGoalRequest(goal_id=goal.id), **company.by(company.owner))).goal
    assert final.version == 3


async def test_who_may_confirm(company: Company) -> None:
    goal = await company.create()
    await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))
    own = await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by(company.owner)))
    assert (own.code, own.reason) == (DENIED, "NOT_ALLOWED")
    assert "the managers above its owner" in own.message
    # Who is not above the owner does not even see the goal.
    for nobody in (company.colleague, company.stranger):
        assert (await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by(nobody)))).code is NOT_FOUND
    elsewhere = Grant("hr_partner", "department", str(company.research))
    assert (
        await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by(company.hr, elsewhere)))
    ).code is NOT_FOUND
    auditor = await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by(company.hr, Grant("auditor"))))
    assert auditor.code is DENIED
    here = Grant("hr_partner", "department", str(company.sales))
    confirmed = await company.goals.ConfirmGoal(confirm(goal), **company.by(company.hr, here))
    assert confirmed.goal.state == pb.GOAL_STATE_ACTIVE


async def test_an_hr_administrator_does_not_confirm_their_own(company: Company) -> None:
    goal = (await company.goals.CreateGoal(pb.CreateGoalRequest(request_id="x", goal=kpi()), **company.by_hr)).goal
    await company.goals.ProposeGoal(propose(goal), **company.by_hr)
    assert (await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by_hr))).code is DENIED
    assert (await company.goals.ConfirmGoal(confirm(goal), **company.by(company.head))).goal.version == 3


async def test_whom_one_may_create_goals_for(company: Company) -> None:
    goal = kpi(owner_id=str(company.owner))

    async def made_by(caller: dict[str, Any]) -> Any:
        return await company.goals.CreateGoal(pb.CreateGoalRequest(request_id=str(uuid4()), goal=goal), **caller)

    for allowed in (company.by(company.owner), company.by(company.manager), company.by(company.head), company.by_hr):
        assert (await made_by(allowed)).goal.owner_id == str(company.owner)
    for nobody in (company.by(company.colleague), company.by(company.stranger)):
        assert (await refusal(made_by(nobody))).code is DENIED
    goal.owner_id = str(uuid4())
    unknown = await refusal(made_by(company.by_hr))
    assert (unknown.reason, unknown.violations[0][0]) == ("OWNER_UNKNOWN", "goal.owner_id")


async def test_a_confirmed_goal_binds_its_owner(company: Company) -> None:
    draft = await company.create()
    assert (
        await company.goals.CancelGoal(cancel(draft), **company.by(company.owner))
    ).goal.state == pb.GOAL_STATE_CANCELED
    bound = await company.confirmed()
    assert (await refusal(company.goals.CancelGoal(cancel(bound), **company.by(company.owner)))).code is DENIED
    assert (await refusal(company.goals.CloseGoal(close(bound), **company.by(company.owner)))).code is DENIED
    canceled = (await company.goals.CancelGoal(cancel(bound), **company.by(company.manager))).goal
    assert (canceled.state, canceled.reason) == (pb.GOAL_STATE_CANCELED, "dropped")


async def test_only_the_owner_checks_in(company: Company) -> None:
    goal = await company.confirmed()
    request = pb.CheckInGoalRequest(request_id="m", goal_id=goal.id, value="1")
    assert (await refusal(company.goals.CheckInGoal(request, **company.by(company.manager)))).code is DENIED
    assert (await refusal(company.goals.CheckInGoal(request, **company.by(company.colleague)))).code is NOT_FOUND


async def test_check_ins_of_goals_that_are_not_running(company: Company) -> None:
    draft = await company.create()
    assert (await refusal(company.check_in(draft, "1"))).reason == "GOAL_STATE"
    coming = await company.confirmed(period_start="2090-01-01", period_end="2090-12-31")
    assert coming.state == pb.GOAL_STATE_CONFIRMED
    assert (await company.check_in(coming, "1")).goal.state == pb.GOAL_STATE_CONFIRMED
    past = await company.confirmed(period_start="2020-01-01", period_end="2020-12-31")
    assert (await company.check_in(past, "1")).goal.measures[0].value == "1"  # late, until it is closed


async def test_check_ins_that_make_no_sense(company: Company) -> None:
    goal = await company.confirmed(
        mode=pb.MODE_OKR,
        measures=[pb.Measure(name="a", weight="50", target="1"), pb.Measure(name="b", weight="50", target="1")],
    )
    which = await refusal(company.check_in(goal, "1"))
    assert (which.code, which.violations[0][0]) == (INVALID, "measure_id")
    other = await refusal(company.check_in(goal, "1", measure_id=str(uuid4())))
    assert other.violations[0][0] == "measure_id"
    first = goal.measures[0].id
    for value, field in (("", "value"), ("1e15", "value"), ("abc", "value"), ("1_0", "value"), ("NaN", "value")):
        assert (await refusal(company.check_in(goal, value, measure_id=first))).violations[0][0] == field
    sure = await refusal(company.check_in(goal, "1", measure_id=first, confidence=11))
    assert sure.violations[0][:1] + sure.violations[0][2:] == ("confidence", "0 to 10, or -1 for none")
    assert (await company.check_in(goal, "1", measure_id=first)).goal.progress == "0.5000"


async def test_check_ins_are_listed_newest_first_page_by_page(company: Company) -> None:
    goal = await company.confirmed()
    for value in ("1", "2", "3"):
        await company.check_in(goal, value, note=f"n{value}")
    request = pb.ListCheckInsRequest(goal_id=goal.id, page_size=2)
    page = await company.goals.ListCheckIns(request, **company.by(company.manager))
    assert [each.value for each in page.check_ins] == ["3", "2"]
    request.page_token = page.next_page_token
    rest = await company.goals.ListCheckIns(request, **company.by(company.manager))
    assert ([each.value for each in rest.check_ins], rest.next_page_token) == (["1"], "")
    assert (await refusal(company.goals.ListCheckIns(request, **company.by(company.colleague)))).code is NOT_FOUND


async def test_milestones_are_done_and_undone(company: Company) -> None:
    goal = await company.confirmed(
        mode=pb.MODE_MBO, measures=[pb.Measure(name="a", weight="30"), pb.Measure(name="b", weight="70")]
    )
    first = goal.measures[0].id
    assert (await company.check_in(goal, "", measure_id=first, done=True)).goal.progress == "0.3000"
    assert (await company.check_in(goal, "", measure_id=first)).goal.progress == "0.0000"


async def test_a_value_is_kept_to_its_last_digit(company: Company) -> None:
    goal = await company.confirmed(measures=[pb.Measure(name="m", target="123456789012345.000000000001")])
    answer = await company.check_in(goal, "987654321098765.123456789012")
    assert answer.goal.measures[0].value == "987654321098765.123456789012"
    read = await company.goals.GetGoal(pb.GetGoalRequest(goal_id=goal.id), **company.by(company.owner))
    assert read.goal.measures[0].target == "123456789012345.000000000001"
    reports = await company.goals.ListCheckIns(pb.ListCheckInsRequest(goal_id=goal.id), **company.by(company.owner))
    assert reports.check_ins[0].value == "987654321098765.123456789012"


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"name": "  "}, "goal.name", "a text is needed"),
        ({"name": "n" * 201}, "goal.name", "at most 200 characters"),
        ({"mode": pb.MODE_UNSPECIFIED}, "goal.mode", "kpi, okr or mbo"),
        ({"weight": ""}, "goal.weight", "a decimal number"),
        ({"weight": "0"}, "goal.weight", "above 0 and at most 100"),
        ({"weight": "100.000000000001"}, "goal.weight", "above 0 and at most 100"),
        ({"period_start": "01/02/2026"}, "goal.period_start", "YYYY-MM-DD"),
        ({"period_start": "1899-12-31"}, "goal.period_start", "between 1900 and 2100"),
        ({"period_end": "2025-12-31"}, "goal.period_end", "ends before it begins"),
        ({"owner_id": "me"}, "goal.owner_id", "an id"),
        ({"measures": []}, "goal.measures", "1 to 50 measures"),
        ({"measures": [pb.Measure(name="")]}, "goal.measures[0].name", "a text is needed"),
        ({"measures": [pb.Measure(name="m")]}, "goal.measures[0].target", "need a target"),
        ({"measures": [pb.Measure(name="m", target="0")]}, "goal.measures[0].target", "cannot be divided by"),
        ({"measures": [pb.Measure(name="m", target="-1")]}, "goal.measures[0].target", "a target above 0"),
        ({"measures": [pb.Measure(name="m", target="1", weight="99")]}, "goal.measures", "add up to 99; make it 100"),
        ({"measures": [pb.Measure(name="m", target="1", unit="u" * 51)]}, "goal.measures[0].unit", "at most 50"),
    ],
)
async def test_refusals_name_field_and_rule(company: Company, fields: dict[str, Any], field: str, says: str) -> None:
    refused = await refusal(company.create(**fields))
    assert refused.code is INVALID
    assert field in {at for at, _, _ in refused.violations}
    assert says in " ".join(text for _, _, text in refused.violations)


async def test_all_faults_of_a_goal_are_named_at_once(company: Company) -> None:
    refused = await refusal(company.create(weight="0", period_end="2025-01-01", measures=[pb.Measure(name="m")]))
    assert {field for field, _, _ in refused.violations} == {
        "goal.weight",
        "goal.period_end",
        "goal.measures[0].target",
    }


async def test_lists_show_what_one_may_see(company: Company) -> None:
    mine = await company.create()
    theirs = (
        await company.goals.CreateGoal(
            pb.CreateGoalRequest(request_id="c", goal=kpi()), **company.by(company.colleague)
        )
    ).goal
    far = (
        await company.goals.CreateGoal(pb.CreateGoalRequest(request_id="s", goal=kpi()), **company.by(company.stranger))
    ).goal

    async def seen(caller: dict[str, Any], **fields: Any) -> set[str]:
        listed = await company.goals.ListGoals(pb.ListGoalsRequest(**fields), **caller)
        return {goal.id for goal in listed.goals}

    assert await seen(company.by(company.owner)) == await seen(company.by(company.owner), all=True) == {mine.id}
    assert await seen(company.by(company.manager)) == set()
    assert await seen(company.by(company.manager), all=True) == {mine.id, theirs.id}
    assert await seen(company.by(company.head), all=True) == {mine.id, theirs.id, far.id}
    assert await seen(company.by(company.stranger), owner_id=str(company.owner)) == set()
    assert await seen(company.by_hr, all=True, state=pb.GOAL_STATE_PROPOSED) == set()
    assert await seen(company.by_hr, all=True, period_start="2027-01-01") == set()
    assert len(await seen(company.by_hr, all=True, period_start="2026-12-31", period_end="2026-12-31")) == 3
    first = await company.goals.ListGoals(pb.ListGoalsRequest(all=True, page_size=2), **company.by_hr)
    rest = await company.goals.ListGoals(
        pb.ListGoalsRequest(all=True, page_size=2, page_token=first.next_page_token), **company.by_hr
    )
    assert [len(first.goals), len(rest.goals), len(rest.next_page_token)] == [2, 1, 0]


async def test_another_company_sees_and_changes_nothing(company: Company) -> None:
    goal = await company.create()
    other = Company(company.goals, company.people, company.keyring)
    for call in (
        company.goals.GetGoal(pb.GetGoalRequest(goal_id=goal.id), **other.by_hr),
        company.goals.ProposeGoal(propose(goal), **other.by_hr),
        company.goals.CancelGoal(cancel(goal), **other.by_hr),
    ):
        assert (await refusal(call)).code is NOT_FOUND
    assert not (await company.goals.ListGoals(pb.ListGoalsRequest(all=True), **other.by_hr)).goals


async def test_personal_data_stays_out_of_events_and_audit(company: Company, database: Database) -> None:
    goal = await company.confirmed(name="Canary name", description="Canary description")
    await company.check_in(goal, "77.125", note="Canary note")
    await company.goals.CancelGoal(cancel(goal, "Canary reason"), **company.by(company.manager))
    query = "SELECT to_jsonb(e)::text FROM event e UNION ALL SELECT to_jsonb(a)::text FROM audit_entry a"
    async with database.transaction(company.tenant_id) as connection:
        written = "\n".join((await connection.execute(text(query))).scalars())
        actions = list((await connection.execute(text("SELECT action FROM audit_entry ORDER BY xid, id"))).scalars())
    assert "Canary" not in written
    assert "77.125" not in written
    assert actions == [f"goal.{what}" for what in ("created", "proposed", "confirmed", "check_in", "canceled")]
