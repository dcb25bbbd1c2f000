"""Serves gRPC: the edge that every call passes, health, reflection, metrics, and an orderly end."""

from services.runtime.serve.edge import EdgeInterceptor
from services.runtime.serve.requests import RequestRules
from services.runtime.serve.server import Background, Service, build_server, open_channel, run, serve

__all__ = ["Background", "EdgeInterceptor", "RequestRules", "Service", "build_server", "open_channel", "run", "serve"]
