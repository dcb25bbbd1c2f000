"""A PostgreSQL that is reached by TLS only: the wheel's server has none, so this speaks it in its stead."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path

from deploy.local.ports import LOOPBACK
from services.runtime.settings import Certificate

SSL_REQUEST = (8).to_bytes(4) + (80877103).to_bytes(4)


class EncryptedPostgres:
    """Listens on loopback, wants TLS of whoever comes, and passes on what they say to a server's unix socket."""

    def __init__(self, socket: Path, certificate: Certificate) -> None:
        self.encrypted = 0  # connections
        self.plain = 0
        self.authority_file = certificate.authority_file
        self._socket = socket
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate.certificate_file, certificate.key_file)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        listening = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._meet, LOOPBACK, 0), self._loop)
        self._server = listening.result(10)
        self.port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Listen no more."""
        self._server.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                self.plain += 1
                return
            writer.write(b"S")
            await writer.start_tls(self._context)
            self.encrypted += 1
            from_server, to_server = await asyncio.open_unix_connection(self._socket)
            await asyncio.gather(_pass_on(reader, to_server), _pass_on(from_server, writer))
        except (OSError, asyncio.IncompleteReadError):  # whoever came does not like our certificate
            pass
        finally:
            writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while said := await reader.read(65536):
            writer.write(said)
            await writer.drain()
    finally:
        writer.close()
