"""How much waits to be sent, and for how long, in all companies together; of several processes the greatest counts."""

import math

from prometheus_client import Gauge
from sqlalchemy import text

from services.runtime.background import repeat
from services.runtime.database import Database

EVERY_SECONDS = 10.0
WAITING = Gauge("attune_deliveries_waiting", "Messages that wait to be sent on an external channel")
AGE = Gauge("attune_delivery_age_seconds", "How long the oldest message has waited to be sent")
COUNT = text(
    "SELECT count(*) AS waiting,"
    " coalesce(extract(epoch FROM clock_timestamp() - min(m.create_time)), 0) AS seconds"
    " FROM delivery d JOIN message m ON m.tenant_id = d.tenant_id AND m.id = d.message_id WHERE d.state = 'pending'"
)


class Gauges:
    """Counts by the system role; where it cannot, the gauges tell nothing rather than what was true once."""

    def __init__(self, database: Database, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._database = database
        self._every = every_seconds

    async def run(self) -> None:
        """Count for ever; an outage of the database is waited out."""
        await repeat(self.count, named="counting", every_seconds=self._every, failed=_forget)

    async def count(self) -> None:
        """Count once."""
        async with self._database.system_transaction() as connection:
            found = (await connection.execute(COUNT)).one()
        WAITING.set(found.waiting)
        AGE.set(float(found.seconds))


def _forget() -> None:
    for gauge in (WAITING, AGE):
        gauge.set(math.nan)
