"""All processes of a stack behind mutual TLS: a cycle runs, and whoever shows no certificate of ours gets nowhere."""

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.client import Api, Problem, connect
from deploy.local.demo.ledger import Ledger
from deploy.local.stack import Stack
from deploy.names import SERVICES, SIGNERS
from services.runtime.settings import Certificate
from tests.certificates import Authority
from tests.operations.company import SmallCompany
from tests.waiting import until

pytestmark = pytest.mark.enable_socket
SERVING = health_pb2.HealthCheckResponse.SERVING
ANSWERED, NOT_REACHED = grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE


@dataclass
class Encrypted:
    """A stack whose calls all go through TLS, and those who sign certificates for it and for others."""

    stack: Stack
    authority: Authority
    stranger: Authority

    async def ask(self, name: str, certificate: Certificate | None, trusted: Path) -> grpc.StatusCode:
        """Ask a process how it is at its own port, which the right certificate is enough for; the code."""
        credentials = credentials_of(certificate, trusted)
        options = (("grpc.ssl_target_name_override", name),)
        async with grpc.aio.secure_channel(self.stack.address(name), credentials, options=options) as channel:
            return await asked(channel)


def credentials_of(certificate: Certificate | None, trusted: Path) -> grpc.ChannelCredentials:
    """What a caller shows, and whom it trusts."""
    shown = (certificate.key_file.read_bytes(), certificate.certificate_file.read_bytes()) if certificate else ()
    return grpc.ssl_channel_credentials(trusted.read_bytes(), *shown)


async def asked(channel: grpc.aio.Channel) -> grpc.StatusCode:
    try:
        reply = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code()
    assert reply.status == SERVING
    return ANSWERED


def variables(certificate: Certificate) -> Mapping[str, str]:
    """What a process is told of its certificate."""
    return {
        "ATTUNE_TLS_CERTIFICATE_FILE": str(certificate.certificate_file),
        "ATTUNE_TLS_KEY_FILE": str(certificate.key_file),
        "ATTUNE_TLS_CA_FILE": str(certificate.authority_file),
    }


def issue(authority: Authority, name: str) -> Certificate:
    """A certificate as the runbook has it: the bridge is called engine, too."""
    return authority.issue(name, *(["engine"] if name == "bridge" else []))


@pytest.fixture(scope="module")
def encrypted() -> Iterator[Encrypted]:
    """The stack of this module."""
    with tempfile.TemporaryDirectory(prefix="attune-tls-") as folder:
        authority, stranger = (Authority(Path(folder) / name) for name in ("ours", "stranger"))
        told = {name: variables(issue(authority, name)) for name in SIGNERS}
        stack = Stack(Path(folder) / "stack", ports="free", tied=True, told=told)
        stack.start()
        try:
            yield Encrypted(stack, authority, stranger)
        finally:
            stack.stop()


async def test_a_cycle_runs_to_its_end(encrypted: Encrypted, tmp_path: Path) -> None:
    async with connect(encrypted.stack.address("gateway")) as http:
        with closing(Ledger(tmp_path / "ledger.jsonl")) as ledger:
            company = SmallCompany(Api(http, patience=60.0), "加密公司", ledger)
            await company.found()
            await company.launch()
            await company.finish()
            assert await company.differences() == []
            admin = await company.caller("ADMIN")
            held: list[Any] = []

            async def all_is_well() -> bool:  # in the end: what is slow on a busy machine is told, too
                held[:] = (await admin.get("/ops/stalled"))["items"]  # asks reviews and the engine
                return not held

            with suppress(AssertionError):
                await until(all_is_well)
            assert held == []


@pytest.mark.parametrize("name", [*SERVICES, "engine"])
async def test_a_port_answers_nobody_without_a_certificate_of_our_authority(name: str, encrypted: Encrypted) -> None:
    ours, trusted = encrypted.authority.issue("worker", file_name="caller"), encrypted.authority.file
    assert await encrypted.ask(name, ours, trusted) is ANSWERED
    assert await encrypted.ask(name, None, trusted) is NOT_REACHED
    assert await encrypted.ask(name, encrypted.stranger.issue("worker"), trusted) is NOT_REACHED
    assert await encrypted.ask(name, ours, encrypted.stranger.file) is NOT_REACHED  # and we see who answers
    async with grpc.aio.insecure_channel(encrypted.stack.address(name)) as plain:
        assert await asked(plain) is NOT_REACHED


async def test_a_service_with_a_certificate_that_is_not_its_own_is_not_spoken_to(encrypted: Encrypted) -> None:
    """Of another authority, though it trusts ours; then of ours, but of another process."""
    own = variables(issue(encrypted.authority, "people"))
    foreign = {**variables(encrypted.stranger.issue("people")), "ATTUNE_TLS_CA_FILE": str(encrypted.authority.file)}
    async with connect(encrypted.stack.address("gateway")) as http:
        api = Api(http, patience=0.0)
        for wrong in (foreign, variables(encrypted.authority.issue("notify", file_name="misled"))):
            await asyncio.to_thread(encrypted.stack.tell, "people", wrong)
            with pytest.raises(Problem) as refused:
                await signed_in(api)
            assert refused.value.status == 503
        await asyncio.to_thread(encrypted.stack.tell, "people", own)

        async def works_again() -> bool:
            try:
                return await signed_in(api)
            except Problem:
                return False

        await until(works_again, 60.0, "people is spoken to again")


async def signed_in(api: Api) -> bool:
    """Whether people tells the gateway who the installation's administrator is."""
    reply = await api.post("/dev/token", {"installation": True})
    tenant = {"name": "再来公司", "admin_email": "hr@again.example"}
    made = await api.speaking_for(reply["token"]).post("/tenants", tenant, key="again")
    return bool(made["id"])
