"""Logs, traces and metrics of a process; what is emitted is listed in deploy/observability/registry.toml."""

from services.runtime.settings import ProcessSettings
from services.runtime.telemetry.logs import configure_logs, log
from services.runtime.telemetry.metrics import (
    AUDIT_SEALED,
    AUDIT_UNSEALED,
    EVENT_LAG,
    EVENTS_CONSUMED,
    EVENTS_PARKED,
    Age,
    expect,
    measured,
)
from services.runtime.telemetry.traces import (
    caused,
    concerns,
    configure_traces,
    current_trace_id,
    ids_in,
    parse_traceparent,
    serving,
    trace_driver,
    trace_metadata,
    trace_named,
    trace_sql,
)

__all__ = [
    "AUDIT_SEALED",
    "AUDIT_UNSEALED",
    "EVENTS_CONSUMED",
    "EVENTS_PARKED",
    "EVENT_LAG",
    "Age",
    "caused",
    "concerns",
    "configure",
    "current_trace_id",
    "expect",
    "ids_in",
    "log",
    "measured",
    "parse_traceparent",
    "serving",
    "trace_driver",
    "trace_metadata",
    "trace_named",
    "trace_sql",
]


def configure(service: str, settings: ProcessSettings) -> None:
    """Set up JSON logs, and traces when there is somewhere to send them; called once, first of all."""
    configure_logs(service, settings.log_level)
    configure_traces(service, settings.otlp_endpoint, settings.trace_ratio)
