"""B13: one call that tells what is stalled among N participants, against the same page in raw SQL."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from tests.bench import commands
from tests.bench.company import company_of, launch, new_cycle
from tests.bench.figures import Figure, at_most, median, size
from tests.bench.standing import Standing, Tenant
from tests.bench.worker import Worker
from workflows.messages import CycleRef

RUNS = {1_000: 5, 10_000: 9}
QUICK_RUNS = {1_000: 2}
GATE_SECONDS = 1.0  # at 10 000 participants (product.md §12.1)
PAGE = 50
STAGE = "tenant_id = $1 AND cycle_id = $2 AND key = 'self_review'"
# A tenth is on leave, a hundredth was not reached by a message, and everybody who has not answered is late.
LATE = f"UPDATE reviews.stage SET due_at = now() - interval '1 hour' WHERE {STAGE}"
AWAY = """
INSERT INTO reviews.absence (tenant_id, employee_id, from_on, to_on)
SELECT $1, employee_id, current_date - 3, current_date + 30 FROM reviews.participant
WHERE tenant_id = $1 AND cycle_id = $2 AND get_byte(uuid_send(id), 15) % 10 = 0
"""
UNREACHED = """
INSERT INTO reviews.undelivered (tenant_id, task_id, recipient_id, channel, error, since)
SELECT tenant_id, id, assignee_id, 'email', 'SMTPConnectError', now() FROM reviews.task
WHERE tenant_id = $1 AND cycle_id = $2 AND get_byte(uuid_send(id), 14) % 100 = 0
"""
RAW = """
SELECT t.*, s.key, s.due_at AS stage_due_at, d.left_on, a.to_on, u.since, u.error
FROM reviews.task t
    JOIN reviews.stage s ON s.tenant_id = t.tenant_id AND s.id = t.stage_id
    JOIN reviews.cycle c ON c.tenant_id = t.tenant_id AND c.id = t.cycle_id
    LEFT JOIN reviews.departure d ON d.tenant_id = t.tenant_id AND d.employee_id = t.assignee_id
    LEFT JOIN reviews.absence a ON a.tenant_id = t.tenant_id AND a.employee_id = t.assignee_id
    LEFT JOIN reviews.undelivered u ON u.tenant_id = t.tenant_id AND u.task_id = t.id
        AND u.recipient_id = t.assignee_id
WHERE t.tenant_id = $1 AND c.ended_at IS NULL AND t.state IN ('open', 'in_progress', 'returned', 'recalled')
    AND (greatest(s.due_at, t.due_override) < now() OR t.state = 'returned' OR c.state = 'paused'
        OR t.assignee_id IS NULL OR d.left_on <= current_date OR a.to_on >= current_date)
ORDER BY greatest(s.due_at, t.due_override), t.id LIMIT $2
"""


@dataclass(frozen=True)
class Run:
    """Seconds of one call through the API, and of raw SQL for the same page."""

    whole: float
    raw: float


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Ask for the first page of a cycle in which everybody is late, at each size."""
    figures: list[Figure] = []
    async with Worker(standing) as worker:
        for people, runs in (QUICK_RUNS if quick else RUNS).items():
            tenant = await company_of(standing, people)
            await _hold_up(standing, worker, tenant)
            async with standing.admin() as admin:
                await _one_look(admin, tenant)  # not counted
                taken = [await _one_look(admin, tenant) for _ in range(runs)]
            figures += _figures(people, taken)
    return figures


async def _hold_up(standing: Standing, worker: Worker, tenant: Tenant) -> None:
    """A cycle under way in which everybody owes a self review that is late."""
    cycle_id = await new_cycle(tenant, "Stalled")
    await launch(tenant, cycle_id)
    await worker.enrol(CycleRef(tenant.id, cycle_id))
    await worker.turn(CycleRef(tenant.id, cycle_id))
    async with standing.admin() as admin:
        for statement in (LATE, AWAY, UNREACHED):
            await admin.execute(statement, UUID(tenant.id), UUID(cycle_id))
        for table in ("task", "participant", "absence", "undelivered", "departure"):
            await admin.execute(f"VACUUM (ANALYZE) reviews.{table}")


async def _one_look(admin: asyncpg.Connection, tenant: Tenant) -> Run:
    begun = time.perf_counter()
    page = await tenant.api.get("/ops/stalled", page_size=PAGE)
    whole = time.perf_counter() - begun
    tasks = {row["task_id"] for row in page["items"] if row["kind"] == "task"}
    assert len(tasks) == PAGE, len(tasks)
    begun = time.perf_counter()
    rows = await admin.fetch(RAW, UUID(tenant.id), PAGE)
    raw = time.perf_counter() - begun
    assert {str(row["id"]) for row in rows} == tasks
    return Run(whole, raw)


def _figures(people: int, taken: Sequence[Run]) -> list[Figure]:
    work = f"stalled among {size(people)}"
    seconds = median(run.whole for run in taken)
    slowest = max(run.whole for run in taken)
    raw = f"raw SQL of the page {median(run.raw for run in taken):.3f} s"
    ratio = median(run.whole / run.raw for run in taken)
    gate, met = at_most(slowest, GATE_SECONDS) if people >= max(RUNS) else ("", None)
    note = "the gate is of the slowest call, with the question to every process"
    return [
        Figure("B13", work, f"{slowest:.3f} s", f"{seconds:.3f} s", raw, len(taken), gate, met, note if gate else ""),
        Figure("B13", work, f"{ratio:.1f}", f"{seconds:.3f} s", raw, len(taken), "", None, ""),
    ]


if __name__ == "__main__":
    commands.run(measure)
