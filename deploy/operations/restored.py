"""What follows a restore of the database, or of Temporal: new log epochs, sends held, workflows made from the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from deploy.names import SERVICES
from deploy.operations.engine import clock_ahead_seconds, end_all, make_ready, polled_seconds_ago
from deploy.operations.reach import Installation, Refused
from services.notify.domain.model import Hold
from services.notify.store.deliveries import Outbox
from services.notify.usecases.tell_of_delivery import tell_of_discarded
from services.runtime.audit import replace_beyond, tenants_beyond
from services.runtime.database import Origin, Work
from services.runtime.eventlog import bump_epoch, furthest_places
from services.runtime.identity import Principal

REASON = "restored"
CHUNK = 1_000
SESSIONS_END_SECONDS = 5.0
BUSY = text(
    "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
    " AND usename IN (:app, :system) AND pid <> pg_backend_pid() AND application_name <> 'attune-operations'"
)
LIVE = text("SELECT count(*) FROM cycle WHERE state IN ('launching', 'running', 'paused', 'released')")
Tell = Callable[[str], None]


async def settle(installation: Installation, tell: Tell) -> None:
    """Make a restored installation safe to start. Repeatable, after a kill too. Raises Refused while anything runs.

    What can be refused is asked first; then nothing is sent; then the rest.
    """
    await require_stopped(installation)
    client = await installation.engine()
    await require_no_worker(installation, client)
    await make_ready(client)
    await _hold_anew(installation)
    tell("held: nothing goes outside until `sends-release`")
    places = await _furthest(installation)
    for service in SERVICES:
        tell(f"{service}: log epoch {await begin_anew(installation, service, places.get(service, 0))}")
    ended = await end_all(client, "the database was restored: rows win")
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


async def require_no_worker(installation: Installation, client: Client) -> None:
    """Raise Refused when a worker has asked Temporal for work of late: it has no connection to the database."""
    try:
        late = {name: ago for name, ago in (await _asked(client)).items() if ago < installation.quiet_seconds}
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:  # a new Temporal, which nobody has worked for
            return
        raise
    if late:
        polled = ", ".join(f"{name} {ago:.0f} s ago" for name, ago in sorted(late.items()))
        wait = installation.quiet_seconds - min(late.values())
        raise Refused(
            f"workers asked for work: {polled}; stop them, and whatever starts them again (autoscalers)."
            f" Are they stopped, wait {wait:.0f} s and repeat this"
        )


async def _asked(client: Client) -> Mapping[str, float]:
    """Return how many seconds ago each worker asked for work last, by Temporal's clock whatever this machine's says."""
    before, loop = await polled_seconds_ago(client), asyncio.get_running_loop()
    if not before:
        return {}
    since = loop.time()
    ahead = await clock_ahead_seconds(client)
    passed = loop.time() - since
    again = await polled_seconds_ago(client)
    # Nought stands for what a clock that is behind takes for the future; who asked again meanwhile is at work.
    return {
        name: max(0.0, ago - ahead) if ago > 0.0 and before.get(name, 0.0) + passed <= ago else 0.0
        for name, ago in again.items()
    }


async def _connected(installation: Installation, service: str) -> Sequence[str]:
    async with installation.transaction(f"{service}_system") as connection:
        names = {"app": f"{service}_app", "system": f"{service}_system"}
        return (await connection.execute(BUSY, names)).scalars().all()


async def _furthest(installation: Installation) -> Mapping[str, int]:
    """Return the furthest place at which any follower stands, in the log of each service."""
    furthest: dict[str, int] = {}
    for service in SERVICES:
        async with installation.transaction(f"{service}_system") as connection:
            for producer, place in (await furthest_places(connection)).items():
                furthest[producer] = max(place, furthest.get(producer, 0))
    return furthest


async def begin_anew(installation: Installation, service: str, furthest: int) -> int:
    """Begin a new epoch of a service's log, put audit entries of the future behind it; return the epoch."""
    async with installation.transaction(f"{service}_system") as connection:
        epoch = await bump_epoch(connection, furthest)
        tenants = await tenants_beyond(connection)
    for tenant_id in tenants:
        async with installation.transaction(f"{service}_owner", tenant_id) as connection:
            await replace_beyond(connection, tenant_id)
    return epoch


async def _hold_anew(installation: Installation) -> None:
    """Hold as of now, even where the backup held already: what it had in its queue may have been sent since."""
    async with installation.transaction("notify_system") as connection:
        await Outbox(connection).hold_anew(REASON)


async def hold(installation: Installation, reason: str) -> None:
    """Send nothing from now on."""
    async with installation.transaction("notify_system") as connection:
        await Outbox(connection).hold(reason)


async def held(installation: Installation) -> Hold | None:
    """Return what is held."""
    async with installation.transaction("notify_system") as connection:
        return await Outbox(connection).held()


async def release(installation: Installation, discard_before: datetime | None) -> int:
    """Send again, but what was queued before the instant; return how many deliveries that was. Repeatable.

    The hold goes last: killed before, nothing was sent.
    """
    discarded = 0
    if discard_before is not None:
        async with installation.transaction("notify_system") as connection:
            tenants = await Outbox(connection).waiting(discard_before)
        for tenant_id in tenants:
            while count := await _discard(installation, tenant_id, discard_before):
                discarded += count
    async with installation.transaction("notify_system") as connection:
        await Outbox(connection).release()
    return discarded


async def _discard(installation: Installation, tenant_id: UUID, before: datetime) -> int:
    """Discard a chunk of a tenant's queue, and tell of it as of every delivery that may not have arrived."""
    async with installation.transaction("notify_owner", tenant_id) as connection:
        discarded = await Outbox(connection).discard(tenant_id, before, CHUNK)
        operator = Principal(tenant_id=tenant_id, kind="service", name="notify")
        await tell_of_discarded(Work(connection, Origin(operator, tenant_id)), discarded)
    return len(discarded)
