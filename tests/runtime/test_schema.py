"""Every schema: rows closed by tenant on all tables but the listed ones, and tables as they are declared."""

import importlib
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Connection, Integer, MetaData, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.database import metadata
from tests.postgres import DatabaseUrls, PostgresServer, urls_of
from tests.runtime.conftest import SERVICE

ROOT = Path(__file__).resolve().parents[2]
SYSTEM_TABLES = tomllib.loads((ROOT / "deploy" / "system_tables.toml").read_text())
SERVICES = sorted(path.parent.parent.name for path in ROOT.glob("services/*/migrations/env.py"))
TABLES = text(
    "SELECT c.relname AS name, c.relrowsecurity AS enabled, c.relforcerowsecurity AS forced,"
    " (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = 1) AS first_column,"
    " (SELECT i.indkey[0] FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS key_begins_with"
    " FROM pg_class c WHERE c.relnamespace = CAST(:schema AS regnamespace) AND c.relkind IN ('r', 'p')"
    " AND c.relname <> 'alembic_version'"
)
POLICIES = text(
    "SELECT tablename, roles::text[] AS roles, CASE cmd WHEN 'ALL' THEN qual ELSE cmd || ' ' || qual END AS qual"
    " FROM pg_policies WHERE schemaname = :schema"
)
TENANT_RULE = "(tenant_id = ( SELECT (current_setting('attune.tenant'::text))::uuid AS current_setting))"


async def rows(urls: DatabaseUrls, statement: Any, **parameters: str) -> list[Any]:
    engine = create_async_engine(urls.owner, poolclass=NullPool)
    async with engine.connect() as connection:
        found = list(await connection.execute(statement, parameters))
    await engine.dispose()
    return found


def listed(service: str, kind: str) -> set[str]:
    return set(SYSTEM_TABLES["runtime"][kind]) | set(SYSTEM_TABLES[service][kind])


async def check_isolation(service: str, urls: DatabaseUrls, *, own_tables: bool = True) -> None:
    tables = await rows(urls, TABLES, schema=service)
    if own_tables:
        assert {table.name for table in tables} >= listed(service, "system") | listed(service, "tenantless")
    open_tables = [table.name for table in tables if not (table.enabled and table.forced)]
    assert open_tables == []
    tenantless = listed(service, "tenantless")
    wrong_first = [
        table.name
        for table in tables
        if table.name not in tenantless and (table.first_column, table.key_begins_with) != ("tenant_id", 1)
    ]
    assert wrong_first == []
    policies: dict[str, dict[str, str]] = {}
    for policy in await rows(urls, POLICIES, schema=service):
        policies.setdefault(policy.tablename, {}).update(dict.fromkeys(policy.roles, policy.qual))
    wanted = {table.name: expected_policies(service, table.name) for table in tables}
    assert policies == wanted


def expected_policies(service: str, table: str) -> dict[str, str]:
    if table in listed(service, "tenantless"):
        return {f"{service}_{role}": "true" for role in ("app", "system", "owner")}
    policies = {f"{service}_{role}": TENANT_RULE for role in ("app", "owner")}
    if table in SYSTEM_TABLES[service].get("counted", {}):
        policies[f"{service}_system"] = "SELECT true"
    return policies | ({f"{service}_system": "true"} if table in listed(service, "system") else {})


async def differences(urls: DatabaseUrls, declared: MetaData) -> list[Any]:
    def compare(connection: Connection) -> list[Any]:
        options = {"compare_type": True, "include_object": lambda o, name, *_: name != "alembic_version"}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), declared))

    engine = create_async_engine(urls.owner, poolclass=NullPool)
    async with engine.connect() as connection:
        found = await connection.run_sync(compare)
    await engine.dispose()
    return found


def declared_by(service: str) -> MetaData:
    """Return the tables that a service declares."""
    module = importlib.import_module(f"services.{service}.tables")
    found = getattr(module, "metadata", None)
    declared: MetaData = found if isinstance(found, MetaData) else module.METADATA
    return declared


async def test_the_runtimes_tables_are_closed_by_tenant(urls: DatabaseUrls) -> None:
    await check_isolation(SERVICE, urls, own_tables=False)


async def test_the_runtimes_tables_are_as_declared(urls: DatabaseUrls) -> None:
    assert await differences(urls, metadata(SERVICE)) == []


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_of_a_service_is_closed_by_tenant(
    service: str, database_urls: Callable[[str], DatabaseUrls]
) -> None:
    await check_isolation(service, database_urls(service))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrations_make_what_the_tables_declare(
    service: str, database_urls: Callable[[str], DatabaseUrls]
) -> None:
    assert await differences(database_urls(service), declared_by(service)) == []


async def test_a_column_that_no_migration_makes_is_a_difference(
    database_urls: Callable[[str], DatabaseUrls],
) -> None:
    planted = MetaData()
    for table in declared_by("notify").tables.values():
        table.to_metadata(planted)
    next(iter(planted.tables.values())).append_column(Column("planted", Integer))
    ((kind, _, _, column),) = await differences(database_urls("notify"), planted)
    assert (kind, column.name) == ("add_column", "planted")


@pytest.mark.parametrize(
    "planted",
    [
        "CREATE TABLE planted (tenant_id uuid PRIMARY KEY)",
        "ALTER TABLE message NO FORCE ROW LEVEL SECURITY",
        "CREATE POLICY planted ON message TO notify_app USING (true)",
    ],
)
async def test_a_table_that_is_open_to_other_tenants_is_found(postgres: PostgresServer, planted: str) -> None:
    database = postgres.create_database("notify")
    postgres.execute(database, f"SET search_path = notify; {planted}", role="notify_owner")
    with pytest.raises(AssertionError):
        await check_isolation("notify", urls_of(postgres, "notify", database))


@pytest.mark.parametrize("service", SERVICES)
async def test_the_app_role_cannot_touch_the_migrations_version(
    service: str, database_urls: Callable[[str], DatabaseUrls]
) -> None:
    privilege = text("SELECT has_table_privilege(:role, :table, 'SELECT') AS granted")
    for role in ("app", "system"):
        names = {"role": f"{service}_{role}", "table": f"{service}.alembic_version"}
        assert [row.granted for row in await rows(database_urls(service), privilege, **names)] == [False]
