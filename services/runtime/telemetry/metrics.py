"""The metrics that every process has; several processes of a service add up, ages are the greatest of theirs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.trace import StatusCode
from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from services.runtime.telemetry.logs import log

disable_created_metrics()  # type: ignore[no-untyped-call]  # it ships no types

RPC_REQUESTS = Counter("attune_rpc_requests", "RPCs served", ["method", "code"])
RPC_DURATION = Histogram("attune_rpc_duration_seconds", "Time to serve an RPC", ["method"])
EVENT_LAG = Gauge(
    "attune_event_log_lag_seconds", "Everything older than this has been consumed", ["consumer", "producer"]
)
EVENTS_CONSUMED = Counter("attune_events_consumed", "Events consumed", ["consumer", "producer"])
EVENTS_PARKED = Counter("attune_events_parked", "Events set aside after repeated failures", ["consumer", "producer"])
AUDIT_SEALED = Counter("attune_audit_sealed", "Audit entries sealed", ["service"])
AUDIT_UNSEALED = Gauge("attune_audit_unsealed_seconds", "Every audit entry older than this is sealed", ["service"])


class Age:
    """The time since an instant that moves on as work gets done; computed whenever somebody looks.

    So it grows by itself while the work cannot be done, which a value that was set would not.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._since = time.time()
        gauge.set_function(self.seconds)

    def reached(self, at: float) -> None:
        """Everything up to this instant, in seconds of the epoch, is done."""
        self._since = at

    def seconds(self) -> float:
        """Seconds since then, never negative: the instant may come from another machine's clock."""
        return max(0.0, time.time() - self._since)


@dataclass(slots=True)
class Served:
    """What became of an RPC: its code, and whether a person caused it, whose calls are worth a line each."""

    code: str = "OK"
    by_person: bool = False


def expect(method: str) -> None:
    """Show the defects of a method as 0, so that the first one is an increase, which alerts look for."""
    RPC_REQUESTS.labels(method, "INTERNAL")


@contextmanager
def measured(method: str) -> Iterator[Served]:
    """Count, time and log an RPC; the caller notes what became of it."""
    served, begin = Served(), time.perf_counter()
    try:
        yield served
    finally:
        seconds = time.perf_counter() - begin
        RPC_DURATION.labels(method).observe(seconds)
        RPC_REQUESTS.labels(method, served.code).inc()
        say = log.info if served.by_person else log.debug
        say("rpc", method=method, code=served.code, ms=round(seconds * 1000, 1))
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attribute("rpc.response.status_code", served.code)
            if served.code == "INTERNAL":
                span.set_status(StatusCode.ERROR)
