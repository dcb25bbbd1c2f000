"""Turns what an activity raises into an ApplicationError that the engine retries or not, and that names no person.

Retried: everything but the codes below; a worker's own call that is refused too, since a key rotation must not fail
cycles (it is counted and alerted). ApplicationError.type is the reason or the code, its message both and the method.
"""

import asyncio

import grpc
from prometheus_client import Counter
from temporalio.exceptions import ApplicationError, FailureError

from services.runtime.errors import reason_of
from services.runtime.telemetry import log
from workflows.messages import Step

FINAL = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.DATA_LOSS,
    }
)
REFUSED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
CALLS_REFUSED = Counter("attune_worker_calls_refused", "Calls of the worker that a service refused", ["step"])
for _step in Step:  # shown as 0, so that the first one is an increase, which an alert looks for
    CALLS_REFUSED.labels(_step)


def named(error: Exception, step: str) -> Exception:
    """Return the error as the engine shall record it; those that the SDK itself understands pass unchanged."""
    if isinstance(error, FailureError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return _of_call(error, step)
    if isinstance(error, TimeoutError | asyncio.TimeoutError | OSError):
        return ApplicationError(f"UNREACHABLE: {type(error).__name__}", type="UNREACHABLE")
    log.error("step failed", step=step, exc_info=error)
    return ApplicationError(f"DEFECT: {type(error).__name__}", type="DEFECT")


def _of_call(error: grpc.aio.AioRpcError, step: str) -> ApplicationError:
    code = error.code()
    if code in REFUSED:
        CALLS_REFUSED.labels(step).inc()
        log.error("call refused", step=step, code=code.name)
    reason = reason_of(error) or code.name
    message = reason if reason == code.name else f"{reason}: {code.name}"
    return ApplicationError(message, type=reason, non_retryable=code in FINAL)
