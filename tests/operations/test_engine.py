"""What a restore asks of Temporal: nothing that only its operators may, where nothing is missing; nothing for ever."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import grpc
import pytest
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from deploy.jobs.engine import EngineJobSettings, connect
from deploy.operations.engine import count_of, end_all, make_ready
from deploy.operations.reach import Installation
from deploy.operations.restored import release, settle
from tests.operations.proxy import refusing
from tests.temporal import TemporalServer
from tests.waiting import until
from workflows.client import Cycles

OPERATORS = "OperatorService"


def reached(address: str, namespace: str) -> EngineJobSettings:
    return EngineJobSettings(temporal_address=address, temporal_namespace=namespace)


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED])
async def test_where_nothing_is_missing_no_operator_of_temporal_is_needed(
    installation: Installation, temporal_server: TemporalServer, temporal_client: Client, code: grpc.StatusCode
) -> None:
    async with refusing(temporal_server.address, {OPERATORS: code}) as managed:
        said: list[str] = []
        await settle(replace(installation, temporal=reached(managed, temporal_client.namespace)), said.append)
    assert said[-1].startswith("0 workflows ended")
    await release(installation, None)


@pytest.mark.parametrize("refused", [OPERATORS, "AddSearchAttributes"])
async def test_what_may_not_be_made_is_told_at_once(temporal_server: TemporalServer, refused: str) -> None:
    async with refusing(temporal_server.address, {refused: grpc.StatusCode.PERMISSION_DENIED}) as managed:
        engine = await connect(reached(managed, f"new-{uuid4().hex[:12]}"))
        with pytest.raises(RPCError, match=f"{refused}.* is refused") as told:
            await make_ready(engine)
    assert told.value.status is RPCStatusCode.PERMISSION_DENIED


class Behind:
    """Temporal whose lists follow a second later: the first three hold nothing of what was begun just before."""

    def __init__(self, engine: Client) -> None:
        self._engine = engine
        self.lists = 0

    def list_workflows(self, query: str) -> AsyncIterator[WorkflowExecution]:
        self.lists += 1
        nothing = f"{query} AND StartTime < '2000-01-01T00:00:00Z'"
        return self._engine.list_workflows(query if self.lists > 3 else nothing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


async def test_a_workflow_begun_a_moment_before_is_ended_though_the_first_lists_do_not_hold_it(
    temporal_client: Client,
) -> None:
    tenant_id, cycles = uuid4(), Cycles(temporal_client)
    behind: Any = Behind(temporal_client)
    await cycles.hint(str(tenant_id), "cycle")

    async def listed() -> bool:
        return await count_of(temporal_client, tenant_id) == 1

    await until(listed)
    assert await end_all(behind, "a test") == 1
    described = await cycles.describe(str(tenant_id), "cycle")
    assert described is not None
    assert described.status is WorkflowExecutionStatus.TERMINATED


async def test_what_is_never_known_is_waited_for_so_long_and_no_longer(temporal_server: TemporalServer) -> None:
    async with refusing(temporal_server.address, {"AddSearchAttributes": grpc.StatusCode.NOT_FOUND}) as managed:
        engine = await connect(reached(managed, f"new-{uuid4().hex[:12]}"))
        with pytest.raises(TimeoutError, match="did not find workflows by Attune's search attributes within 3 s"):
            await make_ready(engine, 3)
