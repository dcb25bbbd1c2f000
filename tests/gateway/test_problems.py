"""Whatever goes wrong arrives as one shape: problem+json with a stable code; nothing of the inside leaks."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from services.gateway.errors import STATUS_BY_CODE, STATUS_BY_REASON
from services.runtime.errors import Status
from tests.gateway.conftest import settings_of
from tests.gateway.issuer import AUDIENCE, ISSUER, HttpIssuer, running_issuer
from tests.gateway.stand_ins import Gateway, StandIns, never, running_gateway
from tests.identity import Keyring

MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}
NOBODYS = "00000000-0000-7000-8000-00000000dead"
RESTART = f"/v1/ops/cycles/{NOBODYS}:restart-workflow"


def is_problem(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the body of a reply that is that problem, in the one shape of all."""
    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert set(body) == MEMBERS
    assert body["status"] == status
    assert body["type"] == f"urn:attune:problem:{code.lower().replace('_', '-')}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == reply.headers["x-request-id"]
    for fault in body["errors"]:
        assert set(fault) == {"pointer", "code", "detail"}
    return body


async def ask_engine(gateway: Gateway, me: dict[str, str]) -> httpx.Response:
    """Ask for what the engine alone answers."""
    return await gateway.client.post(RESTART, headers=me, json={"reason": "stuck"})


@pytest.fixture
async def me(gateway: Gateway) -> dict[str, str]:
    return await gateway.sign_in("anybody")


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
async def test_each_status_of_a_service_has_its_own(
    gateway: Gateway, stand_ins: StandIns, me: dict[str, str], code: grpc.StatusCode
) -> None:
    async def refuse(context: Any) -> None:
        await context.abort(code, "said by the service")

    stand_ins.engine.behaviour = refuse
    reply = await ask_engine(gateway, me)
    expected = STATUS_BY_CODE.get(code, 500)
    body = is_problem(reply, expected, code.name)
    assert ("retry-after" in reply.headers) is (expected in (429, 503))
    if expected >= 500:
        assert "said by the service" not in body["detail"]


@pytest.mark.parametrize(("reason", "status"), STATUS_BY_REASON.items())
async def test_a_reason_may_have_a_status_of_its_own(
    gateway: Gateway, stand_ins: StandIns, me: dict[str, str], reason: str, status: int
) -> None:
    async def refuse(context: Any) -> None:
        answer = Status(grpc.StatusCode.FAILED_PRECONDITION, reason, "no", (("a.b[2].c", "WRONG", "is wrong"),))
        await context.abort(answer.code, answer.message, answer.trailing_metadata())

    stand_ins.engine.behaviour = refuse
    body = is_problem(await ask_engine(gateway, me), status, reason)
    assert body["errors"] == [{"pointer": "/a/b/2/c", "code": "WRONG", "detail": "is wrong"}]


async def test_a_service_may_say_when_to_come_back(gateway: Gateway, stand_ins: StandIns, me: dict[str, str]) -> None:
    async def refuse(context: Any) -> None:
        answer = Status(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUOTA_USED_UP", "tomorrow", meta={"retry_after": "86400"})
        await context.abort(answer.code, answer.message, answer.trailing_metadata())

    stand_ins.engine.behaviour = refuse
    reply = await ask_engine(gateway, me)
    is_problem(reply, 429, "QUOTA_USED_UP")
    assert reply.headers["retry-after"] == "86400"


async def test_details_that_nobody_knows_are_passed_over(
    gateway: Gateway, stand_ins: StandIns, me: dict[str, str]
) -> None:
    async def refuse(context: Any) -> None:
        status = status_pb2.Status(code=9, message="no")
        status.details.add().Pack(error_details_pb2.RetryInfo())
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
        await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no", metadata)

    stand_ins.engine.behaviour = refuse
    is_problem(await ask_engine(gateway, me), 409, "FAILED_PRECONDITION")


async def test_a_service_that_is_not_there_is_said_to_be_missing(gateway: Gateway, me: dict[str, str]) -> None:
    reply = await gateway.client.get(f"/v1/cycles/{NOBODYS}", headers=me)
    body = is_problem(reply, 503, "UNAVAILABLE")
    assert "127.0.0.1" not in body["detail"]
    assert reply.headers["retry-after"] == "1"
    assert (await ask_engine(gateway, me)).status_code == 200  # the others go on


async def test_a_service_that_does_not_answer_in_time_is_not_waited_for(
    keyring: Keyring, stand_ins: StandIns, me: dict[str, str]
) -> None:
    stand_ins.engine.behaviour = never
    async with running_gateway(settings_of(keyring, call_seconds=1, **stand_ins.addresses)) as impatient:
        is_problem(await ask_engine(impatient, me), 504, "DEADLINE_EXCEEDED")


async def test_a_bug_tells_nothing_of_its_cause(keyring: Keyring, stand_ins: StandIns) -> None:
    async with running_gateway(settings_of(keyring, **stand_ins.addresses)) as running:

        @running.app.get("/v1/planted")
        async def planted() -> None:
            raise LookupError("canary-7f6")

        reply = await running.client.get("/v1/planted")
    body = is_problem(reply, 500, "INTERNAL")
    assert "canary" not in reply.text
    assert "Lookup" not in body["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/v1/nothing", None, 404, "NOT_FOUND"),
        ("DELETE", "/v1/me", None, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/cycles/not-an-id", None, 400, "INVALID_REQUEST"),
        ("GET", "/v1/tasks?page_size=501", None, 400, "INVALID_REQUEST"),
        ("POST", "/v1/inbox:read", {"unknown": 1}, 400, "INVALID_REQUEST"),
        ("POST", "/v1/inbox:read", [], 400, "INVALID_REQUEST"),
    ],
)
async def test_what_the_gateway_itself_refuses_has_the_same_shape(
    gateway: Gateway, me: dict[str, str], method: str, path: str, body: Any, status: int, code: str
) -> None:
    problem = is_problem(await gateway.client.request(method, path, headers=me, json=body), status, code)
    if status == 400:
        assert problem["errors"]


async def test_without_a_token_there_is_a_hint_how_to_send_one(gateway: Gateway) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}):
        reply = await gateway.client.get("/v1/me", headers=headers)
        is_problem(reply, 401, "TOKEN_REQUIRED")
        assert reply.headers["www-authenticate"] == "Bearer"


@pytest.fixture
async def issuer() -> AsyncIterator[HttpIssuer]:
    async with running_issuer(HttpIssuer()) as running:
        running.make("one")
        yield running


async def test_an_issuer_that_is_away_is_no_bug_and_local_tokens_go_on(
    keyring: Keyring, stand_ins: StandIns, issuer: HttpIssuer
) -> None:
    oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
    async with running_gateway(settings_of(keyring, **oidc, **stand_ins.addresses)) as running:
        foreign, local = {"Authorization": f"Bearer {issuer.token('one')}"}, await running.sign_in("anybody")
        issuer.answer = b""
        reply = await running.client.get("/v1/me", headers=foreign)
        is_problem(reply, 503, "ISSUER_UNREACHABLE")
        assert reply.headers["retry-after"] == "1"
        assert (await running.client.get("/v1/me", headers=local)).status_code == 200


async def test_production_has_no_local_tokens_and_no_docs(
    keyring: Keyring, stand_ins: StandIns, issuer: HttpIssuer
) -> None:
    oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
    settings = settings_of(keyring, mode="production", **oidc, **stand_ins.addresses)
    async with running_gateway(settings) as running:
        for method, path in (("POST", "/v1/dev/token"), ("GET", "/docs"), ("GET", "/redoc")):
            is_problem(await running.client.request(method, path, json={"as": "ADMIN"}), 404, "NOT_FOUND")
        assert "/v1/dev/token" not in (await running.client.get("/openapi.json")).json()["paths"]
        token = {"Authorization": f"Bearer {issuer.token('one')}"}
        assert (await running.client.get("/v1/me", headers=token)).json()["employee_id"]
