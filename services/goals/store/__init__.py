"""Where goals keeps what it knows."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.goals.store.freezes import FreezeStore
from services.goals.store.goals import GoalStore
from services.goals.store.standings import StandingStore
from services.runtime.database import Origin, Work


class GoalsWork(Work):
    """One transaction with every store of goals."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        super().__init__(connection, origin)
        self.goals = GoalStore(connection, origin.tenant_id)
        self.freezes = FreezeStore(connection, origin.tenant_id)
        self.standings = StandingStore(connection, origin.tenant_id)
