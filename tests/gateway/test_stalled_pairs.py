"""Every business cause beside every cause of engine and processes: one call names both, each is cleared by itself."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from protos.engine.v1 import engine_pb2_grpc
from services.runtime.clock import utc_now
from services.runtime.serve import Service, build_server
from tests.gateway.conftest import settings_of
from tests.gateway.stand_ins import Gateway, running_gateway
from tests.reviews.seed import Seed
from tests.reviews.stall_causes import CAUSES, LEFT_AFTER, Company
from tests.security.conftest import World
from tests.temporal import TemporalServer, temporal_client, temporal_server
from tests.waiting import until
from tests.workflows.doorway import Doorway, doorway
from workflows import messages
from workflows.client import Cycles
from workflows.health import RPC_ACCESS, EngineServicer
from workflows.messages import CycleRef, Step
from workflows.policies import options

__all__ = ["temporal_client", "temporal_server"]
pytestmark = pytest.mark.enable_socket

BROKEN: set[str] = set()  # cycles that the code of the test's worker cannot carry
SECONDS = 60
Held = Callable[["Office", Sequence[Company]], AbstractAsyncContextManager[None]]


@workflow.defn(name=messages.REVIEW_CYCLE)
class Clock:
    """Has reviews look, and waits; fails for cycles that it cannot carry."""

    @workflow.run
    async def run(self, cycle: CycleRef) -> None:
        if cycle.cycle_id in BROKEN:
            raise RuntimeError("a defect in workflow code")
        await workflow.execute_activity(Step.TICK, cycle, **options(Step.TICK))
        await workflow.wait_condition(lambda: False)

    @workflow.signal(name=messages.HINT)
    def hint(self) -> None:
        """Nothing."""


@dataclass
class Office:
    """All services, the engine's facts and the gateway; an administrator who asks."""

    world: World
    engine: Client
    gateway: Gateway
    ways: Mapping[str, Doorway]  # to Temporal, to the engine's facts, to scoring
    headers: dict[str, str]
    reachable: set[str] = field(default_factory=set)  # cycles whose look succeeds

    @property
    def cycles(self) -> Cycles:
        return Cycles(self.engine)

    async def found(self) -> Company:
        """A cycle of its own, launched long enough ago."""
        return Company(await Seed(self.world.databases["reviews"], self.world.tenant_id).cycle(trace_id="launch"))

    async def hint(self, *companies: Company) -> None:
        for company in companies:
            await self.cycles.hint(str(self.world.tenant_id), str(company.seed.cycle_id))

    async def rows(self, company: Company) -> list[dict[str, Any]]:
        """What the one call tells of a cycle, and of processes that hold work up."""
        wanted = {"cycle": str(company.seed.cycle_id)}
        answer = await self.gateway.client.get("/v1/ops/stalled", params=wanted, headers=self.headers)
        rows = answer.raise_for_status().json()["items"]
        return [row for row in rows if row["cause"] != "CONSUMER_BEHIND"]  # nobody consumes here

    async def causes(self, *companies: Company) -> set[str]:
        return {row["cause"] for company in companies for row in await self.rows(company)}

    async def wait_for(self, companies: Sequence[Company], *causes: str, besides: Collection[str] = ()) -> None:
        """Wait until these are told, and nothing else but perhaps what may be left.

        No single look is judged: in one that a busy machine holds up, a process is silent that is well.
        """
        seen: set[str] = set()

        async def told() -> bool:
            nonlocal seen
            seen = await self.causes(*companies)
            return set(causes) <= seen <= {*causes, *besides}

        try:
            await until(told, SECONDS)
        except AssertionError:
            raise AssertionError(f"told {seen}, not {causes}") from None

    async def wait_for_silence(self, company: Company, *names: str, beside: str = "") -> None:
        """Wait until exactly these processes are told to be silent, and beside them this cause or none."""
        wanted = {*(("SERVICE_DOWN", name) for name in names), *({(beside, "")} if beside else ())}
        seen: set[tuple[str, str]] = set()

        async def told() -> bool:
            nonlocal seen
            seen = {silent_or_cause(row) for row in await self.rows(company)}
            return seen == wanted

        try:
            await until(told, SECONDS)
        except AssertionError:
            raise AssertionError(f"told {seen}, not {wanted}") from None

    async def restart(self, company: Company) -> None:
        """Take the remedy of the engine's causes by its call."""
        path = f"/v1/ops/cycles/{company.seed.cycle_id}:restart-workflow"
        answer = await self.gateway.client.post(path, json={"reason": "because"}, headers=self.headers)
        assert answer.is_success, answer.text

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker on both queues."""

        @activity.defn(name=Step.TICK)
        async def look(cycle: CycleRef) -> None:
            if cycle.cycle_id not in self.reachable:
                raise ConnectionError("UNAVAILABLE")

        runner = UnsandboxedWorkflowRunner()
        short = Worker(
            self.engine,
            task_queue=messages.CYCLE_QUEUE,
            workflows=[Clock],
            activities=[look],
            workflow_runner=runner,
            max_cached_workflows=0,  # what failed is tried from the start by whoever comes next
        )
        async with short, Worker(self.engine, task_queue=messages.BULK_QUEUE, activities=[look]):
            yield

    async def cure(self, *companies: Company) -> None:
        """Good code, services that answer, and a new workflow."""
        for company in companies:
            BROKEN.discard(str(company.seed.cycle_id))
            self.reachable.add(str(company.seed.cycle_id))
            await self.restart(company)


def silent_or_cause(row: dict[str, Any]) -> tuple[str, str]:
    """The cause; of a silent process with its name, which stands first in the detail."""
    return row["cause"], row["detail"].split()[0] if row["cause"] == "SERVICE_DOWN" else ""


@pytest.fixture
async def office(world: World, temporal_server: TemporalServer, temporal_client: Client) -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        ways = {"temporal": await stack.enter_async_context(doorway(temporal_server.address))}
        through = await Client.connect(ways["temporal"].address, namespace=temporal_client.namespace)

        async def live(cycle: Any) -> bool:
            return True

        servicer = EngineServicer(through, Cycles(through), [], live, utc_now)
        service = Service([(engine_pb2_grpc.add_EngineServiceServicer_to_server, servicer)], RPC_ACCESS)
        server, _ = build_server(service, world.keyring.verifier())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        behind = {**world.addresses, "engine": f"127.0.0.1:{port}"}
        for name in ("engine", "scoring"):
            ways[name] = await stack.enter_async_context(doorway(behind[name]))
        addresses = {f"{name}_address": ways[name].address if name in ways else behind[name] for name in behind}
        gateway = await stack.enter_async_context(running_gateway(settings_of(world.keyring, **addresses)))
        headers = await gateway.sign_in("ADMIN", str(world.tenant_id))
        yield Office(world, temporal_client, gateway, ways, headers)


@asynccontextmanager
async def missing(office: Office, companies: Sequence[Company]) -> AsyncIterator[None]:
    async with office.worker():
        yield


@asynccontextmanager
async def without_worker(office: Office, companies: Sequence[Company]) -> AsyncIterator[None]:
    await office.hint(*companies)
    yield


@asynccontextmanager
async def retrying(office: Office, companies: Sequence[Company]) -> AsyncIterator[None]:
    async with office.worker():
        await office.hint(*companies)
        yield


@asynccontextmanager
async def failing(office: Office, companies: Sequence[Company]) -> AsyncIterator[None]:
    BROKEN.update(str(company.seed.cycle_id) for company in companies)
    async with office.worker():
        await office.hint(*companies)
        yield


def unreachable(name: str) -> Held:
    """Nobody gets through to a process; the engine is well meanwhile."""

    @asynccontextmanager
    async def shut(office: Office, companies: Sequence[Company]) -> AsyncIterator[None]:
        async with office.worker():
            await office.cure(*companies)
            await office.wait_for(companies)
            office.ways[name].shut()
            yield
            await office.ways[name].open()

    return shut


ENGINE: dict[str, Held] = {
    "WORKFLOW_MISSING": missing,
    "NO_WORKER": without_worker,
    "ACTIVITY_RETRYING": retrying,
    "WORKFLOW_TASK_FAILING": failing,
}
PROCESSES: dict[str, Held] = {name: unreachable(name) for name in ("temporal", "engine", "scoring")}


@pytest.mark.parametrize("held", [*ENGINE, *PROCESSES])
async def test_a_business_cause_and_one_of_the_engine_are_both_named(office: Office, held: str) -> None:
    """All fourteen business causes, each in a cycle of its own, beside one cause of the engine or a silent process."""
    cause = held if held in ENGINE else "SERVICE_DOWN"
    companies = {each: await office.found() for each in CAUSES}
    alone = [*companies.values()]
    async with {**ENGINE, **PROCESSES}[held](office, alone):
        for company in alone:
            await office.wait_for([company], cause)
        for business, company in companies.items():
            clear = await CAUSES[business](company)
            await office.wait_for([company], cause, business)
            await clear()
            await office.wait_for([company], cause, besides=LEFT_AFTER.get(business, frozenset()))
    async with office.worker():
        await office.cure(*alone)
        for business, company in companies.items():
            rest = LEFT_AFTER.get(business, frozenset())

            async def cured(company: Company = company, rest: frozenset[str] = rest) -> bool:
                return await office.causes(company) <= rest

            await until(cured, SECONDS, f"{cause} was cleared beside {business}")


@pytest.mark.parametrize("pair", list(combinations(ENGINE, 2)), ids="+".join)
async def test_two_causes_of_the_engine_are_both_named(office: Office, pair: tuple[str, str]) -> None:
    """In two cycles of one company; one of them without a worker comes last, for then there is none for the other."""
    first, second = sorted(pair, key=lambda each: each == "NO_WORKER")
    one, two = await office.found(), await office.found()
    async with ENGINE[first](office, [one]):
        await office.wait_for([one], first)
    async with ENGINE[second](office, [two]):
        if second == "NO_WORKER" and first == "ACTIVITY_RETRYING":  # the try that waits finds nobody either
            await office.wait_for([two], second)
            await office.wait_for([one], first, besides={second})
        else:
            await office.wait_for([one, two], first, second)
    async with office.worker():
        await office.cure(one, two)
        await office.wait_for([one, two])


@pytest.mark.parametrize("cause", ENGINE)
async def test_a_cause_of_the_engine_and_a_silent_service_are_both_named(office: Office, cause: str) -> None:
    company = await office.found()
    async with ENGINE[cause](office, [company]):
        await office.wait_for([company], cause)
        office.ways["scoring"].shut()
        await office.wait_for_silence(company, "scoring", beside=cause)
        await office.ways["scoring"].open()
        await office.wait_for([company], cause)


@pytest.mark.parametrize("other", ["temporal", "engine"])
async def test_two_silent_processes_are_both_named(office: Office, other: str) -> None:
    company = await office.found()
    async with PROCESSES["scoring"](office, [company]):
        office.ways[other].shut()
        await office.wait_for_silence(company, "scoring", other)
        await office.ways[other].open()
        await office.wait_for_silence(company, "scoring")
