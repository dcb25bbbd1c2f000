"""Calls to the services on behalf of the caller of a request: stubs, metadata, deadline, retries."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import grpc
from fastapi.responses import JSONResponse
from google.protobuf.message import Message

from protos.engine.v1 import engine_pb2_grpc
from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.goals.v1 import goals_pb2_grpc
from protos.notify.v1 import notify_pb2_grpc
from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import cycles_pb2_grpc, outcomes_pb2_grpc, tasks_pb2_grpc, templates_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.gateway import wire
from services.gateway.auth import Caller
from services.gateway.paging import Pages
from services.gateway.settings import GatewaySettings
from services.runtime import telemetry
from services.runtime.identity import TokenSigner, call_metadata
from services.runtime.serve import channel_to

BULK_SECONDS = 29.0
PAUSES = (0.1, 0.3, 0.8, 1.5)  # between tries while a service restarts; a command is repeated under the same request_id
OPTIONS = [
    ("grpc.max_receive_message_length", 80 * 1024 * 1024),
    ("grpc.max_send_message_length", 80 * 1024 * 1024),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.keepalive_time_ms", 30_000),
]


class Services:
    """One channel to each service, shared by all requests."""

    def __init__(self, settings: GatewaySettings, signer: TokenSigner) -> None:
        self._signer = signer
        self._channels = {name: channel_to(name, settings, OPTIONS) for name in settings.calls}
        reviews = self._channels["reviews"]
        self.people = people_pb2_grpc.PeopleServiceStub(self._channels["people"])
        self.goals = goals_pb2_grpc.GoalsServiceStub(self._channels["goals"])
        self.templates = templates_pb2_grpc.TemplateServiceStub(reviews)
        self.cycles = cycles_pb2_grpc.CycleServiceStub(reviews)
        self.tasks = tasks_pb2_grpc.TaskServiceStub(reviews)
        self.outcomes = outcomes_pb2_grpc.OutcomeServiceStub(reviews)
        self.scoring = scoring_pb2_grpc.ScoringServiceStub(self._channels["scoring"])
        self.notify = notify_pb2_grpc.NotifyServiceStub(self._channels["notify"])
        names = ("people", "goals", "reviews", "scoring", "notify")
        self.logs = {name: eventlog_pb2_grpc.EventLogServiceStub(self._channels[name]) for name in names}
        self.silent_since: dict[str, datetime] = {}  # processes that operators were told do not answer
        self.engine = engine_pb2_grpc.EngineServiceStub(self._channels["engine"])

    async def principal(self, issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        """Ask people who an identity is, in the gateway's own name."""
        request = people_pb2.ResolvePrincipalRequest(issuer=issuer, subject=subject, tenant_id=tenant)
        reply: people_pb2.ResolvePrincipalResponse = await repeat(
            self.people.ResolvePrincipal, request, call_metadata(self._signer, None), 5.0
        )
        return reply.principal

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels.values():
            await channel.close()


async def repeat(method: Any, request: Message, metadata: Any, seconds: float) -> Any:
    """Call, and call again while the service cannot be reached; an exceeded deadline is for the client to repeat."""
    for pause in (*PAUSES, None):
        try:
            return await method(request, timeout=seconds, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE or pause is None:
                raise
            await asyncio.sleep(pause)
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class Call:
    """One request of one caller: what a route needs to ask a service and to answer."""

    caller: Caller
    services: Services
    pages: Pages
    request_id: str
    path: str
    seconds: float
    if_match: str = ""

    async def send(self, method: Any, request: Message, *, bulk: bool = False) -> Any:
        """Ask a service as the caller; raises grpc.aio.AioRpcError, which becomes a problem."""
        return await repeat(method, request, self.metadata, BULK_SECONDS if bulk else self.seconds)

    async def stream(self, method: Any, request: Message) -> AsyncIterator[Any]:
        """Ask for a stream as the caller."""
        async for part in method(request, timeout=BULK_SECONDS * 20, metadata=self.metadata):
            yield part

    async def name_people(self, found: Sequence[Any]) -> None:
        """Fill in `employee_name` of messages with an `employee_id`, by today's names."""
        asked = people_pb2.BatchGetEmployeesRequest(employee_ids=sorted({each.employee_id for each in found}))
        known = await self.send(self.services.people.BatchGetEmployees, asked)
        names = {each.id: each.name for each in known.employees}
        for each in found:
            each.employee_name = names.get(each.employee_id, "")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of the caller's calls."""
        return (("authorization", f"Bearer {self.caller.token}"), *telemetry.trace_metadata())

    def answer(self, message: Message, status: int = 200, **headers: str) -> JSONResponse:
        """Answer with a resource, and its ETag where it has one."""
        etag = getattr(message, "etag", "")
        tagged = {"ETag": f'"{etag}"'} if etag else {}
        return JSONResponse(wire.to_json(message), status, {**tagged, **headers})

    def page(self, reply: Any, items: str, request: Message, **more: Any) -> JSONResponse:
        """Answer with a page of a list; its token is signed and bound to the filter."""
        token = self.pages.seal(reply.next_page_token, self.filter_of(request))
        content = {"items": [wire.to_json(item) for item in getattr(reply, items)], "next_page_token": token}
        return JSONResponse({**content, **more})

    def ask_page(self, request: Any, page_size: int, page_token: str) -> Any:
        """Return the list request with the page asked for; raises Refusal for a token of another list."""
        bound = self.filter_of(request)
        request.page_size = page_size
        request.page_token = self.pages.open(page_token, bound)
        return request

    def filter_of(self, request: Message) -> str:
        """Return what a page token is bound to: caller's tenant, list, filter."""
        bare = type(request)()
        bare.CopyFrom(request)
        for name in ("page_size", "page_token"):
            bare.ClearField(name)
        body = bare.SerializeToString(deterministic=True)
        tenant = str(self.caller.principal.tenant_id)
        return hashlib.sha256(b"\0".join((tenant.encode(), bare.DESCRIPTOR.full_name.encode(), body))).hexdigest()
