"""B1: launching a cycle of N people, from the API call until all its rows are committed, against raw inserts."""

import time
from collections.abc import Sequence

from tests.bench import commands
from tests.bench.company import company_of, launch, new_cycle
from tests.bench.figures import Figure, at_most, median, size
from tests.bench.raw import copy_aside, forget, write_again
from tests.bench.standing import Standing, Tenant
from tests.bench.worker import Worker
from workflows.messages import CycleRef

RUNS = {1_000: 7, 10_000: 5, 100_000: 3}
QUICK_RUNS = {200: 2, 2_000: 1}
GATES = {1_000: 5.0, 100_000: 2.0}
GROWTH_GATE = 16.0
ROWS = {
    "people.frozen_member": "tenant_id = $1 AND freeze_id = $2",
    "reviews.participant": "tenant_id = $1 AND cycle_id = $2",
    "reviews.rater": "tenant_id = $1 AND cycle_id = $2",
}


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Launch cycles of each size; each launch is followed by the raw script over the rows that it made."""
    figures, totals = [], {}
    async with Worker(standing) as worker:
        for people, runs in (QUICK_RUNS if quick else RUNS).items():
            taken = await _launches(standing, worker, people, runs)
            figures.append(_figure(people, taken))
            totals[people] = median(check + enrol for check, enrol, _ in taken)
    *_, middle, largest = totals
    growth = totals[largest] / totals[middle]
    gate, met = at_most(growth, GROWTH_GATE)
    work = f"t({size(largest)}) / t({size(middle)})"
    ends = (f"{totals[largest]:.2f} s", f"{totals[middle]:.3f} s")
    figures.append(Figure("B1", work, f"{growth:.1f}", *ends, RUNS.get(largest, 1), gate, met))
    return figures


async def _launches(
    standing: Standing, worker: Worker, people: int, runs: int
) -> Sequence[tuple[float, float, float]]:
    """Of each run: seconds of the API call with its launch check, of the enrolment, of the raw script."""
    tenant = await company_of(standing, people)
    taken = []
    for run in range(runs + 1):  # the first is not counted: it plans statements and fills caches
        one = await _one_launch(standing, worker, tenant, f"Launch {run}")
        if run:
            taken.append(one)
    return taken


async def _one_launch(standing: Standing, worker: Worker, tenant: Tenant, name: str) -> tuple[float, float, float]:
    cycle_id = await new_cycle(tenant, name)
    async with standing.admin() as admin:
        await admin.execute("CHECKPOINT")
        begun = time.perf_counter()
        await launch(tenant, cycle_id)
        called = time.perf_counter()
        await worker.enrol(CycleRef(tenant.id, cycle_id))
        enrolled = time.perf_counter()
        other = await copy_aside(admin, ROWS, tenant.id, cycle_id)
        raw = await write_again(admin, list(ROWS))
        await forget(admin, list(ROWS), other)
        await admin.execute("UPDATE reviews.cycle SET state = 'archived' WHERE id = $1", cycle_id)
    return called - begun, enrolled - called, raw


def _figure(people: int, taken: Sequence[tuple[float, float, float]]) -> Figure:
    ratio = median((check + enrol) / raw for check, enrol, raw in taken)
    check, enrol, raw = (median(each) for each in zip(*taken, strict=True))
    gate, met = at_most(ratio, GATES[people]) if people in GATES else ("", None)
    note = f"of which the API call with its launch check {check:.3f} s, the enrolment {enrol:.3f} s"
    if people in RUNS and len(taken) < 5:
        note += f"; {len(taken)} runs instead of 5, for time"
    ours, against = f"{check + enrol:.3f} s", f"raw inserts {raw:.3f} s"
    return Figure("B1", f"launch {size(people)}", f"{ratio:.2f}", ours, against, len(taken), gate, met, note)


if __name__ == "__main__":
    commands.run(measure)
