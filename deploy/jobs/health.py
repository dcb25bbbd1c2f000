"""Asks a process of this container how it is: `python -m deploy.jobs.health grpc://127.0.0.1:50051` or an http URL."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Sequence
from urllib.parse import urlsplit

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 3.0


def serving(url: str) -> bool:
    """Whether it answers that it serves."""
    parts = urlsplit(url)
    if parts.scheme == "grpc":
        return _serving_grpc(parts.netloc)
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as reply:  # noqa: S310 - the container's own address
            return bool(reply.status == 200)
    except OSError:
        return False


def _serving_grpc(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=SECONDS)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def main(arguments: Sequence[str]) -> int:
    """0 when every URL named answers that it serves."""
    return 0 if arguments and all(serving(url) for url in arguments) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
