"""The stand-in for Redis, in a process of its own."""

from __future__ import annotations

import sys

from fakeredis import TcpFakeServer

from deploy.local.ports import LOOPBACK


def serve(port: int) -> None:
    """Serve until the process is ended."""
    TcpFakeServer((LOOPBACK, port)).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
