"""Submissions: who is in time, what is refused and why, and that nothing happens twice."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import grpc
import pytest
from sqlalchemy import text

from services.reviews.domain.answers import Answer, Evidence
from services.reviews.domain.errors import (
    AlreadySubmitted,
    AnswersInvalid,
    CyclePaused,
    KeyReused,
    ReviewsError,
    SelfDealing,
    SignatureRequired,
    StageClosed,
    TaskKindInvalid,
    TaskNotFound,
    TaskNotYours,
    TaskStateInvalid,
    VersionConflict,
)
from services.reviews.domain.model import Signature, StageKind, StageState, TaskKind, TaskState
from services.reviews.domain.stages import close
from services.reviews.store.stages import StageStore
from services.reviews.store.submit import SUBMIT, Submissions
from services.reviews.usecases.submit_task import FormCache, Receipt, SubmitTask, submit_task
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.errors import status_of
from services.runtime.identity import Principal
from tests.reviews.seed import LONG, Seed

TASKS = """
INSERT INTO task (tenant_id, id, cycle_id, stage_id, kind, epoch, assignee_id, origin_id, form_id, opened_at)
SELECT current_setting('attune.tenant')::uuid, gen_random_uuid(), :cycle, :stage, 'custom', 1, gen_random_uuid(),
    gen_random_uuid(), :form, now()
FROM generate_series(1, 1000) RETURNING id
"""
GOOD = (Answer("conduct/teamwork", "4", text="often helped"), Answer("kpi/output", "110.50"))


@pytest.fixture(scope="module")
def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("reviews")


@pytest.fixture
async def seed(database: Database) -> Seed:
    return await Seed(database).cycle()


def command(task_id: UUID, stage_id: UUID, *answers: Answer, **given: Any) -> SubmitTask:
    body: dict[str, Any] = {
        "request_id": str(new_id()),
        "request_hash": hashlib.sha256(repr((task_id, answers, given)).encode()).digest(),
        "version": 0,
        "answers": answers or GOOD,
    }
    return SubmitTask(task_id=task_id, stage_id=stage_id, **body | given)


async def submit(seed: Seed, who: UUID | Principal, sent: SubmitTask, forms: FormCache | None = None) -> Receipt:
    principal = seed.person(who) if isinstance(who, UUID) else who
    return await submit_task(Submissions(seed.database), forms or FormCache(), principal, sent, "trace")


async def self_review(seed: Seed, **given: Any) -> tuple[UUID, UUID, UUID]:
    """(stage, task, employee) of an open self review."""
    task = {name: given.pop(f"task_{name}") for name in ("state", "due_override") if f"task_{name}" in given}
    stage_id = await seed.stage(**given)
    participant_id, employee_id = await seed.participant()
    task_id = await seed.task(stage_id, employee_id, participant_id=participant_id, subject_id=employee_id, **task)
    return stage_id, task_id, employee_id


async def test_a_submission_writes_everything_once(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed, signature=Signature.TYPED)
    receipt = await submit(seed, employee_id, command(task_id, stage_id, signature="Li Lei", comment="done"))

    assert (receipt.version, receipt.late) == (1, False)
    [task] = await seed.rows("SELECT * FROM task WHERE id = :id", id=task_id)
    assert (task.state, task.submission_version, task.version, task.late) == ("submitted", 1, 2, False)
    [stored] = await seed.rows("SELECT * FROM submission WHERE task_id = :id", id=task_id)
    assert stored.answers == {
        "conduct/teamwork": {"value": "4", "text": "often helped"},
        "kpi/output": {"value": "110.5"},
    }
    assert (stored.epoch, stored.comment, stored.rater_id, stored.on_behalf_of) == (1, "done", employee_id, None)
    [signed] = await seed.rows("SELECT * FROM sign_off WHERE task_id = :id", id=task_id)
    [form] = await seed.rows("SELECT content_hash FROM form WHERE id = :id", id=seed.form_id)
    assert signed.content_hash == hashlib.sha256(form.content_hash + stored.content_hash).digest()
    assert (signed.method, signed.typed_name) == ("typed", "Li Lei")
    [audited] = await seed.rows("SELECT * FROM audit_entry WHERE subject_id = :id", id=task_id)
    assert (audited.action, audited.content_hash) == ("task.submit", signed.content_hash)
    [event] = await seed.rows("SELECT * FROM event WHERE aggregate_id = :id", id=task_id)
    assert (event.kind, event.version, event.payload["cycle_id"]) == (
        "reviews.task_submitted",
        2,
        str(seed.cycle_id),
    )


async def test_a_repeated_request_gets_the_first_receipt(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    sent = command(task_id, stage_id)
    first = await submit(seed, employee_id, sent)
    assert await submit(seed, employee_id, sent) == first
    assert len(await seed.rows("SELECT 1 FROM submission WHERE task_id = :id", id=task_id)) == 1


async def test_concurrent_duplicates_all_get_the_same_receipt(seed: Seed) -> None:
    for _ in range(10):
        stage_id, task_id, employee_id = await self_review(seed)
        sent = command(task_id, stage_id)
        receipts = await asyncio.gather(*(submit(seed, employee_id, sent) for _ in range(6)))
        assert len(set(receipts)) == 1
        assert len(await seed.rows("SELECT 1 FROM submission WHERE task_id = :id", id=task_id)) == 1
        assert len(await seed.rows("SELECT 1 FROM event WHERE aggregate_id = :id", id=task_id)) == 1


async def test_the_same_request_id_with_another_body_is_refused(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    other_task = await seed.task(stage_id, employee_id, TaskKind.CUSTOM)
    sent = command(task_id, stage_id)
    await submit(seed, employee_id, sent)
    with pytest.raises(KeyReused):
        await submit(seed, employee_id, command(task_id, stage_id, request_id=sent.request_id, comment="other"))
    with pytest.raises(KeyReused):
        await submit(seed, employee_id, command(other_task, stage_id, request_id=sent.request_id))
    assert [row.state for row in await seed.rows("SELECT state FROM task WHERE id = :id", id=other_task)] == ["open"]


async def test_a_reply_is_not_replayed_to_who_may_not_submit(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    sent = command(task_id, stage_id)
    await submit(seed, employee_id, sent)
    with pytest.raises(TaskNotYours):
        await submit(seed, new_id(), sent)


async def test_a_crash_before_the_commit_leaves_nothing_and_the_request_can_be_repeated(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    sent = command(task_id, stage_id)
    entries: list[Any] = []

    class Crash(Exception):
        pass

    class Desks:
        def __init__(self) -> None:
            self.real = Submissions(seed.database)

        def open(self, tenant_id: UUID, stage: UUID) -> Any:
            return self.real.open(tenant_id, stage)

    class CrashingForms(FormCache):
        async def get(self, *_: Any) -> Any:
            entries.append(1)
            raise Crash

    with pytest.raises(Crash):
        await submit_task(Desks(), CrashingForms(), seed.person(employee_id), sent, "")
    assert entries
    for table in ("submission", "event", "idempotency", "audit_entry"):
        assert await seed.rows("SELECT 1 FROM " + table) == []
    assert (await submit(seed, employee_id, sent)).version == 1


async def test_a_session_that_dies_before_the_commit_leaves_nothing(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    sent = command(task_id, stage_id)

    class Killing(FormCache):
        async def get(self, desk: Any, tenant_id: UUID, form_id: UUID | None) -> Any:
            form = await super().get(desk, tenant_id, form_id)
            [killed] = await seed.rows(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND usename = current_user AND datname = current_database() AND state = 'idle in transaction'"
            )
            assert killed[0]
            return form

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)) as lost:
        await submit(seed, employee_id, sent, Killing())
    assert status_of(lost.value).code is grpc.StatusCode.UNAVAILABLE
    assert await seed.rows("SELECT 1 FROM submission") == []
    assert (await submit(seed, employee_id, sent)).version == 1


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ({"paused": True}, CyclePaused),
        ({"state": StageState.CLOSING}, StageClosed),
        ({"state": StageState.SETTLING, "task_due_override": LONG}, StageClosed),
        ({"state": StageState.CLOSED}, StageClosed),
        ({"strict": True, "due_at": -LONG}, StageClosed),
        ({"task_state": TaskState.SUBMITTED}, AlreadySubmitted),
        ({"task_state": TaskState.ACCEPTED}, AlreadySubmitted),
        ({"task_state": TaskState.EXPIRED}, StageClosed),
        ({"task_state": TaskState.WITHDRAWN}, TaskStateInvalid),
    ],
)
async def test_the_state_of_stage_and_task_decides(
    seed: Seed, given: dict[str, Any], refusal: type[ReviewsError]
) -> None:
    instants = {name: seed.now + value for name, value in given.items() if isinstance(value, timedelta)}
    stage_id, task_id, employee_id = await self_review(seed, **given | instants)
    with pytest.raises(refusal):
        await submit(seed, employee_id, command(task_id, stage_id))
    assert await seed.rows("SELECT 1 FROM submission") == []
    assert await seed.rows("SELECT 1 FROM idempotency") == []


async def test_after_the_deadline_a_lenient_stage_accepts_late(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed, due_at=seed.now - timedelta(hours=1))
    assert (await submit(seed, employee_id, command(task_id, stage_id))).late


async def test_an_extended_person_is_in_time_while_the_stage_closes(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed, task_due_override=seed.now + LONG, due_at=seed.now - LONG)
    await seed.rows("UPDATE stage SET state = 'closing', epoch = 2 WHERE id = :id RETURNING id", id=stage_id)
    assert not (await submit(seed, employee_id, command(task_id, stage_id))).late
    assert [row.epoch for row in await seed.rows("SELECT epoch FROM submission")] == [2]


async def test_the_cycles_clock_decides_what_is_late(database: Database) -> None:
    seed = await Seed(database).cycle(clock_offset=timedelta(days=30))
    stage_id, task_id, employee_id = await self_review(seed)
    receipt = await submit(seed, employee_id, command(task_id, stage_id))
    assert receipt.late
    assert receipt.submitted_at > seed.now + timedelta(days=29)


async def test_only_the_assignee_submits_and_nobody_rates_themselves(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    with pytest.raises(TaskNotYours):
        await submit(seed, new_id(), command(task_id, stage_id))
    with pytest.raises(TaskNotFound):
        await submit(seed, employee_id, command(task_id, await seed.stage(StageKind.MANAGER_REVIEW)))
    with pytest.raises(TaskNotYours):
        await submit(seed, seed.person(new_id(), on_behalf_of=employee_id), command(task_id, stage_id))
    rating = await seed.task(stage_id, employee_id, TaskKind.MANAGER_REVIEW, subject_id=employee_id)
    with pytest.raises(SelfDealing):
        await submit(seed, employee_id, command(rating, stage_id))
    delegated = await seed.task(stage_id, new_id(), TaskKind.PEER_REVIEW, subject_id=employee_id)
    [row] = await seed.rows("SELECT assignee_id FROM task WHERE id = :id", id=delegated)
    with pytest.raises(SelfDealing):
        await submit(seed, seed.person(employee_id, on_behalf_of=row.assignee_id), command(delegated, stage_id))
    release = await seed.task(stage_id, employee_id, TaskKind.RELEASE)
    with pytest.raises(TaskKindInvalid):
        await submit(seed, employee_id, command(release, stage_id))


async def test_a_delegate_is_named_beside_the_one_who_owed_it(seed: Seed) -> None:
    stage_id = await seed.stage(StageKind.MANAGER_REVIEW)
    manager, delegate = new_id(), new_id()
    participant_id, employee_id = await seed.participant(manager)
    task_id = await seed.task(
        stage_id, manager, TaskKind.MANAGER_REVIEW, participant_id=participant_id, subject_id=employee_id
    )
    await submit(seed, seed.person(delegate, on_behalf_of=manager), command(task_id, stage_id))
    [stored] = await seed.rows("SELECT * FROM submission WHERE task_id = :id", id=task_id)
    assert (stored.submitted_by, stored.on_behalf_of, stored.rater_id) == (delegate, manager, manager)


async def test_another_tenant_sees_no_task(database: Database, seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    stranger = await Seed(database).cycle()
    with pytest.raises(TaskNotFound):
        await submit(stranger, employee_id, command(task_id, stage_id))


async def test_of_two_that_build_on_one_version_only_the_first_is_kept(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    outcomes = await asyncio.gather(
        *(submit(seed, employee_id, command(task_id, stage_id, comment=str(n))) for n in range(6)),
        return_exceptions=True,
    )
    kept = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert len(kept) == 1
    assert all(isinstance(outcome, AlreadySubmitted) for outcome in outcomes if outcome not in kept)
    with pytest.raises(VersionConflict):
        await submit(seed, employee_id, command(await fresh(seed, stage_id, employee_id), stage_id, version=3))


async def fresh(seed: Seed, stage_id: UUID, employee_id: UUID) -> UUID:
    return await seed.task(stage_id, employee_id, TaskKind.CUSTOM)


async def test_a_signature_is_wanted_as_the_stage_says(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed, signature=Signature.TYPED)
    for signature in ("", "click", "   "):
        with pytest.raises(SignatureRequired):
            await submit(seed, employee_id, command(task_id, stage_id, signature=signature))
    clicked, task_id, employee_id = await self_review(seed, signature=Signature.CLICK)
    await submit(seed, employee_id, command(task_id, clicked, signature="click"))


BAD: list[tuple[Answer, str, str]] = [
    (Answer("no/such", "1"), "answers/0/item", "UNKNOWN_ITEM"),
    (Answer("", "1"), "answers/0/item", "REQUIRED"),
    (Answer("conduct/teamwork", "6"), "answers/0/value", "NOT_ON_SCALE"),
    (Answer("conduct/teamwork", "4.5"), "answers/0/value", "NOT_ON_SCALE"),
    (Answer("conduct/teamwork", "four"), "answers/0/value", "NOT_A_NUMBER"),
    (Answer("conduct/teamwork", "NaN"), "answers/0/value", "NOT_A_NUMBER"),
    (Answer("conduct/teamwork", "1e3"), "answers/0/value", "NOT_A_NUMBER"),
    (Answer("conduct/teamwork", "٤"), "answers/0/value", "NOT_A_NUMBER"),
    (Answer("kpi/output", "1234567890123456"), "answers/0/value", "OUT_OF_RANGE"),
    (Answer("kpi/output", "0.1234567"), "answers/0/value", "OUT_OF_RANGE"),
    (Answer("conduct/extra", "11"), "answers/0/value", "OUT_OF_RANGE"),
    (Answer("conduct/note", "1"), "answers/0/value", "NO_VALUE_WANTED"),
    (Answer("conduct/note", text="x" * 10_001), "answers/0/text", "TOO_LONG"),
    (Answer("conduct/note", text="a\x00b"), "answers/0/text", "INVALID_CHARACTER"),
    (Answer("conduct/note", choices=("fast",)), "answers/0/choices", "NO_CHOICE_WANTED"),
    (Answer("conduct/pace", choices=("fast", "slow")), "answers/0/choices", "TOO_MANY"),
    (Answer("conduct/pace", choices=("warp",)), "answers/0/choices", "UNKNOWN_CHOICE"),
    (
        Answer("conduct/note", evidence=(Evidence("a", "javascript:alert(1)"),)),
        "answers/0/evidence/0/url",
        "INVALID_URL",
    ),
    (Answer("conduct/note", evidence=(Evidence("a", "https://"),)), "answers/0/evidence/0/url", "INVALID_URL"),
    (Answer("conduct/note", evidence=(Evidence("a", "http://[::1"),)), "answers/0/evidence/0/url", "INVALID_URL"),
    (
        Answer("conduct/note", evidence=(Evidence("a", "https://a.example/b", "12ab"),)),
        "answers/0/evidence/0/sha256",
        "INVALID_SHA256",
    ),
]


@pytest.mark.parametrize(("answer", "pointer", "code"), BAD)
async def test_every_fault_of_an_answer_is_named_and_nothing_is_written(
    seed: Seed, answer: Answer, pointer: str, code: str
) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    rest = () if answer.item == "conduct/teamwork" else (Answer("conduct/teamwork", "3"),)
    with pytest.raises(AnswersInvalid) as refused:
        await submit(seed, employee_id, command(task_id, stage_id, answer, *rest))
    assert (pointer, code) in [(violation[0], violation[1]) for violation in refused.value.violations]
    for table in ("submission", "event", "idempotency", "sign_off", "audit_entry"):
        assert await seed.rows("SELECT 1 FROM " + table) == []


async def test_all_faults_come_at_once(seed: Seed) -> None:
    stage_id, task_id, employee_id = await self_review(seed)
    faulty = (Answer("kpi/output", "x"), Answer("no/such"), Answer("kpi/output"))
    with pytest.raises(AnswersInvalid) as refused:
        await submit(seed, employee_id, command(task_id, stage_id, *faulty, comment="y" * 10_001))
    codes = {violation[1] for violation in refused.value.violations}
    assert codes == {"NOT_A_NUMBER", "UNKNOWN_ITEM", "TWICE", "TOO_LONG", "REQUIRED"}


async def test_forms_are_read_once(seed: Seed) -> None:
    forms = FormCache(size=1)
    for _ in range(2):
        stage_id, task_id, employee_id = await self_review(seed)
        await submit(seed, employee_id, command(task_id, stage_id), forms)
    other = await Seed(seed.database).cycle()
    stage_id, task_id, employee_id = await self_review(other)
    await submit(other, employee_id, command(task_id, stage_id), forms)


async def test_a_task_is_found_by_its_key_though_there_are_no_statistics(seed: Seed) -> None:
    """As after a first launch. The key is an expression here: a plain one wins a tie with the stage's index by luck."""
    stage_id = await seed.stage()
    for _ in range(5):
        await seed.rows(TASKS, cycle=seed.cycle_id, stage=stage_id, form=seed.form_id)
    statement = SUBMIT.replace("$6", "md5(lpad(to_hex($6::bigint), 12, '0'))::uuid")
    nothing = ", ".join(["NULL"] * 21)
    async with seed.database.transaction(seed.tenant_id) as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.execute(f"SET LOCAL plan_cache_mode = force_generic_plan; PREPARE submission AS {statement}")
        plan = "\n".join(row[0] for row in await driver.fetch(f"EXPLAIN EXECUTE submission ({nothing})"))
    assert "pk_task on task t" in plan
    assert "uq_task_duty" not in plan


async def close_stage(seed: Seed, stage_id: UUID) -> int:
    """Close as Tick does; return how many submissions had committed at that point."""
    async with seed.database.transaction(seed.tenant_id) as connection:
        stages = StageStore(connection, seed.tenant_id)
        stage = await stages.lock(stage_id)
        await stages.save(close(stage, seed.now, early=False))
        return int((await connection.execute(text("SELECT count(*) FROM submission"))).scalar_one())


@pytest.mark.parametrize("trial", range(40))
async def test_no_submission_commits_after_the_close(seed: Seed, trial: int) -> None:
    """Twelve writers against one closer: who was accepted had committed when the stage closed; all others are told."""
    stage_id = await seed.stage()
    people = [new_id() for _ in range(12)]
    tasks = [await seed.task(stage_id, person, TaskKind.CUSTOM) for person in people]
    forms = FormCache()

    async def write(number: int) -> Receipt:
        await asyncio.sleep(0.001 * (number % 4))  # spreads the writers around the close
        return await submit(seed, people[number], command(tasks[number], stage_id), forms)

    async def closer() -> int:
        await asyncio.sleep(0.0005 * (trial % 8))
        return await close_stage(seed, stage_id)

    *outcomes, closed_with = await asyncio.gather(*map(write, range(12)), closer(), return_exceptions=True)
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert all(isinstance(outcome, StageClosed) for outcome in outcomes if outcome not in accepted), outcomes
    rows = await seed.rows("SELECT epoch FROM submission")
    assert len(rows) == len(accepted) == closed_with
    assert {row.epoch for row in rows} <= {1}


async def test_the_closer_commits_while_people_still_write(seed: Seed) -> None:
    """Under sustained load the close is not starved: it commits, and only then are writers refused."""
    stage_id = await seed.stage()
    people = [new_id() for _ in range(240)]
    tasks = dict(zip(people, [await seed.task(stage_id, person, TaskKind.CUSTOM) for person in people], strict=True))
    forms = FormCache()
    begun = asyncio.Event()

    async def write(mine: list[UUID]) -> list[bool]:
        accepted = []
        for person in mine:
            try:
                await submit(seed, person, command(tasks[person], stage_id), forms)
                accepted.append(True)
            except StageClosed:
                accepted.append(False)
            begun.set()
        return accepted

    async def closer() -> int:
        await begun.wait()
        return await close_stage(seed, stage_id)

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(people[n::24])) for n in range(24)]
        closing = group.create_task(closer())
    written, closed_with = [writer.result() for writer in writers], closing.result()
    accepted = sum(sum(mine) for mine in written)
    assert accepted == closed_with
    assert accepted < len(people), "the close came while people still wrote"
    assert all(mine == sorted(mine, reverse=True) for mine in written)
