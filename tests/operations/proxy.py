"""A real Temporal behind a proxy that refuses some methods, as a managed one does whose operators are others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc


class _Forwarding(grpc.GenericRpcHandler):
    def __init__(self, channel: grpc.aio.Channel, refused: Mapping[str, grpc.StatusCode]) -> None:
        self._channel, self._refused = channel, refused

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = str(handler_call_details.method)
        call: Callable[..., Any] = self._channel.unary_unary(method)
        status = next((code for words, code in self._refused.items() if words in method), None)

        async def forward(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            if status is not None:
                await context.abort(status, f"{method} is refused")
            try:
                return bytes(await call(request, timeout=context.time_remaining()))
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), str(error.details()), tuple(error.trailing_metadata() or ()))

        return grpc.unary_unary_rpc_method_handler(forward)


@asynccontextmanager
async def refusing(address: str, refused: Mapping[str, grpc.StatusCode]) -> AsyncIterator[str]:
    """Forward every call but those whose method's name has the words; yield where."""
    async with grpc.aio.insecure_channel(address) as channel:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Forwarding(channel, refused),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(0)
