"""Serves a service's event log to its followers, and keeps the place of those who have no tables."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct
from sqlalchemy import Column, DateTime, Integer, Row, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from services.runtime.errors import DeniedError, InvalidRequestError, RefusedError
from services.runtime.eventlog.backlog import Backlog
from services.runtime.eventlog.log import PARTITIONS
from services.runtime.identity import Access, current_principal

DEFAULT_LIMIT, MAX_LIMIT = 200, 1_000
NIL = UUID(int=0)
SERVICE = "/attune.eventlog.v1.EventLogService"
WITHOUT_TABLES = frozenset({"bridge"})  # those who keep their place with the producer
EPOCH = text(
    "SELECT log_epoch, xid::text AS xid,"
    " (pg_snapshot_xmin(pg_current_snapshot())::text::bigint + log_offset)::text AS horizon FROM event_epoch"
)
READ = text(
    "SELECT e.* FROM"
    " unnest(CAST(:partitions AS smallint[]), CAST(CAST(:xids AS text[]) AS xid8[]), CAST(:ids AS uuid[]))"
    " AS place (partition, xid, id) CROSS JOIN LATERAL ("
    "SELECT tenant_id, id, xid::text AS xid_text, partition, kind, aggregate_type, aggregate_id, version, payload,"
    " trace_id, create_time FROM event WHERE event.partition = place.partition"
    " AND (event.xid, event.id) > (place.xid, place.id)"
    " AND event.xid < CAST(CAST(:horizon AS text) AS xid8) ORDER BY event.xid, event.id LIMIT :limit) AS e"
    " ORDER BY e.partition, e.xid_text::xid8, e.id"
).columns(
    Column("tenant_id", Uuid),
    Column("id", Uuid),
    Column("xid_text", Text),
    Column("partition", Integer),
    Column("kind", Text),
    Column("aggregate_type", Text),
    Column("aggregate_id", Uuid),
    Column("version", Integer),
    Column("payload", JSONB),
    Column("trace_id", Text),
    Column("create_time", DateTime(timezone=True)),
)
KEEP = text(
    "INSERT INTO event_cursor AS c (consumer, producer, partition, log_epoch, xid, event_id)"
    " SELECT :consumer, :producer, p.partition, :log_epoch, p.xid, p.id FROM"
    " unnest(CAST(:partitions AS smallint[]), CAST(CAST(:xids AS text[]) AS xid8[]), CAST(:ids AS uuid[]))"
    " AS p (partition, xid, id) ON CONFLICT (consumer, producer, partition) DO UPDATE"
    " SET log_epoch = excluded.log_epoch, xid = excluded.xid, event_id = excluded.event_id"
    " WHERE c.log_epoch < excluded.log_epoch OR (c.xid, c.event_id) < (excluded.xid, excluded.event_id)"
)
KEPT = text(
    "SELECT partition, log_epoch, xid::text AS xid, event_id FROM event_cursor"
    " WHERE consumer = :consumer AND producer = :producer"
)


def rpc_access(followers: frozenset[str]) -> Mapping[str, Access]:
    """Return who may call what of a log that these follow."""
    keeping = Access(services=followers & WITHOUT_TABLES)
    return {
        f"{SERVICE}/Read": Access(services=followers),
        f"{SERVICE}/Acknowledge": keeping,
        f"{SERVICE}/GetPosition": keeping,
        f"{SERVICE}/ListFollowed": Access(frozenset({"operator", "hr_admin", "auditor"}), whole_tenant=True),
    }


class EventDatabase(Protocol):
    """What the log needs of a service's database."""

    service: str

    def system_transaction(self) -> AbstractAsyncContextManager[AsyncConnection]: ...


class EpochChangedError(RefusedError):
    """The log was restored since the follower read; it must read again."""

    reason = "LOG_EPOCH_CHANGED"
    category = "precondition"


class EventLogServicer(eventlog_pb2_grpc.EventLogServiceServicer):
    """Answers what came after a position, from transactions that can no longer be preceded."""

    def __init__(self, database: EventDatabase, backlog: Backlog | None = None) -> None:
        self._database, self._backlog = database, backlog

    async def Read(self, request: eventlog_pb2.ReadRequest, context: Any) -> eventlog_pb2.ReadResponse:
        """Return the events after the positions; within a partition none is ever skipped."""
        _require_own_name(request.consumer)
        limit = min(request.limit or DEFAULT_LIMIT, MAX_LIMIT)
        async with self._database.system_transaction() as connection:
            epoch = (await connection.execute(EPOCH)).one()
            wanted = {**_places(request.positions), "horizon": epoch.horizon, "limit": max(limit, 1)}
            rows = (await connection.execute(READ, wanted)).all()
        return eventlog_pb2.ReadResponse(
            log_epoch=epoch.log_epoch, epoch_transaction_id=int(epoch.xid), events=[_to_proto(row) for row in rows]
        )

    async def Acknowledge(
        self, request: eventlog_pb2.AcknowledgeRequest, context: Any
    ) -> eventlog_pb2.AcknowledgeResponse:
        """Keep the follower's positions; one that is not further than the kept one changes nothing."""
        _require_own_name(request.consumer)
        names = {"consumer": request.consumer, "producer": self._database.service, "log_epoch": request.log_epoch}
        async with self._database.system_transaction() as connection:
            if (await connection.execute(EPOCH)).one().log_epoch != request.log_epoch:
                raise EpochChangedError("the log has been restored since these positions were read")
            await connection.execute(KEEP, {**names, **_places(request.positions)})
        return eventlog_pb2.AcknowledgeResponse()

    async def GetPosition(
        self, request: eventlog_pb2.GetPositionRequest, context: Any
    ) -> eventlog_pb2.GetPositionResponse:
        """Return the positions kept for the follower, moved back where the log was restored behind it."""
        _require_own_name(request.consumer)
        wanted = sorted(set(request.partitions)) or range(PARTITIONS)
        names = {"consumer": request.consumer, "producer": self._database.service}
        async with self._database.system_transaction() as connection:
            epoch = (await connection.execute(EPOCH)).one()
            kept = {row.partition: row for row in await connection.execute(KEPT, names)}
        positions = [_position(partition, kept.get(partition), epoch) for partition in wanted]
        return eventlog_pb2.GetPositionResponse(log_epoch=epoch.log_epoch, positions=positions)

    async def ListFollowed(
        self, request: eventlog_pb2.ListFollowedRequest, context: Any
    ) -> eventlog_pb2.ListFollowedResponse:
        """Return how far this service is behind the logs that it follows, for the caller's tenant."""
        tenant_id = current_principal().tenant_id
        if tenant_id is None:
            raise DeniedError("this method needs a tenant and the caller has none", reason="TENANT_REQUIRED")
        followed = await self._backlog.of(tenant_id) if self._backlog else []
        return eventlog_pb2.ListFollowedResponse(followed=followed)


def moved_back(log_epoch: int, place: tuple[int, UUID], present: int, begin: int) -> tuple[int, UUID]:
    """Return where to go on in the present epoch, which began at transaction `begin`, for one who stood at `place`.

    Who stood behind the beginning has missed nothing; who stood beyond it had seen events that the restore took back.
    """
    return (begin, NIL) if log_epoch != present and place[0] >= begin else place


def _require_own_name(consumer: str) -> None:
    if consumer != current_principal().name:
        raise InvalidRequestError("a follower reads in its own name", violations=[("consumer", "NOT_OWN", "not yours")])


def _places(positions: Iterable[eventlog_pb2.Position]) -> dict[str, Sequence[Any]]:
    places = list(positions)
    try:
        ids = [UUID(place.event_id) if place.event_id else NIL for place in places]
    except ValueError:
        raise InvalidRequestError(
            "positions: not a UUID", violations=[("positions", "MALFORMED", "event_id is no UUID")]
        ) from None
    if any(not 0 <= place.partition < PARTITIONS for place in places):
        raise InvalidRequestError("positions: no such partition", violations=[("positions", "OUT_OF_RANGE", "0 to 15")])
    return {
        "partitions": [place.partition for place in places],
        "xids": [str(place.transaction_id) for place in places],
        "ids": ids,
    }


def _position(partition: int, kept: Row[Any] | None, epoch: Row[Any]) -> eventlog_pb2.Position:
    if kept is None:
        return eventlog_pb2.Position(partition=partition)
    place = (int(kept.xid), kept.event_id or NIL)
    xid, event_id = moved_back(kept.log_epoch, place, epoch.log_epoch, int(epoch.xid))
    return eventlog_pb2.Position(partition=partition, transaction_id=xid, event_id=str(event_id))


def _to_proto(row: Row[Any]) -> eventlog_pb2.Event:
    event = eventlog_pb2.Event(
        id=str(row.id),
        tenant_id=str(row.tenant_id),
        kind=row.kind,
        aggregate_type=row.aggregate_type,
        aggregate_id=str(row.aggregate_id),
        version=row.version,
        payload=ParseDict(row.payload, Struct()),
        trace_id=row.trace_id,
        partition=row.partition,
        transaction_id=int(row.xid_text),
    )
    event.create_time.FromDatetime(row.create_time)
    return event
