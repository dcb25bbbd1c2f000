"""Which process calls which: the arrows of the architecture are what servers admit, and what clients may open."""

from collections.abc import Mapping

import grpc
import pytest

from protos.eventlog.v1 import eventlog_pb2
from services.gateway.settings import GatewaySettings
from services.goals.settings import GoalsSettings
from services.notify.settings import NotifySettings
from services.people.settings import PeopleSettings
from services.reviews.settings import ReviewsSettings
from services.runtime.eventlog import rpc_access
from services.runtime.identity import Access
from services.runtime.settings import ProcessSettings
from services.scoring.settings import ScoringSettings
from tests.security.conftest import NAMED, SERVICES, World
from workflows.health import RPC_ACCESS as ENGINE_ACCESS
from workflows.settings import BridgeSettings, WorkerSettings

# Written by hand from "Calls" in docs/architecture.md and decision 0002.
ARROWS: Mapping[str, set[str]] = {
    "gateway": {"people", "goals", "reviews", "scoring", "notify", "engine"},
    "worker": {"people", "goals", "reviews", "scoring"},
    "bridge": {"goals", "reviews", "scoring"},
    "people": set(),
    "goals": {"people"},
    "reviews": {"people", "scoring", "notify"},
    "scoring": {"reviews", "goals"},
    "notify": {"people", "goals", "reviews", "scoring"},
}
# And which of them follow a log.
FOLLOWERS: Mapping[str, set[str]] = {
    "people": {"reviews", "goals", "notify"},
    "goals": {"notify", "bridge"},
    "reviews": {"scoring", "notify", "bridge"},
    "scoring": {"reviews", "notify", "bridge"},
    "notify": {"reviews"},
}
SETTINGS: Mapping[str, type[ProcessSettings]] = {
    "gateway": GatewaySettings,
    "worker": WorkerSettings,
    "bridge": BridgeSettings,
    "people": PeopleSettings,
    "goals": GoalsSettings,
    "reviews": ReviewsSettings,
    "scoring": ScoringSettings,
    "notify": NotifySettings,
}
EVENT_LOG = eventlog_pb2.DESCRIPTOR.services_by_name["EventLogService"]


def admitted(access: Mapping[str, Access]) -> set[str]:
    """Return the processes that a table lets in; people come through the gateway."""
    rows = access.values()
    return set().union(*(row.services for row in rows)) | ({"gateway"} if any(row.roles for row in rows) else set())


def callers_of(name: str) -> set[str]:
    return {caller for caller, called in ARROWS.items() if name in called}


async def test_a_server_admits_the_processes_that_have_an_arrow_to_it_and_no_other(world: World) -> None:
    for name in SERVICES:
        service = world.services[name]
        assert admitted({**rpc_access(service.followers), **service.access}) == callers_of(name), name
    assert admitted(ENGINE_ACCESS) == callers_of("engine")


def test_a_process_may_open_channels_along_its_arrows_only() -> None:
    assert {name: set(kind.calls) for name, kind in SETTINGS.items()} == ARROWS


@pytest.mark.parametrize("name", SERVICES)
async def test_a_log_is_read_by_its_followers_and_kept_for_the_bridge_alone(world: World, name: str) -> None:
    for method, request, admitted_names in (
        ("Read", eventlog_pb2.ReadRequest, FOLLOWERS[name]),
        ("GetPosition", eventlog_pb2.GetPositionRequest, FOLLOWERS[name] & {"bridge"}),
        ("Acknowledge", eventlog_pb2.AcknowledgeRequest, FOLLOWERS[name] & {"bridge"}),
    ):
        let_in = set()
        for caller in NAMED:
            metadata = world.metadata(f"service:{caller}")
            error = await world.call(name, EVENT_LOG.methods_by_name[method], request(consumer=caller), metadata)
            if error is None or error.code() is not grpc.StatusCode.PERMISSION_DENIED:
                let_in.add(caller)
        assert let_in == admitted_names, method


async def test_a_service_that_takes_itself_for_another_follower_is_refused(world: World) -> None:
    request = eventlog_pb2.ReadRequest(consumer="goals")
    error = await world.call("people", EVENT_LOG.methods_by_name["Read"], request, world.metadata("service:reviews"))
    assert error is not None
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
