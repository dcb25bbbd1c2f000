"""What follows a restore: refused while anybody is connected, repeatable, no workflow left running."""

from uuid import uuid4

import asyncpg
import pytest
from temporalio.client import Client, WorkflowExecutionStatus

from deploy.names import SERVICES
from deploy.operations.__main__ import Commands, run
from deploy.operations.reach import Installation, Refused
from deploy.operations.restored import held, release, settle
from tests.postgres import PostgresServer
from tests.waiting import until
from workflows.client import Cycles


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


def test_a_command_that_cannot_be_done_says_why_and_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse() -> Installation:
        raise Refused("the stack is not running")

    assert run(Commands("attune operations"), refuse, ["sends"]) == 1
    assert capsys.readouterr().err == "attune operations: the stack is not running\n"
