"""What the worker and the bridge answer to those who ask whether they live, whether they are ready, and how much."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from workflows.probe import Probe, free_port

HOST = "127.0.0.1"


def ask(port: int, path: str) -> tuple[int, str]:
    try:
        with closing(urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=5)) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_it_is_ready_only_when_its_process_says_so() -> None:
    port, ready = free_port(), threading.Event()
    with Probe(HOST, port, ready.is_set):
        assert ask(port, "/readyz") == (503, "not ready\n")
        assert ask(port, "/healthz") == (200, "ok\n")
        ready.set()
        assert ask(port, "/readyz") == (200, "ok\n")
        ready.clear()
        assert ask(port, "/readyz")[0] == 503


def test_it_knows_no_other_path() -> None:
    port = free_port()
    with Probe(HOST, port, lambda: True):
        assert ask(port, "/")[0] == 404
        assert ask(port, "/readyz/more")[0] == 404


@pytest.fixture
def sdk() -> Iterator[str]:
    """The metrics that the engine's client library serves."""

    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"temporal_activity_execution_failed_total 3\ntemporal_unlisted 1\n")

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = HTTPServer((HOST, 0), Metrics)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{HOST}:{server.server_port}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_adds_the_metrics_of_the_client_library(sdk: str) -> None:
    port = free_port()
    with Probe(HOST, port, lambda: True, sdk):
        status, metrics = ask(port, "/metrics")
    assert status == 200
    assert "python_info" in metrics
    assert "temporal_activity_execution_failed_total 3" in metrics
    assert "temporal_unlisted" not in metrics


def test_its_own_metrics_are_served_when_those_cannot_be_had() -> None:
    port = free_port()
    with Probe(HOST, port, lambda: True, f"http://{HOST}:{free_port()}/metrics"):
        status, metrics = ask(port, "/metrics")
    assert status == 200
    assert "python_info" in metrics


def test_it_lets_go_of_its_port() -> None:
    port = free_port()
    for _ in range(2):
        with Probe(HOST, port, lambda: True):
            assert ask(port, "/healthz")[0] == 200


def test_without_a_port_it_serves_nothing() -> None:
    with Probe(HOST, 0, lambda: True) as probe:
        assert isinstance(probe, Probe)
