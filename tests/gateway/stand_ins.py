"""Small real gRPC servers in the place of services: people who know everybody, an engine that answers as told."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx
import uvicorn
from fastapi import FastAPI

from protos.engine.v1 import engine_pb2, engine_pb2_grpc
from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import cycles_pb2
from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from tests.waiting import until

EMPLOYEE, TENANT = "00000000-0000-7000-8000-0000000000e1", "00000000-0000-7000-8000-0000000000a1"
Behaviour = Callable[[Any], Awaitable[None]]


async def answer(_: Any) -> None:
    """Answer at once."""


async def never(_: Any) -> None:
    """Take longer than anybody waits."""
    await asyncio.sleep(60)


class People(people_pb2_grpc.PeopleServiceServicer):
    """Knows everybody, as an operator of one company."""

    def __init__(self) -> None:
        self.asked = 0

    async def ResolvePrincipal(self, request: Any, context: Any) -> people_pb2.ResolvePrincipalResponse:
        self.asked += 1
        grants = [people_pb2.Grant(role="operator", scope_kind="tenant")]
        known = people_pb2.Principal(tenant_id=TENANT, employee_id=EMPLOYEE, grants=grants, language="en")
        return people_pb2.ResolvePrincipalResponse(principal=known)


class Engine(engine_pb2_grpc.EngineServiceServicer):
    """Does as it is told, then answers; holds up every cycle that it is asked about."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answer
        self.running: list[str] = []  # cycles that it knows of itself
        self.more_run = False

    async def RestartWorkflow(self, request: Any, context: Any) -> engine_pb2.RestartWorkflowResponse:
        await self.behaviour(context)
        return engine_pb2.RestartWorkflowResponse()

    async def ListStalled(self, request: Any, context: Any) -> engine_pb2.ListStalledResponse:
        await self.behaviour(context)
        named = [each.cycle_id for each in request.cycles]
        unnamed = not named and not request.only_named
        rows = [
            cycles_pb2.StalledRow(kind="cycle", cause="WORKFLOW_MISSING", cycle_id=cycle_id)
            for cycle_id in (self.running if unnamed else named[:500])
        ]
        process = cycles_pb2.StalledRow(kind="process", cause="NO_WORKER", detail="worker")
        return engine_pb2.ListStalledResponse(rows=[*rows, process], more_cycles=unnamed and self.more_run)


@dataclass
class StandIns:
    """The two servers and where they answer."""

    people: People = field(default_factory=People)
    engine: Engine = field(default_factory=Engine)
    addresses: dict[str, str] = field(default_factory=dict)


@asynccontextmanager
async def running_stand_ins() -> AsyncIterator[StandIns]:
    """Serve both on loopback."""
    made = StandIns()
    served: tuple[tuple[str, Any, Any], ...] = (
        ("people", people_pb2_grpc.add_PeopleServiceServicer_to_server, made.people),
        ("engine", engine_pb2_grpc.add_EngineServiceServicer_to_server, made.engine),
    )
    async with AsyncExitStack() as stack:
        for name, register, servicer in served:
            server = grpc.aio.server()
            register(servicer, server)
            made.addresses[f"{name}_address"] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            stack.push_async_callback(server.stop, None)
        yield made


@dataclass
class Gateway:
    """A gateway on loopback and a client of it."""

    app: FastAPI
    client: httpx.AsyncClient

    async def sign_in(self, who: str, tenant: str = "") -> dict[str, str]:
        """Return the header of a person, by code or e-mail."""
        reply = await self.client.post("/v1/dev/token", json={"as": who, "tenant": tenant})
        return {"Authorization": f"Bearer {reply.raise_for_status().json()['token']}"}


@asynccontextmanager
async def running_gateway(settings: GatewaySettings) -> AsyncIterator[Gateway]:
    """Serve the gateway over HTTP with uvicorn, as in production."""
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, host="127.0.0.1", log_config=None, http="httptools"))
    serving = asyncio.get_running_loop().create_task(server.serve())
    await until(lambda: server.started, what="the gateway started")
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=40) as client:
        yield Gateway(app, client)
    server.should_exit = True
    await serving
