"""The log lines of a process: JSON with service, tenant, cycle and trace; never what people wrote or are called."""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from opentelemetry import trace
from structlog.typing import EventDict

# What the interpreter itself says of code; the words of all other errors may hold what people entered.
SAYS_ONLY_CODE = (AttributeError, ImportError, NameError, NotImplementedError, RecursionError)
FRAMES = 12  # of each error, the innermost
CAUSES = 6

log = structlog.get_logger()


def configure_logs(service: str, level_name: str) -> None:
    """Have all log lines of the process, those of libraries too, written to standard output as JSON."""
    level = logging.getLevelNamesMapping()[level_name.upper()]

    def with_service(_logger: Any, _name: str, entry: EventDict) -> EventDict:
        entry["service"] = service
        return entry

    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            with_service,
            _with_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_error,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_OfLibraries()], force=True)


class _OfLibraries(logging.Handler):
    """Hands the lines of libraries to the one writer."""

    def emit(self, record: logging.LogRecord) -> None:
        log.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _with_trace(_logger: Any, _name: str, entry: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry.setdefault("trace_id", format(context.trace_id, "032x"))
    return entry


def _with_error(_logger: Any, _name: str, entry: EventDict) -> EventDict:
    """Replace an exception by where it was raised and what it is; its words stay behind."""
    given = entry.pop("exc_info", None)
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else sys.exception()
    if given and error is not None:
        entry["error_chain"] = [_described(each) for each in _chain(error)]
    return entry


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CAUSES):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _described(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    kind = type(error)
    described: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}"}
    for name in ("reason", "sqlstate"):
        if value := getattr(error, name, None):
            described[name] = str(value)
    if isinstance(error, SAYS_ONLY_CODE):
        described["text"] = str(error)
    return described | {"at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}
