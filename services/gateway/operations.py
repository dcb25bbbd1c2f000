"""What the gateway sees of the processes behind it: who does not answer, and who is behind the logs that it follows.

Each is asked once, at the same time and not again: an operator wants to know now. What holds work up is decided by
reviews and beside the bridge; about a process that is silent only its caller can tell.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc

from protos.engine.v1 import engine_pb2
from protos.eventlog.v1 import eventlog_pb2
from protos.reviews.v1 import cycles_pb2
from services.gateway import wire
from services.gateway.calls import Call
from services.gateway.errors import details
from services.runtime.clock import utc_now

PROBE_SECONDS = 2.0
LISTING_SECONDS = 8.0
BEHIND = timedelta(seconds=10)  # a consumer polls every half second
SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNKNOWN})
PROCESS = "process"  # the kind of a row that no cycle owns
MOST_CYCLES = 500  # that the engine's side looks at in one call
NOT_FOR_THEM = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED})
"""Roles that do not see it, and an older version that does not have it: both have nothing to say."""

RUNBOOK = "see docs/operations/stalled.md#"


@dataclass(frozen=True)
class Answers:
    """What each process said; `silent` names those that did not, with the reason; `refused` is why some would not."""

    said: Mapping[str, Any] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    refused: Sequence[grpc.aio.AioRpcError] = ()


def note_silences(answers: Answers, known: dict[str, datetime]) -> dict[str, datetime]:
    """Since when this gateway has found each silent process silent; `known` is kept from look to look."""
    for name in answers.said:
        known.pop(name, None)
    now = utc_now()
    return {name: known.setdefault(name, now) for name in answers.silent}


async def ask(
    call: Call, wanted: Mapping[str, tuple[Any, Any, float]], ignored: Collection[grpc.StatusCode] = NOT_FOR_THEM
) -> Answers:
    """Ask processes, by name: method, request, seconds. Raises grpc.aio.AioRpcError of one that refuses otherwise."""
    said, silent, refused = dict[str, Any](), dict[str, str](), list[grpc.aio.AioRpcError]()

    async def one(name: str, method: Any, request: Any, seconds: float) -> None:
        try:
            said[name] = await method(request, timeout=seconds, metadata=call.metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() in ignored:
                refused.append(error)
                return
            if error.code() not in SILENT:
                raise
            silent[name] = details(error)[0] or error.code().name

    await asyncio.gather(*(one(name, *each) for name, each in wanted.items()))
    return Answers(said, silent, refused)


async def list_stalled(call: Call, request: cycles_pb2.ListStalledRequest) -> cycles_pb2.ListStalledResponse:
    """What reviews knows, then on the first page what the engine knows and what is wrong with processes."""
    rows = await ask(call, {"reviews": (call.services.cycles.ListStalled, request, LISTING_SECONDS)}, ())
    reply: cycles_pb2.ListStalledResponse = rows.said.get("reviews") or cycles_pb2.ListStalledResponse()
    if request.page_token and not rows.silent:
        return reply
    cycles = reply.cycles if rows.said else _asked(request)
    held_up = _engine(call, cycles, only_named=bool(rows.said) or _is_filtered(request))
    around = await ask(call, {**_followers(call), "engine": held_up})
    silent = {**around.silent, **rows.silent}
    since = note_silences(Answers({**around.said, **rows.said}, silent), call.services.silent_since)
    engine: engine_pb2.ListStalledResponse = around.said.get("engine") or engine_pb2.ListStalledResponse()
    if engine.more_cycles and "reviews" in silent:
        silent["reviews"] += f"; of the cycles whose workflow runs, {MOST_CYCLES} were looked at, and there are more"
    reply.rows.extend(_down(name, silent[name], at) for name, at in sorted(since.items()))
    reply.rows.extend(engine.rows)
    reply.rows.extend(consumers_behind(lags_of(around), utc_now()))
    return reply


async def list_lag(call: Call) -> tuple[list[engine_pb2.Lag], list[str]]:
    """How far the bridge and every consumer is behind each log, and which processes do not answer."""
    engine = (call.services.engine.ListLag, engine_pb2.ListLagRequest(), PROBE_SECONDS)
    answers = await ask(call, {**_followers(call), "engine": engine})
    if answers.refused and not answers.said:
        raise answers.refused[0]
    bridge = list(answers.said["engine"].lags) if "engine" in answers.said else []
    return [*bridge, *lags_of(answers)], sorted(answers.silent)


async def cycle_for_operators(call: Call, cycle_id: str) -> dict[str, Any]:
    """What the rows and, unless it is silent, the engine say of a cycle, as one JSON object."""
    cycles = call.services.cycles
    timeline = await call.send(cycles.GetCycleTimeline, cycles_pb2.GetCycleTimelineRequest(cycle_id=cycle_id))
    cycle = (await call.send(cycles.GetCycle, cycles_pb2.GetCycleRequest(cycle_id=cycle_id))).cycle
    described = (call.services.engine.GetCycleEngine, engine_pb2.GetCycleEngineRequest(cycle_id=cycle_id))
    answers = await ask(call, {"engine": (*described, PROBE_SECONDS)})
    engine = wire.to_json(answers.said["engine"].engine) if "engine" in answers.said else {}
    told = {**engine, "cycle_id": cycle.id, "stages": [wire.to_json(each) for each in cycle.stages]}
    planned = [each for each in timeline.entries if each.planned]
    if planned:
        coming = min(planned, key=lambda each: each.at.ToNanoseconds())
        told["next"] = {"at": coming.at.ToJsonString(), "action": coming.kind, "stage": coming.stage}
    return told


def lags_of(answers: Answers) -> list[engine_pb2.Lag]:
    """The lag of each consumer that answered."""
    now = utc_now()
    replies = ((name, said) for name, said in answers.said.items() if hasattr(said, "followed"))
    return [_lag(name, each, now) for name, said in sorted(replies) for each in said.followed]


def consumers_behind(lags: Iterable[engine_pb2.Lag], now: datetime) -> list[cycles_pb2.StalledRow]:
    """A row for each consumer that has set events aside or falls behind; one whose producer is silent is no news."""
    rows: list[cycles_pb2.StalledRow] = []
    for lag in lags:
        late = lag.reachable and lag.HasField("since") and now - lag.since.ToDatetime(UTC) > BEHIND
        if lag.parked or late:
            row = _process_row("CONSUMER_BEHIND", lag.consumer, lag.since.ToDatetime(UTC))
            row.detail = f"{lag.consumer} is behind {lag.producer}"
            row.detail += f": {lag.parked} events set aside, {lag.parked_error}" if lag.parked else ""
            row.trace_id = lag.trace_id
            rows.append(row)
    return rows


def _lag(consumer: str, followed: eventlog_pb2.Followed, now: datetime) -> engine_pb2.Lag:
    lag = engine_pb2.Lag(
        consumer=consumer,
        producer=followed.producer,
        parked=followed.parked,
        parked_error=followed.parked_error,
        reachable=followed.reachable,
        trace_id=followed.trace_id,
    )
    marks = [getattr(followed, name) for name in ("oldest_unread_time", "parked_time") if followed.HasField(name)]
    if marks:
        lag.since.CopyFrom(min(marks, key=lambda mark: mark.ToNanoseconds()))
        lag.seconds = max(0.0, (now - lag.since.ToDatetime(UTC)).total_seconds())
    return lag


def _followers(call: Call) -> dict[str, tuple[Any, Any, float]]:
    request = eventlog_pb2.ListFollowedRequest()
    return {name: (log.ListFollowed, request, PROBE_SECONDS) for name, log in call.services.logs.items()}


def _engine(call: Call, cycles: Sequence[cycles_pb2.CycleUnderWay], *, only_named: bool) -> tuple[Any, Any, float]:
    request = engine_pb2.ListStalledRequest(cycles=cycles, only_named=only_named)
    return _in_parts(call.services.engine.ListStalled), request, LISTING_SECONDS


def _in_parts(method: Any) -> Callable[..., Awaitable[engine_pb2.ListStalledResponse]]:
    """The engine's side asked about any number of cycles, as if it took them all in one call."""

    async def ask_all(request: engine_pb2.ListStalledRequest, **options: Any) -> engine_pb2.ListStalledResponse:
        named = request.cycles
        parts = [named[begin : begin + MOST_CYCLES] for begin in range(0, len(named), MOST_CYCLES)] or [[]]
        asked = (engine_pb2.ListStalledRequest(cycles=part, only_named=request.only_named) for part in parts)
        first, *others = await asyncio.gather(*(method(each, **options) for each in asked))
        whole: engine_pb2.ListStalledResponse = first
        told = {(row.cause, row.detail) for row in whole.rows if row.kind == PROCESS}
        for row in (row for other in others for row in other.rows):
            if row.kind != PROCESS or (row.cause, row.detail) not in told:
                told.add((row.cause, row.detail))
                whole.rows.append(row)
        return whole

    return ask_all


def _asked(request: cycles_pb2.ListStalledRequest) -> Sequence[cycles_pb2.CycleUnderWay]:
    return [cycles_pb2.CycleUnderWay(cycle_id=request.cycle_id)] if request.cycle_id else []


def _is_filtered(request: cycles_pb2.ListStalledRequest) -> bool:
    """Whether less was asked for than all that waits in the tenant."""
    return any((request.cycle_id, request.stage, request.task_id, request.participant_id, request.department_id))


def _down(name: str, reason: str, since: datetime) -> cycles_pb2.StalledRow:
    row = _process_row("SERVICE_DOWN", name, since)
    row.detail = f"{name} does not answer: {reason}"
    return row


def _process_row(cause: str, process: str, since: datetime) -> cycles_pb2.StalledRow:
    remedy = cycles_pb2.Remedy(action="start_process", call=f"{RUNBOOK}start-{process}", role="operator")
    row = cycles_pb2.StalledRow(kind=PROCESS, cause=cause, remedies=[remedy])
    row.since.FromDatetime(since)
    row.next.action = "retry"
    return row
