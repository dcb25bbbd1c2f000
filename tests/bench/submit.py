"""B2: submitting through REST, gRPC and PostgreSQL, against pgbench running the same SQL."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from deploy.jobs.database import BOOTSTRAP
from services.gateway.issuers import LocalIssuer
from services.reviews.domain.model import StageKind
from services.reviews.store.locks import stage_lock_key
from services.reviews.store.submit import METHOD, REPLY, SUBMIT
from services.runtime.database import Database
from tests.bench import commands, pgbench
from tests.bench.company import code, hire
from tests.bench.figures import Figure, at_least, at_most, median, quantile
from tests.bench.http_load import Load, drive
from tests.bench.standing import Standing
from tests.postgres import migrate
from tests.reviews.seed import Seed

CLIENTS = 8
ROUNDS, SECONDS = 5, 5.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 2.0
GATE, GOAL = 0.12, 0.18
WARM_PEOPLE = 50
LEAD = 6.0  # seconds of half load before it is measured: all people have become known, and at different instants
MOST_A_SECOND = 1_000  # requests that are prepared for a second of load; more than any machine has reached
COLD = 10_000_000  # where the numbers of tasks of cold people begin
RAW = "bench"  # the database of pgbench: what it writes burdens no service
TASKS = """
INSERT INTO reviews.task (tenant_id, id, cycle_id, stage_id, kind, epoch, assignee_id, origin_id, form_id, opened_at)
SELECT $1, t.id, $2, $3, 'custom', 1,
    ('00000000-0000-7000-8000-' || lpad(to_hex(n % $7::bigint + 1), 12, '0'))::uuid, t.id, $4, now()
FROM generate_series($5::bigint, $6::bigint) AS n,
    LATERAL (SELECT ('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid AS id) AS t
"""
ANSWERS = [{"item": "conduct/teamwork", "value": "4"}, {"item": "conduct/extra", "value": "1"}]


@dataclass
class Submitting:
    """One open stage behind the gateway, and requests to it that were not sent before."""

    standing: Standing
    seed: Seed
    stage_id: UUID
    issuer: LocalIssuer
    warm_number: int = 0
    cold_number: int = WARM_PEOPLE

    async def rest(self, *, warm: bool, seconds: float, rate: float | None = None, lead: float = 0.0) -> Load:
        """Load on the gateway; warm by few people whom it remembers, cold by one unknown person a request."""
        requests = await (self._warm_requests(seconds + lead) if warm else self._cold_requests(seconds))
        load = await drive(self.standing.gateway, requests, seconds, CLIENTS, rate, lead)
        assert not load.refused, f"{len(load.refused)} refused, the first: {load.refused[0]}"
        return load

    async def _warm_requests(self, seconds: float) -> Iterator[bytes]:
        count = int(MOST_A_SECOND * seconds)
        first = self.warm_number
        self.warm_number += count
        async with self.standing.admin() as admin:
            await _give(admin, self.seed, self.stage_id, first, first + count - 1, WARM_PEOPLE)
            await admin.execute("CHECKPOINT")
        tokens = [self._token(number + 1) for number in range(WARM_PEOPLE)]
        return iter([self._request(n, tokens[n % WARM_PEOPLE]) for n in range(first, first + count)])

    async def _cold_requests(self, seconds: float) -> Iterator[bytes]:
        count = int(MOST_A_SECOND * seconds / 2)
        first = self.cold_number
        self.cold_number += count
        async with self.standing.admin() as admin:
            await _give(admin, self.seed, self.stage_id, COLD + first, COLD + first + count - 1, COLD)
            await admin.execute("CHECKPOINT")
        numbers = range(first, first + count)  # of people, less one: everybody has one task
        return iter([self._request(COLD + number, self._token(number + 1)) for number in numbers])

    def _token(self, number: int) -> str:
        return self.issuer.issue(code(number), str(self.seed.tenant_id))

    def _request(self, number: int, token: str) -> bytes:
        body = json.dumps({"stage_id": str(self.stage_id), "version": 0, "answers": ANSWERS}).encode()
        head = (
            f"POST /v1/tasks/{task_id(number)}:submit HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n"
            f"Idempotency-Key: bench-{number}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass
class Bench:
    """Submitting, and the same stage in a database for pgbench."""

    ours: Submitting
    raw: Seed
    raw_stage_id: UUID
    raw_url: str
    file: Path
    base: int = 0

    async def bare_sql(self, seconds: float, most_a_client: int, rate: float | None = None) -> pgbench.Stretch:
        """The same with pgbench; each transaction must have stored its submission."""
        async with _connected(self.raw_url) as admin:
            for client in range(CLIENTS):
                first = client * 1_000_000 + self.base
                await _give(admin, self.raw, self.raw_stage_id, first, first + most_a_client - 1, WARM_PEOPLE)
            await admin.execute("CHECKPOINT")
            before = await admin.fetchval("SELECT count(*) FROM reviews.submission")
            stretch = await pgbench.run(
                self.raw_app_url, self.file, seconds, clients=CLIENTS, base=self.base, rate=rate
            )
            stored = await admin.fetchval("SELECT count(*) FROM reviews.submission") - before
        wanted = stretch.rate * seconds * 0.9
        assert stored >= wanted, f"{stored} submissions of {wanted:.0f} were stored: tasks ran out"
        self.base += most_a_client
        return stretch

    @property
    def raw_app_url(self) -> str:
        """The URL for the role of reviews, which is under row-level security."""
        return _in_database(self.ours.standing.stack.wiring().database_url("reviews_app"), RAW)


def task_id(number: int) -> UUID:
    """The id of task `number`."""
    return UUID(f"00000000-0000-7000-9000-{number:012x}")


async def measure(standing: Standing, quick: bool) -> list[Figure]:
    """Rounds of warm load, cold load and pgbench; then both at half of what the gateway bore."""
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    async with AsyncExitStack() as opened:
        bench = await _prepare(standing, opened, people=int((rounds + 1) * seconds * MOST_A_SECOND))
        await bench.ours.rest(warm=True, seconds=1)  # not counted
        enough = await _enough(bench, seconds)
        warm, cold, bare = [], [], []
        for _ in range(rounds):
            warm.append(await bench.ours.rest(warm=True, seconds=seconds))
            cold.append(await bench.ours.rest(warm=False, seconds=seconds))
            bare.append(await bench.bare_sql(seconds, enough))
        half = median(load.rate for load in warm) / 2
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append((await bench.ours.rest(warm=True, seconds=seconds, rate=half, lead=LEAD)).latencies)
            theirs.append((await bench.bare_sql(seconds, enough, rate=half)).latencies)
    return [_rates("warm", warm, bare), _rates("cold", cold, bare), _tails(half, ours, theirs)]


async def _enough(bench: Bench, seconds: float) -> int:
    """How many tasks a client of pgbench may need."""
    short = await bench.bare_sql(1, 4_000)
    return int(short.rate / CLIENTS * seconds * 2) + 500


def _rates(principals: str, loads: Sequence[Load], bare: Sequence[pgbench.Stretch]) -> Figure:
    ratio = median(load.rate / stretch.rate for load, stretch in zip(loads, bare, strict=True))
    gate, met = at_least(ratio, GATE)
    ours = f"{median(load.rate for load in loads):.0f} /s"
    theirs = f"pgbench {median(stretch.rate for stretch in bare):.0f} /s"
    note = "the goal is " + (f"{GOAL}, reached" if ratio >= GOAL else f"{GOAL}, not reached")
    return Figure("B2", f"submit, principals {principals}", f"{ratio:.3f}", ours, theirs, len(loads), gate, met, note)


def _tails(rate: float, ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> Figure:
    """p99 / p50 of each run."""
    mine, bare = (median(quantile(run, 0.99) / quantile(run, 0.5) for run in runs) for runs in (ours, theirs))
    _, met = at_most(mine, bare)
    note = "; ".join(
        f"{name} p50 {median(quantile(run, 0.5) for run in runs) * 1e3:.1f} ms, "
        f"p99 {median(quantile(run, 0.99) for run in runs) * 1e3:.1f} ms"
        for name, runs in (("ours", ours), ("pgbench", theirs))
    )
    work = f"submit at half load, {rate:.0f} /s: p99 / p50"
    return Figure("B2", work, f"{mine:.1f}", "", f"pgbench {bare:.1f}", len(ours), "≤ pgbench's", met, note)


async def submitting(standing: Standing, opened: AsyncExitStack, people: int) -> Submitting:
    """A company of so many people with one open stage."""
    tenant = await standing.tenant("Bench submit")
    async with standing.admin() as admin:
        await hire(admin, tenant.id, people)
    seed = Seed(await opened.enter_async_context(standing.database("reviews")), UUID(tenant.id))
    stage_id = await (await seed.cycle()).stage(StageKind.CUSTOM)
    return Submitting(standing, seed, stage_id, LocalIssuer(standing.stack.layout.private_key_file("issuer")))


async def _prepare(standing: Standing, opened: AsyncExitStack, people: int) -> Bench:
    wiring = standing.stack.wiring()
    ours = await submitting(standing, opened, people)
    async with standing.admin() as admin:
        await admin.execute(f"CREATE DATABASE {RAW}")
    raw_url = wiring.admin_database_url(RAW)
    async with _connected(raw_url) as admin:
        await admin.execute(BOOTSTRAP.read_text())
    migrate("reviews", _in_database(wiring.database_url("reviews_owner"), RAW))
    urls = [_in_database(wiring.database_url(f"reviews_{role}"), RAW) for role in ("app", "system")]
    raw_database = Database("reviews", *urls)
    opened.push_async_callback(raw_database.dispose)
    raw = Seed(raw_database, ours.seed.tenant_id)
    raw_stage_id = await (await raw.cycle()).stage(StageKind.CUSTOM)
    file = standing.stack.layout.root / "submit.sql"
    file.write_text(_script(raw, raw_stage_id))
    return Bench(ours, raw, raw_stage_id, raw_url, file)


def _script(raw: Seed, stage_id: UUID) -> str:
    """A submission as the service sends it, by the number of its task."""
    opening = f"SELECT set_config('attune.tenant', '{raw.tenant_id}', true), "
    opening += f"pg_advisory_xact_lock_shared({stage_lock_key(stage_id)})"
    person = f"('00000000-0000-7000-8000-' || lpad(to_hex(:task::bigint % {WARM_PEOPLE} + 1), 12, '0'))::uuid"
    digest = f"'\\x{'5a' * 32}'::bytea"
    answers = json.dumps({each["item"]: {"value": each["value"]} for each in ANSWERS})
    values = [
        f"'{raw.tenant_id}'::uuid", "'user'::text", f"'{METHOD}'::text", "('bench-' || :task)::text", digest,
        _numbered("9000"), f"'{stage_id}'::uuid", person, person, "0::integer",
        f"'{answers}'::jsonb", "''::text", digest, "''::text", "''::text",
        f"'{'0' * 32}'::text", _numbered("a001"), _numbered("a002"), _numbered("a003"),
        "'user'::text", f"'{REPLY}'::text",
    ]  # fmt: skip
    return pgbench.script(SUBMIT, dict(enumerate(values, 1)), opening)


def _numbered(group: str) -> str:
    return f"('00000000-0000-7000-{group}-' || lpad(to_hex(:task::bigint), 12, '0'))::uuid"


async def _give(admin: asyncpg.Connection, seed: Seed, stage_id: UUID, first: int, last: int, people: int) -> None:
    """Give tasks of these numbers to so many people in turn."""
    keys = (seed.tenant_id, seed.cycle_id, stage_id, seed.form_id)
    await admin.execute(TASKS, *keys, first, last, people)
    await admin.execute("ANALYZE reviews.task")  # as autovacuum would within a minute


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


def _in_database(url: str, database: str) -> str:
    return urlsplit(url)._replace(path=f"/{database}").geturl()


if __name__ == "__main__":
    commands.run(measure)
