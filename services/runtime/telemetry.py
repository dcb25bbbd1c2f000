"""Logs, traces and metrics of a process; sampling is decided before any span is made."""

import logging
import random
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags
from prometheus_client import Counter, Gauge, Histogram
from sqlalchemy import event
from sqlalchemy.engine import Engine

from services.runtime.settings import ProcessSettings

log = structlog.get_logger()
tracer = trace.get_tracer("attune")

RPC_REQUESTS = Counter("attune_rpc_requests", "RPCs served", ["method", "code"])
RPC_DURATION = Histogram("attune_rpc_duration_seconds", "Time to serve an RPC", ["method"])
EVENT_LAG = Gauge("attune_event_log_lag_seconds", "Age of the oldest event not consumed", ["consumer", "producer"])
EVENTS_CONSUMED = Counter("attune_events_consumed", "Events consumed", ["consumer", "producer"])
EVENTS_PARKED = Counter("attune_events_parked", "Events set aside after repeated failures", ["consumer", "producer"])
AUDIT_SEALED = Counter("attune_audit_sealed", "Audit entries sealed")
METRICS = (RPC_REQUESTS, RPC_DURATION, EVENT_LAG, EVENTS_CONSUMED, EVENTS_PARKED, AUDIT_SEALED)
SQL_SPAN = "sql"  # the only span name beside the full names of RPCs

_settings = {"ratio": 0.01}


def configure(service_name: str, settings: ProcessSettings) -> None:
    """Set up JSON logs, and traces when there is somewhere to send them; called once, first of all."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service_name)
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stdout, format="%(message)s")
    _settings["ratio"] = settings.trace_ratio if settings.otlp_endpoint else 0.0
    if settings.otlp_endpoint:
        sampler = ParentBased(TraceIdRatioBased(settings.trace_ratio))
        provider = TracerProvider(sampler=sampler, resource=Resource.create({"service.name": service_name}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
        trace.set_tracer_provider(provider)


def current_trace_id() -> str:
    """Return the trace of the request being served as 32 hexadecimal digits; empty outside of one."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """Return the W3C traceparent of the request being served as metadata of a call; nothing outside of one."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ()
    return (("traceparent", f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"),)


@contextmanager
def serving(method: str, metadata: Mapping[str, Any]) -> Iterator[None]:
    """Make the trace of an RPC current: a span when it is sampled, else only its ids, at next to no cost."""
    parent = parse_traceparent(str(metadata.get("traceparent", ""))) or _new_root()
    held = trace.set_span_in_context(NonRecordingSpan(parent))
    span = tracer.start_span(method, context=held, kind=SpanKind.SERVER) if parent.trace_flags.sampled else None
    token = otel_context.attach(trace.set_span_in_context(span) if span else held)
    try:
        yield
    finally:
        otel_context.detach(token)
        if span:
            span.end()


@contextmanager
def measured(method: str) -> Iterator[list[str]]:
    """Count and time an RPC; the caller replaces the code that is recorded, OK at first."""
    code, begin = ["OK"], time.perf_counter()
    try:
        yield code
    finally:
        RPC_DURATION.labels(method).observe(time.perf_counter() - begin)
        RPC_REQUESTS.labels(method, code[0]).inc()


def parse_traceparent(value: str) -> SpanContext | None:
    """Return the span that a W3C traceparent names; None when it is absent or malformed."""
    parts = value.split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return None
    try:
        context = SpanContext(
            int(parts[1], 16), int(parts[2], 16), is_remote=True, trace_flags=TraceFlags(int(parts[3], 16))
        )
    except ValueError:
        return None
    return context if context.is_valid else None


def trace_sql(engine: Engine) -> None:
    """Give each statement of a sampled request a span; statements of other requests cost one look."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        if context is not None and trace.get_current_span().is_recording():
            context.attune_span = tracer.start_span(
                SQL_SPAN, kind=SpanKind.CLIENT, attributes={"db.statement": statement}
            )

    @event.listens_for(engine, "after_cursor_execute")
    def end(_c: Any, _cursor: Any, _statement: str, _p: Any, context: Any, _many: bool) -> None:
        span = getattr(context, "attune_span", None)
        if span is not None:
            span.end()


def _new_root() -> SpanContext:
    sampled = random.random() < _settings["ratio"]  # noqa: S311  # sampling, not a secret
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return SpanContext(random.getrandbits(128) or 1, random.getrandbits(64) or 1, is_remote=False, trace_flags=flags)


def _with_trace(_logger: Any, _name: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    trace_id = current_trace_id()
    if trace_id:
        entry.setdefault("trace_id", trace_id)
    return entry
