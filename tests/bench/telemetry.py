"""B12: what tracing one per cent costs submitting, and what row-level security costs, against both off."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from deploy.local.processes import marked
from tests.bench import commands
from tests.bench.figures import Figure, at_least, median
from tests.bench.standing import Standing, standing
from tests.bench.submit import MOST_A_SECOND, Submitting, submitting

ROUNDS, SECONDS = 5, 5.0
QUICK_ROUNDS, QUICK_SECONDS = 3, 2.0
TRACING_GATE, SECURITY_GATE = 0.65, 0.85
SCHEMAS = ("people", "reviews")  # of the services that a submission passes
TABLES = (
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
    " WHERE schemaname = ANY($1) AND tablename <> 'alembic_version'"
)


@dataclass(frozen=True)
class Cost:
    """What one stretch of load showed: submissions a second, and seconds of the services' computing for each."""

    rate: float
    cpu: float


async def measure(traced: Standing, quick: bool) -> list[Figure]:
    """Rounds of the same load on two stacks, one traced, each with row-level security off and on."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    people = int((rounds * 2 + 1) * seconds * MOST_A_SECOND)
    found: dict[tuple[bool, bool], list[Cost]] = {(t, s): [] for t in (False, True) for s in (False, True)}
    async with AsyncExitStack() as opened:
        plain = await opened.enter_async_context(standing(traced=False))
        stacks = {False: await submitting(plain, opened, people), True: await submitting(traced, opened, people)}
        for each in stacks.values():
            await each.rest(warm=True, seconds=1)  # not counted
        for _ in range(rounds):
            for is_traced, each in stacks.items():
                for is_secured in (False, True):
                    found[is_traced, is_secured].append(await _cost(each, seconds, secured=is_secured))
    neither = found[False, False]
    return [
        *_taxes("tracing 1 %", found[True, False], neither, TRACING_GATE),
        *_taxes("row-level security", found[False, True], neither, SECURITY_GATE),
        *_taxes("both", found[True, True], neither, None),
    ]


async def _cost(ours: Submitting, seconds: float, *, secured: bool) -> Cost:
    """One stretch of load; row-level security is off for its length unless it is wanted."""
    async with AsyncExitStack() as opened:
        if not secured:
            await opened.enter_async_context(_without_security(ours.standing))
        before = _cpu_seconds(ours.standing)
        load = await ours.rest(warm=True, seconds=seconds)
        return Cost(load.rate, (_cpu_seconds(ours.standing) - before) / len(load.latencies))


def _cpu_seconds(on: Standing) -> float:
    """What the services of the stack have computed so far, the database left out."""
    own = [each for each in marked(str(on.stack.layout.root)) if "services." in " ".join(each.cmdline())]
    return sum(each.cpu_times().user + each.cpu_times().system for each in own)


@asynccontextmanager
async def _without_security(on: Standing) -> AsyncIterator[None]:
    async with on.admin() as admin:
        tables = [row["name"] for row in await admin.fetch(TABLES, list(SCHEMAS))]
        for table in tables:
            await admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        try:
            yield
        finally:
            for table in tables:
                await admin.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")


def _taxes(work: str, taxed: Sequence[Cost], free: Sequence[Cost], gate: float | None) -> list[Figure]:
    """By rate, which the gate is for; and by computing time, which a machine that does other things disturbs less."""
    ratio = median(ours.rate / theirs.rate for ours, theirs in zip(taxed, free, strict=True))
    words, met = at_least(ratio, gate) if gate is not None else ("", None)
    rates = [f"{median(each.rate for each in of):.0f} /s" for of in (taxed, free)]
    computed = median(theirs.cpu / ours.cpu for ours, theirs in zip(taxed, free, strict=True))
    cpus = [f"{median(each.cpu for each in of) * 1000:.2f} ms" for of in (taxed, free)]
    return [
        Figure("B12", f"submit with {work}", f"{ratio:.2f}", rates[0], f"both off {rates[1]}", len(taxed), words, met),
        Figure("B12", f"{work}: CPU of one", f"{computed:.2f}", cpus[0], f"both off {cpus[1]}", len(taxed)),
    ]


if __name__ == "__main__":
    commands.run(measure)
