"""The commands of docs/operations/security.md, executed as they stand there, while calls go on."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.runtime.identity import Access, TokenSigner, TokenVerifier, call_metadata
from services.runtime.serve import Service, build_server, open_channel, server_credentials
from services.runtime.serve.transport import channel_to
from services.runtime.settings import Certificate
from tests.guards.measures import ROOT
from tests.identity import Keyring
from tests.waiting import until
from workflows.codec import data_converter
from workflows.settings import WorkerSettings

RUNBOOK = (ROOT / "docs" / "operations" / "security.md").read_text()
PROCESSES = ("gateway", "people", "goals", "reviews", "scoring", "notify", "worker", "bridge")
ACCESS = {"/attune.people.v1.PeopleService/GetTenant": Access(services=frozenset({"worker"}))}


def blocks(heading: str) -> list[str]:
    """Return the shell blocks below a heading."""
    section = RUNBOOK.split(f"\n## {heading}", 1)[1].split("\n## ", 1)[0]
    return [part.split("\n```", 1)[0] for part in section.split("```sh\n")[1:]]


def execute(script: str, **variables: str) -> str:
    """Run a block; return what it printed."""
    path = f"{ROOT / '.attune/uv/bin'}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={"PATH": path, "HOME": os.environ.get("HOME", "/"), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


class People(people_pb2_grpc.PeopleServiceServicer):
    """A service of one method."""

    async def GetTenant(self, request: Any, context: Any) -> people_pb2.GetTenantResponse:
        return people_pb2.GetTenantResponse()


@asynccontextmanager
async def serving(verifier: TokenVerifier, certificate: Certificate | None = None) -> AsyncIterator[str]:
    """Serve people on loopback; its address."""
    service = Service([(people_pb2_grpc.add_PeopleServiceServicer_to_server, People())], ACCESS)  # type: ignore[abstract]  # the rest is absent
    server, _ = build_server(service, verifier, mutual=certificate is not None)
    if certificate is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", server_credentials(certificate))
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_has_its_certificate(tls: Path, name: str) -> None:
    shown = execute(blocks("Certificates between processes")[1].replace("people", name), TLS=str(tls))
    assert f"DNS:{name}" in shown
    assert ("DNS:engine" in shown) == (name == "bridge")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates that the runbook makes."""
    directory = tmp_path_factory.mktemp("tls")
    execute(blocks("Certificates between processes")[0], TLS=str(directory))
    return directory


async def test_the_certificates_of_the_runbook_carry_calls(tls: Path, tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    keyring.signer("worker")

    def certificate(name: str) -> Certificate:
        return Certificate(tls / f"{name}.crt", tls / f"{name}.key", tls / "ca.crt")

    async with serving(keyring.verifier(), certificate("people")) as address:
        for name, code in (("worker", None), ("bridge", grpc.StatusCode.UNAUTHENTICATED)):
            settings = WorkerSettings(
                identity_key_file=keyring.private_key("worker"),
                identity_keys_dir=keyring.public,
                people_address=address,
                tls_certificate_file=tls / f"{name}.crt",
                tls_key_file=tls / f"{name}.key",
                tls_ca_file=tls / "ca.crt",
            )
            async with channel_to("people", settings) as channel:
                assert await refusal(channel, keyring.signer("worker")) is code


async def refusal(channel: grpc.aio.Channel, signer: TokenSigner) -> grpc.StatusCode | None:
    """Call once; return the code of a refusal, None for success."""
    stub = people_pb2_grpc.PeopleServiceStub(channel)
    try:
        await stub.GetTenant(people_pb2.GetTenantRequest(), metadata=call_metadata(signer, uuid4()), timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return None


async def test_no_call_fails_while_the_key_of_internal_tokens_is_rotated(tmp_path: Path) -> None:
    keys, public = tmp_path / "keys", tmp_path / "keys" / "public"
    public.mkdir(parents=True)
    (tmp_path / "first").mkdir()
    execute('openssl genpkey -algorithm ed25519 -out "$KEYS/worker.pem"', KEYS=str(keys))
    execute(
        'openssl pkey -in "$KEYS/worker.pem" -pubout -out "$PUBLIC/worker-1.pem"', KEYS=str(keys), PUBLIC=str(public)
    )
    before = keys.joinpath("worker.pem").read_bytes()
    publish, switch, retire = blocks("Rotating the key of internal tokens")
    verifier, signer = TokenVerifier(public), TokenSigner("worker", keys / "worker.pem")
    answers: list[grpc.StatusCode | None] = []
    async with serving(verifier) as address, open_channel(address) as channel:
        calling = asyncio.ensure_future(_keep_calling(channel, signer, answers))
        for step in (publish, switch, retire):
            await asyncio.to_thread(execute, step, NAME="worker", KEYS=str(keys), PUBLIC=str(public))
            await _seen(verifier, signer, answers)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        old_file = tmp_path / "old.pem"
        old_file.write_bytes(before)
        assert await refusal(channel, TokenSigner("worker", old_file)) is grpc.StatusCode.UNAUTHENTICATED
    assert len(answers) > 60
    assert set(answers) == {None}
    assert keys.joinpath("worker.pem").read_bytes() != before


async def _keep_calling(channel: grpc.aio.Channel, signer: TokenSigner, answers: list[Any]) -> None:
    while True:
        answers.append(await refusal(channel, signer))


async def _seen(verifier: TokenVerifier, signer: TokenSigner, answers: list[Any]) -> None:
    """Let both look at their files, and some calls be made since."""
    verifier.look_again()
    signer.look_again()
    enough = len(answers) + 20
    await until(lambda: len(answers) >= enough)


def test_a_key_that_is_just_being_written_harms_no_call(tmp_path: Path) -> None:
    keyring = Keyring(tmp_path)
    signer, verifier = keyring.signer("worker"), keyring.verifier()
    half = keyring.public / "worker-2.pem"
    half.write_bytes(b"-----BEGIN PUBLIC")
    verifier.look_again()
    assert verifier.verify(signer.for_service(None)).name == "worker"
    new = keyring.signer("worker", 3)
    half.write_bytes((keyring.public / "worker-3.pem").read_bytes())
    (keyring.public / "worker-3.pem").unlink()
    verifier.look_again()
    assert verifier.verify(new.for_service(None)).name == "worker"
    keyring.private_key("worker").write_bytes(b"-----BEGIN PRIVATE")
    signer.look_again()
    assert verifier.verify(signer.for_service(uuid4())).name == "worker"


def test_the_runbook_makes_a_payload_key_that_is_one() -> None:
    assert data_converter(execute(blocks("Rotating the payload key")[0]).strip()).payload_codec is not None


def test_what_is_scanned_is_the_lock(tmp_path: Path) -> None:
    execute(blocks("Scanning")[0], OUT=str(tmp_path))
    listed = (tmp_path / "requirements.txt").read_text()
    assert "grpcio==" in listed
    assert "--hash=sha256:" in listed
    assert "\npytest==" not in listed
