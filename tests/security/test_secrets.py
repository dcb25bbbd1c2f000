"""Secrets never reach a log: processes with canaries in all secret settings, as verbose as can be, some failing."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.local.ports import Claims, take_free
from tests.guards.measures import ROOT
from tests.identity import Keyring
from tests.postgres import DatabaseUrls
from tests.waiting import until

CANARY = "canary7f3e9d"
DEAD = "127.0.0.1:9"
PATIENCE = 180.0  # seconds; several processes start at once, on a machine that may be busy
UNREACHABLE = f"postgresql+asyncpg://reviews_app:{CANARY}@{DEAD}/attune"


@dataclass
class Started:
    """A process and the file of everything it says."""

    process: subprocess.Popen[bytes]
    output: Path

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def says(self, words: str) -> Callable[[], bool]:
        """Return a condition: it said this, or it ended."""
        return lambda: words in self.said() or self.process.poll() is not None


@dataclass
class Machine:
    """Starts processes with canaries in all secret settings, and ends them."""

    keyring: Keyring
    directory: Path
    ports: dict[str, int]
    started: list[Started] = field(default_factory=list)

    def start(self, module: str, *arguments: str, **environment: str) -> Started:
        """Start a module with these settings on top of what all are told."""
        name = module.rpartition(".")[2]
        output = self.directory / f"{name}-{len(self.started)}.log"
        told = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("ATTUNE_", "TEMPORAL_"))},
            **{f"ATTUNE_{each.upper()}_ADDRESS": f"127.0.0.1:{port}" for each, port in self.ports.items()},
            "PYTHONPATH": str(ROOT),
            "ATTUNE_MODE": "local",
            "ATTUNE_LOG_LEVEL": "DEBUG",
            "ATTUNE_IDENTITY_KEY_FILE": str(self.keyring.private_key(name)),
            "ATTUNE_IDENTITY_KEYS_DIR": str(self.keyring.public),
            "REDIS_URL": f"redis://:{CANARY}@{DEAD}/0",
            "TEMPORAL_ADDRESS": DEAD,
            "TEMPORAL_API_KEY": CANARY,
            "ATTUNE_NOTIFY_SMTP_HOST": "127.0.0.1",
            "ATTUNE_NOTIFY_SMTP_PORT": "9",
            "ATTUNE_NOTIFY_SMTP_USERNAME": "attune",
            "ATTUNE_NOTIFY_SMTP_PASSWORD": CANARY,
            **environment,
        }
        with output.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=ROOT, env=told, stdout=log, stderr=log
            )
        self.started.append(Started(process, output))
        return self.started[-1]

    def service(self, name: str, urls: Mapping[str, str], **environment: str) -> Started:
        """Start a service on databases whose URLs hold a canary."""
        prefix = f"ATTUNE_{name.upper()}_"
        own = {f"{prefix}{variable}": value for variable, value in urls.items()}
        return self.start(f"services.{name}", **{f"{prefix}PORT": str(self.ports[name])}, **own, **environment)

    def end(self) -> str:
        """End all; return everything that was said."""
        for each in self.started:
            if each.process.poll() is None:
                each.process.send_signal(signal.SIGTERM)
        for each in self.started:
            try:
                each.process.wait(20)
            except subprocess.TimeoutExpired:
                each.process.kill()
                each.process.wait()
        return "\n".join(each.said() for each in self.started)


@pytest.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    names = ("people", "goals", "reviews", "scoring", "notify", "engine", "gateway")
    claims = Claims()  # some are bound only minutes later
    made = Machine(Keyring(tmp_path), tmp_path, dict(zip(names, take_free(len(names), claims), strict=True)))
    for name in ("gateway", "worker", "bridge", *names[:5]):
        made.keyring.private_key(name)
    yield made
    made.end()
    claims.close()


def with_password(urls: DatabaseUrls) -> dict[str, str]:
    """Return the URLs of a database that asks for no password, with one."""
    return {
        name: url.replace("@", f":{CANARY}@", 1)
        for name, url in (("DATABASE_URL", urls.app), ("SYSTEM_DATABASE_URL", urls.system))
    }


async def test_no_process_says_a_secret_whatever_happens_to_it(
    machine: Machine, database_urls: Callable[[str], DatabaseUrls]
) -> None:
    people = machine.service(
        "people", with_password(database_urls("people")), ATTUNE_PEOPLE_DIRECTORY_ISSUERS='["attune-local"]'
    )
    gateway = machine.start(
        "services.gateway",
        ATTUNE_GATEWAY_PORT=str(machine.ports["gateway"]),
        ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE=str(machine.keyring.private_key("local")),
    )
    tokens = await use(machine, people, gateway)
    machine.end()
    notify = machine.service("notify", with_password(database_urls("notify")))
    lost = machine.service("reviews", {"DATABASE_URL": UNREACHABLE, "SYSTEM_DATABASE_URL": UNREACHABLE})
    garbled = machine.service("goals", {"DATABASE_URL": CANARY, "SYSTEM_DATABASE_URL": CANARY})
    odd = machine.service(
        "scoring", {"DATABASE_URL": f"{UNREACHABLE}?nonsense={CANARY}", "SYSTEM_DATABASE_URL": UNREACHABLE}
    )
    migration = machine.start("services.people", "migrate", ATTUNE_PEOPLE_OWNER_DATABASE_URL=UNREACHABLE)
    worker = machine.start("workflows.worker", ATTUNE_PAYLOAD_KEY=f"{CANARY}!")
    bridge = machine.start("workflows.bridge", ATTUNE_ENGINE_PORT=str(machine.ports["engine"]))
    for each, words in ((notify, "ready"), (lost, "waiting for the database"), (bridge, "waiting for the engine")):
        await until(each.says(words), PATIENCE, f"{words} was said")
    for each in (garbled, migration, worker):
        await until(each.ended, PATIENCE, "it ended")
        assert each.process.returncode != 0
        assert "Traceback" in each.said()
    await until(odd.says("waiting"), PATIENCE)
    said = machine.end()
    assert '"level": "debug"' in said
    assert CANARY not in said
    assert "earer " not in said
    for token in tokens:
        assert token not in said
        assert token.rsplit(".", 1)[1] not in said  # nor its signature alone
    for file in (machine.directory / "private").iterdir():
        assert file.read_text().splitlines()[1] not in said


async def use(machine: Machine, people: Started, gateway: Started) -> list[str]:
    """Make calls that succeed, fail and are refused; return the tokens that were sent."""
    await until(people.says("ready"), PATIENCE, "people was ready")
    assert people.process.poll() is None, people.said()
    base = f"http://127.0.0.1:{machine.ports['gateway']}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:

        async def up() -> bool:
            try:
                return (await client.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(up, PATIENCE, "the gateway was up")
        reply = await client.post("/v1/dev/token", json={"installation": True})
        token = str(reply.json()["token"])
        mine = {"Authorization": f"Bearer {token}"}
        body = {"name": "A", "admin_email": "hr@a.example"}
        created = await client.post("/v1/tenants", json=body, headers=mine)
        assert created.status_code in (201, 403), created.text
        forged = f"{token.rsplit('.', 1)[0]}.{CANARY}"
        for headers in (mine, {"Authorization": f"Bearer {forged}"}, {"Authorization": CANARY}):
            for path in ("/v1/me", f"/v1/cycles/{uuid4()}", "/v1/employees"):
                assert (await client.get(path, headers=headers)).status_code in (200, 401, 403, 503)
    return [token]
