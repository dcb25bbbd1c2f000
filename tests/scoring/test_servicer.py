"""The main flow of scoring by gRPC: compute, calibrate, release, amend; and who sees what of it."""

import csv
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from sqlalchemy import text

from protos.scoring.v1 import scoring_pb2
from services.runtime.clock import new_id, utc_now
from services.runtime.database import Database, Origin
from services.runtime.errors import reason_of
from services.runtime.eventlog import Event
from services.runtime.identity import Grant, Principal
from services.scoring.consumers import on_actual_corrected, on_appeal_decided, on_stage_reopened
from services.scoring.corrector import Corrector
from services.scoring.domain.model import Page, Subject
from services.scoring.store import ScoringWork
from tests.scoring.conftest import Company, Neighbours

Handler = Callable[[ScoringWork, Event], Awaitable[None]]
GUIDELINE = {"mode": "enforce", "quotas": {"S": "20", "A": "70", "B": "10"}, "minimum": 2}


def answer(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata())


@dataclass
class Failing(Neighbours):
    """Reviews that cannot be asked about one participant, or about nobody."""

    error: Exception = field(default_factory=lambda: answer(grpc.StatusCode.UNAVAILABLE))
    only_for: UUID | None = None

    async def page(self, tenant_id: UUID, cycle_id: UUID, after: UUID | None, size: int) -> Page:
        page = await super().page(tenant_id, cycle_id, after, size)
        if self.only_for in {None, *(each.participant_id for each in page.subjects)}:
            raise self.error
        return page


async def kinds_of(database: Database, company: Company) -> list[str]:
    async with database.transaction(company.tenant_id) as connection:
        rows = await connection.execute(
            text("SELECT kind FROM event WHERE tenant_id = :t ORDER BY id"), {"t": company.tenant_id}
        )
        return [row.kind for row in rows]


async def consume(database: Database, company: Company, handler: Handler, kind: str, **payload: object) -> None:
    event = Event(new_id(), company.tenant_id, kind, "appeal", new_id(), 1, payload, "", utc_now())
    principal = Principal(company.tenant_id, "service", "scoring")
    async with database.transaction(company.tenant_id) as connection:
        await handler(ScoringWork(connection, Origin(principal, company.tenant_id)), event)


def on_session(session: scoring_pb2.OpenedSession, **facts: Any) -> dict[str, Any]:
    return {"request_id": str(uuid4()), "session_id": session.session_id, **facts}


async def test_from_answers_to_a_released_result(company: Company, database: Database) -> None:
    first = company.subject(("manager", 90), ("peer", 75), ("peer", 85), ("self", 100))
    second = company.subject(("manager", 60))
    company.set_cycle([first, second, company.subject()])
    (page,) = await company.compute()
    assert (page.scored, [each.code for each in page.unscored]) == (2, ["NOTHING_TO_SCORE"])
    seen = await company.result(first, company.hr)
    assert (seen.raw, seen.weighted, seen.final, seen.grade, seen.coefficient) == (
        "87.00",
        "87.00",
        "87.00",
        "A",
        "1.2",
    )
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.result(first, company.as_employee(first.employee_id))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    released = await company.release()
    again = await company.release()
    assert released == again
    assert released.count == 3
    own = await company.result(first, company.as_employee(first.employee_id))
    assert (own.final, own.grade, own.raw, own.weighted, own.coefficient) == ("87.00", "A", "", "", "")
    sections = [line for line in own.explanation.lines if line.depth == 0]
    assert [line.contribution for line in sections] == ["87.00"]
    assert (await company.result(second, company.as_employee(company.manager_id))).final == "60.00"
    assert await kinds_of(database, company) == ["scoring.results_released"]


async def test_a_page_repeated_changes_nothing_and_a_changed_answer_does(company: Company) -> None:
    people = [company.subject(("manager", 60 + index)) for index in range(7)]
    company.set_cycle(people)
    assert [page.scored for page in await company.compute(size=3)] == [3, 3, 1]
    before = [await company.result(each, company.hr) for each in people]
    await company.compute(size=3)
    assert [await company.result(each, company.hr) for each in people] == before
    changed = company.subject(("manager", 99))
    people[0] = Subject(people[0].participant_id, people[0].employee_id, "staff", changed.inputs)
    company.set_cycle(people)
    await company.compute(size=3)
    after = [await company.result(each, company.hr) for each in people]
    assert after[0].final == "99.00"
    assert after[1:] == before[1:]


async def test_an_older_epoch_is_refused(company: Company) -> None:
    company.set_cycle([company.subject(("manager", 80))])
    await company.compute(epoch=3)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.compute(epoch=2)
    assert reason_of(refused.value) == "EPOCH_OUTDATED"


async def test_one_bad_form_stops_nobody_else(company: Company) -> None:
    good, bad = company.subject(("manager", 80)), company.subject(("manager", 80))
    bad = Subject(bad.participant_id, bad.employee_id, "gone", bad.inputs)
    company.set_cycle([good, bad])
    (page,) = await company.compute()
    assert page.scored == 1
    assert [(each.participant_id, each.code) for each in page.unscored] == [(str(bad.participant_id), "FORM_MISSING")]


async def test_calibration_moves_undoes_and_commits(company: Company, database: Database) -> None:
    root, leaf = new_id(), new_id()
    people = [company.subject(("manager", value), path=(root, leaf)) for value in (96, 90, 88, 86)]
    company.set_cycle(people, guideline={**GUIDELINE, "mode": "inform"})
    await company.compute()
    (session,) = await company.open_sessions()
    assert session.facilitator_id == str(company.owner_id)
    assert await company.open_sessions() == [session]
    shown = await company.scoring.GetSession(scoring_pb2.GetSessionRequest(session_id=session.session_id), **company.hr)
    assert [(each.grade, each.rank) for each in shown.members] == [("S", 1), ("A", 2), ("A", 3), ("A", 4)]
    counted = [(each.grade, each.count, each.suggested) for each in shown.session.distribution]
    assert counted == [("S", 1, 1), ("A", 3, 3), ("B", 0, 0), ("C", 0, -1), ("D", 0, -1)]
    inverting: dict[str, Any] = {
        "session_id": session.session_id,
        "participant_id": str(people[1].participant_id),
        "grade": "C",
    }
    preview = await company.scoring.PreviewMove(scoring_pb2.PreviewMoveRequest(**inverting), **company.hr)
    assert preview.inverts_rank
    assert preview.reason_required
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.scoring.MoveMember(
            scoring_pb2.MoveMemberRequest(request_id=str(uuid4()), **inverting), **company.hr
        )
    assert reason_of(refused.value) == "REASON_REQUIRED"
    move = scoring_pb2.MoveMemberRequest(
        **on_session(session, participant_id=str(people[3].participant_id), grade="B", score="84.5", reason="late")
    )
    moved = await company.scoring.MoveMember(move, **company.hr)
    assert (moved.member.grade, moved.member.calibrated, moved.member.weighted) == ("B", "84.5", "86.00")
    assert await company.scoring.MoveMember(move, **company.hr) == moved
    undone = await company.scoring.UndoSession(scoring_pb2.UndoSessionRequest(**on_session(session)), **company.hr)
    assert undone.session.moves == 0
    back = await company.scoring.GetSession(scoring_pb2.GetSessionRequest(session_id=session.session_id), **company.hr)
    assert back.members == shown.members
    move.request_id = str(uuid4())
    await company.scoring.MoveMember(move, **company.hr)
    with pytest.raises(grpc.aio.AioRpcError) as open_still:
        await company.release()
    assert reason_of(open_still.value) == "SESSIONS_UNCOMMITTED"
    await company.scoring.CommitSession(scoring_pb2.CommitSessionRequest(**on_session(session)), **company.hr)
    row = await company.result(people[3], company.hr)
    assert (row.weighted, row.calibrated, row.final, row.scored_grade, row.grade, row.coefficient) == (
        "86.00",
        "84.5",
        "84.5",
        "A",
        "B",
        "1.0",
    )
    await company.release()
    with pytest.raises(grpc.aio.AioRpcError) as too_late:
        await company.scoring.ReopenSession(
            scoring_pb2.ReopenSessionRequest(**on_session(session, reason="again")), **company.hr
        )
    assert reason_of(too_late.value) == "ALREADY_RELEASED"
    assert await kinds_of(database, company) == ["scoring.session_committed", "scoring.results_released"]


async def test_nobody_sees_or_moves_their_own_row(company: Company) -> None:
    department = new_id()
    own = company.subject(("manager", 90), path=(department,))
    own = Subject(own.participant_id, company.owner_id, "staff", own.inputs, (department,), "A")
    company.set_cycle([own, company.subject(("manager", 80), path=(department,))])
    await company.compute()
    (session,) = await company.open_sessions()
    shown = await company.scoring.GetSession(scoring_pb2.GetSessionRequest(session_id=session.session_id), **company.hr)
    assert shown.session.size == 2
    assert str(own.participant_id) not in [each.participant_id for each in shown.members]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.scoring.MoveMember(
            scoring_pb2.MoveMemberRequest(
                **on_session(session, participant_id=str(own.participant_id), grade="S", reason="me")
            ),
            **company.hr,
        )
    assert reason_of(refused.value) == "OWN_ROW"
    with pytest.raises(grpc.aio.AioRpcError):
        await company.result(own, company.hr)


async def test_an_enforced_guideline_blocks_the_commit_unless_hr_waives_it(company: Company) -> None:
    department = new_id()
    people = [company.subject(("manager", 96), path=(department,)) for _ in range(3)]
    head = new_id()
    people = [
        Subject(each.participant_id, each.employee_id, "staff", each.inputs, (department,), "A", head)
        for each in people
    ]
    company.set_cycle(people, guideline=GUIDELINE, facilitator="department_head")
    await company.compute()
    (session,) = await company.open_sessions()
    assert session.facilitator_id == str(head)
    facilitator = company.as_employee(head)
    for options, reason, code in ((facilitator, "", "GUIDELINE_MISSED"), (facilitator, "please", "DENIED")):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await company.scoring.CommitSession(
                scoring_pb2.CommitSessionRequest(**on_session(session, waiver_reason=reason)), **options
            )
        assert reason_of(refused.value) == code
    done = await company.scoring.CommitSession(
        scoring_pb2.CommitSessionRequest(**on_session(session, waiver_reason="a record year")), **company.hr
    )
    assert done.session.state == scoring_pb2.SESSION_STATE_COMMITTED


async def test_small_departments_pool_with_their_parent_and_lapse_when_nobody_commits(company: Company) -> None:
    root, big, small = new_id(), new_id(), new_id()
    people = [company.subject(("manager", 80), path=(root, big)) for _ in range(4)]
    people += [company.subject(("manager", 80), path=(root, small)) for _ in range(2)]
    company.set_cycle(people, guideline={**GUIDELINE, "minimum": 4})
    await company.compute()
    sessions = await company.open_sessions()
    assert {session.department_id for session in sessions} == {str(root), str(big)}
    listed = await company.scoring.ListSessions(
        scoring_pb2.ListSessionsRequest(cycle_id=str(company.cycle_id)), **company.hr
    )
    assert {(each.department_name, each.size, each.pooled) for each in listed.sessions} == {
        ("A", 2, True),
        ("A/B", 4, False),
    }
    stage: dict[str, Any] = {"cycle_id": str(company.cycle_id), "stage_id": str(company.calibration_stage), "epoch": 1}
    for _ in range(2):
        closed = await company.scoring.CloseSessions(scoring_pb2.CloseSessionsRequest(**stage), **company.worker)
        assert closed.lapsed == 2
    await company.release()


async def test_a_reopened_stage_supersedes_scores_and_a_new_epoch_replaces_them(
    company: Company, database: Database
) -> None:
    person = company.subject(("manager", 80), path=(new_id(),))
    company.set_cycle([person])
    await company.compute()
    (session,) = await company.open_sessions()
    await company.scoring.CommitSession(scoring_pb2.CommitSessionRequest(**on_session(session)), **company.hr)
    reopened = {
        "cycle_id": str(company.cycle_id),
        "stage_id": str(company.review_stage),
        "stage_kind": "manager_review",
    }
    await consume(database, company, on_stage_reopened, "reviews.stage_reopened", **reopened)
    answered = company.subject(("manager", 70))
    company.set_cycle([Subject(person.participant_id, person.employee_id, "staff", answered.inputs, (new_id(),), "A")])
    await company.compute(epoch=2)
    request = scoring_pb2.GetSessionRequest(session_id=session.session_id)
    stale = await company.scoring.GetSession(request, **company.hr)
    assert stale.session.state == scoring_pb2.SESSION_STATE_STALE
    await company.scoring.ReopenSession(
        scoring_pb2.ReopenSessionRequest(**on_session(session, reason="answers changed")), **company.hr
    )
    fresh = await company.scoring.GetSession(request, **company.hr)
    assert fresh.session.state == scoring_pb2.SESSION_STATE_OPEN
    assert [each.weighted for each in fresh.members] == ["70.00"]
    assert (await company.result(person, company.hr)).calibrated == ""


async def test_a_corrected_actual_makes_a_new_score_and_its_session_stale(company: Company, database: Database) -> None:
    person, other = (company.subject(("manager", 80), path=(new_id(),)) for _ in range(2))
    company.set_cycle([person, other])
    await company.compute()
    await company.open_sessions()
    corrector = Corrector(database, company.neighbours, poll_seconds=0.1, announce=lambda: None)
    facts = {
        "cycle_id": str(company.cycle_id),
        "participant_ids": [str(person.participant_id), str(other.participant_id)],
    }
    await consume(database, company, on_actual_corrected, "reviews.actual_corrected", **facts)
    answered = company.subject(("manager", 95))
    company.set_cycle([replace(person, inputs=answered.inputs), other])
    assert await corrector.round() == 2
    assert await corrector.round() == 0
    assert (await company.result(person, company.hr)).final == "95.00"
    assert (await company.result(other, company.hr)).final == "80.00"
    assert await kinds_of(database, company) == ["scoring.score_corrected", "scoring.session_superseded"]


async def waiting(database: Database, company: Company) -> list[tuple[UUID, int, bool]]:
    """The corrections of a cycle that are still to be made: whose, after how many attempts, and whether later."""
    async with database.transaction(company.tenant_id) as connection:
        rows = await connection.execute(
            text(
                "SELECT participant_id, attempts, retry_at > clock_timestamp() AS later FROM correction"
                " WHERE cycle_id = :c"
            ),
            {"c": company.cycle_id},
        )
        return [(row.participant_id, row.attempts, row.later) for row in rows]


async def tried_often(database: Database, company: Company) -> None:
    """As after eight failures: the next pause is of minutes, which no slow machine outlasts."""
    async with database.transaction(company.tenant_id) as connection:
        set_back = text("UPDATE correction SET attempts = 8 WHERE cycle_id = :c")
        await connection.execute(set_back, {"c": company.cycle_id})


async def test_a_correction_waits_while_reviews_is_down(company: Company, database: Database) -> None:
    person = company.subject(("manager", 80))
    company.set_cycle([person])
    await company.compute()
    facts = {"cycle_id": str(company.cycle_id), "participant_ids": [str(person.participant_id)]}
    await consume(database, company, on_actual_corrected, "reviews.actual_corrected", **facts)
    await tried_often(database, company)
    down = Corrector(database, Failing(company.neighbours.cycles), poll_seconds=0.1, announce=lambda: None)
    with pytest.raises(grpc.aio.AioRpcError):
        await down.round()
    assert await down.round() == 0
    assert await waiting(database, company) == [(person.participant_id, 9, True)]


@pytest.mark.parametrize(
    "error", [answer(grpc.StatusCode.NOT_FOUND), ValueError("a defect")], ids=["refused", "defect"]
)
async def test_one_correction_that_fails_holds_up_no_other(
    company: Company, database: Database, error: Exception
) -> None:
    """A refusal is about the one; a defect ends the round, and the next one begins with the others."""
    people = [company.subject(("manager", 80)) for _ in range(5)]
    company.set_cycle(people)
    await company.compute()
    facts = {"cycle_id": str(company.cycle_id), "participant_ids": [str(each.participant_id) for each in people]}
    await consume(database, company, on_actual_corrected, "reviews.actual_corrected", **facts)
    await tried_often(database, company)
    broken = people[2].participant_id
    failing = Failing(company.neighbours.cycles, error=error, only_for=broken)
    corrector = Corrector(database, failing, poll_seconds=0.1, announce=lambda: None)
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="a defect"):
            await corrector.round()
    await corrector.round()
    assert await waiting(database, company) == [(broken, 9, True)]


async def test_an_appeal_makes_a_version_with_its_own_release(company: Company, database: Database) -> None:
    person = company.subject(("manager", 80))
    company.set_cycle([person])
    await company.compute()
    await company.release()
    before = await company.result(person, company.as_employee(person.employee_id))
    decided = {
        "appeal_id": str(uuid4()),
        "cycle_id": str(company.cycle_id),
        "participant_id": str(person.participant_id),
        "outcome": "amended",
        "score": "90",
        "grade": "",
    }
    for _ in range(2):
        await consume(database, company, on_appeal_decided, "reviews.appeal_decided", **decided)
    after = await company.result(person, company.as_employee(person.employee_id))
    assert (after.version, after.final, after.grade, after.amended, after.released) == (2, "90", "A", True, True)
    old = await company.scoring.GetResult(
        scoring_pb2.GetResultRequest(result_id=before.id), **company.as_employee(person.employee_id)
    )
    assert old.result.final == "80.00"
    counted = await company.scoring.GetDistribution(
        scoring_pb2.GetDistributionRequest(cycle_id=str(company.cycle_id)), **company.hr
    )
    assert counted.amended == 1
    assert await kinds_of(database, company) == ["scoring.results_released", "scoring.result_amended"]


async def test_lists_and_distribution_follow_the_readers_scope(company: Company) -> None:
    root, left, right = new_id(), new_id(), new_id()
    people = [company.subject(("manager", 80), path=(root, left)) for _ in range(3)]
    people += [company.subject(("manager", 60), path=(root, right)) for _ in range(2)]
    company.set_cycle(people)
    await company.compute()
    partner = company.as_employee(new_id(), Grant("hr_partner", "department", str(left)))

    async def listed(options: dict[str, Any], **filters: str) -> list[str]:
        found: list[str] = []
        token = ""
        while True:
            request = scoring_pb2.ListResultsRequest(
                cycle_id=str(company.cycle_id), page_size=2, page_token=token, **filters
            )
            page = await company.scoring.ListResults(request, **options)
            found += [each.participant_id for each in page.results]
            token = page.next_page_token
            if not token:
                return found

    assert len(await listed(company.hr)) == len(set(await listed(company.hr))) == 5
    assert len(await listed(company.hr, department_id=str(right))) == 2
    assert len(await listed(company.hr, grade="B")) == 3
    assert len(await listed(partner)) == 3
    assert await listed(company.as_employee(people[0].employee_id)) == []
    assert await listed(company.as_employee(company.manager_id)) == []
    assert await listed(company.as_employee(new_id(), Grant("operator"))) == []
    await company.release()
    assert await listed(company.as_employee(people[0].employee_id)) == [str(people[0].participant_id)]
    assert len(await listed(company.as_employee(company.manager_id))) == 5
    request = scoring_pb2.GetDistributionRequest(cycle_id=str(company.cycle_id))
    counts = (await company.scoring.GetDistribution(request, **partner)).counts
    assert {each.grade: each.count for each in counts if each.count} == {"B": 3}


async def test_export_is_complete_and_safe_for_spreadsheets(company: Company) -> None:
    people = [company.subject(("manager", 80), path=(new_id(),)) for _ in range(3)]
    people = [
        Subject(each.participant_id, each.employee_id, "staff", each.inputs, each.department_path, "=cmd()")
        for each in people
    ]
    company.set_cycle(people)
    await company.compute()
    create = scoring_pb2.CreateExportRequest(
        request_id=str(uuid4()),
        kind="results",
        cycle_id=str(company.cycle_id),
        columns=["employee_id", "department", "final"],
    )
    made = (await company.scoring.CreateExport(create, **company.hr)).export
    assert (made.state, made.done) == ("done", 3)
    assert (await company.scoring.CreateExport(create, **company.hr)).export.id == made.id
    call = company.scoring.DownloadExport(scoring_pb2.DownloadExportRequest(export_id=made.id), **company.hr)
    content = b"".join([part.content async for part in call])
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0] == ["employee_id", "department", "final"]
    assert sorted(rows[1:]) == sorted([str(each.employee_id), "'=cmd()", "80.00"] for each in people)
    create.request_id = str(uuid4())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.scoring.CreateExport(create, **company.as_employee(people[0].employee_id))
    assert reason_of(refused.value) == "DENIED"


async def test_formulas_are_checked_for_reviews(company: Company) -> None:
    request = scoring_pb2.CheckFormulasRequest(
        formulas=[
            scoring_pb2.Formula(key="good", text="=完成值/目标值*100", basis="percent"),
            scoring_pb2.Formula(key="twice", text="=完成值/目标值*权重", basis="percent"),
        ]
    )
    options = company.callers.service("reviews", company.tenant_id)
    faults = (await company.scoring.CheckFormulas(request, **options)).faults
    assert [(fault.key, fault.code, fault.position) for fault in faults] == [("twice", "WEIGHT_APPLIED_TWICE", 9)]


@pytest.mark.parametrize("field", ["cycle_id", "stage_id"])
async def test_a_malformed_id_is_refused_by_name(company: Company, field: str) -> None:
    request = scoring_pb2.OpenSessionsRequest(cycle_id=str(UUID(int=1)), stage_id=str(UUID(int=2)), epoch=1)
    setattr(request, field, "x")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await company.scoring.OpenSessions(request, **company.worker)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field in (refused.value.details() or "")
