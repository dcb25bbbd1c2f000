"""Serves gRPC: the edge that every call passes, health, reflection, metrics, an orderly end; and opens channels."""

from services.runtime.serve.edge import EdgeInterceptor
from services.runtime.serve.requests import RequestRules
from services.runtime.serve.server import Background, Service, build_server, run, serve
from services.runtime.serve.transport import channel_to, open_channel, server_credentials

__all__ = [
    "Background",
    "EdgeInterceptor",
    "RequestRules",
    "Service",
    "build_server",
    "channel_to",
    "open_channel",
    "run",
    "serve",
    "server_credentials",
]
