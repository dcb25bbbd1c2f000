"""What routes ask FastAPI for: the caller's call, ids, pages."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query, Request

from services.gateway import idempotency
from services.gateway.calls import Call
from services.runtime import telemetry


async def _call(request: Request) -> Call:
    state = request.app.state
    caller = await state.authenticator.caller(request.headers.get("authorization", ""))
    telemetry.concerns(tenant=caller.principal.tenant_id, **telemetry.ids_in(request.path_params.get))
    request.state.limit_headers = await state.rate_limit.admit(caller.principal.actor)
    return Call(
        caller=caller,
        services=state.services,
        pages=state.pages,
        request_id=idempotency.request_id(request),
        path=request.url.path,
        seconds=state.settings.call_seconds,
        if_match=idempotency.if_match(request),
    )


Caller = Annotated[Call, Depends(_call)]
IfMatch = Depends(idempotency.require_if_match)
PageSize = Annotated[int, Query(ge=1, le=500, description="At most this many items.")]
PageToken = Annotated[str, Query(max_length=2000, description="next_page_token of the page before.")]
DEFAULT_PAGE = 50
Id = Annotated[UUID, Path(description="UUID.")]
