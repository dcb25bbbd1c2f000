"""Transactions that only read, for the step of a command that runs before its own transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from services.reviews.domain.errors import Denied
from services.reviews.store import ReviewsWork
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal


def reading(database: Database) -> Callable[[Principal], AbstractAsyncContextManager[ReviewsWork]]:
    """Opens a short transaction of the caller's tenant; Denied for a caller without one."""

    @asynccontextmanager
    async def open_reading(principal: Principal) -> AsyncIterator[ReviewsWork]:
        if principal.tenant_id is None:
            raise Denied("this needs a tenant")
        async with database.transaction(principal.tenant_id) as connection:
            yield ReviewsWork(connection, Origin(principal, principal.tenant_id))

    return open_reading
