"""Which events wake which cycles, and the delivery of hints to their workflows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from prometheus_client import Counter
from temporalio.service import RPCError

from protos.eventlog.v1 import eventlog_pb2
from services.runtime import telemetry
from workflows.client import Cycles
from workflows.prospects import Prospects
from workflows.throttle import Cycle, Throttle

AT_ONCE = 16  # calls to the engine side by side

# What people or other services caused and may make something due; never what a workflow did itself.
HINTED: Mapping[str, frozenset[str]] = {
    "reviews": frozenset(
        f"reviews.{kind}"
        for kind in (
            "cycle_launched",
            "cycle_paused",
            "cycle_resumed",
            "cycle_canceled",
            "release_given",
            "stage_extended",
            "stage_closing",
            "stage_extensions_ended",
            "stage_reopened",
            "stage_rescheduled",
            "task_submitted",
            "task_accepted",
            "task_returned",
            "task_recalled",
            "task_reopened",
            "task_extended",
            "task_reassigned",
            "task_withdrawn",
            "actuals_entered",
            "actual_corrected",
            "appeal_filed",
            "appeal_accepted",
            "appeal_declined",
            "appeal_decided",
            "appeal_amended",
            "appeal_withdrawn",
            "result_acknowledged",
            "interview_recorded",
            "interview_signed",
        )
    ),
    "goals": frozenset(),  # followed already; nothing that goals tells today makes anything due in a cycle
    "scoring": frozenset({"scoring.session_committed", "scoring.session_reopened", "scoring.result_amended"}),
}

# Work that somebody has finished. It moves no deadline: at most it ends a stage early or lets somebody go on, and the
# rows know whether it did. Thousands finish something in a stage; few of them make anything due.
FINISHED = frozenset(
    f"reviews.{kind}"
    for kind in (
        *("task_submitted", "task_accepted", "actuals_entered"),
        *("result_acknowledged", "interview_recorded", "interview_signed"),
    )
)

HINTS = Counter("attune_bridge_hints", "Hints sent to workflows", ["outcome"])


def hinted_cycle(event: eventlog_pb2.Event) -> Cycle | None:
    """The cycle that an event may have made something due in; none for kinds that are not of the closed list."""
    producer = event.kind.partition(".")[0]
    if event.kind not in HINTED.get(producer, ()) or _by_workflow(event):
        return None
    cycle_id = event.aggregate_id if event.aggregate_type == "cycle" else _fact(event, "cycle_id")
    return (event.tenant_id, cycle_id) if cycle_id else None


def _by_workflow(event: eventlog_pb2.Event) -> bool:
    """Whether a look moved the stage itself: the workflow that looked goes on without being told."""
    if event.kind == "reviews.stage_closing":
        return "by_hand" not in event.payload.fields
    return event.kind == "reviews.stage_extended" and bool(_fact(event, "policy"))


def _fact(event: eventlog_pb2.Event, name: str) -> str:
    return event.payload.fields[name].string_value if name in event.payload.fields else ""


class Hints:
    """Delivers what the throttle lets through."""

    def __init__(self, cycles: Cycles, throttle: Throttle, prospects: Prospects) -> None:
        self._cycles, self._prospects = cycles, prospects
        self._news = asyncio.Event()
        self._calls = asyncio.Semaphore(AT_ONCE)
        self._certain: set[Cycle] = set()
        self.throttle = throttle

    def note(self, cycle: Cycle, *, certain: bool = True) -> None:
        """Have a cycle hinted, now or with the next hint that it may get; if not `certain`, only if it has to look."""
        if certain:
            self._certain.add(cycle)
        self.throttle.note(cycle)
        self._news.set()

    def doubt(self) -> None:
        """Count on no workflow to sleep until when it was to: what its last look found is not known."""
        self._prospects.forget_all()

    async def run(self) -> None:
        """Deliver for ever; a cycle that takes long to ask about holds back no other."""
        async with asyncio.TaskGroup() as deliveries:
            while True:
                await self._news_or(self.throttle.seconds_to_next())
                for cycle in self.throttle.take():
                    deliveries.create_task(self._deliver(cycle))

    async def _news_or(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        self._news.clear()

    async def _deliver(self, cycle: Cycle) -> None:
        if await self._is_wanted(cycle):
            await self._hint(cycle)
        else:
            HINTS.labels("spared").inc()
            self.throttle.delivered(cycle)
        self._news.set()  # what was noted meanwhile may be taken from now on

    async def _hint(self, cycle: Cycle) -> None:
        try:
            async with self._calls:
                await self._cycles.hint(*cycle)
        except RPCError as error:
            self._certain.add(cycle)
            HINTS.labels("failed").inc()
            telemetry.log.warning("hint not delivered", tenant=cycle[0], cycle=cycle[1], error=error.status.name)
            self.throttle.failed(cycle)
        else:
            HINTS.labels("delivered").inc()
            self.throttle.delivered(cycle)

    async def _is_wanted(self, cycle: Cycle) -> bool:
        if cycle not in self._certain:
            return await self._prospects.have_changed(cycle)
        self._certain.discard(cycle)
        self._prospects.forget(cycle)
        return True


async def each(cycles: Iterable[Cycle], work: Callable[[Cycle], Awaitable[None]]) -> None:
    """Do the work for each, a limited number side by side."""
    limit = asyncio.Semaphore(AT_ONCE)

    async def limited(cycle: Cycle) -> None:
        async with limit:
            await work(cycle)

    await asyncio.gather(*(limited(cycle) for cycle in cycles))
