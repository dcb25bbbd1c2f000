"""The audit trail: written with the change, sealed behind the writers, and any alteration found."""

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.audit import Alteration, Sealer, replace_beyond, root, tenants_beyond, verify
from services.runtime.database import Database
from tests.postgres import DatabaseUrls, PostgresServer
from tests.runtime.conftest import SERVICE, beyond_the_horizon, work_in


async def write(database: Database, tenant_id: UUID, count: int, note: str = "") -> None:
    async with database.transaction(tenant_id) as connection:
        work = work_in(connection, tenant_id)
        for number in range(count):
            await work.audit("thing.made", "thing", uuid4(), detail={"number": number, "z": 1.5, "a": []}, note=note)


async def checked(database: Database, tenant_id: UUID) -> Alteration | None:
    async with database.transaction(tenant_id) as connection:
        return await verify(connection, tenant_id)


@pytest.fixture
async def sealed(database: Database) -> UUID:
    """A tenant with six sealed entries, each with a note."""
    tenant_id = uuid4()
    for _ in range(3):
        await write(database, tenant_id, 2, note="因为绩效")
    await beyond_the_horizon(database, "audit_entry")
    await Sealer(database).seal_all()
    return tenant_id


@pytest.fixture
def tamper(postgres: PostgresServer, urls: DatabaseUrls) -> "Tamper":
    return Tamper(postgres, urls.app.split("@/")[1].split("?")[0])


class Tamper:
    """Somebody with the superuser's password."""

    def __init__(self, postgres: PostgresServer, database: str) -> None:
        self._postgres, self._database = postgres, database

    def run(self, sql: str, tenant_id: UUID, sequence: int = 0) -> None:
        entry = f"(SELECT entry_id FROM reviews.audit_seal WHERE tenant_id = '{tenant_id}' AND sequence = {sequence})"
        self._postgres.execute(self._database, sql.format(entry=entry, tenant=f"'{tenant_id}'", sequence=sequence))


async def test_the_sequence_has_no_gap_and_the_chain_verifies(database: Database, sealed: UUID) -> None:
    assert await checked(database, sealed) is None
    async with database.transaction(sealed) as connection:
        sequences = (await connection.execute(text("SELECT sequence FROM audit_seal ORDER BY sequence"))).scalars()
        assert list(sequences) == [1, 2, 3, 4, 5, 6]
        assert (await root(connection, sealed))[0] == 6


async def test_a_chain_goes_on_where_it_ended(database: Database, sealed: UUID) -> None:
    async with database.transaction(sealed) as connection:
        before = await root(connection, sealed)
    await write(database, sealed, 3)
    await beyond_the_horizon(database, "audit_entry")
    await Sealer(database).seal_all()
    async with database.transaction(sealed) as connection:
        after = await root(connection, sealed)
    assert (before[0], after[0]) == (6, 9)
    assert before[1] != after[1]
    assert await checked(database, sealed) is None


@pytest.mark.parametrize("sequence", [1, 4, 6])
@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("UPDATE reviews.audit_entry SET action = 'x' WHERE id = {entry}", "altered"),
        ("UPDATE reviews.audit_entry SET detail = jsonb_set(detail, '{{number}}', '99') WHERE id = {entry}", "altered"),
        ("UPDATE reviews.audit_entry SET actor = 'x', create_time = create_time WHERE id = {entry}", "altered"),
        ("UPDATE reviews.audit_entry SET create_time = create_time + interval '1 us' WHERE id = {entry}", "altered"),
        ("UPDATE reviews.audit_entry SET content_hash = sha256('x') WHERE id = {entry}", "altered"),
        ("UPDATE reviews.audit_note SET note = 'x' WHERE entry_id = {entry}", "note_altered"),
        ("DELETE FROM reviews.audit_entry WHERE id = {entry}", "missing"),
    ],
)
async def test_an_altered_row_is_located(
    database: Database, sealed: UUID, tamper: Tamper, sql: str, reason: str, sequence: int
) -> None:
    tamper.run(sql, sealed, sequence)
    found = await checked(database, sealed)
    assert found is not None
    assert (found.sequence, found.reason) == (sequence, reason)


async def test_a_removed_seal_and_an_inserted_entry_are_found(database: Database, sealed: UUID, tamper: Tamper) -> None:
    forged = (
        "INSERT INTO reviews.audit_entry (tenant_id, id, xid, action, subject_type, subject_id, actor_kind, actor,"
        " request_id, trace_id, detail) SELECT tenant_id, gen_random_uuid(), '3', action, subject_type, subject_id,"
        " actor_kind, actor, request_id, trace_id, detail FROM reviews.audit_entry WHERE id = {entry}"
    )
    tamper.run(forged, sealed, 2)
    found = await checked(database, sealed)
    assert found is not None
    assert found.reason == "inserted"
    tamper.run("DELETE FROM reviews.audit_seal WHERE tenant_id = {tenant} AND sequence = {sequence}", sealed, 3)
    found = await checked(database, sealed)
    assert found is not None
    assert (found.sequence, found.reason) == (3, "gap")


async def test_an_erased_note_leaves_the_chain_whole(database: Database, sealed: UUID) -> None:
    async with database.transaction(sealed) as connection:
        await connection.execute(text("DELETE FROM audit_note"))
    assert await checked(database, sealed) is None


async def test_nothing_is_sealed_ahead_of_a_writer_that_may_still_commit(database: Database) -> None:
    tenant_id = uuid4()
    sealer = Sealer(database)
    async with database.transaction(tenant_id) as connection:
        await work_in(connection, tenant_id).audit("thing.made", "thing", uuid4(), detail={})
        await write(database, tenant_id, 1)
        await sealer.seal_all()
        assert await connection.scalar(text("SELECT count(*) FROM audit_seal")) == 0
    await beyond_the_horizon(database, "audit_entry")
    await sealer.seal_all()
    async with database.transaction(tenant_id) as connection:
        assert (await root(connection, tenant_id))[0] == 2


async def test_a_tenant_that_cannot_be_sealed_keeps_no_other_waiting_and_is_sealed_later(
    database: Database, tamper: Tamper
) -> None:
    stuck, well = sorted(uuid4() for _ in range(2))
    for tenant_id in (stuck, well):
        await write(database, tenant_id, 2)
    await beyond_the_horizon(database, "audit_entry")
    sealer = Sealer(database)
    tamper.run("ALTER TABLE reviews.audit_seal ADD CONSTRAINT stuck CHECK (tenant_id <> {tenant}) NOT VALID", stuck)
    await sealer.seal_all()
    assert [await length(database, each) for each in (stuck, well)] == [0, 2]
    tamper.run("ALTER TABLE reviews.audit_seal DROP CONSTRAINT stuck", stuck)
    await sealer.seal_all()
    assert [await length(database, each) for each in (stuck, well)] == [2, 2]


async def length(database: Database, tenant_id: UUID) -> int:
    async with database.transaction(tenant_id) as connection:
        return (await root(connection, tenant_id))[0]


async def test_sealers_at_the_same_time_make_one_chain(database: Database) -> None:
    tenants = [uuid4() for _ in range(3)]
    for tenant_id in tenants:
        await write(database, tenant_id, 5)
    await beyond_the_horizon(database, "audit_entry")
    await asyncio.gather(*(Sealer(database).seal_all() for _ in range(3)))
    for tenant_id in tenants:
        assert await checked(database, tenant_id) is None
        async with database.transaction(tenant_id) as connection:
            assert (await root(connection, tenant_id))[0] == 5


async def test_a_chain_goes_on_in_a_cluster_that_counts_transactions_anew(
    database: Database, sealed: UUID, tamper: Tamper, urls: DatabaseUrls
) -> None:
    await write(database, sealed, 2)
    tamper.run(
        "UPDATE reviews.audit_entry SET xid = (xid::text::bigint + 1000000000)::text::xid8 WHERE tenant_id = {tenant}",
        sealed,
    )
    await write(database, sealed, 1)
    async with database.system_transaction() as connection:
        assert sealed in await tenants_beyond(connection)
    owner = create_async_engine(
        urls.owner, poolclass=NullPool, connect_args={"server_settings": {"search_path": SERVICE}}
    )
    async with owner.begin() as connection:
        await connection.execute(text("SELECT set_config('attune.tenant', :tenant, true)"), {"tenant": str(sealed)})
        await replace_beyond(connection, sealed)
    await owner.dispose()
    await beyond_the_horizon(database, "audit_entry")
    await Sealer(database).seal_all()
    async with database.transaction(sealed) as connection:
        assert (await root(connection, sealed))[0] == 9
    assert await checked(database, sealed) is None
