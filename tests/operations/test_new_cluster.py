"""A restore into a new cluster, which counts transactions anew: nothing is read twice, nothing is skipped."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import text

from deploy.names import SERVICES
from deploy.operations.reach import KINDS, Installation
from deploy.operations.restored import settle
from tests.identity import Keyring
from tests.operations.logs import (
    FOLLOWED,
    HINTED,
    REASSIGNED,
    REOPENED,
    Logs,
    burn,
    copy_to_new_cluster,
    logs_of,
    next_transaction,
)
from tests.postgres import PostgresServer, running_server

FEW = 20_000  # transactions, many more than a new cluster has had


@pytest.fixture(scope="module")
def new_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A second server, whose transaction ids begin at the beginning."""
    with running_server(tmp_path_factory.mktemp("new") / "postgres") as server:
        yield server


@pytest.fixture
async def before(postgres: PostgresServer, whole_database: str, tmp_path: Path) -> AsyncIterator[Logs]:
    """The logs of the old cluster, far along."""
    await burn(postgres, FEW)
    async with logs_of(postgres, whole_database, Keyring(tmp_path)) as logs:
        yield logs


class Story:
    """What happens to two tenants before the backup: some of it was read by all, some by one, some by nobody."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.well, self.failing = uuid4(), uuid4()
        self.cycle, self.stage, self.task = str(uuid4()), str(uuid4()), str(uuid4())
        self.assignees = [str(uuid4()) for _ in range(3)]

    async def happen(self, postgres: PostgresServer, admin: asyncpg.Connection) -> None:
        """Emit, follow here and there, and set aside what fails."""
        logs = self.logs
        logs.failing = {(consumer, self.failing) for consumer in FOLLOWED}
        await self.more()
        await self.reassign(0)
        await self.reassign(1)
        reopened = {"cycle_id": self.cycle, "stage_id": self.stage, "stage_kind": "self_review"}
        await logs.emit(self.well, "reviews", REOPENED, **reopened)
        await logs.follow()
        await self.score_anew(admin)
        for producer in HINTED:
            await logs.bridge_reads(producer)
        await burn(postgres, FEW)
        await self.more()
        await logs.follow("reviews", "notify")
        await self.more()

    async def more(self) -> None:
        """Some events of every service for both tenants, the order of transactions not being that of ids."""
        for producer in SERVICES:
            for tenant_id in (self.well, self.failing):
                await self.logs.emit_inverted(tenant_id, producer)

    async def reassign(self, to: int) -> None:
        """Hand the task over."""
        payload = {"task_id": self.task, "stage_id": self.stage, "assignee_id": self.assignees[to]}
        await self.logs.emit(self.well, "reviews", REASSIGNED, **payload)

    async def score_anew(self, admin: asyncpg.Connection) -> None:
        """Somebody is scored after the stage was opened again."""
        await admin.execute("INSERT INTO scoring.form (tenant_id, hash, definition) VALUES ($1, '', '{}')", self.well)
        await admin.execute(
            "INSERT INTO scoring.score (tenant_id, cycle_id, participant_id, stage_id, epoch, form_hash,"
            " engine_version, inputs, inputs_hash, explanation) VALUES ($1, $2, $3, $4, 2, '', 1, '{}', '', '{}')",
            self.well, UUID(self.cycle), uuid4(), UUID(self.stage),
        )  # fmt: skip


async def missing_or_repeated(logs: Logs, tenant_id: UUID) -> list[str]:
    """Return which consumer has not taken every event of a log once, in its order."""
    seen = await logs.seen(tenant_id)
    wrong: list[str] = []
    for consumer, producers in FOLLOWED.items():
        for producer in producers:
            log = await logs.log(tenant_id, producer)
            if [event for event in seen[consumer] if event in set(log)] != log:
                wrong.append(f"{consumer} of {producer}")
    return wrong


async def restored(installation: Installation, server: PostgresServer, name: str) -> Installation:
    """Settle as an operator who was interrupted, and once too often."""
    roles = [f"{service}_{kind}" for service in SERVICES for kind in KINDS]
    there = replace(installation, urls={role: server.url(role, name) for role in roles})

    def die_half_way(line: str) -> None:
        if line.startswith("reviews: log epoch"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await settle(there, die_half_way)
    for _ in range(2):
        await settle(there, lambda _: None)
    return there


@pytest.mark.parametrize("ids", ["begin anew", "overlap"])
async def test_after_a_restore_into_a_new_cluster_each_event_takes_effect_once(
    ids: str,
    before: Logs,
    postgres: PostgresServer,
    whole_database: str,
    admin: asyncpg.Connection,
    new_cluster: PostgresServer,
    installation: Installation,
    tmp_path: Path,
) -> None:
    story = Story(before)
    await story.happen(postgres, admin)
    logs_before = {service: await before.log(story.well, service) for service in SERVICES}
    await before.are_complete()
    unread = {producer: await before.bridge_reads(producer, acknowledge=False) for producer in HINTED}
    at_backup = await next_transaction(postgres)
    name = await copy_to_new_cluster(postgres, whole_database, new_cluster, tmp_path / "dump")
    if ids == "overlap":
        await burn(new_cluster, at_backup - FEW // 2 - await next_transaction(new_cluster))
    assert at_backup - FEW < await next_transaction(new_cluster) < at_backup or ids == "begin anew"
    assert await next_transaction(new_cluster) < at_backup

    await restored(installation, new_cluster, name)
    async with logs_of(new_cluster, name, before.keyring) as after:
        story.logs = after
        await after.are_complete()
        assert {producer: await after.bridge_reads(producer, acknowledge=False) for producer in HINTED} == unread
        await story.more()
        await after.follow()
        assert await missing_or_repeated(after, story.well) == []
        assert await missing_or_repeated(after, story.failing) == []
        assert {service: (await after.log(story.well, service))[:-2] for service in SERVICES} == logs_before
        assert await told(after, story) == {story.assignees[0]: True, story.assignees[1]: False}
        async with after.databases["scoring"].transaction(story.well) as connection:
            assert (await connection.execute(text("SELECT superseded FROM score"))).scalars().all() == [False]
        await story.reassign(2)
        await after.follow("notify")
        assert await told(after, story) == {who: who != story.assignees[2] for who in story.assignees}
        assert await after.altered_chains(story.well) == []


async def told(logs: Logs, story: Story) -> dict[str, bool]:
    """Return who was told of the task, and whether that is void."""
    async with logs.databases["notify"].transaction(story.well) as connection:
        rows = await connection.execute(text("SELECT recipient_id, void FROM message"))
        return {str(row.recipient_id): row.void for row in rows}
