"""The bridge from rows to workflows, `python -m workflows.bridge`: hints from event logs, reconciler, engine facts."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import grpc
from prometheus_client import Counter
from temporalio.service import RPCError

from protos.engine.v1 import engine_pb2_grpc
from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.runtime import telemetry
from services.runtime.clock import utc_now
from services.runtime.eventlog import Wake
from services.runtime.identity import TokenSigner
from services.runtime.serve import Service, channel_to, serve
from services.runtime.settings import load
from workflows import client
from workflows.calls import Caller
from workflows.client import Cycles
from workflows.health import RPC_ACCESS, EngineServicer
from workflows.hints import FINISHED, HINTED, Hints, each, hinted_cycle
from workflows.probe import Probe
from workflows.prospects import Prospects, peeking
from workflows.schedules import Schedules
from workflows.settings import BridgeSettings
from workflows.throttle import Cycle, Throttle

NAME = "bridge"
HINT_SECONDS = 2.0  # at most one hint per cycle in this time
RETRY_SECONDS = 1.0  # while a producer cannot be reached
READ_LIMIT = 500  # events per partition and read
PAGE = 1_000  # cycles per page of the reconciler

REVIVED = Counter("attune_bridge_workflows_started", "Workflows that the reconciler had to start")


@dataclass(frozen=True)
class Batch:
    """Events read together: where they end in each partition, the throttle's ordinal after them, monotonic seconds."""

    noted: int
    positions: Mapping[int, eventlog_pb2.Position]
    read_at: float


class Follower:
    """Follows the log of one producer; its place is kept there, and moves when the hints have been delivered."""

    def __init__(
        self,
        producer: str,
        log: "eventlog_pb2_grpc.EventLogServiceAsyncStub",
        caller: Caller,
        hints: Hints,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self.producer = producer
        self.read_at = time.monotonic()
        self._log = log
        self._caller = caller
        self._hints = hints
        self._retry = retry_seconds
        self._undelivered: deque[Batch] = deque()
        self._outage: grpc.StatusCode | None = None  # why the log cannot be read
        self._lag = telemetry.Age(telemetry.EVENT_LAG.labels(NAME, producer))

    @property
    def undelivered_since(self) -> float | None:
        """Since when the oldest events wait for their hints to get through."""
        return self._undelivered[0].read_at if self._undelivered else None

    async def run(self, wait: Callable[[str], Awaitable[None]]) -> None:
        """Follow for ever; `wait` returns when there may be more."""
        while True:
            try:
                await self._follow(wait)
            except grpc.aio.AioRpcError as error:
                if self._outage is None:
                    self._doubt()
                if self._outage is not error.code():  # once an outage, not once an attempt
                    telemetry.log.warning("log not read", producer=self.producer, code=error.code().name)
                self._outage = error.code()
                await asyncio.sleep(self._retry)

    async def _follow(self, wait: Callable[[str], Awaitable[None]]) -> None:
        """Follow from the kept place until the log begins a new epoch."""
        self._undelivered.clear()
        request = eventlog_pb2.GetPositionRequest(consumer=NAME)
        kept = await self._log.GetPosition(request, **self._caller.short())
        positions = {position.partition: position for position in kept.positions}
        while True:
            begun = time.time()
            reading = eventlog_pb2.ReadRequest(consumer=NAME, positions=positions.values(), limit=READ_LIMIT)
            reply = await self._log.Read(reading, **self._caller.short())
            self.read_at = time.monotonic()
            if self._outage is not None:
                self._doubt()
                self._outage = None
            if reply.log_epoch != kept.log_epoch:
                return self._doubt()
            self._take(reply.events, positions)
            await self._acknowledge(kept.log_epoch)
            if not self._undelivered:
                self._lag.reached(begun)
            if not reply.events:
                await wait(self.producer)

    def _doubt(self) -> None:
        """As an outage of the log begins and as it ends, looks may have failed; after a restore they saw other rows."""
        if HINTED[self.producer]:
            self._hints.doubt()

    def _take(self, events: Iterable[eventlog_pb2.Event], positions: dict[int, eventlog_pb2.Position]) -> None:
        ends: dict[int, eventlog_pb2.Position] = {}
        for event in events:
            ends[event.partition] = eventlog_pb2.Position(
                partition=event.partition, transaction_id=event.transaction_id, event_id=event.id
            )
            if (cycle := hinted_cycle(event)) is not None:
                self._hints.note(cycle, certain=event.kind not in FINISHED)
        if ends:
            positions.update(ends)
            self._undelivered.append(Batch(self._hints.throttle.noted, ends, self.read_at))

    async def _acknowledge(self, log_epoch: int) -> None:
        """Keep the place behind which every hint has been delivered: a killed bridge repeats the others."""
        ends: dict[int, eventlog_pb2.Position] = {}
        while self._undelivered and self._undelivered[0].noted <= self._hints.throttle.settled:
            ends.update(self._undelivered.popleft().positions)
        if ends:
            request = eventlog_pb2.AcknowledgeRequest(consumer=NAME, log_epoch=log_epoch, positions=ends.values())
            await self._log.Acknowledge(request, **self._caller.short())


class Reconciler:
    """Checks rows against workflows, and starts what is missing; keeps the engine's schedules in step, too."""

    def __init__(
        self,
        reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
        caller: Caller,
        cycles: Cycles,
        schedules: Schedules,
        seconds: float,
    ) -> None:
        self._reviews = reviews
        self._caller = caller
        self._cycles = cycles
        self._schedules = schedules
        self._seconds = seconds
        self.next_at: datetime | None = None  # when it looks again

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            self.next_at = None
            try:
                await self.reconcile()
                await self._schedules.reconcile()
            except (grpc.aio.AioRpcError, RPCError) as error:
                telemetry.log.warning("not reconciled", error=type(error).__name__)
            self.next_at = utc_now() + timedelta(seconds=self._seconds)
            await asyncio.sleep(self._seconds)

    async def reconcile(self) -> None:
        """Start the workflow of each live cycle that has none."""
        async for page in self._live():
            await each(page, self._revive)

    async def is_live(self, cycle: Cycle) -> bool:
        """Return whether a cycle has begun and not ended; looked up among all, as happens only at a restart by hand."""
        async for page in self._live():
            if cycle in page:
                return True
        return False

    async def _live(self) -> AsyncIterator[list[Cycle]]:
        token = ""
        while True:
            request = clockwork_pb2.ListLiveCyclesRequest(page_size=PAGE, page_token=token)
            reply = await self._reviews.ListLiveCycles(request, **self._caller.short())
            yield [(cycle.tenant_id, cycle.cycle_id) for cycle in reply.cycles]
            token = reply.next_page_token
            if not token:
                return

    async def _revive(self, cycle: Cycle) -> None:
        if not await self._cycles.runs(*cycle):
            REVIVED.inc()
            telemetry.log.info("workflow started by the reconciler", tenant=cycle[0], cycle=cycle[1])
            await self._cycles.hint(*cycle)


async def main() -> None:
    """Bridge until SIGTERM or SIGINT."""
    settings = load(BridgeSettings)
    telemetry.configure(NAME, settings)
    caller = Caller(TokenSigner(NAME, settings.identity_key_file))
    connected = asyncio.Event()
    with Probe(settings.host, settings.probe_port, connected.is_set):
        engine = await client.connect(settings)
        connected.set()
        cycles = Cycles(engine, settings.look_again_seconds)
        reviews = clockwork_pb2_grpc.ClockworkServiceStub(channel_to("reviews", settings))
        prospects = Prospects(peeking(reviews, caller), time.monotonic)
        hints = Hints(cycles, Throttle(HINT_SECONDS, time.monotonic), prospects)
        schedules = Schedules(engine, reviews, caller, settings.schedule_jitter_seconds)
        reconciler = Reconciler(reviews, caller, cycles, schedules, settings.reconcile_seconds)
        followers = [
            Follower(producer, eventlog_pb2_grpc.EventLogServiceStub(channel_to(producer, settings)), caller, hints)
            for producer in HINTED
        ]
        wake = Wake(settings.redis_url, NAME)

        async def wait(producer: str) -> None:
            await wake.wait(producer, settings.poll_seconds)

        async def listen() -> None:
            await wake.listen(HINTED)
            await asyncio.Event().wait()  # without Redis there is nothing to listen to, and polling to rely on

        servicer = EngineServicer(engine, cycles, followers, reconciler.is_live, lambda: reconciler.next_at)
        service = Service([(engine_pb2_grpc.add_EngineServiceServicer_to_server, servicer)], RPC_ACCESS)
        following = [lambda follower=follower: follower.run(wait) for follower in followers]
        await serve(settings, service, background=[hints.run, reconciler.run, listen, *following])


if __name__ == "__main__":
    asyncio.run(main())
