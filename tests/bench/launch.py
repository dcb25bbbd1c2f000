"""B1: launching a cycle, from the API call until all its rows are committed, against raw SQL that makes the same."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import commands
from tests.bench.company import company_of, launch, new_cycle
from tests.bench.figures import Figure, at_most, median, size
from tests.bench.launch_script import run_script
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


@dataclass(frozen=True)
class Run:
    """Seconds of one launch, and of the raw SQL after it."""

    check: float  # the API call, with its launch check
    enrol: float
    script: float  # the same rows made from the staff
    ready: float  # the same rows, ready made, only inserted

    @property
    def whole(self) -> float:
        """From the call until all rows are committed."""
        return self.check + self.enrol


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Launch cycles of each size; each launch is followed by raw SQL that makes the same rows."""
    figures, totals = [], {}
    async with Worker(standing) as worker:
        for people, runs in (QUICK_RUNS if quick else RUNS).items():
            taken = await _launches(standing, worker, people, runs)
            figures += _figures(people, taken)
            totals[people] = median(run.whole for run in taken)
    *_, middle, largest = totals
    growth = totals[largest] / totals[middle]
    gate, met = at_most(growth, GROWTH_GATE)
    work = f"launch, t({size(largest)}) / t({size(middle)})"
    ends = (f"{totals[largest]:.2f} s", f"{totals[middle]:.3f} s")
    figures.append(Figure("B1", work, f"{growth:.1f}", *ends, RUNS.get(largest, 1), gate, met))
    return figures


async def _launches(standing: Standing, worker: Worker, people: int, runs: int) -> list[Run]:
    tenant = await company_of(standing, people)
    await _one_launch(standing, worker, tenant, "Launch 0")  # not counted: it plans statements and fills caches
    return [await _one_launch(standing, worker, tenant, f"Launch {run + 1}") for run in range(runs)]


async def _one_launch(standing: Standing, worker: Worker, tenant: Tenant, name: str) -> Run:
    cycle_id = await new_cycle(tenant, name)
    async with standing.admin() as admin:
        await admin.execute("CHECKPOINT")
        begun = time.perf_counter()
        await launch(tenant, cycle_id)
        called = time.perf_counter()
        await worker.enrol(CycleRef(tenant.id, cycle_id))
        enrolled = time.perf_counter()
        script = await run_script(standing, tenant.id, cycle_id)
        other = await copy_aside(admin, ROWS, tenant.id, cycle_id)
        ready = await write_again(admin, list(ROWS))
        await forget(admin, list(ROWS), other)
        await admin.execute("UPDATE reviews.cycle SET state = 'archived' WHERE id = $1", cycle_id)
    return Run(called - begun, enrolled - called, script, ready)


def _figures(people: int, taken: Sequence[Run]) -> list[Figure]:
    ratio = median(run.whole / run.script for run in taken)
    gate, met = at_most(ratio, GATES[people]) if people in GATES else ("", None)
    check, enrol = median(run.check for run in taken), median(run.enrol for run in taken)
    note = f"of which the API call with its launch check {check:.3f} s, the enrolment {enrol:.3f} s"
    if people in RUNS and len(taken) < 5:
        note += f"; {len(taken)} runs instead of 5, for time"
    work, ours = f"launch {size(people)}", f"{median(run.whole for run in taken):.3f} s"
    script, ready = median(run.script for run in taken), median(run.ready for run in taken)
    floor = median(run.whole / run.ready for run in taken)
    return [
        Figure("B1", work, f"{ratio:.2f}", ours, f"script {script:.3f} s", len(taken), gate, met, note),
        Figure("B1", work, f"{floor:.2f}", ours, f"bare inserts of ready rows {ready:.3f} s", len(taken)),
    ]


if __name__ == "__main__":
    commands.run(measure)
