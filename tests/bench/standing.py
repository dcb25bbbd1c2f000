"""What every bench stands on: the real processes on a real PostgreSQL, in a directory that is deleted afterwards."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from cli.client import Api, connect
from deploy.local.layout import REPOSITORY
from deploy.local.stack import Stack
from services.runtime.database import Database
from services.runtime.identity import TokenSigner
from tests.waiting import until

SERVICES = ("postgres", "redis", "people", "reviews", "scoring")
EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
ADMINISTRATOR = "ADMIN"


@dataclass
class Standing:
    """The stack of a run, and the ways into it."""

    stack: Stack
    api: Api

    @property
    def gateway(self) -> str:
        """The URL of the gateway."""
        return self.stack.address("gateway")

    @asynccontextmanager
    async def admin(self, database: str = "attune") -> AsyncIterator[asyncpg.Connection]:
        """A connection of the superuser: for what is set up, and for raw SQL that pays for no row-level security."""
        connection = await asyncpg.connect(self.stack.wiring().admin_database_url(database))
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def database(self, service: str) -> AsyncIterator[Database]:
        """The pools of a service's own roles."""
        wiring = self.stack.wiring()
        urls = (wiring.database_url(f"{service}_{role}") for role in ("app", "system"))
        database = Database(service, *urls)
        try:
            yield database
        finally:
            await database.dispose()

    def signer(self, name: str) -> TokenSigner:
        """The signer of a process of this stack."""
        return TokenSigner(name, self.stack.layout.private_key_file(name))

    async def tenant(self, name: str) -> "Tenant":
        """A company with nobody but its administrator."""
        token = await self.api.post("/dev/token", {"installation": True})
        root = self.api.speaking_for(token["token"])
        made = await root.post("/tenants", {"name": name, "admin_email": "hr@bench.example"})
        token = await self.api.post("/dev/token", {"as": ADMINISTRATOR, "tenant": made["id"]})
        return Tenant(made["id"], token["employee_id"], self.api.speaking_for(token["token"]))


@dataclass(frozen=True)
class Tenant:
    """A company and its administrator at the API."""

    id: str
    administrator_id: str
    api: Api


@asynccontextmanager
async def standing(*, engine: bool = False, traced: bool = True) -> AsyncIterator[Standing]:
    """The stack with one per cent of requests traced; with Temporal, worker, bridge and all services if `engine`.

    Untraced, nobody takes spans and none are made. Without `engine`, gateway, people, reviews and scoring run alone,
    so that two cores are not shared with what a bench does not use.
    """
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="attune-bench-"))
        collector = await opened.enter_async_context(_trace_collector()) if traced else ""
        told = {"ATTUNE_LOG_LEVEL": "WARNING", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}" if traced else ""}
        only: dict[str, Any] = {} if engine else {"only": SERVICES}
        stack = Stack(Path(folder) / "stack", "free", environment=told, tied=True, **only)
        await asyncio.to_thread(stack.start)
        opened.push_async_callback(asyncio.to_thread, stack.stop)
        if not engine:
            opened.push_async_callback(asyncio.to_thread, _end, _start_gateway(stack))
        http = await opened.enter_async_context(connect(stack.address("gateway")))
        await until(lambda: _answers(http), 30, "the gateway answered")
        yield Standing(stack, Api(http, patience=60))


def _start_gateway(stack: Stack) -> subprocess.Popen[bytes]:
    with stack.layout.log("gateway").open("wb") as log:
        command = [sys.executable, "-m", "services.gateway"]
        return subprocess.Popen(command, cwd=REPOSITORY, env=stack.environment("gateway"), stdout=log, stderr=log)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(20)


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).is_success
    except httpx.TransportError:
        return False


@asynccontextmanager
async def _trace_collector() -> AsyncIterator[str]:
    """Takes spans and forgets them; its address. Exporting costs what it costs where somebody collects."""

    async def export(_request: bytes, _context: Any) -> bytes:
        return b"" + ExportTraceServiceResponse().SerializeToString()

    server = grpc.aio.server()
    method, name = EXPORT.rsplit("/", 1)[1], EXPORT.split("/")[1]
    handler: Any = grpc.unary_unary_rpc_method_handler(export)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {method: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
