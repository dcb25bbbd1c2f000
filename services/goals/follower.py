"""Lets live goals follow moves that people announced for a later day."""

from datetime import datetime, timedelta

from services.goals.store import GoalsWork
from services.goals.store.standings import standings_due
from services.goals.usecases.standing import Standing
from services.runtime.background import repeat
from services.runtime.clock import utc_now
from services.runtime.database import Database, Origin
from services.runtime.identity import Principal

# A day begins first at UTC+14 and last at UTC-12; which zone a tenant lives in only people knows.
FIRST_ZONE, LAST_ZONE = timedelta(hours=14), timedelta(hours=12)


class Follower:
    """Asks people again about everybody whose day may have come, until it has begun everywhere; several may run."""

    def __init__(self, database: Database, standing: Standing, *, every_seconds: float = 600.0) -> None:
        self._database, self._standing = database, standing
        self._every = every_seconds

    async def run(self) -> None:
        """Follow for ever; an outage is waited out."""
        await repeat(lambda: self.follow(utc_now()), named="following moves", every_seconds=self._every)

    async def follow(self, now: datetime) -> None:
        """Write anew where those stand whose day has begun somewhere; forget those whose day has begun everywhere."""
        async with self._database.system_transaction() as connection:
            due = await standings_due(connection, (now + FIRST_ZONE).date())
        for tenant_id, employees in due.items():
            async with self._database.transaction(tenant_id) as connection:
                work = GoalsWork(connection, Origin(Principal(tenant_id, "service", "goals"), tenant_id))
                await self._standing.refresh(work, employees)
                await work.standings.forget((now - LAST_ZONE).date())
