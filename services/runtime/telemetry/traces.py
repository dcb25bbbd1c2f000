"""The spans of a process; whether there are any is decided by the trace's id, before any is made."""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags
from sqlalchemy import event
from sqlalchemy.engine import Engine

SQL_SPAN = "sql"
SQL_ATTRIBUTES = {"db.system.name": "postgresql"}
STATEMENT_LENGTH = 2_000  # characters; statements hold no values of people's, those are bound
IDS = {"cycle_id": "cycle", "stage_id": "stage", "task_id": "task"}  # field of a message → name in logs and spans
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LOW_BITS = (1 << 64) - 1
SAMPLER = ParentBased(ALWAYS_ON)  # a root is only begun when its trace is kept

tracer = trace.get_tracer("attune")
_next_trace_id: ContextVar[int] = ContextVar("next_trace_id", default=0)
SAMPLING = {"below": 0}  # traces are kept whose low 64 bits are below this: the rule of TraceIdRatioBased


class Ids(RandomIdGenerator):
    """Gives a trace the id by which it was chosen."""

    def generate_trace_id(self) -> int:
        return _next_trace_id.get() or super().generate_trace_id()


def configure_traces(service: str, endpoint: str, ratio: float) -> None:
    """Send this share of traces to the endpoint; without one none is made, but every request still has an id."""
    SAMPLING["below"] = round(ratio * (LOW_BITS + 1)) if endpoint else 0
    if endpoint:
        provider = TracerProvider(sampler=SAMPLER, resource=Resource({"service.name": service}), id_generator=Ids())
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        trace.set_tracer_provider(provider)


def current_trace_id() -> str:
    """Return the trace of what is being served as 32 hexadecimal digits; empty outside of anything."""
    context = trace.get_current_span().get_span_context()
    return format(context.trace_id, "032x") if context.is_valid else ""


def trace_metadata() -> tuple[tuple[str, str], ...]:
    """Return the W3C traceparent of what is being served as metadata of a call; nothing outside of anything."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ()
    return (("traceparent", f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"),)


@contextmanager
def serving(name: str, metadata: Mapping[str, Any], *, begins: bool = True) -> Iterator[Span]:
    """Make the trace of a request current, the caller's or a new one: a span if it is kept, else only its ids.

    `begins` is false for polling, whose traces are of no use: it has a span only in a trace of the caller's.
    """
    parent = parse_traceparent(str(metadata.get("traceparent", "")))
    if parent is None:
        span = _root(name, SpanKind.SERVER, keep=None if begins else False)
    else:
        held: Span = NonRecordingSpan(parent)
        around = trace.set_span_in_context(held, Context())
        span = tracer.start_span(name, around, SpanKind.SERVER) if parent.trace_flags.sampled else held
    with _current(span):
        yield span


@contextmanager
def caused(name: str, cause: SpanContext | None, **ids: object) -> Iterator[Span]:
    """Make a new trace current that is linked to the one which caused it: a wait of weeks is no span.

    It is kept when its own id or the id of the cause says so: whoever has the cause's spans has these, too.
    """
    keep = bool(SAMPLING["below"]) and cause is not None and (cause.trace_flags.sampled or _kept(cause.trace_id))
    span = _root(name, SpanKind.INTERNAL, [Link(cause)] if cause else (), keep=keep or None)
    known = {key: str(value) for key, value in ids.items() if value}
    if span.is_recording():
        span.set_attributes({f"attune.{key}": value for key, value in known.items()})
    if cause is not None:
        known["cause_trace_id"] = format(cause.trace_id, "032x")
    with _current(span), structlog.contextvars.bound_contextvars(**known):
        yield span


def concerns(**ids: object) -> None:
    """Have the span being made, and all further log lines of this request, carry these ids."""
    known = {name: str(value) for name, value in ids.items() if value}
    structlog.contextvars.bind_contextvars(**known)
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes({f"attune.{name}": value for name, value in known.items()})


def ids_in(value_of: Callable[[str], object]) -> dict[str, str]:
    """Return the cycle, stage and task that a request names; only what is an id, for a caller may send anything."""
    found = {name: value_of(field) for field, name in IDS.items()}
    return {name: value for name, value in found.items() if isinstance(value, str) and UUID_TEXT.fullmatch(value)}


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


def trace_named(trace_id: str) -> SpanContext | None:
    """Return a span of a trace whose id alone was kept, to be linked to; None for what is no id.

    The span's own id is made up: backends follow links by the trace.
    """
    return parse_traceparent(f"00-{trace_id}-{trace_id[:15]}1-00")


def trace_sql(engine: Engine) -> None:
    """Give each statement of a kept trace a span; statements of other requests cost one look."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_c: Any, _cursor: Any, statement: str, _p: Any, context: Any, _many: bool) -> None:
        if context is not None and trace.get_current_span().is_recording():
            context.attune_span = tracer.start_span(SQL_SPAN, kind=SpanKind.CLIENT, attributes=_of_statement(statement))

    @event.listens_for(engine, "after_cursor_execute")
    def end(_c: Any, _cursor: Any, _statement: str, _p: Any, context: Any, _many: bool) -> None:
        span = getattr(context, "attune_span", None)
        if span is not None:
            span.end()

    @event.listens_for(engine, "handle_error")
    def fail(happened: Any) -> None:
        span = getattr(happened.execution_context, "attune_span", None)
        if span is not None and span.is_recording():
            span.set_status(StatusCode.ERROR)
            span.end()


@contextmanager
def trace_driver(driver: Any) -> Iterator[None]:
    """The same for what runs on the driver's connection itself."""
    if not trace.get_current_span().is_recording():
        yield
        return

    def note(query: Any) -> None:
        end = time.time_ns()
        begin = end - int(query.elapsed * 1e9)
        attributes = _of_statement(query.query)
        span = tracer.start_span(SQL_SPAN, kind=SpanKind.CLIENT, attributes=attributes, start_time=begin)
        if query.exception is not None:
            span.set_status(StatusCode.ERROR)
        span.end(end)

    with driver.query_logger(note):
        yield


def _of_statement(statement: str) -> dict[str, str]:
    return {**SQL_ATTRIBUTES, "db.query.text": statement[:STATEMENT_LENGTH]}


@contextmanager
def _current(span: Span) -> Iterator[None]:
    token = otel_context.attach(trace.set_span_in_context(span))
    try:
        yield
    finally:
        otel_context.detach(token)
        span.end()


def _root(name: str, kind: SpanKind, links: Sequence[Link] = (), *, keep: bool | None = None) -> Span:
    """Begin a trace; `keep` overrides what its id says."""
    trace_id = random.getrandbits(128) or 1
    if not (_kept(trace_id) if keep is None else keep):
        return NonRecordingSpan(
            SpanContext(trace_id, random.getrandbits(64) or 1, False, TraceFlags(TraceFlags.DEFAULT))
        )
    token = _next_trace_id.set(trace_id)
    try:
        return tracer.start_span(name, Context(), kind, links=links)
    finally:
        _next_trace_id.reset(token)


def _kept(trace_id: int) -> bool:
    return trace_id & LOW_BITS < SAMPLING["below"]
