"""A real SMTP server on loopback."""

import asyncio
from typing import Any

from aiosmtpd.controller import Controller

READY_SECONDS = 60.0  # a machine that does much else may take long to answer the server's own first call


class MailServer(Controller):
    """Hands what it takes to a handler; its port is its own from the bind on and known once it has started."""

    def __init__(self, handler: Any) -> None:
        super().__init__(handler, hostname="127.0.0.1", port=0, ready_timeout=READY_SECONDS)

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # the library has no types
