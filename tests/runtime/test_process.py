"""A process from its settings to its end: settings, ready, health, metrics, SIGTERM, wake-ups, telemetry."""

import asyncio
import os
import signal
import socket
import threading
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

import grpc
import pytest
from fakeredis import TcpFakeServer
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry import trace
from pydantic import ValidationError

from protos.eventlog.v1 import eventlog_pb2_grpc
from services.runtime import telemetry
from services.runtime.database import Database
from services.runtime.eventlog import EventLogServicer, Wake
from services.runtime.serve import Service, serve
from services.runtime.settings import ServiceSettings, owner_database_url
from tests.identity import Keyring
from tests.postgres import DatabaseUrls, open_database
from tests.runtime.conftest import SERVICE

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"


class ThingSettings(ServiceSettings, env_prefix="ATTUNE_THINGS_"):
    service: ClassVar[str] = "things"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def settings_of(keyring: Keyring, urls: DatabaseUrls) -> ThingSettings:
    return ThingSettings(
        identity_key_file=keyring.private_key("reviews"),
        identity_keys_dir=keyring.public,
        port=free_port(),
        metrics_port=free_port(),
        database_url=urls.app,
        system_database_url=urls.system,
    )


def test_settings_are_frozen_and_have_no_default_for_what_is_secret(tmp_path: Path, urls: DatabaseUrls) -> None:
    settings = settings_of(Keyring(tmp_path), urls)
    with pytest.raises(ValidationError):
        settings.port = 1  # type: ignore[misc]  # that it is read-only is the point
    with pytest.raises(ValidationError) as caught:
        ThingSettings(_env_file=None)
    missing = {str(error["loc"][0]) for error in caught.value.errors()}
    secret = {"ATTUNE_IDENTITY_KEY_FILE", "ATTUNE_IDENTITY_KEYS_DIR", "database_url", "system_database_url"}
    assert {name.upper() for name in missing} >= {name.upper() for name in secret}
    with pytest.raises(KeyError):
        owner_database_url("things")


async def test_a_process_serves_answers_probes_and_ends_in_order(tmp_path: Path, urls: DatabaseUrls) -> None:
    keyring = Keyring(tmp_path)
    settings, database = settings_of(keyring, urls), open_database(SERVICE, urls)
    ended = asyncio.Event()

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    register = eventlog_pb2_grpc.add_EventLogServiceServicer_to_server
    service = Service([(register, EventLogServicer(database))], {})
    process = asyncio.ensure_future(serve(settings, service, database=database, background=[background]))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{settings.port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=60, wait_for_ready=True)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        page = await asyncio.to_thread(fetch, f"http://127.0.0.1:{settings.metrics_port}/metrics")
        assert 'attune_rpc_requests_total{code="OK",method="/grpc.health.v1.Health/Check"}' in page
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(120):
        await process
    assert ended.is_set()


async def test_a_process_ends_with_the_error_of_its_background_work(tmp_path: Path, urls: DatabaseUrls) -> None:
    async def stumble() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await serve(settings_of(Keyring(tmp_path), urls), Service([], {}), background=[stumble])


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  # our own address
        return str(answer.read().decode())


async def test_a_service_does_not_start_with_the_owners_role(urls: DatabaseUrls, tmp_path: Path) -> None:
    unsafe = Database(SERVICE, urls.owner, urls.system)
    settings = settings_of(Keyring(tmp_path), urls)
    with pytest.raises(RuntimeError, match="owns a table"):
        await serve(settings, Service([], {}), database=unsafe)
    await unsafe.dispose()


@pytest.fixture
def redis_url() -> Iterator[str]:
    port = free_port()
    server = TcpFakeServer(("127.0.0.1", port))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"redis://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
async def listening(redis_url: str) -> AsyncIterator[Wake]:
    wake = Wake(redis_url, "reviews")
    task = asyncio.ensure_future(wake.listen(["people"]))
    yield wake
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await wake.close()


async def test_a_follower_is_woken_long_before_it_would_look_again(listening: Wake, redis_url: str) -> None:
    people = Wake(redis_url, "people")

    async def announce_until_heard() -> None:
        while True:
            people.announce()
            await asyncio.sleep(0.05)

    announcing = asyncio.ensure_future(announce_until_heard())
    begin = asyncio.get_running_loop().time()
    await listening.wait("people", 60)
    assert asyncio.get_running_loop().time() - begin < 30
    announcing.cancel()
    await people.close()


async def test_without_redis_everybody_polls_and_nothing_fails() -> None:
    for url in ("", f"redis://127.0.0.1:{free_port()}"):
        wake = Wake(url, "reviews")
        listening = asyncio.ensure_future(wake.listen(["people"]))
        wake.announce()
        await wake.wait("people", 0.05)
        assert not listening.done() or url == ""
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await wake.close()


@pytest.mark.parametrize("flags", ["00", "01"])
def test_the_trace_of_the_caller_goes_on(flags: str) -> None:
    with telemetry.serving("/a.B/C", {"traceparent": TRACE.format(flags=flags)}):
        assert telemetry.current_trace_id() == "4bf92f3577b34da6a3ce929d0e0e4736"
        assert telemetry.trace_metadata()[0][1].startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
        assert telemetry.trace_metadata()[0][1].endswith(flags)
    assert telemetry.trace_metadata() == ()
    assert trace.get_current_span() is trace.INVALID_SPAN


BROKEN = ("", "x", "00-zz-1-00", f"00-{'0' * 32}-{'0' * 16}-01", f"00-{'g' * 32}-{'1' * 16}-01")


@pytest.mark.parametrize("value", BROKEN)
def test_a_call_without_a_usable_trace_begins_one(value: str) -> None:
    with telemetry.serving("/a.B/C", {"traceparent": value}):
        assert len(telemetry.current_trace_id()) == 32
