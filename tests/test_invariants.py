"""The judge of whole cycles finds what is planted: each invariant is broken once, in rows made for it."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests import invariants
from tests.postgres import PostgresServer, migrate, urls_of

FILLERS = {
    "uuid": "gen_random_uuid()",
    "text": "''",
    "jsonb": "'{}'",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "boolean": "false",
    "bytea": "''",
    "ARRAY": "'{}'",
    "xid8": "pg_current_xact_id()",
}
NEEDED = text(
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = :schema AND table_name = :table"
    " AND is_nullable = 'NO' AND column_default IS NULL AND is_generated = 'NEVER'"
)
TENANT = UUID(int=7)


@pytest.fixture(scope="module")
def database(postgres: PostgresServer) -> str:
    """A database with the schemas of all services."""
    name = postgres.create_database()
    for service in invariants.SERVICES:
        migrate(service, urls_of(postgres, service, name).owner)
    return name


@pytest.fixture
async def rows(postgres: PostgresServer, database: str) -> AsyncIterator[AsyncConnection]:
    """The superuser's transaction, without foreign keys; nothing of it stays."""
    async with invariants.connected(postgres.url("postgres", database)) as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
        await connection.rollback()


async def plant(rows: AsyncConnection, table: str, **values: Any) -> UUID:
    """Insert a row, filling what it needs; return its id."""
    schema, name = table.split(".")
    made = uuid4()
    known = {"tenant_id": TENANT, "id": made, **values}
    needed = {row.column_name: row.data_type for row in await rows.execute(NEEDED, {"schema": schema, "table": name})}
    written = {key: f":{key}" for key in known if key in needed or key in values}
    written |= {key: FILLERS.get(kind, "0") for key, kind in needed.items() if key not in known}
    bound = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in known.items()}
    await rows.execute(
        text(f"INSERT INTO {table} ({', '.join(written)}) VALUES ({', '.join(written.values())})"),
        {key: value for key, value in bound.items() if key in written},
    )
    return made


async def plant_event(rows: AsyncConnection, kind: str, aggregate: UUID, xid: int = 5, **payload: str) -> UUID:
    """Write an event into reviews' log, as of a transaction."""
    id_ = await plant(
        rows, "reviews.event", kind=kind, aggregate_id=aggregate, payload=payload, aggregate_type=kind[8:13]
    )
    await rows.execute(
        text("UPDATE reviews.event SET xid = CAST(CAST(:xid AS text) AS xid8) WHERE id = :id"),
        {"xid": str(xid), "id": id_},
    )
    return id_


@pytest.mark.parametrize(
    ("version", "value", "said"),
    [(1, "4", []), (2, "4", ["acknowledged version 1"]), (1, "5", ["other answers than acknowledged"])],
)
async def test_i1_finds_a_submission_that_is_not_as_acknowledged(
    rows: AsyncConnection, version: int, value: str, said: list[str]
) -> None:
    task = uuid4()
    answers = {"quality": {"value": value}}
    await plant(rows, "reviews.submission", task_id=task, request_id="k", version=version, answers=answers)
    acknowledged = {"subject": str(task), "key": "k", "version": 1, "answers": [{"item": "quality", "value": "4"}]}
    found = await invariants.submissions_are_kept(rows, [acknowledged])
    assert [text_ in line for text_, line in zip(said, found, strict=True)] == [True] * len(said)


async def test_i1_finds_a_submission_that_was_lost(rows: AsyncConnection) -> None:
    lost = {"subject": str(uuid4()), "key": "k", "version": 1, "answers": []}
    assert "kept 0" in (await invariants.submissions_are_kept(rows, [lost]))[0]


async def test_i2_finds_a_person_who_was_told_twice(rows: AsyncConnection) -> None:
    me, event = uuid4(), uuid4()
    await plant(rows, "notify.message", recipient_id=me, event_id=event)
    await plant(rows, "notify.message", recipient_id=uuid4(), event_id=event)
    assert await invariants.messages_are_unique(rows) == []
    await rows.execute(text(DROP_UNIQUE_KEYS))
    await plant(rows, "notify.message", recipient_id=me, event_id=event)
    assert await invariants.messages_are_unique(rows) == ["I2 1 messages told twice"]


DROP_UNIQUE_KEYS = """DO $$ DECLARE key text; BEGIN
  FOR key IN SELECT conname FROM pg_constraint WHERE conrelid = 'notify.message'::regclass AND contype = 'u' LOOP
    EXECUTE format('ALTER TABLE notify.message DROP CONSTRAINT %I', key);
  END LOOP; END $$"""


@pytest.mark.parametrize(
    ("kinds", "broken"),
    [
        (("opened", "closed"), False),
        (("opened", "closed", "reopened", "closed"), False),
        (("opened", "opened"), True),
        (("opened", "closed", "closed"), True),
    ],
)
async def test_i3_finds_a_stage_that_opened_or_closed_twice(
    rows: AsyncConnection, kinds: tuple[str, ...], broken: bool
) -> None:
    stage = uuid4()
    for kind in kinds:
        await plant(rows, "reviews.event", kind=f"reviews.stage_{kind}", aggregate_id=stage, aggregate_type="stage")
    assert [str(stage) in line for line in await invariants.stages_move_once(rows)] == [True] * broken


@pytest.mark.parametrize(("submitted", "extended", "broken"), [(4, False, False), (6, False, True), (6, True, False)])
async def test_i4_finds_a_submission_after_its_stage_began_to_close(
    rows: AsyncConnection, submitted: int, extended: bool, broken: bool
) -> None:
    stage = uuid4()
    task = await plant(rows, "reviews.task", stage_id=stage)
    if extended:
        await rows.execute(text("UPDATE reviews.task SET due_override = now() WHERE id = :id"), {"id": task})
    await plant(rows, "reviews.submission", task_id=task)
    await plant_event(rows, "reviews.stage_closing", stage, xid=5)
    await plant_event(rows, "reviews.task_submitted", task, xid=submitted, stage_id=str(stage))
    assert [str(task) in line for line in await invariants.nothing_is_late(rows)] == [True] * broken


@pytest.mark.parametrize(("total", "broken"), [("87.00", False), ("87.01", True)])
async def test_i5_finds_an_explanation_that_does_not_add_up(rows: AsyncConnection, total: str, broken: bool) -> None:
    lines = [{"contribution": "63.00", "depth": 0}, {"contribution": "24.00", "depth": 0}]
    result = await plant(rows, "scoring.result", explanation={"total": total, "lines": lines})
    assert [str(result) in line for line in await invariants.explanations_add_up(rows)] == [True] * broken


async def test_i6_finds_a_step_without_an_entry_and_an_entry_without_a_seal(rows: AsyncConnection) -> None:
    stage = uuid4()
    step = await plant(rows, "reviews.event", kind="reviews.stage_opened", aggregate_id=stage, aggregate_type="stage")
    assert await invariants.audit_is_whole(rows) == [f"I6 event {step} has no audit entry"]
    await plant(rows, "reviews.audit_entry", subject_id=stage)
    assert await invariants.audit_is_whole(rows) == ["I6 reviews: 1 entries are not sealed"]


async def test_i6_finds_a_chain_that_was_altered(rows: AsyncConnection) -> None:
    entry = await plant(rows, "reviews.audit_entry")
    await plant(rows, "reviews.audit_seal", entry_id=entry, sequence=1, hash=b"not its hash")
    (found,) = await invariants.audit_is_whole(rows)
    assert "altered" in found


async def test_i7_finds_a_table_that_another_tenant_can_read(postgres: PostgresServer, database: str) -> None:
    urls = {"notify": postgres.url("notify_app", database)}
    row = "INSERT INTO notify.tenant_seen VALUES (gen_random_uuid())"
    postgres.execute(database, f"CREATE TABLE notify.tenant_seen (tenant_id uuid); {row}")
    try:
        postgres.execute(database, "GRANT SELECT ON notify.tenant_seen TO notify_app")
        assert await invariants.tenants_are_apart(urls) == ["I7 notify.tenant_seen: another tenant sees 1 rows"]
    finally:
        postgres.execute(database, "DROP TABLE notify.tenant_seen")
    assert await invariants.tenants_are_apart(urls) == []


async def test_i8_finds_an_event_that_nobody_has_read_and_one_that_is_parked(rows: AsyncConnection) -> None:
    await plant_event(rows, "reviews.task_opened", uuid4())
    await plant(rows, "scoring.parked_event", producer="reviews")
    assert await invariants.logs_are_consumed(rows) == [
        "I8 scoring: 1 events are parked",
        "I8 scoring is 1 events behind reviews",
        "I8 notify is 1 events behind reviews",
    ]


def test_i10_finds_what_a_person_wrote_in_a_log(tmp_path: Path) -> None:
    (tmp_path / "reviews.log").write_text('{"event": "submitted", "comment": "希望复核"}\n', encoding="utf-8")
    assert invariants.personal_text_in(tmp_path, ["希望复核", "王芳"]) == ["I10 reviews.log holds '希望复核'"]
