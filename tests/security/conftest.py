"""All five services in this process, on real databases, wired to one another over loopback."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest

from protos.goals.v1 import goals_pb2, goals_pb2_grpc
from protos.notify.v1 import notify_pb2
from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import (
    clockwork_pb2,
    clockwork_pb2_grpc,
    cycles_pb2,
    outcomes_pb2,
    tasks_pb2,
    templates_pb2,
)
from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from services.goals.__main__ import compose as compose_goals
from services.goals.clients import PeopleClient as GoalsPeople
from services.goals.usecases.standing import Standing
from services.notify.__main__ import compose as compose_notify
from services.notify.clients import PeopleClient as NotifyPeople
from services.people.__main__ import compose as compose_people
from services.people.settings import PeopleSettings
from services.reviews.__main__ import compose as compose_reviews
from services.reviews.clients import PeopleClient, ScoringClient
from services.runtime.database import Database
from services.runtime.eventlog import Wake
from services.runtime.identity import Access, Grant, Principal
from services.runtime.serve import Service, build_server, open_channel
from services.scoring.__main__ import compose as compose_scoring
from services.scoring.clients import GoalsClient, ReviewsClient
from tests.identity import Keyring
from tests.postgres import DatabaseUrls

PROTOS = {
    "people": (people_pb2,),
    "goals": (goals_pb2,),
    "scoring": (scoring_pb2,),
    "reviews": (templates_pb2, cycles_pb2, tasks_pb2, outcomes_pb2, clockwork_pb2),
    "notify": (notify_pb2,),
}
SERVICES = tuple(PROTOS)
NAMED = (*SERVICES, "gateway", "worker", "bridge")


class Later:
    """A stub of a service that has not started: scoring and reviews call one another."""

    stub: Any = None

    def __getattr__(self, method: str) -> Any:
        return getattr(self.stub, method)


@dataclass
class World:
    """Every service, and how to call it as anybody."""

    channels: dict[str, grpc.aio.Channel]
    addresses: dict[str, str]
    services: dict[str, Service]
    databases: dict[str, Database]
    keyring: Keyring
    tenant_id: UUID
    employee_id: UUID

    @property
    def access(self) -> dict[str, Access]:
        """Who may call what, of all services."""
        return {method: row for service in self.services.values() for method, row in service.access.items()}

    def user(self, *roles: str) -> Principal:
        """Return an employee of the tenant with these roles over all of it."""
        return Principal(self.tenant_id, "user", "user", self.employee_id, tuple(Grant(role) for role in roles))

    def metadata(self, who: str) -> tuple[tuple[str, str], ...]:
        """Return the metadata of a call by a role, `installation_admin`, or `service:<name>`."""
        if who.startswith("service:"):
            return self.keyring.as_service(who.removeprefix("service:"), self.tenant_id)
        if who == "installation_admin":
            grants = (Grant("installation_admin"),)
            return self.keyring.as_user(Principal(None, "installation", "installation", roles=grants))
        return self.keyring.as_user(self.user(who))

    async def call(self, service: str, method: Any, request: Any, metadata: Any) -> grpc.aio.AioRpcError | None:
        """Call a method by its descriptor; return the error it is answered with, none for success."""
        return (await self.ask(service, method, request, metadata))[1]

    async def ask(
        self, service: str, method: Any, request: Any, metadata: Any
    ) -> tuple[list[bytes], grpc.aio.AioRpcError | None]:
        """Call a method by its descriptor; return the messages it answers, and the error that it ends with, if any."""
        path = f"/{method.containing_service.full_name}/{method.name}"
        channel = self.channels[service]
        make: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
        stub = make(path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=bytes)
        answers: list[bytes] = []
        try:
            answer = stub(request, metadata=metadata, timeout=30)  # the longest that is allowed
            if method.server_streaming:
                async for each in answer:
                    answers.append(each)
            else:
                answers.append(await answer)
        except grpc.aio.AioRpcError as error:
            return answers, error
        return answers, None


def methods_of(service: str) -> list[Any]:
    """Return the descriptors of all methods of a service."""
    return [
        method
        for module in PROTOS[service]
        for each in module.DESCRIPTOR.services_by_name.values()
        for method in each.methods
    ]


@pytest.fixture(scope="module")
async def world(
    database_urls: Callable[[str], DatabaseUrls],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[World]:
    """The services, a tenant with an HR administrator, and keys for everybody."""
    keyring = Keyring(tmp_path_factory.mktemp("keys"))
    for name in NAMED:
        keyring.signer(name)
    async with AsyncExitStack() as stack:
        channels: dict[str, grpc.aio.Channel] = {}
        services: dict[str, Service] = {}
        databases = {name: Database(name, database_urls(name).app, database_urls(name).system) for name in SERVICES}
        addresses: dict[str, str] = {}

        async def start(name: str, service: Service) -> None:
            server, _ = build_server(service, keyring.verifier())
            addresses[name] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            stack.push_async_callback(server.stop, None)
            channels[name] = open_channel(addresses[name])
            services[name] = service

        for database in databases.values():
            stack.push_async_callback(database.dispose)
        urls = database_urls("people")
        settings = PeopleSettings(
            port=0,
            database_url=urls.app,
            system_database_url=urls.system,
            identity_key_file=keyring.private_key("people"),
            identity_keys_dir=keyring.public,
            directory_issuers=("attune-local",),
        )
        wake = {name: Wake("", name) for name in SERVICES}
        await start("people", compose_people(databases["people"], settings, wake["people"]))
        people = people_pb2_grpc.PeopleServiceStub(channels["people"])
        standing = Standing(GoalsPeople(people, keyring.signer("goals")))
        await start("goals", compose_goals(databases["goals"], wake["goals"], standing))
        goals = goals_pb2_grpc.GoalsServiceStub(channels["goals"])
        reviews: Any = Later()
        signer = keyring.signer("scoring")
        scoring = compose_scoring(
            databases["scoring"], wake["scoring"], ReviewsClient(reviews, signer), GoalsClient(goals, signer)
        )
        await start("scoring", scoring)
        signer = keyring.signer("reviews")
        formulas = ScoringClient(scoring_pb2_grpc.ScoringServiceStub(channels["scoring"]), signer)
        composed = compose_reviews(databases["reviews"], wake["reviews"], PeopleClient(people, signer), formulas)
        await start("reviews", composed)
        reviews.stub = clockwork_pb2_grpc.ClockworkServiceStub(channels["reviews"])
        notify = compose_notify(databases["notify"], wake["notify"], NotifyPeople(people, keyring.signer("notify")))
        await start("notify", notify)
        for channel in channels.values():
            stack.push_async_callback(channel.close)
        made = World(channels, addresses, services, databases, keyring, UUID(int=0), uuid4())
        request = people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="A", admin_email="hr@a.example")
        tenant = await people.CreateTenant(request, metadata=made.metadata("installation_admin"), timeout=20)
        made.tenant_id, made.employee_id = UUID(tenant.tenant.id), UUID(tenant.admin_employee_id)
        yield made
