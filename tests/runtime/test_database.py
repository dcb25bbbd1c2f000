"""Tenant isolation, roles and transactions, on a real PostgreSQL in the service's own roles."""

import asyncio
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.runtime.database import Database
from services.runtime.database.engine import UnsafeRoleError
from services.runtime.errors import status_of
from tests.postgres import BOOTSTRAP, DatabaseUrls, PostgresServer, open_database
from tests.runtime.conftest import SERVICE, work_in
from tests.waiting import until

COUNT = text("SELECT count(*) FROM event")
WAITING = text(
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


async def emit_one(database: Database, tenant_id: UUID) -> None:
    async with database.transaction(tenant_id) as connection:
        await work_in(connection, tenant_id).emit("reviews.thing_made", "thing", uuid4(), 1, {})


async def test_a_tenant_sees_its_own_rows_and_no_others(database: Database) -> None:
    ours, theirs = uuid4(), uuid4()
    await emit_one(database, ours)
    async with database.transaction(ours) as connection:
        assert (await connection.execute(COUNT)).scalar_one() == 1
    async with database.transaction(theirs) as connection:
        assert (await connection.execute(COUNT)).scalar_one() == 0
    async with database.raw_transaction(theirs) as driver:
        assert await driver.fetchval("SELECT count(*) FROM event") == 0
    async with database.raw_transaction(ours) as driver:
        assert await driver.fetchval("SELECT count(*) FROM event") == 1


async def test_without_a_tenant_nothing_can_be_read(database: Database) -> None:
    async with database.app.connect() as connection:
        with pytest.raises(DBAPIError):
            await connection.execute(COUNT)


async def test_the_tenant_ends_with_its_transaction(database: Database) -> None:
    """A connection that comes back from the pool must not remember whose it was."""
    for _ in range(12):
        await emit_one(database, uuid4())
        async with database.app.connect() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(COUNT)


async def test_a_row_of_another_tenant_cannot_be_written(database: Database) -> None:
    with pytest.raises(DBAPIError, match="row-level security"):
        async with database.transaction(uuid4()) as connection:
            await work_in(connection, uuid4()).emit("reviews.thing_made", "thing", uuid4(), 1, {})


async def test_the_system_role_sees_the_events_of_all_tenants(database: Database) -> None:
    tenants = {uuid4(), uuid4()}
    for tenant_id in tenants:
        await emit_one(database, tenant_id)
    async with database.system_transaction() as connection:
        seen = set((await connection.execute(text("SELECT tenant_id FROM event"))).scalars())
    assert tenants <= seen


@pytest.mark.parametrize("table", ["audit_entry", "event"])
async def test_what_was_recorded_cannot_be_changed(database: Database, table: str) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET trace_id = ''"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with database.transaction(uuid4()) as connection:
                await connection.execute(text(statement))


async def test_a_service_refuses_a_role_that_gets_round_row_level_security(
    database: Database, urls: DatabaseUrls, postgres: PostgresServer
) -> None:
    await database.verify_role()
    name = urls.app.split("@/")[1].split("?")[0]
    for role in (f"{SERVICE}_owner", "postgres"):
        unsafe = Database(SERVICE, postgres.url(role, name), urls.system)
        with pytest.raises(UnsafeRoleError):
            await unsafe.verify_role()
        await unsafe.dispose()


async def test_a_raw_transaction_rolls_back_and_gives_a_usable_connection_back(database: Database) -> None:
    tenant_id = uuid4()
    for error in (RuntimeError, asyncio.CancelledError):
        with pytest.raises(error):
            await write_and_fail(database, tenant_id, error)
    async with database.raw_transaction(tenant_id) as driver:
        assert await driver.fetchval("SELECT count(*) FROM audit_note") == 0


async def write_and_fail(database: Database, tenant_id: UUID, error: type[BaseException]) -> None:
    async with database.raw_transaction(tenant_id, shared_lock=7) as driver:
        await driver.execute("INSERT INTO audit_note VALUES ($1, $1, 'gone')", tenant_id)
        raise error


async def test_a_raw_transaction_waits_for_the_exclusive_lock_and_then_sees_what_was_committed(
    database: Database,
) -> None:
    tenant_id = uuid4()

    async def read() -> int:
        async with database.raw_transaction(tenant_id, shared_lock=41) as driver:
            return int(await driver.fetchval("SELECT count(*) FROM event"))

    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(41)"))
        reader = asyncio.ensure_future(read())
        await waiting_for_lock(database)
        await work_in(connection, tenant_id).emit("reviews.thing_made", "thing", uuid4(), 1, {})
    assert await reader == 1


async def waiting_for_lock(database: Database) -> None:
    async def somebody_waits() -> bool:
        async with database.system_transaction() as connection:
            return bool(await connection.scalar(WAITING))

    await until(somebody_waits)


async def test_now_is_read_at_the_call_and_not_at_the_transaction_start(database: Database) -> None:
    async with database.transaction(uuid4()) as connection:
        work = work_in(connection, uuid4())
        assert await work.now() < await work.now()


async def test_a_transaction_ends_at_its_limit(database: Database) -> None:
    with pytest.raises(TimeoutError):
        async with database.transaction(uuid4(), seconds=0.05) as connection:
            await connection.execute(text("SELECT pg_sleep(5)"))
    await emit_one(database, uuid4())


async def test_deterministic_ids_repeat_differ_and_sort_by_time(database: Database) -> None:
    sql = text(
        "SELECT deterministic_id(at, 'a', 'bc') AS one, deterministic_id(at, 'a', 'bc') AS again,"
        " deterministic_id(at, 'ab', 'c') AS other, deterministic_id(at + interval '1 second', 'a', 'bc') AS later"
        " FROM (SELECT timestamptz '2026-03-01 00:00+00' AS at) AS x"
    )
    async with database.transaction(uuid4()) as connection:
        row = (await connection.execute(sql)).one()
    assert row.one == row.again
    assert len({row.one, row.other, row.later}) == 3
    assert row.one < row.later
    assert row.one.version == 7
    assert row.one.variant == "specified in RFC 4122"


async def test_bootstrap_is_repeatable_by_a_role_that_may_only_create_roles(postgres: PostgresServer) -> None:
    """PostgreSQL 16 and later: CREATEROLE without superuser must be enough, on a server that has the roles or not."""
    postgres.execute("postgres", "CREATE ROLE keeper LOGIN CREATEROLE")
    postgres.execute("postgres", "CREATE DATABASE kept OWNER keeper")
    for service in ("people", "goals", "reviews", "scoring", "notify"):
        for kind in ("owner", "app", "system"):
            postgres.execute("postgres", f"GRANT {service}_{kind} TO keeper WITH ADMIN TRUE")
    for _ in range(2):
        postgres.execute("kept", BOOTSTRAP.read_text(), role="keeper")
    postgres.execute("postgres", "DROP DATABASE kept")


async def test_limits_are_set_on_the_roles(database: Database, urls: DatabaseUrls) -> None:
    async with database.app.connect() as connection:
        for name, value in {
            "statement_timeout": "25s",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "30s",
        }.items():
            assert await connection.scalar(text(f"SHOW {name}")) == value
    owner = Database(SERVICE, urls.owner, urls.system)
    async with owner.app.connect() as connection:
        assert await connection.scalar(text("SHOW lock_timeout")) == "5s"
        assert await connection.scalar(text("SHOW statement_timeout")) == "0"
    await owner.dispose()


async def test_a_database_that_is_gone_is_unavailable(urls: DatabaseUrls) -> None:
    nowhere = open_database(SERVICE, DatabaseUrls(*(u.replace("host=", "host=/nowhere") for u in (urls.app,) * 3)))
    with pytest.raises((OSError, asyncpg.PostgresError, DBAPIError)) as caught:
        async with nowhere.transaction(uuid4()):
            pass
    assert status_of(caught.value).code.name == "UNAVAILABLE"
    await nowhere.dispose()


async def kill_and_count(database: Database, postgres: PostgresServer) -> None:
    async with database.transaction(uuid4()) as connection:
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        await asyncio.to_thread(postgres.execute, "postgres", f"SELECT pg_terminate_backend({pid})")
        await connection.execute(COUNT)


async def test_a_killed_connection_is_unavailable_once_and_then_replaced(
    database: Database, postgres: PostgresServer
) -> None:
    with pytest.raises(DBAPIError) as caught:
        await kill_and_count(database, postgres)
    assert status_of(caught.value).code.name == "UNAVAILABLE"
    await emit_one(database, uuid4())
