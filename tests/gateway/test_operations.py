"""What holds work up, of several processes in one answer: none of them fills in what another did not name."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import grpc
import pytest

from protos.reviews.v1 import cycles_pb2, cycles_pb2_grpc
from tests.gateway.conftest import settings_of
from tests.gateway.stand_ins import Behaviour, Gateway, StandIns, answer, running_gateway
from tests.identity import Keyring

LIVE = [str(UUID(int=number)) for number in range(1, 4)]
MORE = "there are more"


class Reviews(cycles_pb2_grpc.CycleServiceServicer):
    """Names the cycles that it looked at."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answer
        self.cycles: list[str] = []

    async def ListStalled(self, request: Any, context: Any) -> cycles_pb2.ListStalledResponse:
        await self.behaviour(context)
        live = [cycles_pb2.CycleUnderWay(cycle_id=cycle_id) for cycle_id in self.cycles]
        return cycles_pb2.ListStalledResponse(cycles=live)


async def away(context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAVAILABLE, "not there")


async def refuse(context: Any) -> None:
    await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for them")


class Operator:
    """Asks the gateway, which asks reviews and the engine."""

    def __init__(self, gateway: Gateway, headers: dict[str, str], reviews: Reviews, stand_ins: StandIns) -> None:
        self._gateway, self._headers = gateway, headers
        self.reviews, self.engine = reviews, stand_ins.engine

    async def get(self, path: str, **filters: str) -> Any:
        return await self._gateway.client.get(f"/v1/ops/{path}", headers=self._headers, params=filters)

    async def rows(self, path: str = "stalled", **filters: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.get(path, **filters)).raise_for_status().json()["items"]
        return found

    async def cycles(self, **filters: str) -> list[str]:
        """The cycles that are held up, as told."""
        return [row["cycle_id"] for row in await self.rows(**filters) if row["kind"] == "cycle"]


@pytest.fixture
async def operator(stand_ins: StandIns, keyring: Keyring) -> AsyncIterator[Operator]:
    reviews = Reviews()  # type: ignore[abstract]
    server = grpc.aio.server()
    cycles_pb2_grpc.add_CycleServiceServicer_to_server(reviews, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    stand_ins.engine.running = LIVE
    settings = settings_of(keyring, call_seconds=20, reviews_address=address, **stand_ins.addresses)
    async with running_gateway(settings) as gateway:
        yield Operator(gateway, await gateway.sign_in("anybody"), reviews, stand_ins)
    await server.stop(None)


@pytest.mark.parametrize(
    "filters",
    [{}, {"department": LIVE[0]}, {"task": LIVE[0]}, {"participant": LIVE[0]}, {"cycle": LIVE[0]}],
    ids=lambda filters: "".join(filters) or "none",
)
async def test_the_engine_is_asked_about_no_cycle_that_reviews_did_not_name(
    operator: Operator, filters: dict[str, str]
) -> None:
    assert await operator.cycles(**filters) == []
    operator.reviews.cycles = LIVE[:1]
    assert await operator.cycles(**filters) == LIVE[:1]


async def test_while_reviews_is_silent_the_engine_names_its_own_for_who_asked_about_all(operator: Operator) -> None:
    operator.reviews.behaviour = away
    assert await operator.cycles() == LIVE
    assert await operator.cycles(cycle=LIVE[2]) == LIVE[2:]
    for name in ("department", "task", "participant", "stage"):
        assert await operator.cycles(**{name: LIVE[0]}) == [], f"nobody knows the cycle of a {name}"
    assert not any(MORE in row.get("detail", "") for row in await operator.rows())
    operator.engine.more_run = True
    [said] = [row["detail"] for row in await operator.rows() if MORE in row.get("detail", "")]
    assert said.startswith("reviews does not answer")


async def test_more_cycles_than_the_engine_takes_at_once_are_all_looked_at(operator: Operator) -> None:
    operator.reviews.cycles = [str(UUID(int=number)) for number in range(1, 1_202)]
    assert await operator.cycles() == operator.reviews.cycles
    processes = [row["detail"] for row in await operator.rows() if row["cause"] == "NO_WORKER"]
    assert processes == ["worker"], "a process is told once"


async def test_what_operators_see_is_refused_to_others_and_not_empty(operator: Operator) -> None:
    operator.reviews.behaviour = refuse
    assert (await operator.get("stalled")).status_code == 403
    assert (await operator.get("explain", task=LIVE[0])).status_code == 403
