"""Rolling upgrade from the commit that deploy/PREVIOUS names, in mid-cycle: migrations, then process by process."""

import asyncio
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from cli.client import Api, connect
from deploy.jobs.health import serving
from deploy.local.demo.ledger import Ledger
from deploy.local.layout import REPOSITORY
from deploy.local.ports import LOOPBACK, Claims, take_free
from deploy.local.stack import Stack
from deploy.local.waiting import until as wait_until
from deploy.names import SIGNERS
from tests.operations.company import SmallCompany, larger_staff
from tests.operations.restores import rows_are_well
from tests.waiting import until

pytestmark = pytest.mark.smoke

PREVIOUS = REPOSITORY / "deploy" / "PREVIOUS"
NEW, OLD = "N", "N-1"
# Every process is replaced while people submit: old gateway, worker and bridge before new services …
FORWARD = (("reviews", NEW), ("notify", NEW), ("people", NEW), ("scoring", NEW))
# … new worker, gateway and bridge before old reviews and scoring, for those two go back once; from here on all that
# call reviews find it at two addresses, N beside N−1 …
BACK = (("reviews", OLD), ("scoring", OLD), ("worker", NEW))
ON = (("gateway", NEW), ("bridge", NEW), ("goals", NEW))
CALL_REVIEWS = ("worker", "gateway", "bridge", "scoring", "notify")
# … and all new in the end.
REST = (("scoring", NEW), ("reviews", NEW))
SUBMISSIONS = re.compile(r'^attune_rpc_requests_total\{code="OK",method="[^"]*/SubmitTask"\} (\S+)$', re.MULTILINE)


def checkout_of(commit: str, folder: Path) -> Path:
    """Put the files of a commit into a folder. Fails, and says what to do, when the clone does not have it."""
    archived = subprocess.run(["git", "archive", commit], cwd=REPOSITORY, capture_output=True, check=False)
    if archived.returncode:
        pytest.fail(
            f"deploy/PREVIOUS names {commit}, which this clone does not have: the upgrade was NOT tested."
            f" Clone with full history (git fetch --unshallow). git said: {archived.stderr.decode().strip()}"
        )
    with tarfile.open(fileobj=BytesIO(archived.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def previous() -> Iterator[Path]:
    """The files of N−1."""
    with tempfile.TemporaryDirectory(prefix="attune-previous-") as folder:
        yield checkout_of(PREVIOUS.read_text().strip(), Path(folder).resolve())


@pytest.fixture(scope="module")
def previous_stack(previous: Path) -> Iterator[Stack]:
    """A stack whose schemas and processes are those of N−1."""
    with tempfile.TemporaryDirectory(prefix="attune-upgrade-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", tied=True, checkout=previous)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@dataclass
class Beside:
    """A second process of reviews, of this checkout's code, beside the stack's own."""

    stack: Stack
    port: int
    health: int
    metrics: int
    claims: Claims  # until it has ended: it is announced minutes before it listens
    process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def announced_by(stack: Stack) -> "Beside":
        """Have whoever calls reviews look for it at both addresses, as soon as they start anew."""
        claims = Claims()
        port, health, metrics = take_free(3, claims)
        beside = Beside(stack, port, health, metrics, claims)
        both = f"ipv4:{stack.address('reviews')},{LOOPBACK}:{beside.port}"
        stack.layout.tell({name: {"ATTUNE_REVIEWS_ADDRESS": both} for name in CALL_REVIEWS})
        return beside

    def start(self) -> None:
        """Start it, and wait until it serves."""
        variables = {
            "ATTUNE_REVIEWS_PORT": self.port,
            "ATTUNE_REVIEWS_HEALTH_PORT": self.health,
            "ATTUNE_REVIEWS_METRICS_PORT": self.metrics,
        }
        environment = {**self.stack.environment("reviews"), **{name: str(port) for name, port in variables.items()}}
        with self.stack.layout.log("reviews-beside").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.reviews"], cwd=REPOSITORY, env=environment, stdout=log, stderr=log
            )
        wait_until(lambda: serving(f"grpc://{LOOPBACK}:{self.health}"), 60.0, "reviews beside reviews did not serve")

    def end(self) -> None:
        """End it politely."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30.0)
        self.claims.close()

    def submissions(self) -> list[float]:
        """How many submissions each of the two has taken."""
        pages = (f"http://{LOOPBACK}:{self.metrics}/metrics", f"{self.stack.address('reviews_metrics')}/metrics")
        return [sum(map(float, SUBMISSIONS.findall(httpx.get(page, timeout=30).text))) for page in pages]


@dataclass
class Upgrade:
    """A company's cycle during which the code below it is exchanged."""

    stack: Stack
    company: SmallCompany
    checkouts: Mapping[str, Path]

    async def replace(self, replacements: Sequence[tuple[str, str]], stage: str) -> None:
        """Replace process after process; meanwhile somebody submits something of the stage."""
        for name, version in replacements:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.to_thread(self.stack.replace, name, self.checkouts[version], 120.0))
                group.create_task(self.company.act(stage, 1))
            assert await asyncio.to_thread(code_of, self.stack, name) == self.checkouts[version]

    async def play(self) -> None:
        """Play the cycle to its end."""
        await self.replace(FORWARD, "self_review")
        await self.replace(BACK[:1], "self_review")
        beside = Beside.announced_by(self.stack)
        await self.replace(BACK[1:], "none")
        await self.company.act("self_review")  # the last ones: the new worker closes and opens stages of old reviews
        await self.company.opened("manager_review")
        await self.replace(ON, "manager_review")
        try:
            await self.side_by_side(beside)
            await self.replace(REST, "manager_review")
            await self.company.finish(240.0)
        finally:
            await asyncio.to_thread(beside.end)

    async def side_by_side(self, beside: Beside) -> None:
        """Have people submit while two versions of reviews write the same rows."""
        await asyncio.to_thread(beside.start)
        assert await asyncio.to_thread(code_of, self.stack, "reviews") == self.checkouts[OLD]

        async def both_took_some() -> bool:
            await self.company.act("manager_review", 4)
            return min(await asyncio.to_thread(beside.submissions)) > 1

        await until(both_took_some, 60.0, "both versions of reviews took submissions")


def migrate(stack: Stack) -> None:
    """Bring the schemas to N by the operator's own command, while the processes of N−1 run."""
    variables = {**os.environ, "ATTUNE_DATA_DIR": str(stack.layout.root)}
    subprocess.run([sys.executable, "-m", "deploy.local.migrate"], cwd=REPOSITORY, env=variables, check=True)


def code_of(stack: Stack, name: str) -> Path:
    """Return the directory that a process runs in."""
    return Path(os.readlink(f"/proc/{stack.pid(name)}/cwd"))


async def test_a_cycle_in_flight_survives_a_rolling_upgrade(
    previous: Path, previous_stack: Stack, tmp_path: Path
) -> None:
    assert {code_of(previous_stack, name) for name in SIGNERS} == {previous}
    ledger_file = tmp_path / "ledger.jsonl"
    async with connect(previous_stack.address("gateway")) as http:
        with closing(Ledger(ledger_file)) as ledger:
            staff, ratings = larger_staff(managers=6, reports=9)
            company = SmallCompany(Api(http, patience=120.0), "升级公司", ledger, staff=staff, ratings=ratings)
            await company.found()
            await company.launch()
            await asyncio.to_thread(migrate, previous_stack)
            await Upgrade(previous_stack, company, {OLD: previous, NEW: REPOSITORY}).play()
            assert await company.differences() == []
    assert {code_of(previous_stack, name) for name in SIGNERS} == {REPOSITORY}
    assert await rows_are_well(previous_stack, ledger_file) == []


def test_a_clone_without_the_previous_commit_fails_aloud(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="NOT tested"):
        checkout_of("0" * 40, tmp_path)
