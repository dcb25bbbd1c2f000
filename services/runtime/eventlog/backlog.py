"""How far a service is behind the logs that it follows, from its cursors and the logs themselves."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import grpc
from sqlalchemy import text

from protos.eventlog.v1 import eventlog_pb2
from services.runtime.eventlog.cursor import NIL, CursorDatabase
from services.runtime.eventlog.log import partition_of
from services.runtime.identity import TokenSigner, call_metadata

CALL_SECONDS = 1.0  # an operator waits for the answer
PLACE = text(
    "SELECT xid::text AS xid, event_id FROM event_cursor"
    " WHERE consumer = :consumer AND producer = :producer AND partition = :partition"
)
PARKED = text(
    "SELECT count(*) AS number, min(create_time) AS since,"
    " (array_agg(error ORDER BY xid, id))[1] AS error,"
    " (array_agg(event ->> 'trace_id' ORDER BY xid, id))[1] AS trace_id FROM parked_event"
    " WHERE tenant_id = :tenant_id AND consumer = :consumer AND producer = :producer"
)


class Backlog:
    """What one consumer has not taken yet; the same for every process of the service, whoever holds the leases."""

    def __init__(
        self,
        consumer: str,
        database: CursorDatabase,
        producers: Mapping[str, Any],
        signer: TokenSigner,
        *,
        patience: float = CALL_SECONDS,
    ) -> None:
        self._consumer, self._database, self._producers, self._signer = consumer, database, producers, signer
        self._patience = patience

    async def of(self, tenant_id: UUID) -> list[eventlog_pb2.Followed]:
        """Return how far it is behind each log, for one tenant."""
        return list(await asyncio.gather(*(self._behind(tenant_id, producer) for producer in self._producers)))

    async def _behind(self, tenant_id: UUID, producer: str) -> eventlog_pb2.Followed:
        followed = eventlog_pb2.Followed(producer=producer)
        names = {"consumer": self._consumer, "producer": producer}
        partition = partition_of(tenant_id)
        async with self._database.transaction(tenant_id) as connection:
            parked = (await connection.execute(PARKED, {**names, "tenant_id": tenant_id})).one()
        async with self._database.system_transaction() as connection:
            place = (await connection.execute(PLACE, {**names, "partition": partition})).one_or_none()
        if parked.number:
            followed.parked, followed.parked_error = parked.number, parked.error
            followed.trace_id = parked.trace_id or ""
            followed.parked_time.FromDatetime(parked.since)
        position = eventlog_pb2.Position(partition=partition)
        if place is not None:
            position.transaction_id, position.event_id = int(place.xid), str(place.event_id or NIL)
        request = eventlog_pb2.ReadRequest(consumer=self._consumer, positions=[position], limit=1)
        try:
            reply = await self._producers[producer].Read(
                request, timeout=self._patience, metadata=call_metadata(self._signer, None)
            )
        except grpc.aio.AioRpcError:
            return followed
        followed.reachable = True
        for event in reply.events[:1]:
            followed.oldest_unread_time.CopyFrom(event.create_time)
            if not followed.parked and event.tenant_id == str(tenant_id):
                followed.trace_id = event.trace_id
        return followed
