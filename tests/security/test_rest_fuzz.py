"""Two thousand requests made from the API's own description: never a 500; every refusal is a problem with a code."""

import asyncio
import json
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx
import hypothesis
import pytest
import schemathesis
import uvicorn
from fastapi import FastAPI
from schemathesis.core.result import Ok

from services.gateway.app import create_app
from services.gateway.settings import GatewaySettings
from tests.security.conftest import World
from tests.waiting import until

CASES = 2000
PROBLEM = "application/problem+json"
NOBODYS = "00000000-0000-7000-8000-00000000dead"  # an id that is nobody's; the same in every worker of a run


@pytest.fixture(scope="module")
async def gateway(world: World) -> AsyncIterator[tuple[FastAPI, str]]:
    """The gateway on loopback, in front of the real services."""
    settings = GatewaySettings(
        port=0,
        mode="local",
        local_issuer_key_file=world.keyring.private_key("local"),
        identity_key_file=world.keyring.private_key("gateway"),
        identity_keys_dir=world.keyring.public,
        requests_per_minute=1_000_000,
        call_seconds=29,  # what hangs is a bug, what a busy machine delays is none
        people_address=world.addresses["people"],
        goals_address=world.addresses["goals"],
        reviews_address=world.addresses["reviews"],
        scoring_address=world.addresses["scoring"],
        notify_address=world.addresses["notify"],
        engine_address="127.0.0.1:9",
    )
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, host="127.0.0.1", log_config=None))
    serving = asyncio.get_running_loop().create_task(server.serve())
    await until(lambda: server.started, what="the gateway started")
    port = server.servers[0].sockets[0].getsockname()[1]
    yield app, f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@contextmanager
def library_warnings_ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_well_answered(status: int, content_type: str, body: bytes) -> bool:
    """Return whether an answer is a success, or a problem that names its code and says what is wrong."""
    if status < 400:
        return True
    if status >= 500 and status != 503:
        return False
    return content_type == PROBLEM and all(json.loads(body).get(name) for name in ("code", "detail", "status"))


def fuzz(app: FastAPI, url: str, token: str) -> tuple[int, list[str]]:
    """Send the cases; return how many were sent, and what was badly answered."""
    sent, bad = 0, list[str]()
    schema = schemathesis.openapi.from_dict(app.openapi())
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]

    with httpx.Client(
        base_url=url, headers={"Authorization": f"Bearer {token}", "If-Match": "*"}, timeout=60
    ) as client:
        for operation in operations:

            @hypothesis.given(case=operation.as_strategy())
            @hypothesis.settings(
                max_examples=CASES // len(operations) + 1,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(hypothesis.HealthCheck),
                phases=[hypothesis.Phase.generate],
            )
            def send(case: Any) -> None:
                nonlocal sent
                options = case.as_transport_kwargs(base_url=url)
                reply = client.request(
                    options["method"],
                    options["url"],
                    params=options.get("params"),
                    content=json.dumps(options["json"]).encode(errors="surrogatepass") if "json" in options else None,
                    headers={"Content-Type": "application/json"} if "json" in options else {},
                )
                sent += 1
                content_type = reply.headers.get("content-type", "").split(";")[0]
                if not is_well_answered(reply.status_code, content_type, reply.content):
                    bad.append(f"{options['method']} {options['url']}: {reply.status_code} {reply.text[:300]}")

            send()
    return sent, bad


async def test_no_request_of_the_api_is_answered_as_a_bug(world: World, gateway: tuple[FastAPI, str]) -> None:
    app, url = gateway
    async with httpx.AsyncClient(base_url=url, timeout=60) as client:
        reply = await client.post("/v1/dev/token", json={"as": "ADMIN", "tenant": str(world.tenant_id)})
    with library_warnings_ignored():
        sent, bad = await asyncio.to_thread(fuzz, app, url, reply.json()["token"])
    assert bad == []
    assert sent >= CASES * 0.8


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "NOT_FOUND"),
        ("DELETE", "/v1/me", {}, 405, "METHOD_NOT_ALLOWED"),
        (
            "POST",
            "/v1/groups",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "INVALID_REQUEST",
        ),
        ("POST", "/v1/tenants", {"json": {"name": "x" * 2_000_000}}, 413, "CONTENT_TOO_LARGE"),
        ("POST", f"/v1/cycles/{NOBODYS}:launch", {"json": {}}, 428, "IF_MATCH_REQUIRED"),
        ("GET", "/v1/tasks?page_token=abc", {}, 400, "PAGE_TOKEN_INVALID"),
        (
            "POST",
            "/v1/inbox:read",
            {"json": {"everything": True}, "headers": {"Idempotency-Key": "a b"}},
            400,
            "IDEMPOTENCY_KEY_INVALID",
        ),
        ("GET", "/v1/me", {"headers": {"Authorization": "Bearer nonsense"}}, 401, "TOKEN_INVALID"),
        ("GET", f"/v1/ops/cycles/{NOBODYS}", {}, 404, "CYCLE_NOT_FOUND"),
        ("POST", f"/v1/ops/cycles/{NOBODYS}:restart-workflow", {"json": {"reason": "x"}}, 503, "UNAVAILABLE"),
        ("GET", f"/v1/cycles/{NOBODYS}", {}, 404, "CYCLE_NOT_FOUND"),
    ],
)
async def test_what_is_wrong_is_named(
    world: World, gateway: tuple[FastAPI, str], method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    async with httpx.AsyncClient(base_url=gateway[1], timeout=60) as client:
        token = (await client.post("/v1/dev/token", json={"as": "ADMIN", "tenant": str(world.tenant_id)})).json()
        headers = {"Authorization": f"Bearer {token['token']}", **options.pop("headers", {})}
        reply = await client.request(method, path, headers=headers, **options)
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == PROBLEM


async def test_one_key_means_one_write(world: World, gateway: tuple[FastAPI, str]) -> None:
    async with httpx.AsyncClient(base_url=gateway[1], timeout=60) as client:
        token = (await client.post("/v1/dev/token", json={"as": "ADMIN", "tenant": str(world.tenant_id)})).json()
        headers = {"Authorization": f"Bearer {token['token']}", "Idempotency-Key": str(uuid4())}
        body = {"name": "G", "rule": {"attribute": "level", "operator": "eq", "value": "P5"}}
        first, again = [await client.post("/v1/groups", json=body, headers=headers) for _ in range(2)]
        other = await client.post("/v1/groups", json=body | {"name": "H"}, headers=headers)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.status_code == 201
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
