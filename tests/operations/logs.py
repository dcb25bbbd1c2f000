"""All services' event logs over one database, with their real followers, as they stand before and after a restore."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
from sqlalchemy import text

from deploy.local.postgres import binary
from deploy.names import SERVICES
from protos.eventlog.v1 import eventlog_pb2, eventlog_pb2_grpc
from services.notify.consumers import handlers
from services.notify.store import NotifyWork
from services.notify.usecases.tell import Telling
from services.runtime.audit import Sealer, verify
from services.runtime.database import Database, Origin, Work
from services.runtime.eventlog import Consumer, Event, EventLogServicer, Wake
from services.runtime.identity import Principal
from services.runtime.serve import Service, build_server
from services.scoring.consumers import HANDLERS
from services.scoring.store import ScoringWork
from tests.identity import Keyring
from tests.notify.test_telling import KnownReviews
from tests.postgres import PostgresServer, open_database, urls_of
from tests.waiting import until

FOLLOWED: Mapping[str, tuple[str, ...]] = {
    "reviews": ("people", "scoring", "notify"),
    "goals": ("people",),
    "scoring": ("reviews",),
    "notify": ("goals", "reviews"),
}
HINTED = ("reviews", "goals", "scoring")
PLAIN, REASSIGNED, REOPENED = "plain", "reviews.task_reassigned", "reviews.stage_reopened"
WORKS: Mapping[str, Any] = {"notify": NotifyWork, "scoring": ScoringWork}


async def burn(server: PostgresServer, count: int) -> None:
    """Use up so many transaction ids."""
    statement = f"DO $$ BEGIN FOR n IN 1..{count} LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
    await asyncio.to_thread(server.execute, "postgres", statement)


async def copy_to_new_cluster(old: PostgresServer, database: str, new: PostgresServer, file: Path) -> str:
    """Dump a database and read it into another server; return its name there."""
    name = new.create_database()
    schemas = ", ".join(SERVICES)
    await asyncio.to_thread(new.execute, name, f"DROP SCHEMA {schemas} CASCADE")
    at = ["--username=postgres", f"--host={old.host}"]
    await _run("pg_dump", "--format=custom", f"--file={file}", *at, database)
    at = ["--username=postgres", f"--host={new.host}"]
    await _run("pg_restore", "--single-transaction", "--exit-on-error", *at, f"--dbname={name}", str(file))
    return name


async def _run(program: str, *arguments: str) -> None:
    child = await asyncio.create_subprocess_exec(str(binary(program)), *arguments)
    assert await child.wait() == 0


@dataclass
class Logs:
    """The logs of one database; an effect is seen when its transaction was committed, and fails where it is told to."""

    databases: Mapping[str, Database]
    stubs: Mapping[str, Any]
    keyring: Keyring
    failing: set[tuple[str, UUID]] = field(default_factory=set)

    async def emit(self, tenant_id: UUID, producer: str, kind: str = PLAIN, **payload: str) -> UUID:
        """Append an event in a transaction of its own."""
        async with self.databases[producer].transaction(tenant_id) as connection:
            return await self._append(connection, tenant_id, kind, payload)

    async def emit_inverted(self, tenant_id: UUID, producer: str) -> list[UUID]:
        """Append two events of which the one with the greater id belongs to the earlier transaction; in log order."""
        async with self.databases[producer].transaction(tenant_id) as earlier:
            await earlier.execute(text("SELECT pg_current_xact_id()"))
            second = await self.emit(tenant_id, producer)
            first = await self._append(earlier, tenant_id, PLAIN, {})
        return [first, second]

    async def _append(self, connection: Any, tenant_id: UUID, kind: str, payload: Mapping[str, str]) -> UUID:
        work = Work(connection, Origin(Principal(tenant_id, "service", "worker"), tenant_id))
        return await work.emit(kind, "thing", uuid4(), 1, payload)

    async def follow(self, *consumers: str) -> None:
        """Have these consumers take all that can be read, and try again what they had set aside."""
        await self.are_complete()
        for name in consumers or FOLLOWED:
            async with self.databases[name].system_transaction() as connection:
                await connection.execute(text("UPDATE event_cursor SET lease_until = NULL"))
                await connection.execute(text("UPDATE parked_event SET retry_at = clock_timestamp()"))
            await self._consumer(name).catch_up()

    async def are_complete(self) -> None:
        """Wait until nothing can precede any more what is in the logs, whoever else writes on the server."""
        for service in SERVICES:
            await until(partial(self._is_complete, service), 20)

    async def _is_complete(self, service: str) -> bool:
        """Whether nothing can precede any more what is in a log."""
        horizon = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint + (SELECT log_offset FROM event_epoch)"
        async with self.databases[service].system_transaction() as connection:
            behind = text(f"SELECT count(*) FROM event WHERE xid::text::bigint >= {horizon}")
            return not await connection.scalar(behind)

    def _consumer(self, name: str) -> Consumer[Any]:
        own: Mapping[str, Callable[[Any, Event], Awaitable[None]]] = {}
        if name == "notify":
            own = {REASSIGNED: handlers(Telling(KnownReviews(), []))[REASSIGNED]}
        if name == "scoring":
            own = {REOPENED: HANDLERS[REOPENED]}

        async def take(work: Work, event: Event) -> None:
            await work.audit("seen", "event", event.id, detail={})
            if event.kind in own:
                await own[event.kind](work, event)
            if (name, event.tenant_id) in self.failing:
                raise RuntimeError("no effect for this tenant")

        return Consumer(
            name,
            self.databases[name],
            {producer: self.stubs[producer] for producer in FOLLOWED[name]},
            dict.fromkeys((PLAIN, REASSIGNED, REOPENED), take),
            WORKS.get(name, Work),
            signer=self.keyring.signer(name),
            wake=Wake("", name),
            max_failures=1,
        )

    async def seen(self, tenant_id: UUID) -> Mapping[str, list[UUID]]:
        """Return what took effect with each consumer, in the order of the effects."""
        found: dict[str, list[UUID]] = {}
        for name in FOLLOWED:
            async with self.databases[name].transaction(tenant_id) as connection:
                query = text("SELECT subject_id FROM audit_entry WHERE action = 'seen' ORDER BY id")
                found[name] = list((await connection.execute(query)).scalars())
        return found

    async def log(self, tenant_id: UUID, producer: str) -> list[UUID]:
        """Return the events of a tenant in the order of the log."""
        async with self.databases[producer].transaction(tenant_id) as connection:
            return list((await connection.execute(text("SELECT id FROM event ORDER BY xid, id"))).scalars())

    async def bridge_reads(self, producer: str, *, acknowledge: bool = True) -> list[UUID]:
        """Read as the bridge does, from the place that the producer keeps for it."""
        metadata = self.keyring.as_service("bridge")
        kept = await self.stubs[producer].GetPosition(
            eventlog_pb2.GetPositionRequest(consumer="bridge"), timeout=20, metadata=metadata
        )
        request = eventlog_pb2.ReadRequest(consumer="bridge", positions=kept.positions, limit=1_000)
        reply = await self.stubs[producer].Read(request, timeout=20, metadata=metadata)
        ends = {
            event.partition: eventlog_pb2.Position(
                partition=event.partition, transaction_id=event.transaction_id, event_id=event.id
            )
            for event in reply.events
        }
        if acknowledge and ends:
            told = eventlog_pb2.AcknowledgeRequest(consumer="bridge", log_epoch=kept.log_epoch, positions=ends.values())
            await self.stubs[producer].Acknowledge(told, timeout=20, metadata=metadata)
        return [UUID(event.id) for event in reply.events]

    async def altered_chains(self, tenant_id: UUID) -> list[str]:
        """Seal what is not sealed; return the services whose audit chain is not what it was, or has gaps."""
        wrong: list[str] = []
        for service, database in self.databases.items():
            await Sealer(database).seal_all()
            async with database.transaction(tenant_id) as connection:
                if await verify(connection, tenant_id) is not None:
                    wrong.append(service)
        return wrong


@asynccontextmanager
async def logs_of(server: PostgresServer, name: str, keyring: Keyring) -> AsyncIterator[Logs]:
    """Serve the logs of a database."""
    for process in (*SERVICES, "bridge"):
        keyring.signer(process)
    async with AsyncExitStack() as stack:
        databases: dict[str, Database] = {}
        stubs: dict[str, Any] = {}
        for service in SERVICES:
            database = databases[service] = open_database(service, urls_of(server, service, name))
            stack.push_async_callback(database.dispose)
            register = eventlog_pb2_grpc.add_EventLogServiceServicer_to_server
            served = Service([(register, EventLogServicer(database))], {}, followers=frozenset({*FOLLOWED, "bridge"}))
            listening, _ = build_server(served, keyring.verifier())
            port = listening.add_insecure_port("127.0.0.1:0")
            await listening.start()
            stack.push_async_callback(listening.stop, 0)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
            stubs[service] = eventlog_pb2_grpc.EventLogServiceStub(channel)
        yield Logs(databases, stubs, keyring)


async def next_transaction(server: PostgresServer) -> int:
    """Return the transaction id that a server is at."""
    connection = await asyncpg.connect(host=server.host, user="postgres", database="postgres")
    try:
        return int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
    finally:
        await connection.close()
