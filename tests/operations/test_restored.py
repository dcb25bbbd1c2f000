"""What follows a restore: refused while anybody is connected, repeatable, no workflow left running."""

import argparse
import socket
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
import time_machine
from sqlalchemy import text
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from deploy.jobs.engine import EngineJobSettings
from deploy.names import SERVICES
from deploy.operations.__main__ import EVER, Commands, run
from deploy.operations.deletion import delete_tenant
from deploy.operations.engine import clock_ahead_seconds, polled_seconds_ago
from deploy.operations.reach import Installation, Refused
from deploy.operations.restored import CHUNK, held, hold, release, require_no_worker, settle
from services.runtime.clock import utc_now
from tests.operations.proxy import refusing
from tests.operations.tenants import fingerprint
from tests.postgres import PostgresServer
from tests.temporal import TemporalServer
from tests.waiting import until
from workflows import messages
from workflows.client import Cycles
from workflows.probe import free_port

QUEUE = tuple(
    f"INSERT INTO notify.{table} SELECT $1, {values} FROM generate_series(1, $2::int) AS n"
    for table, values in {
        "message (tenant_id, id, event_id, recipient_id, sequence, kind, subject_type, subject_id, parameters)": (
            "md5('message' || n)::uuid, md5('event')::uuid, md5('person' || n)::uuid, 1, 'task_reminded', 'task',"
            " md5('task' || n)::uuid, '{}'"
        ),
        "message_task (tenant_id, task_id, message_id, stage_id)": (
            "md5('task' || n)::uuid, md5('message' || n)::uuid, md5('stage')::uuid"
        ),
        "delivery (tenant_id, id, message_id, recipient_id, channel, state)": (
            "md5('delivery' || n)::uuid, md5('message' || n)::uuid, md5('person' || n)::uuid, 'email', 'pending'"
        ),
    }.items()
)


@activity.defn
async def nothing() -> None:
    """Work that never comes."""


async def epochs(admin: asyncpg.Connection) -> list[int]:
    return [await admin.fetchval(f"SELECT log_epoch FROM {service}.event_epoch") for service in SERVICES]


async def test_logs_begin_anew_sends_are_held_and_workflows_end(
    installation: Installation, admin: asyncpg.Connection, temporal_client: Client
) -> None:
    tenant_id, cycle_id, before = str(uuid4()), str(uuid4()), await epochs(admin)
    cycles = Cycles(temporal_client)
    await cycles.hint(tenant_id, cycle_id)

    async def listed() -> bool:
        return [each async for each in temporal_client.list_workflows(f"AttuneTenant = '{tenant_id}'")] != []

    await until(listed)
    said: list[str] = []
    for _ in range(2):
        await settle(installation, said.append)
    assert await epochs(admin) == [epoch + 2 for epoch in before]
    hold = await held(installation)
    assert hold is not None
    assert hold.reason == "restored"
    described = await cycles.describe(tenant_id, cycle_id)
    assert described is not None
    assert described.status is WorkflowExecutionStatus.TERMINATED
    assert await release(installation, None) == 0
    assert await held(installation) is None


async def test_nothing_is_done_while_a_service_is_connected(
    installation: Installation, admin: asyncpg.Connection, postgres: PostgresServer, whole_database: str
) -> None:
    before = await epochs(admin)
    service = await asyncpg.connect(
        host=postgres.host, user="goals_app", database=whole_database,
        server_settings={"application_name": "attune-goals"},
    )  # fmt: skip
    try:
        with pytest.raises(Refused, match="attune-goals is connected; stop all processes"):
            await settle(installation, lambda _: None)
    finally:
        await service.close()
    assert await epochs(admin) == before
    assert await held(installation) is None


async def test_a_hold_that_the_backup_had_begins_anew(installation: Installation, admin: asyncpg.Connection) -> None:
    await admin.execute(
        "INSERT INTO notify.send_hold (reason, create_time) VALUES ('the mail server moves', now() - interval '1 day')"
    )
    await settle(installation, lambda _: None)
    again = await held(installation)
    assert again is not None
    assert again.reason == "restored"
    assert again.since > utc_now() - timedelta(minutes=10)
    await hold(installation, "an operator's own")
    assert await held(installation) == again, "a hold that stands stays as it is"
    await release(installation, None)


async def test_a_queue_that_is_discarded_is_told_of_chunk_by_chunk(
    installation: Installation, admin: asyncpg.Connection
) -> None:
    tenant_id, people = uuid4(), CHUNK + 10
    await hold(installation, "restored")
    for statement in QUEUE:
        await admin.execute(statement, tenant_id, people)
    assert await release(installation, utc_now() + timedelta(hours=1)) == people
    assert await admin.fetchval("SELECT count(*) FROM notify.delivery WHERE state <> 'unknown'") == 0
    events = await admin.fetch(
        "SELECT kind, payload->'task_ids' AS tasks, payload->>'error' AS error FROM notify.event WHERE tenant_id = $1",
        tenant_id,
    )
    assert {(each["kind"], each["error"]) for each in events} == {("notify.delivery_failed", "DISCARDED")}
    assert len({each["tasks"] for each in events}) == people
    assert (await held(installation), await release(installation, EVER)) == (None, 0)


async def test_nothing_is_touched_where_temporal_cannot_be_reached(
    installation: Installation, admin: asyncpg.Connection, two_tenants: tuple[UUID, UUID]
) -> None:
    elsewhere = EngineJobSettings(temporal_address=f"127.0.0.1:{free_port()}", temporal_namespace="attune")
    cut_off = replace(installation, temporal=elsewhere)
    before, rows = await epochs(admin), await fingerprint(admin, two_tenants[0])
    with pytest.raises(Refused, match=r"does not answer without TLS \(TEMPORAL_TLS is not set\)"):
        await settle(cut_off, lambda _: None)
    assert (await epochs(admin), await held(installation)) == (before, None)
    with pytest.raises(Refused, match="does not answer"):
        await delete_tenant(cut_off, two_tenants[0], "company", 0, lambda _: None)
    assert await fingerprint(admin, two_tenants[0]) == rows


async def test_nothing_is_done_while_a_worker_asks_for_work(
    installation: Installation, admin: asyncpg.Connection, temporal_server: TemporalServer
) -> None:
    before, client = await epochs(admin), await temporal_server.new_namespace()
    temporal = EngineJobSettings(temporal_address=temporal_server.address, temporal_namespace=client.namespace)
    installation = replace(installation, temporal=temporal)
    async with Worker(client, task_queue=messages.BULK_QUEUE, activities=[nothing], identity="worker-1"):

        async def polls() -> bool:
            return await polled_seconds_ago(client) != {}

        await until(polls)
        with pytest.raises(Refused, match=r"workers asked for work: worker-1 \d+ s ago; stop them"):
            await settle(installation, lambda _: None)
    assert (await epochs(admin), await held(installation)) == (before, None)
    with pytest.raises(Refused, match=r"wait \d+ s and repeat this"):
        await settle(installation, lambda _: None)
    await settle(replace(installation, quiet_seconds=0), lambda _: None)
    await release(installation, None)


@pytest.mark.parametrize("minutes", [10, -10])
async def test_a_worker_is_seen_whatever_this_machines_clock_says(
    installation: Installation, temporal_server: TemporalServer, minutes: int
) -> None:
    client = await temporal_server.new_namespace()
    async with Worker(client, task_queue=messages.BULK_QUEUE, activities=[nothing], identity="worker-1"):

        async def polls() -> bool:
            return await polled_seconds_ago(client) != {}

        await until(polls)
    with time_machine.travel(utc_now() + timedelta(minutes=minutes)), pytest.raises(Refused, match="worker-1 "):
        await require_no_worker(installation, client)
    assert abs(await clock_ahead_seconds(client)) < 60
    with time_machine.travel(utc_now() + timedelta(minutes=minutes)):
        assert abs(await clock_ahead_seconds(client) - minutes * 60) < 60


async def test_where_nobody_asks_for_work_temporal_is_not_asked_for_its_time(
    installation: Installation, temporal_server: TemporalServer
) -> None:
    namespace = (await temporal_server.new_namespace()).namespace
    async with refusing(temporal_server.address, {"PollActivityTaskQueue": grpc.StatusCode.PERMISSION_DENIED}) as there:
        client = await Client.connect(there, namespace=namespace)
        await require_no_worker(installation, client)
        with pytest.raises(RPCError, match="is refused"):
            await clock_ahead_seconds(client)


async def test_a_new_temporal_gets_what_it_lacks(installation: Installation, temporal_client: Client) -> None:
    namespace = f"new-{uuid4().hex[:12]}"
    address = installation.temporal.temporal_address
    new = replace(installation, temporal=EngineJobSettings(temporal_address=address, temporal_namespace=namespace))
    said: list[str] = []
    await settle(new, said.append)
    assert said[-1].startswith("0 workflows ended")
    assert (await (await new.engine()).count_workflows(f"AttuneTenant = '{uuid4()}'")).count == 0
    await release(installation, None)


async def test_what_takes_long_is_not_cut_short(installation: Installation) -> None:
    async with installation.transaction("reviews_system") as connection:
        limits = text("SELECT name, setting, reset_val FROM pg_settings WHERE name LIKE '%timeout' ORDER BY name")
        found = {row.name: (row.setting, row.reset_val) for row in await connection.execute(limits)}
    assert found["statement_timeout"] == ("0", "25000")
    assert found.get("transaction_timeout", ("0", "30000")) == ("0", "30000")  # PostgreSQL 17 and later
    assert found["lock_timeout"] == ("5000", "5000"), "it still waits for nobody"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["tenant-delete", str(uuid4()), "--name", "x"], "attune operations: Temporal: Namespace none is not found."),
        (["restored"], "attune operations: Temporal: "),
    ],
)
def test_what_temporal_refuses_is_said_in_its_words(
    installation: Installation, capsys: pytest.CaptureFixture[str], given: list[str], says: str
) -> None:
    async def refuse(_: Installation, __: argparse.Namespace) -> None:
        raise RPCError("no permission", RPCStatusCode.PERMISSION_DENIED, b"")

    address = installation.temporal.temporal_address
    lost = replace(installation, temporal=EngineJobSettings(temporal_address=address, temporal_namespace="none"))
    assert run(Commands("attune operations", refuse), lambda: lost, given) == 1
    assert capsys.readouterr().err.startswith(says)


def test_who_never_answers_is_named_and_so_is_how_long_was_waited(
    installation: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    async def wait(_: Installation, __: argparse.Namespace) -> None:
        raise TimeoutError

    assert run(Commands("attune operations", wait), lambda: installation, ["restored"]) == 1
    assert capsys.readouterr().err == "attune operations: gave up (TimeoutError)\n"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+asyncpg://notify_system@127.0.0.1:{silent.getsockname()[1]}/attune?ssl=disable"
        mute = replace(installation, urls={**installation.urls, "notify_system": url}, connect_seconds=1)
        assert run(Commands("attune operations"), lambda: mute, ["sends"]) == 1
    assert capsys.readouterr().err == "attune operations: the database does not answer notify_system within 1 s\n"


def test_a_command_that_cannot_be_done_says_why_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> Installation:
        raise Refused("the stack is not running")

    assert run(Commands("attune operations"), refuse, ["sends"]) == 1
    assert capsys.readouterr().err == "attune operations: the stack is not running\n"
