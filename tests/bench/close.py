"""B3: closing a stage over N, of whom 20 % have not answered, and opening the next for all, against raw SQL."""

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from uuid import UUID, uuid4

import asyncpg

from tests.bench import commands
from tests.bench.company import company_of, launch, new_cycle
from tests.bench.figures import Figure, at_least, at_most, median, size
from tests.bench.standing import Standing, Tenant
from tests.bench.worker import Worker
from workflows.messages import CycleRef

RUNS = {10_000: 5, 100_000: 3}
QUICK_RUNS = {1_000: 2}
GATES = {100_000: 1.5}
SINGLY_GATE = 15.0
SAMPLE = 2_000  # people closed one by one; more would only take longer
CLOSED, OPENED = "self_review", "manager_review"
TASKS = "tenant_id = $1 AND stage_id = (SELECT id FROM reviews.stage WHERE cycle_id = $2 AND key = $3)"
ANSWERED = f"UPDATE reviews.task SET state = 'submitted' WHERE {TASKS} AND get_byte(uuid_send(id), 15) % 5 > 0"
STATES = f"SELECT state, count(*) AS tasks FROM reviews.task WHERE {TASKS} GROUP BY state"
# What the work comes to: everybody's task ends, and everybody is given one of the next stage.
END = """
UPDATE reviews.task SET state = CASE state WHEN 'submitted' THEN 'accepted' ELSE 'expired' END,
    ended_at = now(), version = version + 1, update_time = clock_timestamp()
WHERE tenant_id = $1 AND id IN (SELECT id FROM old_tasks)
"""
GIVE = "INSERT INTO reviews.task SELECT * FROM new_tasks"
END_ONE = END.replace("IN (SELECT id FROM old_tasks)", "= $2")
GIVE_ONE = GIVE + " WHERE id = $1"


@dataclass(frozen=True)
class Run:
    """Seconds of one close with the opening after it, and of raw SQL over identical rows."""

    whole: float
    raw: float
    singly: float  # all, one person after the other in a transaction each, from a sample
    rowwise: float  # all, a statement for each row but in one transaction, from a sample


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Close a stage of each size; each close is followed by raw SQL over the same rows."""
    figures: list[Figure] = []
    async with Worker(standing) as worker:
        for people, runs in (QUICK_RUNS if quick else RUNS).items():
            tenant = await company_of(standing, people)
            await _one_close(standing, worker, tenant, people)  # not counted
            figures += _figures(people, [await _one_close(standing, worker, tenant, people) for _ in range(runs)])
    return figures


async def _one_close(standing: Standing, worker: Worker, tenant: Tenant, people: int) -> Run:
    cycle_id = await new_cycle(tenant, "Close")
    cycle = CycleRef(tenant.id, cycle_id)
    await launch(tenant, cycle_id)
    await worker.enrol(cycle)
    await worker.turn(cycle)
    async with standing.admin() as admin:
        answered = await admin.execute(ANSWERED, UUID(tenant.id), UUID(cycle_id), CLOSED)
        await _keep(admin, "old_tasks", tenant.id, cycle_id, CLOSED)
        await admin.execute("CHECKPOINT")
        begun = time.perf_counter()
        await tenant.api.post(f"/cycles/{cycle_id}/stages/{CLOSED}:close", {"reason": "bench"})
        await worker.turn(cycle)
        whole = time.perf_counter() - begun
        await _check(admin, tenant.id, cycle_id, people, int(answered.split()[-1]))
        await _keep(admin, "new_tasks", tenant.id, cycle_id, OPENED)
        raw = await _raw(admin)
        singly, rowwise = await _one_by_one(admin, separately=True), await _one_by_one(admin, separately=False)
        await admin.execute("DROP TABLE old_tasks, new_tasks")
        await admin.execute("UPDATE reviews.cycle SET state = 'archived' WHERE id = $1", cycle_id)
    return Run(whole, raw, singly * people, rowwise * people)


async def _keep(admin: asyncpg.Connection, table: str, tenant_id: str, cycle_id: str, stage: str) -> None:
    keys = TASKS.replace("$1", f"'{tenant_id}'").replace("$2", f"'{cycle_id}'").replace("$3", f"'{stage}'")
    await admin.execute(f"CREATE UNLOGGED TABLE {table} AS SELECT * FROM reviews.task WHERE {keys}")
    await admin.execute(f"CREATE INDEX ON {table} (id)")
    await admin.execute(f"VACUUM (ANALYZE) {table}")


async def _check(admin: asyncpg.Connection, tenant_id: str, cycle_id: str, people: int, answered: int) -> None:
    """What was closed is what raw SQL will close: everybody but the root of the tree."""
    keys = (UUID(tenant_id), UUID(cycle_id))
    closed = {row["state"]: row["tasks"] for row in await admin.fetch(STATES, *keys, CLOSED)}
    opened = {row["state"]: row["tasks"] for row in await admin.fetch(STATES, *keys, OPENED)}
    assert closed == {"accepted": answered, "expired": people - 1 - answered}, closed
    assert opened == {"open": people - 1}, opened


async def _raw(admin: asyncpg.Connection) -> float:
    """Two statements in one transaction, without row-level security."""
    other = await _move_to_another_tenant(admin, "")
    begun = time.perf_counter()
    async with admin.transaction():
        await admin.execute(END, other)
        await admin.execute(GIVE)
    taken = time.perf_counter() - begun
    await admin.execute("DELETE FROM reviews.task WHERE tenant_id = $1", other)
    return taken


async def _one_by_one(admin: asyncpg.Connection, *, separately: bool) -> float:
    """Seconds a person, for a person's two prepared statements, in a transaction of their own if `separately`."""
    other = await _move_to_another_tenant(admin, f"ORDER BY id LIMIT {SAMPLE}")
    end, give = await admin.prepare(END_ONE), await admin.prepare(GIVE_ONE)
    pairs = await admin.fetch(
        f"SELECT o.id AS old, n.id AS new FROM old_tasks o JOIN new_tasks n USING (participant_id)"
        f" ORDER BY o.id LIMIT {SAMPLE}"
    )
    begun = time.perf_counter()
    async with nullcontext() if separately else admin.transaction():
        for pair in pairs:
            async with admin.transaction() if separately else nullcontext():
                await end.fetch(other, pair["old"])
                await give.fetch(pair["new"])
    taken = time.perf_counter() - begun
    await admin.execute("DELETE FROM reviews.task WHERE tenant_id = $1", other)
    return taken / len(pairs)


async def _move_to_another_tenant(admin: asyncpg.Connection, limit: str) -> UUID:
    """Put the old tasks, as they were before the close, into the table under another tenant, which is returned."""
    other = uuid4()
    await admin.execute(f"UPDATE old_tasks SET tenant_id = '{other}'")
    await admin.execute(f"UPDATE new_tasks SET tenant_id = '{other}'")
    await admin.execute(f"INSERT INTO reviews.task SELECT * FROM old_tasks {limit}")
    await admin.execute("CHECKPOINT")
    return other


def _figures(people: int, taken: Sequence[Run]) -> list[Figure]:
    ratio = median(run.whole / run.raw for run in taken)
    gate, met = at_most(ratio, GATES[people]) if people in GATES else ("", None)
    work = f"close {size(people)}, open the next"
    ours = f"{median(run.whole for run in taken):.3f} s"
    note = f"{len(taken)} runs instead of 5, for time" if people in RUNS and len(taken) < 5 else ""
    raw = f"raw UPDATE and INSERT {median(run.raw for run in taken):.3f} s"
    figures = [Figure("B3", work, f"{ratio:.2f}", ours, raw, len(taken), gate, met, note)]
    if people == max(RUNS) or people in QUICK_RUNS:
        faster = median(run.singly / run.whole for run in taken)
        gate, met = at_least(faster, SINGLY_GATE)
        against = f"a transaction a person {median(run.singly for run in taken):.1f} s"
        rowwise = median(run.rowwise for run in taken)
        note = f"from {SAMPLE} people; with a statement a row in one transaction {rowwise:.1f} s"
        figures.append(Figure("B3", work, f"{faster:.1f} ×", ours, against, len(taken), gate, met, note))
    return figures


if __name__ == "__main__":
    commands.run(measure)
