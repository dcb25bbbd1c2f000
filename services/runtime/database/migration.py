"""Runs a service's Alembic migrations as the role that owns its schema."""

import asyncio
from pathlib import Path

import sqlalchemy
from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from services.runtime.database.trust import certificate_told

SERVICES = Path(__file__).resolve().parents[2]


def configuration(service: str, owner_url: str) -> Config:
    """Return Alembic's configuration for a service, made here so that no ini file holds a URL."""
    config = Config()
    config.set_main_option("script_location", str(SERVICES / service / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["owner_url"] = owner_url
    return config


def upgrade(service: str, owner_url: str) -> None:
    """Bring the service's schema to its newest migration; runs its own event loop."""
    with certificate_told(owner_url):
        command.upgrade(configuration(service, owner_url), "head")


def migration_environment(metadata: MetaData) -> None:
    """Run what Alembic was asked for; the whole of each service's `env.py`."""
    asyncio.run(_run(metadata))


async def _run(metadata: MetaData) -> None:
    service = metadata.info["schema"]
    engine = create_async_engine(
        context.config.attributes["owner_url"],
        poolclass=pool.NullPool,
        connect_args={"server_settings": {"search_path": service, "lock_timeout": "5s"}},
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate, metadata, service)
            await connection.commit()
    finally:
        await engine.dispose()


def _migrate(connection: Connection, metadata: MetaData, service: str) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_type=True,
        include_object=_is_declared_here,
    )
    with context.begin_transaction():
        context.run_migrations()
    if sqlalchemy.inspect(connection).has_table("alembic_version"):
        connection.execute(text(f"REVOKE ALL ON alembic_version FROM {service}_app, {service}_system"))


def _is_declared_here(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
    return not (kind == "table" and name == "alembic_version")
