"""The one place that every call passes: trace, metrics, deadline, caller, values, and the answer to each error."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from services.runtime import eventlog, telemetry
from services.runtime.errors import Status, status_of
from services.runtime.identity import OPEN_PREFIXES, Gate
from services.runtime.serve.requests import RequestRules
from services.runtime.serve.transport import certificate_names
from services.runtime.telemetry.metrics import Served

Context = Any  # grpc.aio.ServicerContext, whose type parameters say nothing here
Handler = Any  # grpc.RpcMethodHandler
# What followers ask several times a second; what people ask of event logs is no polling.
POLLING = frozenset(method for method, access in eventlog.rpc_access(frozenset()).items() if not access.roles)


class EdgeInterceptor(grpc.aio.ServerInterceptor):
    """Wraps each method once; whatever is raised below leaves here as one status with a reason."""

    def __init__(self, gate: Gate, rules: RequestRules, *, mutual: bool = False) -> None:
        self._gate = gate
        self._mutual = mutual
        self._rules = rules
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]], details: grpc.HandlerCallDetails
    ) -> Handler:
        """Return the method's handler behind the edge; none for a method that does not exist."""
        method = details.method
        if method not in self._wrapped:
            handler = await continuation(details)
            if handler is None:
                return None
            self._wrapped[method] = self._wrap(method, handler)
        return self._wrapped[method]

    def _wrap(self, method: str, handler: Handler) -> Handler:
        telemetry.expect(method)
        kind = "unary" if not handler.request_streaming else "stream"
        answer = "unary" if not handler.response_streaming else "stream"
        behaviour = getattr(handler, f"{kind}_{answer}")
        make = getattr(grpc, f"{kind}_{answer}_rpc_method_handler")
        streaming = handler.request_streaming or handler.response_streaming
        serve = self._streaming if handler.response_streaming else self._unary
        return make(
            serve(method, behaviour, streaming),
            request_deserializer=handler.request_deserializer,
            response_serializer=handler.response_serializer,
        )

    def _unary(self, method: str, behaviour: Callable[..., Awaitable[Any]], streaming: bool) -> Callable[..., Any]:
        async def serve(request: Any, context: Context) -> Any:
            metadata = dict(context.invocation_metadata() or ())
            with telemetry.serving(method, metadata, begins=_begins(method)), telemetry.measured(method) as served:
                try:
                    admitted = self._admit(method, request, context, metadata, streaming, served)
                    return await behaviour(admitted, context)
                except Exception as error:
                    await self._answer(method, context, error, served)

        return serve

    def _streaming(self, method: str, behaviour: Callable[..., AsyncIterator[Any]], _: bool) -> Callable[..., Any]:
        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            metadata = dict(context.invocation_metadata() or ())
            with telemetry.serving(method, metadata), telemetry.measured(method) as served:
                try:
                    admitted = self._admit(method, request, context, metadata, True, served)
                    async for reply in behaviour(admitted, context):
                        yield reply
                except Exception as error:
                    await self._answer(method, context, error, served)

        return serve

    def _admit(
        self, method: str, request: Any, context: Context, metadata: dict[str, Any], streaming: bool, served: Served
    ) -> Any:
        if not streaming:
            self._rules.check_deadline(method, context.time_remaining())
        principal = self._gate.enter(method, metadata, certificate_names(context) if self._mutual else None)
        if principal is not None:
            served.by_person = principal.kind != "service"
            telemetry.concerns(
                tenant=principal.tenant_id, **telemetry.ids_in(lambda field: getattr(request, field, ""))
            )
        if hasattr(request, "ListFields"):
            self._rules.check_values(request)
            return request
        return self._checked(request)

    async def _checked(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async for request in requests:
            self._rules.check_values(request)
            yield request

    async def _answer(self, method: str, context: Context, error: Exception, served: Served) -> None:
        if isinstance(error, grpc.aio.AbortError):  # the servicer has answered for itself
            served.code = "ABORTED"
            raise error
        status: Status = status_of(error)
        served.code = status.code.name
        if status.unexpected:
            telemetry.log.error("rpc failed", method=method, exc_info=error)
        await context.abort(status.code, status.message, status.trailing_metadata())


def _begins(method: str) -> bool:
    """Whether a call without a trace begins one: polling and probes do not."""
    return method not in POLLING and not method.startswith(OPEN_PREFIXES)
