"""Limits: requests a minute with headers that tell, the size of a body however it arrives, and who is counted."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.gateway.conftest import settings_of
from tests.gateway.stand_ins import Gateway, StandIns, running_gateway
from tests.gateway.test_problems import is_problem
from tests.identity import Keyring

ALLOWED = 5
BODY_LIMIT = 2048
SHEETS = "/v1/employees:import"


@pytest.fixture
async def narrow(keyring: Keyring, stand_ins: StandIns) -> AsyncIterator[Gateway]:
    """A gateway that lets a person make five requests a minute, of 2 KiB."""
    settings = settings_of(keyring, requests_per_minute=ALLOWED, body_limit=BODY_LIMIT, **stand_ins.addresses)
    async with running_gateway(settings) as running:
        yield running


async def test_each_answer_tells_what_is_left_and_when_it_begins_anew(narrow: Gateway) -> None:
    me = await narrow.sign_in("anybody")
    left = []
    for _ in range(ALLOWED):
        reply = await narrow.client.get("/v1/me", headers=me)
        assert reply.status_code == 200
        assert reply.headers["ratelimit-limit"] == str(ALLOWED)
        assert 0 <= int(reply.headers["ratelimit-reset"]) <= 60
        left.append(int(reply.headers["ratelimit-remaining"]))
    assert left == [4, 3, 2, 1, 0]
    refused = await narrow.client.get("/v1/me", headers=me)
    is_problem(refused, 429, "RATE_LIMITED")
    assert refused.headers["ratelimit-remaining"] == "0"
    assert refused.headers["ratelimit-limit"] == str(ALLOWED)
    assert refused.headers["retry-after"] == refused.headers["ratelimit-reset"]


async def test_refused_and_failed_requests_count_and_another_person_has_a_budget_of_their_own(narrow: Gateway) -> None:
    me, installation = await narrow.sign_in("anybody"), {}
    token = await narrow.client.post("/v1/dev/token", json={"installation": True})
    installation["Authorization"] = f"Bearer {token.json()['token']}"
    for path in ("/v1/cycles/x", "/v1/ops/lag", "/v1/tasks?page_size=0", "/v1/me", "/v1/me"):
        reply = await narrow.client.get(path, headers=me)
        assert "ratelimit-remaining" in reply.headers
    is_problem(await narrow.client.get("/v1/me", headers=me), 429, "RATE_LIMITED")
    assert (await narrow.client.get("/v1/me", headers=installation)).status_code == 200


async def test_a_new_token_of_the_same_person_is_no_new_budget(narrow: Gateway) -> None:
    for number in range(ALLOWED):
        me = await narrow.sign_in(f"name {number}")  # the stand-in knows one employee under every name
        assert (await narrow.client.get("/v1/me", headers=me)).status_code == 200
    is_problem(await narrow.client.get("/v1/me", headers=await narrow.sign_in("again")), 429, "RATE_LIMITED")


async def parts(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 256):
        yield b"x" * 256


@pytest.mark.parametrize(
    ("size", "refused"), [(BODY_LIMIT - 512, False), (BODY_LIMIT, False), (BODY_LIMIT + 256, True)]
)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_is_as_large_as_is_allowed_however_it_arrives(
    narrow: Gateway, size: int, refused: bool, announced: bool
) -> None:
    content: Any = b"x" * size if announced else parts(size)
    headers = {**await narrow.sign_in("anybody"), "Content-Type": "application/json"}
    reply = await narrow.client.post("/v1/groups", headers=headers, content=content)
    if refused:
        is_problem(reply, 413, "CONTENT_TOO_LARGE")
    else:
        is_problem(reply, 400, "INVALID_REQUEST")  # it was read, and is no JSON


async def test_only_imports_take_files(narrow: Gateway) -> None:
    me = await narrow.sign_in("anybody")
    files = {"file": ("staff.csv", b"code,name\n" + b"x" * (BODY_LIMIT * 4))}
    reply = await narrow.client.post(SHEETS, headers=me, files=files)
    assert reply.status_code not in (413, 500)
    is_problem(await narrow.client.post("/v1/groups:import", headers=me, content=b"x" * 10_000), 404, "NOT_FOUND")
    is_problem(await narrow.client.post("/v1/groups", headers=me, files=files), 413, "CONTENT_TOO_LARGE")


async def test_health_is_not_limited_and_needs_no_token(narrow: Gateway) -> None:
    for _ in range(ALLOWED * 3):
        for path in ("/healthz", "/readyz"):
            assert (await narrow.client.get(path)).status_code == 200
