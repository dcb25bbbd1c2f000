"""Work behind the requests of a process: repeated for ever, an outage waited out and told once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from uuid import UUID

import grpc

from services.runtime import telemetry
from services.runtime.errors import Status, status_of


def _nothing() -> None:
    """What is done about a failure where nothing has to be."""


async def repeat(
    work: Callable[[], Awaitable[object]],
    *,
    named: str,
    every_seconds: float,
    eager: bool = False,
    failed: Callable[[], None] = _nothing,
) -> None:
    """Do a piece of work, pause, and do it again; eager work pauses only when it answers that there was nothing to do.

    Whatever it raises ends that one piece and no more. It is logged when it begins and when it becomes another: an
    outage of an hour is one line, not one each time. `failed` is called after every failure.
    """
    told: tuple[str, type[Exception]] | None = None
    while True:
        done: object = None
        try:
            done = await work()
            told = None
        except Exception as error:  # the boundary of background work, as the interceptor is that of requests
            status = status_of(error)
            failed()
            if told != (status.reason, type(error)):
                _log(named, status, error)
            told = (status.reason, type(error))
        if not (eager and done):
            await asyncio.sleep(every_seconds)


async def for_each_tenant(tenants: Iterable[UUID], work: Callable[[UUID], Awaitable[int]], *, named: str) -> int:
    """Do a piece of work for each tenant and return how much was done; what one's raises keeps no other waiting.

    It is logged each time. An outage is none of one tenant's: it is raised, for the others would only wait for it, too.
    """
    done = 0
    for tenant_id in tenants:
        try:
            done += await work(tenant_id)
        except Exception as error:  # the same boundary, of one tenant's piece
            status = status_of(error)
            if status.code is grpc.StatusCode.UNAVAILABLE:
                raise
            _log(named, status, error, tenant=str(tenant_id))
    return done


def _log(named: str, status: Status, error: Exception, **ids: str) -> None:
    cause = error if status.unexpected else None
    telemetry.log.warning(f"{named} failed", reason=status.reason, exc_info=cause, **ids)
