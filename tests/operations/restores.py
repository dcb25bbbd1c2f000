"""A cycle under way, its database or its engine set back in time, and what must hold when it has closed."""

import asyncio
import random
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from cli.client import Api, connect
from deploy.local.backup import installation_of
from deploy.local.demo.ledger import Ledger
from deploy.local.layout import REPOSITORY
from deploy.local.stack import Stack
from deploy.names import SIGNERS
from deploy.operations.restored import held
from tests import invariants
from tests.mail import MailServer
from tests.notify.test_sender import Postbox
from tests.operations.company import SmallCompany
from tests.waiting import until

# Uses up transaction ids, so that those of a new cluster lie far behind.
BURN = """
DO $$ BEGIN FOR n IN 1..60000 LOOP
  BEGIN PERFORM pg_current_xact_id(); EXCEPTION WHEN division_by_zero THEN NULL; END;
END LOOP; END $$"""
COMMAND_SECONDS = 600.0


@dataclass
class Mail:
    """A real SMTP server on loopback that counts what it takes."""

    postbox: Postbox = field(default_factory=Postbox)

    def __post_init__(self) -> None:
        self._server = MailServer(self.postbox)
        self._server.start()

    def stop(self) -> None:
        """Take nothing any more."""
        self._server.stop()

    def settings(self) -> dict[str, str]:
        """Return what notify is told."""
        return {"ATTUNE_NOTIFY_SMTP_HOST": "127.0.0.1", "ATTUNE_NOTIFY_SMTP_PORT": str(self._server.port)}

    def taken(self) -> Counter[tuple[str, str, str]]:
        """Return how often each mail was taken: addressee, subject, text."""
        return Counter((str(each["To"]), str(each["Subject"]), each.get_content()) for each in self.postbox.taken)

    def twice(self) -> list[tuple[str, str, str]]:
        """Return what somebody got more than once."""
        return [mail for mail, count in self.taken().items() if count > 1]


@dataclass
class Restore:
    """One campaign on a stack that stays up for the next one."""

    stack: Stack
    mail: Mail
    folder: Path
    seed: int
    said: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def company(self) -> AsyncIterator[SmallCompany]:
        """A company of this seed, its cycle launched and told of by mail."""
        async with connect(self.stack.address("gateway")) as http:
            with closing(Ledger(self.folder / "ledger.jsonl")) as ledger:
                dice = random.Random(self.seed)
                company = SmallCompany(Api(http, patience=60.0), f"企业{self.seed}", ledger, dice)
                await company.found()
                await company.launch()
                await self.mailed(company, "自评")
                yield company

    async def older(self, *, new_cluster: bool) -> list[str]:
        """The backup is older than Temporal's state: what was done since is lost, and done again."""
        async with self.company() as company:
            await company.act("self_review", company.dice.randint(1, 4))
            await self.operate("backup", str(self.dump))
            kept = (self.folder / "ledger.jsonl").read_text()
            await company.act("self_review")
            await company.opened("manager_review")
            await self.mailed(company, "上级评")
            await company.act("manager_review", company.dice.randint(0, 5))
            if new_cluster:
                await self._burn()
                await asyncio.to_thread(self._lose_cluster)
                await self.operate("restore", str(self.dump))
                await asyncio.to_thread(self._start_all)
            else:
                await asyncio.to_thread(self._stop_processes)
                await self.operate("restore", str(self.dump))
                await asyncio.to_thread(self._start_processes)
            (self.folder / "ledger.jsonl").write_text(kept)
        return await self.go_on(company, "all")

    async def newer(self) -> list[str]:
        """The backup is newer than Temporal's state, which knows nothing of what was done since."""
        async with self.company() as company:
            await asyncio.to_thread(self._keep_engine)
            await company.act("self_review", company.dice.randint(1, 5))
            if company.dice.random() < 0.5:
                await company.act("self_review")
                await company.opened("manager_review")
                await self.mailed(company, "上级评")
                await company.act("manager_review", company.dice.randint(0, 5))
            await self.operate("backup", str(self.dump))
            await asyncio.to_thread(self._stop_processes)
            await asyncio.to_thread(self._set_engine_back)
            await self.operate("restore", str(self.dump))
            await asyncio.to_thread(self._start_processes)
        return await self.go_on(company, "before")

    async def go_on(self, company: SmallCompany, discard: str) -> list[str]:
        """Finish the cycle; nothing is sent until the operator releases. Return everything that is wrong."""
        before = self.mail.taken()
        async with connect(self.stack.address("gateway")) as http:
            with closing(Ledger(self.folder / "ledger.jsonl")) as ledger:
                company.api, company.ledger = Api(http, patience=60.0), ledger
                company.sign_in_anew()
                await company.act("self_review")
                await company.opened("manager_review")
                if discard == "all":
                    await until(self._queued, what="the second opening is queued")
                sent_while_held = self.mail.taken() - before
                await self.operate("sends-release", "--discard", discard)
                await company.finish(told=lambda: self.mailed(company, "结果"))
                found = await company.differences()
        wrong = [f"sent while held: {mail[:2]}" for mail in sent_while_held]
        wrong += [f"sent twice: {mail[:2]}" for mail in self.mail.twice()]
        return [*found, *wrong, *await rows_are_well(self.stack, self.folder / "ledger.jsonl")]

    async def mailed(self, company: SmallCompany, word: str) -> None:
        """Wait until mail with a word in its subject has come about the company's cycle."""

        def came() -> bool:
            return any(word in subject and company.name in body for _, subject, body in self.mail.taken())

        await until(came, 60, f"mail about {word} came")

    @property
    def dump(self) -> Path:
        """Where the backup is."""
        return self.folder / "attune.dump"

    async def operate(self, *arguments: str) -> None:
        """Run an operator's command to its good end."""
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "deploy.local.operations", *arguments),
            cwd=REPOSITORY,
            env={**self.stack.environment("none"), "ATTUNE_DATA_DIR": str(self.stack.layout.root)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        out, _ = await asyncio.wait_for(child.communicate(), COMMAND_SECONDS)
        self.said += out.decode().splitlines()
        assert child.returncode == 0, self.said

    async def _queued(self) -> bool:
        waits = await held(installation_of(self.stack.wiring()))
        return waits is not None and waits.queued > waits.queued_before

    async def _burn(self) -> None:
        connection = await asyncpg.connect(self.stack.wiring().admin_database_url())
        await connection.execute(BURN)
        await connection.close()

    def _stop_processes(self) -> None:
        for name in SIGNERS:
            self.stack.hold(name)

    def _start_processes(self) -> None:
        for name in SIGNERS:
            self.stack.release(name)
        self.stack.wait_ready(120)

    def _lose_cluster(self) -> None:
        """The database server and its disk are gone; a new one is made in their place."""
        self.stack.stop()
        shutil.rmtree(self.stack.layout.postgres)
        self._part = self.stack.part("postgres", "temporal")
        self._part.start()

    def _start_all(self) -> None:
        self._part.stop()
        self.stack.start()

    def _keep_engine(self) -> None:
        """Keep a copy of what Temporal knows, as of now."""
        self.stack.hold("temporal")
        shutil.copytree(self.stack.layout.temporal, self.folder / "temporal")
        self.stack.release("temporal")
        self.stack.wait_ready(60)

    def _set_engine_back(self) -> None:
        self.stack.hold("temporal")
        shutil.rmtree(self.stack.layout.temporal)
        shutil.copytree(self.folder / "temporal", self.stack.layout.temporal)
        self.stack.release("temporal")


async def rows_are_well(stack: Stack, ledger: Path) -> list[str]:
    """Wait until logs are consumed and audit is sealed, then judge; return what is wrong."""
    wiring = stack.wiring()
    urls = {service: wiring.database_url(f"{service}_app") for service in invariants.SERVICES}
    judged: list[str] = []

    async def well() -> bool:
        judged[:] = await invariants.violations(wiring.admin_database_url(), urls, ledger)
        return not judged

    try:
        await until(well)
    except AssertionError:
        return judged
    return []
