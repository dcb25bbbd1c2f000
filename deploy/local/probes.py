"""Questions that tell whether a process is ready."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import asyncpg
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy.local.ports import LOOPBACK

Probe = Callable[[], Awaitable[bool]]

_ANSWER_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.1


async def until_ready(probe: Probe) -> None:
    """Ask until the answer is yes; the caller sets the limit."""
    while not await probe():  # noqa: ASYNC110 - another process becomes ready, which sets no event here
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def listening(port: int) -> Probe:
    """Somebody accepts connections on a loopback port."""

    async def ask() -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                _, writer = await asyncio.open_connection(LOOPBACK, port)
                writer.close()
                return True
        return False

    return ask


def grpc_serving(port: int, service: str = "") -> Probe:
    """The gRPC health service on a loopback port says SERVING."""
    listens = listening(port)

    async def ask() -> bool:
        if not await listens():
            return False
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{port}") as channel:
            with contextlib.suppress(grpc.aio.AioRpcError):
                request = health_pb2.HealthCheckRequest(service=service)
                reply = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_ANSWER_SECONDS)
                return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
        return False

    return ask


def http_ok(port: int, path: str) -> Probe:
    """A GET on a loopback port answers 200."""

    async def ask() -> bool:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(LOOPBACK, port)
                try:
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nConnection: close\r\n\r\n".encode())
                    return (await reader.readline()).split()[1:2] == [b"200"]
                finally:
                    writer.close()
        return False

    return ask


def postgres_answers(url: str) -> Probe:
    """PostgreSQL accepts a connection."""

    async def ask() -> bool:
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(url, timeout=_ANSWER_SECONDS)
            await connection.close()
            return True
        return False

    return ask
