"""What the engine holds up, really caused on a real engine: named by one call, alone and two at once, then cured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from protos.engine.v1 import engine_pb2 as pb
from protos.reviews.v1 import cycles_pb2
from services.runtime import identity
from services.runtime.clock import utc_now
from services.runtime.identity import Grant, Principal
from tests.temporal import TemporalServer
from tests.waiting import until
from tests.workflows.conftest import Engine
from tests.workflows.doorway import doorway
from workflows import messages
from workflows.health import MOST_CYCLES, CycleNotLiveError, EngineServicer
from workflows.messages import CycleRef, Step
from workflows.policies import options
from workflows.throttle import Cycle

pytestmark = pytest.mark.enable_socket
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@workflow.defn(name=messages.REVIEW_CYCLE)
class Broken:
    """A version whose code fails in every workflow task."""

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        raise RuntimeError("a defect in workflow code")


@workflow.defn(name=messages.REVIEW_CYCLE)
class Asking:
    """Has reviews look, and waits."""

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        await workflow.execute_activity(Step.TICK, cycle, **options(Step.TICK))
        await workflow.wait_condition(lambda: False)

    @workflow.signal(name=messages.HINT)
    def hint(self) -> None:
        """Nothing."""


@activity.defn(name=Step.TICK)
async def unreachable(cycle: CycleRef) -> None:
    raise ConnectionError("UNAVAILABLE")


@asynccontextmanager
async def worker(client: Client, code: type[Any], *activities: Any) -> AsyncIterator[None]:
    """A worker on the cycles' queue, and one on the bulk queue."""
    runner = UnsandboxedWorkflowRunner()
    short = Worker(
        client, task_queue=messages.CYCLE_QUEUE, workflows=[code], activities=activities, workflow_runner=runner
    )
    bulk = Worker(client, task_queue=messages.BULK_QUEUE, activities=[unreachable])
    async with short, bulk:
        yield


class Hesitant:
    """An engine that does not answer the first time it is asked: as often as told, or only those who wait long."""

    def __init__(self, client: Client, *, failures: int = 0, takes: timedelta = timedelta()) -> None:
        self.namespace = client.namespace
        self.workflow_service = self
        self.asked = 0
        self._service = client.workflow_service
        self._failures, self._takes = failures, takes

    async def get_system_info(self, request: Any, *, retry: bool, timeout: timedelta) -> None:
        self.asked += 1
        if self.asked <= self._failures:
            raise RPCError("transport error", RPCStatusCode.UNAVAILABLE, b"")
        if timeout < self._takes:
            raise RPCError("Timeout expired", RPCStatusCode.CANCELLED, b"")

    async def describe_task_queue(self, request: Any) -> Any:
        return await self._service.describe_task_queue(request)


class Operator:
    """Asks as an operator of the tenant; `live` says what reviews would."""

    def __init__(self, engine: Engine, *, live: bool = True, through: Any = None) -> None:
        self.engine = engine
        self.revive_at = utc_now() + timedelta(minutes=1)
        self.live = live
        client = through or engine.client
        self.servicer = EngineServicer(client, engine.cycles, [], self._is_live, lambda: self.revive_at)
        self.principal = Principal(UUID(engine.tenant_id), "user", "user", UUID(int=1), (Grant("operator"),))

    async def _is_live(self, cycle: Cycle) -> bool:
        return self.live

    async def stalled(self, *, named: bool = True) -> list[cycles_pb2.StalledRow]:
        cycle = cycles_pb2.CycleUnderWay(cycle_id=self.engine.cycle_id, trace_id=TRACE)
        cycle.launch_time.FromDatetime(utc_now() - timedelta(hours=1))
        return list((await self.ask(pb.ListStalledRequest(cycles=[cycle] if named else []))).rows)

    async def ask(self, request: pb.ListStalledRequest) -> pb.ListStalledResponse:
        identity._principal.set(self.principal)
        return await self.servicer.ListStalled(request, None)

    async def wait_for(self, *causes: str) -> list[cycles_pb2.StalledRow]:
        """Wait until exactly these are told of the cycle; its rows, complete."""

        rows: list[cycles_pb2.StalledRow] = []

        async def told() -> bool:  # the look that matched is kept: the next one may find Temporal slow
            rows[:] = [row for row in await self.stalled() if row.kind == "cycle"]
            return {row.cause for row in rows} == set(causes)

        await until(told, what=f"only {causes} told")
        for row in rows:
            assert row.HasField("since")
            assert (row.cycle_id, row.trace_id) == (self.engine.cycle_id, TRACE)
            assert row.next.action
            assert row.workflow_id == messages.cycle_workflow_id(self.engine.tenant_id, self.engine.cycle_id)
            assert "restart_workflow" in [remedy.action for remedy in row.remedies]
        return rows

    async def restart(self) -> pb.CycleEngine:
        identity._principal.set(self.principal)
        request = pb.RestartWorkflowRequest(cycle_id=self.engine.cycle_id, reason="because")
        return (await self.servicer.RestartWorkflow(request, None)).engine


async def test_a_missing_workflow_is_named_and_restarted(engine: Engine) -> None:
    operator = Operator(engine)
    [row] = await operator.wait_for("WORKFLOW_MISSING")
    assert row.next.at.ToDatetime().replace(tzinfo=operator.revive_at.tzinfo) == operator.revive_at
    async with worker(engine.client, Asking, unreachable):
        assert (await operator.restart()).state == pb.WORKFLOW_STATE_RUNNING
        await engine.handle.terminate("as by accident")
        [row] = await operator.wait_for("WORKFLOW_MISSING")
        assert row.since.ToDatetime() > operator.revive_at.replace(tzinfo=None) - timedelta(minutes=1)


async def test_a_cycle_that_is_not_live_gets_no_workflow(engine: Engine) -> None:
    with pytest.raises(CycleNotLiveError):
        await Operator(engine, live=False).restart()
    assert await engine.state() is None


async def test_a_failing_workflow_task_is_named_with_its_error_and_cured_by_good_code(engine: Engine) -> None:
    operator = Operator(engine)
    async with worker(engine.client, Broken):
        await engine.hint()
        [row] = await operator.wait_for("WORKFLOW_TASK_FAILING")
        assert "RuntimeError" in row.detail
        assert "defect" not in row.detail, "the text of an error may name people"

    @activity.defn(name=Step.TICK)
    async def looked(cycle: CycleRef) -> None:
        return None

    async with worker(engine.client, Asking, looked):
        await operator.restart()
        await operator.wait_for()


async def test_a_retried_activity_and_no_worker_are_named_alone_and_together(engine: Engine) -> None:
    operator = Operator(engine)
    await engine.hint()
    [row] = await operator.wait_for("NO_WORKER")
    assert messages.CYCLE_QUEUE in row.detail
    assert row.remedies[0].action == "start_process"
    async with worker(engine.client, Asking, unreachable):
        [row] = await operator.wait_for("ACTIVITY_RETRYING")
        assert "UNAVAILABLE" in row.detail
        assert row.detail.startswith(f"{Step.TICK}: ")
        assert row.next.at.seconds <= row.due_at.seconds
        [unnamed] = [row for row in await operator.stalled(named=False) if row.kind == "cycle"]
        assert unnamed.cycle_id == engine.cycle_id, "the engine knows whom it runs when reviews cannot say"
        nothing = await operator.ask(pb.ListStalledRequest(only_named=True))
        assert [row.cause for row in nothing.rows if row.kind == "cycle"] == []
        named = [cycles_pb2.CycleUnderWay(cycle_id=engine.cycle_id)]
        assert not (await operator.ask(pb.ListStalledRequest(cycles=named))).more_cycles
        assert (await operator.ask(pb.ListStalledRequest(cycles=named * (MOST_CYCLES + 1)))).more_cycles
    await operator.wait_for("ACTIVITY_RETRYING", "NO_WORKER")
    await engine.handle.terminate("as by accident")
    await operator.wait_for("WORKFLOW_MISSING")


@pytest.mark.parametrize("hesitating", [{"failures": 1}, {"takes": timedelta(seconds=1.2)}], ids=["rolled", "loaded"])
async def test_an_engine_that_answers_the_second_time_hides_nothing(engine: Engine, hesitating: Any) -> None:
    operator = Operator(engine, through=Hesitant(engine.client, **hesitating))
    rows = await operator.stalled()
    assert [row.cause for row in rows] == ["WORKFLOW_MISSING"]


async def test_an_engine_that_does_not_answer_twice_is_not_asked_again(engine: Engine) -> None:
    silent = Hesitant(engine.client, failures=5)
    assert [row.cause for row in await Operator(engine, through=silent).stalled()] == ["SERVICE_DOWN"]
    assert silent.asked == 2


async def test_an_engine_that_does_not_answer_is_named_until_it_does(
    engine: Engine, temporal_server: TemporalServer
) -> None:
    async with doorway(temporal_server.address) as way:
        through = await Client.connect(way.address, namespace=engine.client.namespace)
        operator = Operator(Engine(through, engine.tenant_id, engine.cycle_id))
        await operator.wait_for("WORKFLOW_MISSING")
        way.shut()
        rows = await operator.stalled()
        told = [(row.cause, row.kind, row.detail) for row in rows]
        assert told == [("SERVICE_DOWN", "process", "temporal does not answer")]
        again = await operator.stalled()
        assert again[0].since == rows[0].since, "since it was first found silent"
        await way.open()
        await operator.wait_for("WORKFLOW_MISSING")
