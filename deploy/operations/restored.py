"""What follows a restore of the database, or of Temporal: new log epochs, sends held, workflows made from the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import text

from deploy.names import SERVICES
from deploy.operations.engine import end_all
from deploy.operations.reach import Installation, Refused
from services.notify.domain.model import Hold
from services.notify.store.deliveries import Outbox
from services.runtime.audit import replace_beyond, tenants_beyond
from services.runtime.eventlog import bump_epoch

REASON = "restored"
SESSIONS_END_SECONDS = 5.0
BUSY = text(
    "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename IN (:app, :system) AND pid <> pg_backend_pid() AND application_name <> 'attune-operations'"
)
LIVE = text("SELECT count(*) FROM cycle WHERE state IN ('launching', 'running', 'paused', 'released')")
Tell = Callable[[str], None]


async def settle(installation: Installation, tell: Tell) -> None:
    """Make a restored installation safe to start. Repeatable. Raises Refused while services are connected."""
    await require_stopped(installation)
    await hold(installation, REASON)
    tell("held: nothing goes outside until `sends-release`")
    for service in SERVICES:
        tell(f"{service}: log epoch {await begin_anew(installation, service)}")
    ended = await end_all(await installation.engine(), "the database was restored: rows win")
    async with installation.transaction("reviews_system") as connection:
        live = await connection.scalar(LIVE)
    tell(f"{ended} workflows ended; the bridge starts those of {live} live cycles from the rows")


async def require_stopped(installation: Installation) -> None:
    """Raise Refused when services are connected to their schemas; the sessions of killed ones end by themselves."""
    deadline = asyncio.get_running_loop().time() + SESSIONS_END_SECONDS
    while busy := [name for service in SERVICES for name in await _connected(installation, service)]:
        if asyncio.get_running_loop().time() > deadline:
            raise Refused(f"{', '.join(sorted(busy))} is connected; stop all processes of Attune first")
        await asyncio.sleep(0.5)


async def _connected(installation: Installation, service: str) -> Sequence[str]:
    async with installation.transaction(f"{service}_system") as connection:
        names = {"app": f"{service}_app", "system": f"{service}_system"}
        return (await connection.execute(BUSY, names)).scalars().all()


async def begin_anew(installation: Installation, service: str) -> int:
    """Begin a new epoch of a service's log, put what seems to be of the future behind it; return the epoch."""
    async with installation.transaction(f"{service}_system") as connection:
        epoch = await bump_epoch(connection)
        tenants = await tenants_beyond(connection)
    for tenant_id in tenants:
        async with installation.transaction(f"{service}_owner", tenant_id) as connection:
            await replace_beyond(connection, tenant_id)
    return epoch


async def hold(installation: Installation, reason: str) -> None:
    """Send nothing from now on."""
    async with installation.transaction("notify_system") as connection:
        await Outbox(connection).hold(reason)


async def held(installation: Installation) -> Hold | None:
    """Return what is held."""
    async with installation.transaction("notify_system") as connection:
        return await Outbox(connection).held()


async def release(installation: Installation, discard_before: datetime | None) -> int:
    """Send again, but what was queued before the instant; return how many deliveries that was."""
    async with installation.transaction("notify_system") as connection:
        return await Outbox(connection).release(discard_before)
