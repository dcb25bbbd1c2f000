"""Whatever goes wrong becomes one problem+json (RFC 9457) with a stable code; nothing else leaves the gateway."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from google.rpc import error_details_pb2, status_pb2
from starlette.exceptions import HTTPException

from services.runtime import telemetry

PROBLEM = "application/problem+json"
DETAILS_KEY = "grpc-status-details-bin"
TYPE = "urn:attune:problem:"

STATUS_BY_CODE: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNIMPLEMENTED: 503,
    grpc.StatusCode.CANCELLED: 503,
}
STATUS_BY_REASON: Mapping[str, int] = {
    "IDEMPOTENCY_KEY_REUSED": 422,
    "ETAG_MISMATCH": 412,
    "IF_MATCH_REQUIRED": 428,
}
HEADERS_BY_STATUS: Mapping[int, Mapping[str, str]] = {
    401: {"WWW-Authenticate": "Bearer"},
    429: {"Retry-After": "1"},
    503: {"Retry-After": "1"},
}
CODE_BY_STATUS: Mapping[int, str] = {413: "CONTENT_TOO_LARGE"}  # Python's names of these changed with 3.13
TITLE_BY_STATUS: Mapping[int, str] = {413: "Content Too Large", 422: "Unprocessable Content"}
# What is said in place of a service's own words, which may be a driver's or a library's.
BUG = "an internal error occurred; it has been recorded"
SENTENCES: Mapping[int, str] = {
    500: BUG,
    503: "a service that is needed cannot be reached; try again",
    504: "no answer came in time, and it may have been done; repeat it with the same Idempotency-Key",
}
Fault = dict[str, str]  # pointer, code, detail
EXAMPLE: Mapping[str, Any] = {
    "type": TYPE + "etag-mismatch",
    "title": "Precondition Failed",
    "status": 412,
    "detail": "it was changed since you read it",
    "code": "ETAG_MISMATCH",
    "request_id": "01994a3e-7c1f-7c3a-9d55-2f6f3f1d0a11",
    "errors": [],
}


class Refusal(Exception):
    """An answer of the gateway itself: status, code, sentence, the places that are wrong, and further headers."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors = status, code, detail, tuple(errors)
        self.headers = {**HEADERS_BY_STATUS.get(status, {}), **(headers or {})}


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return the one shape of an error."""
    content: dict[str, Any] = {
        "type": TYPE + code.lower().replace("_", "-"),
        "title": TITLE_BY_STATUS.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": getattr(request.state, "request_id", ""),
        "errors": list(errors),
    }
    return JSONResponse(content, status_code=status, media_type=PROBLEM, headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Have the application answer every error in this shape."""
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(grpc.aio.AioRpcError, _rpc)


async def _refusal(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)  # noqa: S101  registered for this type only
    return problem(request, error.status, error.code, error.detail, error.errors, error.headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this type only
    faults = [
        {"pointer": _pointer(each["loc"]), "code": str(each["type"]).upper(), "detail": str(each["msg"])}
        for each in error.errors()[:50]
    ]
    return problem(request, 400, "INVALID_REQUEST", "the request is not of the form that is documented", faults)


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this type only
    code = CODE_BY_STATUS.get(error.status_code) or HTTPStatus(error.status_code).name
    return problem(request, error.status_code, code, str(error.detail), headers=error.headers)


async def _rpc(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, grpc.aio.AioRpcError)  # noqa: S101  registered for this type only
    reason, meta, faults = details(error)
    code = reason or error.code().name
    status = STATUS_BY_REASON.get(code) or STATUS_BY_CODE.get(error.code(), 500)
    if status >= 500:
        telemetry.log.warning("call_failed", code=error.code().name, reason=reason)
    detail = SENTENCES.get(status) or error.details() or code
    headers = {"Retry-After": meta.get("retry_after", "1")} if status in (429, 503) else HEADERS_BY_STATUS.get(status)
    return problem(request, status, code, detail, faults, headers)


def bug(request: Request, error: Exception) -> JSONResponse:
    """Record what nobody foresaw and return an answer that does not tell its cause."""
    telemetry.log.error("unexpected_error", exc_info=error)
    return problem(request, 500, "INTERNAL", BUG)


def too_large(request: Request, limit: int) -> JSONResponse:
    """Return the answer to a body of more bytes than the limit."""
    return problem(request, 413, CODE_BY_STATUS[413], too_large_sentence(limit))


def too_large_sentence(limit: int) -> str:
    """Return what is said of a body of more bytes than the limit."""
    return f"the body is larger than {limit} bytes"


def details(error: grpc.aio.AioRpcError) -> tuple[str, Mapping[str, str], list[Fault]]:
    """Return reason, metadata and field faults that a service answered with."""
    reason, meta, faults = "", dict[str, str](), list[Fault]()
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
                if detail.Unpack(info):
                    reason, meta = info.reason, dict(info.metadata)
                elif detail.Unpack(bad):
                    faults = [
                        {"pointer": _as_pointer(v.field), "code": v.reason or "INVALID", "detail": v.description}
                        for v in bad.field_violations
                    ]
    return reason, meta, faults


def _pointer(location: Sequence[Any]) -> str:
    place, *rest = location or ("body",)
    return ("" if place == "body" else f"{place}:") + "".join(f"/{part}" for part in rest)


def _as_pointer(field: str) -> str:
    return (
        field
        if field.startswith("/") or not field
        else "/" + field.replace(".", "/").replace("[", "/").replace("]", "")
    )
