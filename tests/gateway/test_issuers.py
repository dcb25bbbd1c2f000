"""Tokens of an OIDC issuer whose keys change: what is accepted, when keys are read again, what is said meanwhile."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from services.gateway.auth import Authenticator
from services.gateway.errors import Refusal
from services.gateway.issuers import (
    KEEP_SECONDS,
    PAUSE_SECONDS,
    REFRESH_SECONDS,
    SKEW_SECONDS,
    Identity,
    OidcIssuer,
    PublishedKeys,
)
from tests.gateway.issuer import AUDIENCE, ISSUER, HttpIssuer, running_issuer
from tests.identity import Keyring
from tests.waiting import until


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Door:
    """The gateway's side of the issuer."""

    verifier: OidcIssuer
    authenticator: Authenticator
    clock: Clock

    async def subject(self, token: str) -> str:
        return (await self.verifier.identify(token)).subject

    async def refusal(self, token: str) -> tuple[int, str]:
        """Return status and code with which the token is refused."""
        with pytest.raises(Refusal) as refused:
            await self.authenticator.caller(f"Bearer {token}")
        return refused.value.status, refused.value.code


INVALID = (401, "TOKEN_INVALID")
UNREACHABLE = (503, "ISSUER_UNREACHABLE")


@pytest.fixture
async def issuer() -> AsyncIterator[HttpIssuer]:
    async with running_issuer(HttpIssuer()) as running:
        running.make("one")
        yield running


@pytest.fixture
def door(issuer: HttpIssuer, tmp_path: Any) -> Door:
    async def nobody(issuer: str, subject: str, tenant: str) -> Any:
        raise AssertionError("no token of these tests gets so far")

    clock = Clock()
    verifier = OidcIssuer(ISSUER, AUDIENCE, PublishedKeys(issuer.url, clock), "tenant")
    signer = Keyring(tmp_path).signer("gateway")
    return Door(verifier, Authenticator({ISSUER: verifier}, signer, nobody, 5, frozenset(), clock), clock)


async def test_a_token_of_the_issuer_says_who_it_is_for(issuer: HttpIssuer, door: Door) -> None:
    token = issuer.token("one", tenant="t1", aud=["other", AUDIENCE])
    assert await door.verifier.identify(token) == Identity(ISSUER, "ADMIN", "t1")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "Ed25519"])
async def test_each_accepted_algorithm_verifies(issuer: HttpIssuer, door: Door, algorithm: str) -> None:
    issuer.make("of its own", {"PS256": "RS256"}.get(algorithm, algorithm))
    assert await door.subject(issuer.token("of its own", algorithm)) == "ADMIN"


async def test_keys_are_read_once_for_many_tokens_at_once(issuer: HttpIssuer, door: Door) -> None:
    await asyncio.gather(*(door.subject(issuer.token("one", jti=str(number))) for number in range(20)))
    assert issuer.reads == 1


async def test_a_new_key_is_fetched_when_a_token_names_it_and_old_ones_count_until_they_are_dropped(
    issuer: HttpIssuer, door: Door
) -> None:
    old = issuer.token("one")
    assert await door.subject(old) == "ADMIN"
    issuer.make("two")
    door.clock.now += PAUSE_SECONDS + 1
    assert await door.subject(issuer.token("two")) == "ADMIN"
    assert await door.subject(old) == "ADMIN"
    issuer.retire("one")
    assert await door.subject(old) == "ADMIN"  # nobody has looked since
    door.clock.now += REFRESH_SECONDS + 1
    await door.subject(issuer.token("two"))

    async def dropped() -> bool:
        try:
            await door.verifier.identify(old)
        except ValueError:  # it is published no more
            return True
        return False

    await until(dropped, what="the keys that were read count")
    assert issuer.reads == 3
    door.clock.now += PAUSE_SECONDS + 1
    assert await door.refusal(old) == INVALID


async def test_tokens_with_invented_keys_do_not_make_us_a_burden_to_the_issuer(issuer: HttpIssuer, door: Door) -> None:
    await door.subject(issuer.token("one"))
    for number in range(50):
        assert await door.refusal(issuer.token("one", header={"kid": f"invented {number}"})) == INVALID
    assert issuer.reads == 1
    door.clock.now += PAUSE_SECONDS + 1
    for number in range(50):
        assert await door.refusal(issuer.token("one", header={"kid": f"invented {number}"})) == INVALID
    assert issuer.reads == 2
    assert await door.refusal(issuer.token("one", iss="https://another.example")) == INVALID


async def test_an_issuer_that_cannot_be_reached_is_said_to_be_so(issuer: HttpIssuer, door: Door) -> None:
    issuer.answer = b"<html>gateway time-out</html>"
    token = issuer.token("one")
    assert await door.refusal(token) == UNREACHABLE
    assert await door.refusal(token) == UNREACHABLE
    assert issuer.reads == 1  # and it is not asked by every request
    issuer.answer = None
    door.clock.now += PAUSE_SECONDS + 1
    assert await door.subject(token) == "ADMIN"


async def test_while_the_issuer_is_away_known_keys_count_for_a_day_and_unknown_ones_cannot_be_judged(
    issuer: HttpIssuer, door: Door
) -> None:
    await door.subject(issuer.token("one"))
    issuer.answer = b"{}"
    issuer.make("two")
    door.clock.now += REFRESH_SECONDS + 1
    assert await door.subject(issuer.token("one")) == "ADMIN"
    await until(lambda: issuer.reads == 2)
    assert await door.refusal(issuer.token("two")) == UNREACHABLE
    door.clock.now += KEEP_SECONDS
    assert await door.refusal(issuer.token("one")) == UNREACHABLE


async def test_a_closed_port_is_an_issuer_that_cannot_be_reached(issuer: HttpIssuer, door: Door) -> None:
    nowhere = OidcIssuer(ISSUER, AUDIENCE, PublishedKeys("http://127.0.0.1:9/keys"), "tenant")
    with pytest.raises(Refusal, match="cannot be read"):
        await nowhere.identify(issuer.token("one"))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": None},
        {"exp": timedelta(seconds=-SKEW_SECONDS - 1)},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": timedelta(hours=1)},
        {"sub": None},
    ],
    ids=["other audience", "no audience", "ended", "without end", "no instant", "not begun", "nobody's"],
)
async def test_a_token_for_others_or_for_another_time_is_refused(
    issuer: HttpIssuer, door: Door, claims: dict[str, Any]
) -> None:
    now = int(time.time())  # of this test, not of when all tests were collected
    told: dict[str, Any] = {
        name: now + int(at.total_seconds()) if isinstance(at, timedelta) else at for name, at in claims.items()
    }
    assert await door.refusal(issuer.token("one", **told)) == INVALID


async def test_clocks_may_differ_by_half_a_minute(issuer: HttpIssuer, door: Door) -> None:
    now = int(time.time())
    assert await door.subject(issuer.token("one", iat=now + SKEW_SECONDS - 10, exp=now + 60)) == "ADMIN"
    assert await door.subject(issuer.token("one", iat=now - 60, exp=now - SKEW_SECONDS + 10)) == "ADMIN"


def encoded(*parts: Any) -> str:
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


async def test_no_algorithm_but_those_of_the_closed_list_is_accepted(issuer: HttpIssuer, door: Door) -> None:
    issuer.make("rsa", "RS256")
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ADMIN", "iat": int(time.time()), "exp": int(time.time()) + 60}
    assert await door.refusal(encoded({"alg": "none", "kid": "rsa"}, claims) + ".") == INVALID
    stated = encoded({"alg": "HS256", "kid": "rsa"}, claims)  # the public key taken for a shared secret
    seal = hmac.new(issuer.keys["rsa"].as_pem(private=False), stated.encode(), hashlib.sha256).digest()
    assert await door.refusal(f"{stated}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}") == INVALID
    assert await door.refusal(issuer.token("one", header={"kid": "rsa"})) == INVALID
    signed = issuer.token("one").rsplit(".", 1)[0]
    assert await door.refusal(f"{signed}.{'A' * 86}") == INVALID


@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "..", encoded([], []) + ".", "é.é.é", encoded({"alg": 1}, {"iss": []}) + "."]
)
async def test_what_is_no_token_is_refused(door: Door, token: str) -> None:
    assert await door.refusal(token) == INVALID


async def test_a_token_of_brackets_is_refused_like_any_other(door: Door) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 6000).decode()
    assert await door.refusal(f"{deep}.{deep}.x") == INVALID
    header = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 6000).decode()
    assert await door.refusal(f"{header}.{encoded({'iss': ISSUER})}.x") == INVALID


async def test_keys_that_are_not_for_signatures_are_passed_over(issuer: HttpIssuer, door: Door) -> None:
    good = issuer.keys["one"].as_dict(private=False)
    strange = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "new-kind", "kid": "new"},
        {"kty": "RSA", "kid": "half"},
        "no key",
        {**good, "kid": "encrypts", "use": "enc"},
    ]
    issuer.answer = json.dumps({"keys": [*strange, good]}).encode()
    assert await door.subject(issuer.token("one")) == "ADMIN"
    secret = OctKey.import_key({"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"})
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ADMIN", "exp": int(time.time()) + 60}
    token = jwt.encode({"alg": "HS256", "kid": "shared"}, claims, secret, algorithms=["HS256"])
    assert await door.refusal(token) == INVALID
    assert await door.refusal(issuer.token("one", header={"kid": "encrypts"})) == INVALID


async def test_a_token_without_a_key_id_is_for_an_issuer_with_one_key(issuer: HttpIssuer, door: Door) -> None:
    token = issuer.token("one", header={"kid": ""})
    assert await door.subject(token) == "ADMIN"
    issuer.make("two")
    door.clock.now += REFRESH_SECONDS + 1
    await door.subject(issuer.token("two"))
    assert await door.refusal(token) == INVALID
