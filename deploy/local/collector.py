"""Keeps the spans that the processes of the local stack send by OTLP, as JSON lines, up to a limit."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from deploy.local.ports import LOOPBACK

FILE, FILE_BEFORE = "spans.jsonl", "spans.jsonl.1"
LIMIT_BYTES = 64 * 1024 * 1024  # then the file before is given up


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Appends what arrives."""

    def __init__(self, directory: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._directory, self._limit = directory, limit_bytes
        directory.mkdir(parents=True, exist_ok=True)

    async def Export(
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: Any
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        file = self._directory / FILE
        if file.exists() and file.stat().st_size > self._limit:
            file.replace(self._directory / FILE_BEFORE)
        with file.open("a") as lines:
            lines.writelines(json.dumps(span, ensure_ascii=False) + "\n" for span in _spans(request))
        return trace_service_pb2.ExportTraceServiceResponse()


def _spans(request: trace_service_pb2.ExportTraceServiceRequest) -> Iterator[dict[str, Any]]:
    for sender in request.resource_spans:
        service = _values(sender.resource.attributes).get("service.name", "")
        for scope in sender.scope_spans:
            for span in scope.spans:
                yield {"service": service, **_span(span)}


def _span(span: Span) -> dict[str, Any]:
    return {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_span_id.hex(),
        "name": span.name,
        "start": datetime.fromtimestamp(span.start_time_unix_nano / 1e9, UTC).isoformat(),
        "ms": round((span.end_time_unix_nano - span.start_time_unix_nano) / 1e6, 2),
        "failed": span.status.code == Status.STATUS_CODE_ERROR,
        "attributes": dict(_values(span.attributes)),
        "causes": [link.trace_id.hex() for link in span.links],
    }


def _values(attributes: Any) -> Mapping[str, Any]:
    pairs: list[KeyValue] = list(attributes)
    return {each.key: _value(each.value) for each in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "int_value", "double_value", "bool_value") else str(value)


async def serve(port: int, directory: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(directory), server)  # type: ignore[no-untyped-call]  # generated
    server.add_insecure_port(f"{LOOPBACK}:{port}")
    await server.start()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(1.0)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
