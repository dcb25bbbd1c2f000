"""Load over HTTP/1.1 from one process: kept connections, one request on each at a time, and no more than that.

A general client would cost more than the servers under test. Latency under a given rate counts from the instant at
which a request was due, so that a server that falls behind is not spared.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Load:
    """What came of one stretch of load."""

    seconds: float
    latencies: list[float] = field(default_factory=list)  # seconds
    refused: list[str] = field(default_factory=list)  # first lines of answers that were no 200

    @property
    def rate(self) -> float:
        """Accepted requests a second."""
        return (len(self.latencies) - len(self.refused)) / self.seconds


class _Connection(asyncio.Protocol):
    """One kept connection; answers carry a Content-Length."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if separator and len(body) >= _content_length(head):
            self._buffer = b""
            self._answer.set_result(head)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server has closed the connection"))

    async def ask(self, request: bytes) -> bytes:
        """Send a request and wait for the whole answer; its head."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """End the connection."""
        self._answer.cancel()
        if self._transport is not None:
            self._transport.close()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise ValueError("an answer without Content-Length")


def arrivals(rate: float) -> Iterator[float]:
    """Seconds from the beginning at which requests are due, as pgbench draws them: exponential gaps."""
    dice, at = random.Random(7), 0.0
    while True:
        at += dice.expovariate(rate)
        yield at


async def drive(
    url: str,
    requests: Iterator[bytes],
    seconds: float,
    connections: int,
    rate: float | None = None,
    lead: float = 0.0,
) -> Load:
    """Send requests for so many seconds, or until there are no more: as fast as answers come, or at a rate.

    What is due in the `lead` seconds before is sent too, and not counted.
    """
    place = urlsplit(url)
    host, port = place.hostname or "127.0.0.1", place.port or 80
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(_Connection, host, port))[1] for _ in range(connections)]
    load = Load(seconds)
    due = arrivals(rate) if rate else None
    begun = time.perf_counter() + lead
    try:
        async with asyncio.TaskGroup() as group:
            for connection in opened:
                group.create_task(_send(connection, requests, load, begun, lead, due))
    finally:
        for connection in opened:
            connection.close()
    load.seconds = time.perf_counter() - begun
    return load


async def _send(
    connection: _Connection,
    requests: Iterator[bytes],
    load: Load,
    begun: float,
    lead: float,
    due: Iterator[float] | None,
) -> None:
    end = begun + load.seconds
    while True:
        start = begun - lead + next(due) if due else time.perf_counter()
        if start >= end:
            return
        if (wait := start - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        if (request := next(requests, None)) is None:
            return
        head = await connection.ask(request)
        if start >= begun:
            load.latencies.append(time.perf_counter() - start)
        if not head.startswith(b"HTTP/1.1 200"):
            load.refused.append(head.split(b"\r\n", 1)[0].decode())
