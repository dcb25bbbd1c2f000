"""Mutual TLS over real gRPC: a call needs a certificate of our authority, and the one that belongs to its token."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.runtime.errors import reason_of
from services.runtime.identity import Access, Metadata
from services.runtime.serve import Service, build_server, channel_to, open_channel, serve, server_credentials
from services.runtime.settings import Certificate, ServiceSettings
from tests.certificates import Authority
from tests.identity import Keyring, person
from tests.waiting import until
from workflows.probe import free_port
from workflows.settings import WorkerSettings

GET_TENANT = "/attune.people.v1.PeopleService/GetTenant"
ACCESS = {GET_TENANT: Access(frozenset({"employee"}), frozenset({"worker", "gateway"}))}
OK = grpc.StatusCode.OK


class People(people_pb2_grpc.PeopleServiceServicer):
    """A service of one method."""

    async def GetTenant(self, request: Any, context: Any) -> people_pb2.GetTenantResponse:
        return people_pb2.GetTenantResponse()


@dataclass
class Company:
    """A service behind mutual TLS, and those who call it."""

    authority: Authority
    keyring: Keyring
    certificate: Certificate
    tenant_id: UUID = field(default_factory=uuid4)
    address: str = ""

    def settings(self, certificate: Certificate | None) -> WorkerSettings:
        """Return what a client is told that shows this certificate."""
        files = (
            (certificate.certificate_file, certificate.key_file, certificate.authority_file)
            if certificate
            else (None, None, None)
        )
        return WorkerSettings(
            identity_key_file=self.keyring.private_key("worker"),
            identity_keys_dir=self.keyring.public,
            people_address=self.address,
            tls_certificate_file=files[0],
            tls_key_file=files[1],
            tls_ca_file=files[2],
        )

    def token(self, name: str) -> Metadata:
        """Return what a service says of itself."""
        return self.keyring.as_service(name, self.tenant_id)

    async def call(self, certificate: Certificate | None, metadata: Metadata) -> tuple[grpc.StatusCode, str]:
        """Call with a certificate and a token; return code and reason of the answer."""
        async with channel_to("people", self.settings(certificate)) as channel:
            return await asked(channel, metadata)


async def asked(channel: grpc.aio.Channel, metadata: Metadata) -> tuple[grpc.StatusCode, str]:
    stub = people_pb2_grpc.PeopleServiceStub(channel)
    try:
        await stub.GetTenant(people_pb2.GetTenantRequest(), metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code(), reason_of(error)
    return OK, ""


def service() -> Service:
    return Service([(people_pb2_grpc.add_PeopleServiceServicer_to_server, People())], ACCESS)  # type: ignore[abstract]  # the rest is absent


@pytest.fixture
async def company(tmp_path: Path) -> AsyncIterator[Company]:
    authority, keyring = Authority(tmp_path / "tls"), Keyring(tmp_path)
    for name in ("worker", "gateway", "notify"):
        keyring.signer(name)
    made = Company(authority, keyring, authority.issue("people"))
    server, _ = build_server(service(), keyring.verifier(), mutual=True)
    made.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', server_credentials(made.certificate))}"
    await server.start()
    yield made
    await server.stop(None)


async def test_a_service_and_a_person_through_the_gateway_are_let_in(company: Company) -> None:
    assert await company.call(company.authority.issue("worker"), company.token("worker")) == (OK, "")
    user = company.keyring.as_user(person(company.tenant_id))
    assert await company.call(company.authority.issue("gateway"), user) == (OK, "")


async def test_nobody_gets_as_far_as_a_token_without_a_certificate(company: Company, tmp_path: Path) -> None:
    async with open_channel(company.address) as plain:
        assert (await asked(plain, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE
    trusting = grpc.ssl_channel_credentials(company.authority.file.read_bytes())
    named = (("grpc.ssl_target_name_override", "people"),)
    async with grpc.aio.secure_channel(company.address, trusting, options=named) as without:
        assert (await asked(without, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_of_another_authority_or_one_that_has_ended_is_refused(
    company: Company, tmp_path: Path
) -> None:
    forged = Authority(tmp_path / "other").issue("worker")
    trusting = Certificate(forged.certificate_file, forged.key_file, company.authority.file)
    assert (await company.call(trusting, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE
    ended = company.authority.issue("worker", valid=-timedelta(hours=1))
    assert (await company.call(ended, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE


async def test_a_token_is_worth_nothing_with_another_process_s_certificate(company: Company) -> None:
    notify, worker = company.authority.issue("notify"), company.authority.issue("worker")
    refused = (grpc.StatusCode.UNAUTHENTICATED, "CERTIFICATE_MISMATCH")
    assert await company.call(notify, company.token("worker")) == refused
    assert await company.call(worker, company.token("gateway")) == refused
    assert await company.call(worker, company.keyring.as_user(person(company.tenant_id))) == refused


async def test_a_service_that_has_no_business_here_is_refused_though_it_shows_who_it_is(company: Company) -> None:
    code, _ = await company.call(company.authority.issue("notify"), company.token("notify"))
    assert code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_server_that_is_another_service_is_not_spoken_to(company: Company) -> None:
    company.authority.issue("notify", file_name="people")
    code, _ = await company.call(company.authority.issue("worker"), company.token("worker"))
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_renewed_files_count_from_the_next_connection_on(company: Company, tmp_path: Path) -> None:
    old, successor = company.authority.issue("worker"), Authority(tmp_path / "successor")
    new = successor.issue("worker")
    assert (await company.call(new, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE
    async with channel_to("people", company.settings(old)) as open_all_along:
        assert await asked(open_all_along, company.token("worker")) == (OK, "")
        # First both authorities are trusted, then the server shows the successor's certificate, then the old one goes.
        company.authority.file.write_bytes(company.authority.file.read_bytes() + successor.file.read_bytes())
        assert await company.call(old, company.token("worker")) == (OK, "")
        renewed = successor.issue("people")
        company.certificate.key_file.write_bytes(renewed.key_file.read_bytes())
        company.certificate.certificate_file.write_bytes(renewed.certificate_file.read_bytes())
        assert await company.call(new, company.token("worker")) == (OK, "")
        assert await company.call(old, company.token("worker")) == (OK, "")
        company.authority.file.write_bytes(successor.file.read_bytes())
        assert await company.call(new, company.token("worker")) == (OK, "")
        assert (await company.call(old, company.token("worker")))[0] is grpc.StatusCode.UNAVAILABLE
        assert await asked(open_all_along, company.token("worker")) == (OK, "")


async def test_a_file_renewed_in_the_tick_of_the_last_look_counts(company: Company, tmp_path: Path) -> None:
    """Its instant of change is the same afterwards: one ahead, which no slow machine outlasts."""
    authority, tick = company.authority.file, time.time_ns() + 3600 * 10**9
    successor = Authority(tmp_path / "successor")
    os.utime(authority, ns=(tick, tick))
    assert await company.call(company.authority.issue("worker"), company.token("worker")) == (OK, "")
    authority.write_bytes(authority.read_bytes() + successor.file.read_bytes())
    os.utime(authority, ns=(tick, tick))
    new = replace(successor.issue("worker"), authority_file=authority)
    assert await company.call(new, company.token("worker")) == (OK, "")


async def test_a_process_calls_only_those_it_lists(company: Company) -> None:
    with pytest.raises(ValueError, match="WorkerSettings does not list notify"):
        channel_to("notify", company.settings(None))


class ThingSettings(ServiceSettings, env_prefix="ATTUNE_THINGS_"):
    """Settings of a service without a database."""


async def serving(port: int) -> bool:
    async with open_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_a_probe_without_a_certificate_sees_health_and_nothing_else(company: Company) -> None:
    certificate = company.certificate
    settings = ThingSettings(
        identity_key_file=company.keyring.private_key("worker"),
        identity_keys_dir=company.keyring.public,
        port=free_port(),
        health_port=free_port(),
        database_url="",
        system_database_url="",
        tls_certificate_file=certificate.certificate_file,
        tls_key_file=certificate.key_file,
        tls_ca_file=certificate.authority_file,
    )
    process = asyncio.ensure_future(serve(settings, service()))
    await until(lambda: serving(settings.health_port), what="health was served")
    assert not await serving(settings.port)
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(open_channel(f"127.0.0.1:{settings.health_port}"))
        assert (await asked(plain, company.token("worker")))[0] is grpc.StatusCode.UNIMPLEMENTED
    company.address = f"127.0.0.1:{settings.port}"
    assert await company.call(company.authority.issue("worker"), company.token("worker")) == (OK, "")
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(120):
        await process
