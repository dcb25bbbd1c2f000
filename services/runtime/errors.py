"""Turns whatever a servicer raises into one gRPC status with a stable reason, at the one edge that may catch all.

RefusedError
├── InvalidRequestError     category invalid           the request itself is wrong
├── UnauthenticatedError    category unauthenticated   no token, or one that does not verify
├── DeniedError             category denied            the caller may not use this RPC
├── KeyReusedError          category precondition      a request_id came back with another body
└── BusyError               category conflict          a concurrent change was in the way; try again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import asyncpg
import grpc
import sqlalchemy.exc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "attune"
DETAILS_KEY = "grpc-status-details-bin"
MAX_VIOLATIONS = 50  # trailing metadata is limited to 8 KiB
Violation = tuple[str, str, str]  # field pointer, code, description


@runtime_checkable
class DomainError(Protocol):
    """What the edge expects of an error that is an answer and not a bug; services satisfy it without an import."""

    reason: str
    category: str


class RefusedError(Exception):
    """An answer of the runtime itself, of the same shape as the services' domain errors."""

    reason: ClassVar[str] = "REFUSED"
    category: ClassVar[str] = "precondition"

    def __init__(self, message: str, *, reason: str = "", violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        if reason:
            self.reason = reason  # type: ignore[misc]  # one class serves several reasons of its category


class InvalidRequestError(RefusedError):
    reason = "INVALID_REQUEST"
    category = "invalid"


class UnauthenticatedError(RefusedError):
    reason = "UNAUTHENTICATED"
    category = "unauthenticated"


class DeniedError(RefusedError):
    reason = "NOT_ALLOWED"
    category = "denied"


class KeyReusedError(RefusedError):
    reason = "IDEMPOTENCY_KEY_REUSED"
    category = "precondition"


class BusyError(RefusedError):
    reason = "CONCURRENT_CHANGE"
    category = "conflict"


CODES: Mapping[str, grpc.StatusCode] = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "conflict": grpc.StatusCode.ABORTED,
    "precondition": grpc.StatusCode.FAILED_PRECONDITION,
    "denied": grpc.StatusCode.PERMISSION_DENIED,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
}


@dataclass(frozen=True)
class Status:
    """One gRPC answer: code, stable reason, a sentence, and the fields that are wrong."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: tuple[Violation, ...] = ()
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def unexpected(self) -> bool:
        """Whether this is a bug, to be logged with its cause."""
        return self.code is grpc.StatusCode.INTERNAL

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Return the details as google.rpc.Status: ErrorInfo, and BadRequest when fields are wrong."""
        status = status_pb2.Status(code=self.code.value[0], message=self.message)
        status.details.append(
            _packed(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.meta))
        )
        if self.violations:
            bad = error_details_pb2.BadRequest()
            for pointer, code, description in self.violations[:MAX_VIOLATIONS]:
                bad.field_violations.add(field=pointer[:200], reason=code, description=description[:300])
            status.details.append(_packed(bad))
        return ((DETAILS_KEY, status.SerializeToString()),)


INTERNAL = Status(grpc.StatusCode.INTERNAL, "INTERNAL", "an internal error occurred; it has been recorded")
UNAVAILABLE = Status(
    grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", "the database cannot be reached at the moment"
)
TIMED_OUT = Status(grpc.StatusCode.DEADLINE_EXCEEDED, "DATABASE_TIMEOUT", "the work took longer than is allowed")
BUSY = Status(grpc.StatusCode.ABORTED, "CONCURRENT_CHANGE", "a concurrent change was in the way; try again")
OUT_OF_RANGE = Status(
    grpc.StatusCode.INVALID_ARGUMENT, "VALUE_OUT_OF_RANGE", "a value is larger or longer than can be stored"
)

SQLSTATES: Mapping[str, Status] = {
    "22001": OUT_OF_RANGE,  # string too long
    "22003": OUT_OF_RANGE,  # numeric out of range
    "22008": OUT_OF_RANGE,  # instant out of range
    "22021": OUT_OF_RANGE,  # NUL or another character that cannot be stored
    "22P05": OUT_OF_RANGE,  # \u0000 within JSON
    "23503": Status(
        grpc.StatusCode.FAILED_PRECONDITION, "REFERENCE_MISSING", "something that is referred to does not exist"
    ),
    "23505": BUSY,  # a unique violation that no rule foresaw is a race
    "25P03": TIMED_OUT,  # idle in transaction
    "25P04": TIMED_OUT,  # transaction timeout
    "40001": BUSY,  # serialization failure
    "40P01": BUSY,  # deadlock
    "55P03": Status(grpc.StatusCode.ABORTED, "LOCK_TIMEOUT", "somebody else held the lock for too long; try again"),
    "57014": TIMED_OUT,  # statement timeout
}
UNAVAILABLE_CLASSES = ("08", "53", "57P")  # connection, resources, shutdown
FORWARDED = {
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
DEPENDENCY_DOWN = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.CANCELLED}


def status_of(error: BaseException) -> Status:
    """Return the status that answers for the error; INTERNAL when it is none that was foreseen."""
    if isinstance(error, grpc.aio.AioRpcError):
        return _status_of_call(error)
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | sqlalchemy.exc.SQLAlchemyError):
        return _status_of_database(error)
    if isinstance(error, DomainError) and error.category in CODES:
        message = str(getattr(error, "message", error))
        violations = tuple(getattr(error, "violations", ()))
        meta = dict(getattr(error, "meta", None) or {})
        return Status(CODES[error.category], error.reason, message, violations, meta)
    if isinstance(error, TimeoutError):
        return TIMED_OUT
    if isinstance(error, OSError):  # ConnectionError and a socket that is not there
        return UNAVAILABLE
    return INTERNAL


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Return the ErrorInfo reason that another service answered with; empty when it gave none."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                found = error_details_pb2.ErrorInfo()
                if detail.Unpack(found):
                    return str(found.reason)
    return ""


def _packed(message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def _status_of_call(error: grpc.aio.AioRpcError) -> Status:
    code = error.code()
    if code in FORWARDED:
        return Status(code, reason_of(error) or code.name, error.details() or code.name)
    if code in DEPENDENCY_DOWN:
        return Status(
            grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "a service that is needed cannot be reached"
        )
    return INTERNAL


def _status_of_database(error: Exception) -> Status:
    if isinstance(error, sqlalchemy.exc.TimeoutError):  # no connection came free in the pool
        return UNAVAILABLE
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
        return UNAVAILABLE
    cause: BaseException = error
    if isinstance(error, sqlalchemy.exc.DBAPIError) and error.orig is not None:
        cause = error.orig
    state = str(getattr(cause, "sqlstate", None) or "")
    if state in SQLSTATES:
        return SQLSTATES[state]
    if state.startswith(UNAVAILABLE_CLASSES):
        return UNAVAILABLE
    if "out of range" in str(cause) or "out of int" in str(cause):  # refused by the driver before it was sent
        return OUT_OF_RANGE
    if not state and ("connection" in str(cause) and ("closed" in str(cause) or "lost" in str(cause))):
        return UNAVAILABLE
    return INTERNAL
