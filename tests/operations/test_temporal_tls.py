"""Temporal with TLS on its frontend: operators' commands, worker and bridge get in, nobody without a certificate."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from temporalio.service import RPCError

from deploy.jobs.engine import EngineJobSettings, register
from deploy.local import ports, temporal
from deploy.local.layout import Layout
from deploy.local.temporal_binary import Search, user_cache
from deploy.names import SERVICES
from deploy.operations.engine import count_of
from deploy.operations.reach import KINDS, Installation, Refused, find_installation
from deploy.operations.restored import release, settle
from services.runtime.settings import Certificate
from tests.certificates import Authority
from tests.waiting import until
from workflows import client, messages
from workflows.client import Cycles
from workflows.settings import BridgeSettings, EngineSettings, WorkerSettings
from workflows.worker import build_worker

NAME = "localhost"  # of the certificate, and so of the address


@dataclass(frozen=True)
class Guarded:
    """A Temporal server that wants a certificate of its authority."""

    address: str
    authority: Authority
    certificate: Certificate

    def variables(self) -> Mapping[str, str]:
        """What a process is told of it."""
        return {
            "TEMPORAL_ADDRESS": self.address,
            "TEMPORAL_NAMESPACE": "attune",
            "TEMPORAL_TLS": "true",
            "TEMPORAL_TLS_SERVER_CA_CERT_PATH": str(self.authority.file),
            "TEMPORAL_TLS_CLIENT_CERT_PATH": str(self.certificate.certificate_file),
            "TEMPORAL_TLS_CLIENT_KEY_PATH": str(self.certificate.key_file),
        }

    def settings(self) -> EngineJobSettings:
        """What the engine's job is told of it."""
        return EngineJobSettings.model_validate(self.variables())


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A server of its own, whose configuration is the embedded one with TLS."""
    layout = Layout.at(tmp_path_factory.mktemp("guarded"))
    layout.make()
    binary = await Search(layout.binaries, user_cache(os.environ), lambda _: None).find()
    if binary.kind != "server":
        pytest.skip("Temporal's development server knows no TLS")
    claims = ports.Claims()
    chosen, _ = ports.choose("free", {}, claims)
    authority = Authority(layout.root / "authority")
    temporal.write_configuration(layout, chosen)
    _want_certificates(layout.temporal / "server.json", authority)
    server = Guarded(f"{NAME}:{chosen['temporal']}", authority, authority.issue("attune"))
    try:
        async with _running(layout, temporal.command(layout, chosen, binary)):
            await until(lambda: _answers(server), 60)
            yield server
    finally:
        claims.close()


def _want_certificates(file: Path, authority: Authority) -> None:
    made = authority.issue(NAME)
    own = {"certFile": str(made.certificate_file), "keyFile": str(made.key_file)}
    calls = {"serverName": NAME, "rootCaFiles": [str(authority.file)]}
    wants = {**own, "requireClientAuth": True, "clientCaFiles": [str(authority.file)]}
    configuration = json.loads(file.read_text())
    tls = {"frontend": {"server": wants, "client": calls}, "systemWorker": {**own, "client": calls}}
    configuration["global"]["tls"] = tls
    file.write_text(json.dumps(configuration))


@asynccontextmanager
async def _running(layout: Layout, command: tuple[str, ...]) -> AsyncIterator[None]:
    with layout.log("temporal").open("wb") as log:
        child = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        yield
    finally:
        child.terminate()
        await child.wait()


async def _answers(server: Guarded) -> bool:
    try:
        await register(server.settings())
    except (RuntimeError, RPCError):  # nobody listens; not ready
        return False
    return True


def told(kind: type[EngineSettings], server: Guarded, **others: Any) -> Any:
    """Settings of a process, from the variables that a container gets."""
    return kind.model_validate(
        {**server.variables(), "identity_key_file": "key", "identity_keys_dir": "keys", **others}
    )


async def test_commands_worker_and_bridge_get_in_by_the_same_variables(
    guarded: Guarded, installation: Installation, monkeypatch: pytest.MonkeyPatch, admin: asyncpg.Connection
) -> None:
    for service in SERVICES:
        for kind, variable in KINDS.items():
            monkeypatch.setenv(f"ATTUNE_{service.upper()}_{variable}", installation.urls[f"{service}_{kind}"])
    for variable, value in guarded.variables().items():
        monkeypatch.setenv(variable, value)
    found = find_installation()

    tenant_id, cycle_id = uuid4(), uuid4()
    bridge = Cycles(await client.connect(told(BridgeSettings, guarded)))
    await bridge.hint(str(tenant_id), str(cycle_id))
    engine = await client.connect(told(WorkerSettings, guarded))
    async with build_worker(engine, messages.CYCLE_QUEUE, [], told(WorkerSettings, guarded)):

        async def taken() -> bool:
            described = await bridge.describe(str(tenant_id), str(cycle_id))
            return described is not None and described.history_length > 3

        await until(taken)
    operations = await found.engine()

    async def listed() -> bool:  # lists follow what was begun a little later
        return await count_of(operations, tenant_id) == 1

    await until(listed)
    said: list[str] = []
    await settle(replace(found, quiet_seconds=0), said.append)
    assert said[-1].startswith("1 workflows ended"), "that of the bridge"
    assert await count_of(operations, tenant_id) == 1
    await release(installation, None)


@pytest.mark.parametrize(
    ("without", "says"),
    [
        (("TEMPORAL_TLS",), r"does not answer without TLS \(TEMPORAL_TLS is not set\)"),
        (
            ("TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH"),
            "does not answer with TLS: .*(Certificate|canceled)",
        ),
        (("TEMPORAL_TLS_SERVER_CA_CERT_PATH",), "does not answer with TLS: .*UnknownIssuer"),
    ],
)
async def test_who_has_not_what_it_wants_is_refused_and_told_what_was_tried(
    guarded: Guarded, installation: Installation, without: tuple[str, ...], says: str
) -> None:
    told = {name: value for name, value in guarded.variables().items() if name not in without}
    with pytest.raises(Refused, match=says):
        await settle(replace(installation, temporal=EngineJobSettings.model_validate(told)), lambda _: None)
