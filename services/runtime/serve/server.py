"""Builds and runs a gRPC server: from the composition root's parts until SIGTERM."""

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import start_http_server

from services.runtime import eventlog, telemetry
from services.runtime.database import Database, certificate_told
from services.runtime.errors import status_of
from services.runtime.identity import Access, Gate, TokenVerifier
from services.runtime.serve.edge import EdgeInterceptor
from services.runtime.serve.requests import RequestRules
from services.runtime.serve.transport import MAX_MESSAGE_BYTES, server_credentials
from services.runtime.settings import Certificate

GRACE_SECONDS = 10.0
DATABASE_WAIT_SECONDS = 30.0
SERVER_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.max_connection_age_ms", 300_000),  # so that clients find new pods
    ("grpc.max_connection_age_grace_ms", 60_000),
)
Background = Callable[[], Coroutine[Any, Any, None]]
Registration = tuple[Callable[[Any, grpc.aio.Server], None], Any]  # the generated add_…_to_server, and its servicer


class Listening(Protocol):
    """What a server must be told; every service's settings say it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def metrics_port(self) -> int: ...
    @property
    def health_port(self) -> int: ...
    @property
    def identity_keys_dir(self) -> Path: ...
    @property
    def certificate(self) -> Certificate | None: ...


@dataclass(frozen=True)
class Service:
    """The parts of a service: its servicers, who may call what and follow its log, its exceptions to request rules."""

    registrations: Sequence[Registration]
    access: Mapping[str, Access]
    rules: RequestRules = field(default_factory=RequestRules)
    followers: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """Return the full names of the gRPC services served."""
        return sorted({method.split("/")[1] for method in self.access})


def build_server(
    service: Service, verifier: TokenVerifier, *, mutual: bool = False
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """Return a server with the edge in front, health and reflection; not started, no port yet.

    `mutual`: each caller shows a certificate, and it must be the one of the process that signed the token.
    """
    access = {**eventlog.rpc_access(service.followers), **service.access}
    edge = EdgeInterceptor(Gate(verifier, access), service.rules, mutual=mutual)
    server = grpc.aio.server(interceptors=[edge], options=SERVER_OPTIONS)
    for register, servicer in service.registrations:
        register(servicer, server)
    answers = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    reflection.enable_server_reflection([*service.names, reflection.SERVICE_NAME], server)
    return server, answers


async def serve(
    settings: Listening, service: Service, *, database: Database | None = None, background: Sequence[Background] = ()
) -> None:
    """Serve until SIGTERM or SIGINT; ends with an error when a background task does, so that a supervisor restarts."""
    if database is not None:
        await _wait_for(database)
    verifier, certificate = TokenVerifier(settings.identity_keys_dir), settings.certificate
    server, answers = build_server(service, verifier, mutual=certificate is not None)
    address = f"{settings.host}:{settings.port}"
    if certificate is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, server_credentials(certificate))
    await server.start()
    probed = await _health_server(settings, answers)
    metrics = start_http_server(settings.metrics_port, settings.host) if settings.metrics_port else None
    await answers.set("", health_pb2.HealthCheckResponse.SERVING)
    gc.collect()
    gc.freeze()
    telemetry.log.info("ready", port=port)
    try:
        await _until_stopped(background)
    finally:
        await answers.enter_graceful_shutdown()
        await server.stop(GRACE_SECONDS)
        if probed is not None:
            await probed.stop(None)
        if database is not None:
            await database.dispose()
        if metrics is not None:
            await asyncio.to_thread(metrics[0].shutdown)
            metrics[0].server_close()
        telemetry.log.info("stopped")


async def _health_server(settings: Listening, answers: health.aio.HealthServicer) -> grpc.aio.Server | None:
    """Serve health alone on a port of its own, where one is set: probes of an orchestrator show no certificate."""
    if not settings.health_port:
        return None
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(answers, server)
    server.add_insecure_port(f"{settings.host}:{settings.health_port}")
    await server.start()
    return server


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a process's main coroutine to its end."""
    asyncio.run(main())


async def _until_stopped(background: Sequence[Background]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tasks = [asyncio.ensure_future(work()) for work in background]
    stopped = asyncio.ensure_future(stop.wait())
    try:
        done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
            raise RuntimeError("a background task ended, though it should not")
    finally:
        for task in (stopped, *tasks):
            task.cancel()
        await asyncio.gather(stopped, *tasks, return_exceptions=True)


async def _wait_for(database: Database) -> None:
    deadline = asyncio.get_running_loop().time() + DATABASE_WAIT_SECONDS
    urls = [engine.url.render_as_string() for engine in (database.app, database.system)]
    while True:
        try:
            with certificate_told(*urls):
                return await database.verify_role()
        except Exception as error:
            if status_of(error).code is not grpc.StatusCode.UNAVAILABLE:
                raise
            if asyncio.get_running_loop().time() > deadline:
                raise
            telemetry.log.warning("waiting for the database")
            await asyncio.sleep(0.5)
