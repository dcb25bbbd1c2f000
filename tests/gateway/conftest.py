"""Fixtures of the gateway's tests: the gateway in front of two small servers, or of all real services."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.gateway.settings import GatewaySettings
from tests.gateway.stand_ins import Gateway, StandIns, running_gateway, running_stand_ins
from tests.identity import Keyring
from tests.security.conftest import World, world

__all__ = ["world"]

NOWHERE = "127.0.0.1:9"
NAMES = ("people", "goals", "reviews", "scoring", "notify", "engine")


def settings_of(keyring: Keyring, **given: Any) -> GatewaySettings:
    """Return settings of local mode; services that are not given are dead."""
    addresses = {f"{name}_address": NOWHERE for name in NAMES}
    told: dict[str, Any] = {
        "port": 0,
        "mode": "local",
        "local_issuer_key_file": keyring.private_key("local"),
        "identity_key_file": keyring.private_key("gateway"),
        "identity_keys_dir": keyring.public,
        **addresses,
        **given,
    }
    return GatewaySettings(**told)


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of the gateway and of the local issuer."""
    return Keyring(Path(tmp_path_factory.mktemp("keys")))


@pytest.fixture
async def stand_ins() -> AsyncIterator[StandIns]:
    """People and an engine; every other service is dead."""
    async with running_stand_ins() as made:
        yield made


@pytest.fixture
async def gateway(stand_ins: StandIns, keyring: Keyring) -> AsyncIterator[Gateway]:
    """The gateway in front of the stand-ins."""
    async with running_gateway(settings_of(keyring, call_seconds=20, **stand_ins.addresses)) as running:
        yield running


@pytest.fixture(scope="module")
async def front(world: World) -> AsyncIterator[Gateway]:
    """The gateway in front of all services."""
    addresses = {f"{name}_address": address for name, address in world.addresses.items()}
    settings = settings_of(world.keyring, principal_cache_seconds=0, call_seconds=20, **addresses)
    async with running_gateway(settings) as running:
        yield running
