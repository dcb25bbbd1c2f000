"""A way to a server that can be shut and opened again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


class Doorway:
    """Passes on what comes to `address`, until it is shut."""

    def __init__(self, behind: str) -> None:
        host, port = behind.rsplit(":", 1)
        self._behind = (host, int(port))
        self._opened: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def open(self) -> None:
        """Let in again, at the same address."""
        self._server = await asyncio.start_server(self._enter, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def shut(self) -> None:
        """Let nobody in, and put out who is in."""
        if self._server is not None:
            self._server.close()
        for writer in self._opened:
            writer.close()
        self._opened.clear()

    async def _enter(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind, onward = await asyncio.open_connection(*self._behind)
        if self._server is None or not self._server.is_serving():  # shut meanwhile
            onward.close()
            writer.close()
            return
        self._opened |= {writer, onward}
        with suppress(ConnectionError):
            await asyncio.gather(_pass_on(reader, onward), _pass_on(behind, writer))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while passed := await reader.read(65536):
        writer.write(passed)
    writer.close()


@asynccontextmanager
async def doorway(address: str) -> AsyncIterator[Doorway]:
    """An open way to the address."""
    way = Doorway(address)
    await way.open()
    try:
        yield way
    finally:
        way.shut()
