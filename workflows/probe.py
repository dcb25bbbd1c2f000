"""Readiness and metrics of a process without a gRPC server of its own, over HTTP."""

import threading
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import closing
from socket import socket
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from workflows.sdk_metrics import exposed

Answer = tuple[str, str, bytes]  # status, content type, body
SCRAPE_SECONDS = 2.0


class Probe:
    """Serves /healthz, /readyz (503 until `ready` says yes) and /metrics in its own thread; port 0 serves nothing."""

    def __init__(self, host: str, port: int, ready: Callable[[], bool], sdk_metrics: str = "") -> None:
        self._ready = ready
        self._sdk_metrics = sdk_metrics
        self._server: WSGIServer | None = None
        if port:
            self._server = make_server(host, port, self._serve, server_class=_Server, handler_class=_QuietHandler)

    def __enter__(self) -> "Probe":
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="probe", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _serve(self, request: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, content_type, body = self._answer(request.get("PATH_INFO", ""))
        start(status, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]

    def _answer(self, path: str) -> Answer:
        if path == "/metrics":
            return "200 OK", CONTENT_TYPE_LATEST, generate_latest() + self._of_sdk()
        if path == "/healthz" or (path == "/readyz" and self._ready()):
            return "200 OK", "text/plain", b"ok\n"
        if path == "/readyz":
            return "503 Service Unavailable", "text/plain", b"not ready\n"
        return "404 Not Found", "text/plain", b"not found\n"

    def _of_sdk(self) -> bytes:
        if not self._sdk_metrics:
            return b""
        try:
            with closing(urllib.request.urlopen(self._sdk_metrics, timeout=SCRAPE_SECONDS)) as reply:  # noqa: S310
                return exposed(reply.read())
        except OSError:
            return b""


def free_port() -> int:
    """Return a loopback port that is free now, for the SDK's own metrics, which only this process reads."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: probes come every few seconds."""
