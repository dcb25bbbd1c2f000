"""What every request passes first: its trace, its id, and the headers of every answer."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime import telemetry
from services.runtime.clock import new_id

QUIET = ("/healthz", "/readyz")


class Edge:
    """Makes a trace current, or goes on with the caller's, and adds the headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["request_id"] = str(new_id())
        traceparent = {"traceparent": Headers(scope=scope).get("traceparent", "")}

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = state["request_id"]
                for name, value in state.get("limit_headers", {}).items():
                    headers[name] = value
            await send(message)

        with telemetry.serving("REST " + scope["method"], traceparent):
            await self._app(scope, receive, answer)
