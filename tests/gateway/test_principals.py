"""Who a token stands for is asked anew after five seconds: a revoked role counts within 65 seconds at worst."""

import asyncio
from dataclasses import dataclass, field
from uuid import uuid4

import pytest

from protos.people.v1 import people_pb2
from services.gateway.auth import Authenticator
from services.gateway.errors import Refusal
from services.gateway.issuers import LOCAL_ISSUER, LocalIssuer
from services.gateway.settings import GatewaySettings
from services.runtime.identity import LIFETIME_SECONDS
from tests.gateway.conftest import settings_of
from tests.gateway.test_issuers import Clock
from tests.identity import Keyring
from tests.waiting import until


@dataclass
class Directory:
    """What people would answer; a test changes it."""

    role: str = "hr_admin"
    asked: int = 0
    tenant_id: str = field(default_factory=lambda: str(uuid4()))

    async def ask(self, issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        self.asked += 1
        grants = [people_pb2.Grant(role=self.role)] if self.role else []
        return people_pb2.Principal(tenant_id=self.tenant_id, employee_id=str(uuid4()), grants=grants)


@pytest.fixture
def local(keyring: Keyring) -> LocalIssuer:
    return LocalIssuer(keyring.private_key("local"))


async def test_a_revoked_role_is_gone_when_the_time_for_keeping_it_has_passed(
    keyring: Keyring, local: LocalIssuer
) -> None:
    clock, directory = Clock(), Directory()
    keep = GatewaySettings.model_fields["principal_cache_seconds"].default
    door = Authenticator(
        {LOCAL_ISSUER: local}, keyring.signer("gateway"), directory.ask, keep, frozenset(), clock, lambda: 0.0
    )
    header = f"Bearer {local.issue('S1', '')}"
    first = await door.caller(header)
    assert first.principal.has("hr_admin")
    directory.role = ""
    clock.now += keep - 0.01
    assert await door.caller(header) is first
    assert directory.asked == 1
    clock.now += 0.02
    assert not (await door.caller(header)).principal.has("hr_admin")
    assert directory.asked == 2
    # What was handed on just before goes on to be worth something for the life of the internal token.
    assert keep + LIFETIME_SECONDS <= 65


def test_nobody_can_set_a_longer_time(keyring: Keyring) -> None:
    with pytest.raises(ValueError, match="principal_cache_seconds"):
        settings_of(keyring, principal_cache_seconds=5.1)


async def test_the_time_counts_from_the_question_however_long_the_answer_takes(
    keyring: Keyring, local: LocalIssuer
) -> None:
    clock, directory = Clock(), Directory()

    async def slow(issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        found = await directory.ask(issuer, subject, tenant)
        clock.now += 4
        return found

    door = Authenticator({LOCAL_ISSUER: local}, keyring.signer("gateway"), slow, 5, frozenset(), clock)
    header = f"Bearer {local.issue('S1', '')}"
    await door.caller(header)
    clock.now += 1.5
    await door.caller(header)
    assert directory.asked == 2


async def test_a_refusal_is_not_kept(keyring: Keyring, local: LocalIssuer) -> None:
    async def nobody(issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        raise Refusal(403, "NOT_ALLOWED", "unknown")

    directory = Directory()
    asking = [nobody, directory.ask]

    async def first_nobody(issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        return await asking.pop(0)(issuer, subject, tenant)

    door = Authenticator({LOCAL_ISSUER: local}, keyring.signer("gateway"), first_nobody, 5, frozenset(), Clock())
    header = f"Bearer {local.issue('S1', '')}"
    with pytest.raises(Refusal):
        await door.caller(header)
    assert (await door.caller(header)).principal.has("hr_admin")


async def test_those_who_came_together_are_not_asked_for_again_together(keyring: Keyring, local: LocalIssuer) -> None:
    clock, directory, dice = Clock(), Directory(), iter((0.0, 0.5, 1.0))
    signer = keyring.signer("gateway")
    door = Authenticator({LOCAL_ISSUER: local}, signer, directory.ask, 5, frozenset(), clock, lambda: next(dice, 0.0))
    headers = [f"Bearer {local.issue(subject, '')}" for subject in ("S1", "S2", "S3")]
    asked = []
    for later in (0.0, 3.5, 1.0, 1.0):
        clock.now += later
        for header in headers:
            await door.caller(header)
        asked.append(directory.asked)
    assert asked == [3, 4, 5, 6]


async def test_requests_of_one_page_ask_once_and_one_that_is_given_up_takes_the_answer_from_no_other(
    keyring: Keyring, local: LocalIssuer
) -> None:
    directory, answering = Directory(), asyncio.Event()

    async def slow(issuer: str, subject: str, tenant: str) -> people_pb2.Principal:
        found = await directory.ask(issuer, subject, tenant)
        await answering.wait()
        return found

    door = Authenticator({LOCAL_ISSUER: local}, keyring.signer("gateway"), slow, 5, frozenset(), Clock())
    header = f"Bearer {local.issue('S1', '')}"
    given_up, *waiting = [asyncio.create_task(door.caller(header)) for _ in range(5)]
    await until(lambda: directory.asked > 0)
    given_up.cancel()
    answering.set()
    assert len({(await each).token for each in waiting}) == 1
    assert directory.asked == 1
    with pytest.raises(asyncio.CancelledError):
        await given_up
