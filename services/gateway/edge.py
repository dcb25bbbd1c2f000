"""What every request passes first: its trace, its id, the limit of its body, and the headers of every answer."""

import time

from opentelemetry.trace import Span, StatusCode
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway import errors
from services.runtime import telemetry
from services.runtime.clock import new_id

QUIET = ("/healthz", "/readyz")
UPLOAD_SUFFIX = ":import"  # only these routes take files
UPLOAD_LIMIT = 65 * 1024 * 1024  # bytes: a file of 64 MiB and its envelope
API = "/v1"  # where all routers stand
UNMATCHED = "unmatched"  # what is written in place of a path that is none of ours
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
REQUESTS = Counter("attune_rest_requests", "REST requests served", ["method", "route", "status"])
DURATION = Histogram("attune_rest_duration_seconds", "Time to serve a REST request", ["method", "route"])


class Edge:
    """Makes a trace current, or goes on with the caller's, limits the body, and adds the headers of every answer."""

    def __init__(self, app: ASGIApp, body_limit: int) -> None:
        self._app, self._body_limit = app, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        answer, begin = Answer(scope, send), time.perf_counter()
        traceparent = {"traceparent": Headers(scope=scope).get("traceparent", "")}
        with telemetry.serving(scope["method"], traceparent) as span:
            try:
                await self._limited(scope, receive, answer)
            except Exception as error:  # the one place where a bug becomes an answer, logged once within its trace
                response = errors.bug(Request(scope), error)
                if answer.started:
                    raise
                await response(scope, receive, answer)
            finally:
                _note(scope, answer, time.perf_counter() - begin, span)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = UPLOAD_LIMIT if scope["path"].endswith(UPLOAD_SUFFIX) else self._body_limit
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            response = errors.too_large(Request(scope), limit)
            await response(scope, receive, send)
            return
        await self._app(scope, Body(receive, limit), send)


class Body:
    """The body of a request as it arrives, also one that did not announce its length."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._taken = receive, limit, 0

    async def __call__(self) -> Message:
        """Return the next part; raises HTTPException 413, which FastAPI lets pass, beyond the limit in bytes."""
        message = await self._receive()
        self._taken += len(message.get("body", b""))
        if self._taken > self._limit:
            raise HTTPException(413, errors.too_large_sentence(self._limit))
        return message


class Answer:
    """The answer on its way out: it gets the request's id and what was noted about limits."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._send, self.started, self.status = send, False, 0
        self._state = scope.setdefault("state", {})
        self._state["request_id"] = str(new_id())

    async def __call__(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            self.started, self.status = True, message["status"]
            headers = MutableHeaders(scope=message)
            headers["X-Request-Id"] = self._state["request_id"]
            for name, value in self._state.get("limit_headers", {}).items():
                headers[name] = value
        await self._send(message)


def _note(scope: Scope, answer: Answer, seconds: float, span: Span) -> None:
    """Count, time, log and describe a request by its route: paths and queries may name people."""
    route = _route(scope)
    method = scope["method"] if scope["method"] in METHODS else "OTHER"
    REQUESTS.labels(method, route, answer.status).inc()
    DURATION.labels(method, route).observe(seconds)
    telemetry.log.info(
        "request",
        method=method,
        route=route,
        status=answer.status,
        ms=round(seconds * 1000, 1),
        request_id=scope["state"]["request_id"],
    )
    if span.is_recording():
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {"http.request.method": method, "http.route": route, "http.response.status_code": answer.status}
        )
        if answer.status >= 500:
            span.set_status(StatusCode.ERROR)


def _route(scope: Scope) -> str:
    """The template of the path that was asked for; routes know theirs without the prefix of their router."""
    path = getattr(scope.get("route"), "path", "")
    return (API if scope["path"].startswith(f"{API}/") else "") + path if path else UNMATCHED
