"""Who a token stands for is asked anew after five seconds: a revoked role counts within 65 seconds at worst."""

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
    door = Authenticator({LOCAL_ISSUER: local}, keyring.signer("gateway"), directory.ask, keep, frozenset(), clock)
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
