"""How much is open, overdue, late and blocked in all companies together, counted again and again for the metrics.

Every process counts the same rows, so of several the greatest value is taken, never the sum. No tenant is told apart:
there may be thousands, and a metric is kept for each value of a label.
"""

import math

from prometheus_client import Gauge, Histogram
from sqlalchemy import text

from services.reviews.tables import OWED
from services.runtime.background import repeat
from services.runtime.database import Database

EVERY_SECONDS = 10.0
TASKS_OPEN = Gauge("attune_tasks_open", "Tasks that somebody owes", ["kind"])
TASKS_OVERDUE = Gauge("attune_tasks_overdue", "Tasks that are owed past their deadline", ["kind"])
STAGE_OVERDUE = Gauge(
    "attune_stage_overdue_seconds", "How far the latest stage that should have closed is past its due instant", ["kind"]
)
STAGE_LATENESS = Histogram(
    "attune_stage_lateness_seconds",
    "How long after its due instant a stage began to close",
    ["kind"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600),
)
CYCLES_LIVE = Gauge("attune_cycles_live", "Cycles that have been launched and have not ended")
CYCLES_BLOCKED = Gauge("attune_cycles_blocked", "Live cycles in which something due cannot be done")
LIVE = (
    "live AS (SELECT s.tenant_id, s.id, s.kind, s.state, s.due_at, c.state = 'paused' AS paused,"
    " s.kind = 'release' AND c.release_mode = 'manual' AS waits_for_hr,"
    " clock_timestamp() + c.clock_offset AS at"
    " FROM cycle c JOIN stage s ON s.tenant_id = c.tenant_id AND s.cycle_id = c.id"
    " WHERE c.launched_at IS NOT NULL AND c.ended_at IS NULL)"
)
TASKS = text(
    f"WITH {LIVE} SELECT t.kind, count(*) AS open,"  # noqa: S608  # constants of ours
    " count(*) FILTER (WHERE NOT live.paused AND greatest(live.due_at, t.due_override) < live.at) AS overdue"
    " FROM live JOIN task t ON t.tenant_id = live.tenant_id AND t.stage_id = live.id"
    f" WHERE t.{OWED} GROUP BY t.kind"
)
STAGES = text(
    f"WITH {LIVE} SELECT kind, max(extract(epoch FROM at - due_at)) AS seconds FROM live"  # noqa: S608  # constants
    " WHERE state = 'open' AND due_at < at AND NOT paused AND NOT waits_for_hr GROUP BY kind"
)
CYCLES = text(
    "SELECT count(*) AS live, count(*) FILTER (WHERE c.blocked_reason <> '' OR EXISTS (SELECT FROM stage s"
    " WHERE s.tenant_id = c.tenant_id AND s.cycle_id = c.id AND s.blocked_reason <> '')) AS blocked"
    " FROM cycle c WHERE c.launched_at IS NOT NULL AND c.ended_at IS NULL"
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
            tasks = (await connection.execute(TASKS)).all()
            stages = (await connection.execute(STAGES)).all()
            cycles = (await connection.execute(CYCLES)).one()
        _show(TASKS_OPEN, {row.kind: row.open for row in tasks})
        _show(TASKS_OVERDUE, {row.kind: row.overdue for row in tasks})
        _show(STAGE_OVERDUE, {row.kind: float(row.seconds) for row in stages})
        CYCLES_LIVE.set(cycles.live)
        CYCLES_BLOCKED.set(cycles.blocked)


def _show(gauge: Gauge, values: dict[str, float]) -> None:
    """Set what was found, and 0 for what was found before and is not any more."""
    before = {sample.labels["kind"] for family in gauge.collect() for sample in family.samples}
    for kind in before | values.keys():
        gauge.labels(kind).set(values.get(kind, 0))


def _forget() -> None:
    for gauge in (TASKS_OPEN, TASKS_OVERDUE, STAGE_OVERDUE):
        gauge.clear()
    for number in (CYCLES_LIVE, CYCLES_BLOCKED):
        number.set(math.nan)
