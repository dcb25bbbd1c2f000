"""What the job that makes the roles says when it cannot give a role its password."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from urllib.parse import quote

import asyncpg

from deploy.jobs.database import prefix
from deploy.local.layout import REPOSITORY
from deploy.names import SERVICES
from tests.postgres import PostgresServer

KINDS = {"app": "DATABASE_URL", "system": "SYSTEM_DATABASE_URL", "owner": "OWNER_DATABASE_URL"}


async def test_a_password_that_the_server_cannot_be_told_is_refused_before_anything_is_made(
    postgres: PostgresServer,
) -> None:
    spoken = {"goals_owner": "pässword", "reviews_app": "口令"}
    told = {"DATABASE_URL": f"postgresql://postgres@/postgres?host={postgres.host}"}
    for service in SERVICES:
        for kind, variable in KINDS.items():
            role = f"{service}_{kind}"
            url = f"postgresql+asyncpg://{role}:{quote(spoken.get(role, 'secret-word'))}@/unmade?host={postgres.host}"
            told[prefix(service) + variable] = url
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "deploy.jobs.database"],
        cwd=REPOSITORY, env={**os.environ, **told}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "deploy.jobs.database: the password of goals_owner, reviews_app may have printable ASCII characters only;"
        " nothing was set\n",
    )
    server = await asyncpg.connect(host=postgres.host, user="postgres", database="postgres")
    try:
        assert not await server.fetchval("SELECT count(*) FROM pg_database WHERE datname = 'unmade'")
    finally:
        await server.close()
