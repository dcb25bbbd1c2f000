"""The keeper of traces takes what the SDK sends, keeps it as lines, and gives up the oldest beyond its limit."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc

from deploy.local import kept
from deploy.local.collector import FILE, FILE_BEFORE, Collector
from deploy.local.layout import REPOSITORY, Layout

CAUSE = "4bf92f3577b34da6a3ce929d0e0e4736"
PROGRAM = f"""
from opentelemetry import trace
from services.runtime.telemetry import traces
from services.runtime import telemetry
import sys
traces.configure_traces("things", sys.argv[1], 1.0)
with telemetry.serving("GET /v1/x", {{}}):
    telemetry.concerns(tenant="t")
    print(telemetry.current_trace_id())
    with telemetry.serving("/a.B/C", dict(telemetry.trace_metadata())):
        pass
with telemetry.caused("step x", telemetry.trace_named("{CAUSE}")):
    pass
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    server = grpc.aio.server()
    collector = Collector(Layout(tmp_path).traces, limit_bytes=1)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]  # generated
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"http://127.0.0.1:{port}"
    await server.stop(None)


async def send(address: str) -> str:
    """Let a process send its spans; the trace that it began."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, address),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode().strip()


async def test_spans_arrive_with_sender_parent_attributes_and_cause(address: str, tmp_path: Path) -> None:
    trace_id = await send(address)
    outer, inner = kept.spans_of(Layout(tmp_path), trace_id)
    assert (outer["name"], outer["service"], outer["attributes"]) == ("GET /v1/x", "things", {"attune.tenant": "t"})
    assert (inner["name"], inner["parent_id"], inner["failed"]) == ("/a.B/C", outer["span_id"], False)
    [caused] = kept.spans_of(Layout(tmp_path), CAUSE)
    assert (caused["name"], caused["parent_id"], caused["causes"]) == ("step x", "", [CAUSE])


async def test_the_oldest_are_given_up(address: str, tmp_path: Path) -> None:
    first, second, third = [await send(address) for _ in range(3)]
    assert sorted(file.name for file in Layout(tmp_path).traces.iterdir()) == [FILE, FILE_BEFORE]
    assert kept.spans_of(Layout(tmp_path), first) == []
    assert kept.spans_of(Layout(tmp_path), second)
    assert kept.spans_of(Layout(tmp_path), third)


def test_log_lines_of_a_trace_are_found_in_all_files_by_time_and_half_written_ones_do_no_harm(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.logs.mkdir()
    own = {"trace_id": CAUSE, "timestamp": "2026-01-02", "event": "own"}
    caused = {"trace_id": "1" * 32, "cause_trace_id": CAUSE, "timestamp": "2026-01-03", "event": "caused"}
    before = {**own, "timestamp": "2026-01-01", "event": "before"}
    alien = {"trace_id": "2" * 32, "timestamp": "2026-01-01", "note": CAUSE}
    layout.log("a").write_text(f"{json.dumps(caused)}\n{json.dumps(alien)}\nLOG:  ready {CAUSE}\n")
    layout.log("b").write_text(json.dumps(own) + "\n" + json.dumps(own)[:-1])
    (layout.logs / "b.log.1").write_text(json.dumps(before) + "\n")
    assert [line["event"] for line in kept.lines_of(layout, CAUSE)] == ["before", "own", "caused"]
    assert kept.spans_of(layout, CAUSE) == []
