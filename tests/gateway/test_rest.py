"""Through REST to the real services: repeated writes, writes to what has changed, pages, roles that are revoked."""

import asyncio
import base64
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from tests.gateway.stand_ins import Gateway
from tests.gateway.test_problems import is_problem
from tests.security.conftest import World
from tests.waiting import until

STAFF = """code,name,email,department,manager_code,post,level,hired_on
C1,Chen,c1@example.com,Head Office,,CEO,M5,2015-01-01
S1,Sun,s1@example.com,Head Office/Sales,C1,Seller,P5,2018-03-01
S2,Song,s2@example.com,Head Office/Sales,C1,Seller,P4,2020-05-06
"""
EMPLOYEES = "/v1/employees"
RULE = {"attribute": "level", "operator": "eq", "value": "P5"}


@dataclass
class Office:
    """The company of the world with three employees, as its people write to it."""

    gateway: Gateway
    world: World
    people: dict[str, dict[str, str]]

    async def post(self, path: str, body: Any, who: str = "ADMIN", **headers: str) -> httpx.Response:
        """Write as somebody; headers by their names with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.gateway.client.post(path, json=body, headers={**self.people[who], **named})

    async def group(self, name: str, key: str, who: str = "ADMIN") -> httpx.Response:
        return await self.post("/v1/groups", {"name": name, "rule": RULE}, who, idempotency_key=key)

    async def goal(self, who: str = "S1") -> dict[str, Any]:
        """Return a new goal in draft."""
        body = {
            "name": "Sell more",
            "mode": "kpi",
            "weight": "100",
            "period_start": "2026-07-01",
            "period_end": "2026-09-30",
            "measures": [{"name": "Revenue", "target": "10"}],
        }
        reply = await self.post("/v1/goals", body, who)
        assert reply.status_code == 201, reply.text
        return dict(reply.json())

    async def keys(self, request_id: str) -> int:
        """Return how many replies people keeps under a key."""
        async with self.world.databases["people"].transaction(self.world.tenant_id) as connection:
            counted = text("SELECT count(*) FROM idempotency WHERE request_id = :id")
            return int(await connection.scalar(counted, {"id": request_id}) or 0)


@pytest.fixture(scope="module")
async def office(front: Gateway, world: World) -> Office:
    tenant = str(world.tenant_id)
    people = {"ADMIN": await front.sign_in("ADMIN", tenant)}
    files = {"file": ("staff.csv", STAFF.encode())}
    report = await front.client.post("/v1/employees:import", headers=people["ADMIN"], files=files)
    assert report.json()["created"] == 3, report.text
    for code in ("C1", "S1", "S2"):
        people[code] = await front.sign_in(code, tenant)
    return Office(front, world, people)


async def test_the_same_key_and_body_is_answered_with_the_first_reply(office: Office) -> None:
    key = str(uuid4())
    first, again = [await office.group("replayed", key) for _ in range(2)]
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.status_code == 201
    listed = (await office.gateway.client.get("/v1/groups", headers=office.people["ADMIN"])).json()["items"]
    assert [group["name"] for group in listed].count("replayed") == 1
    assert first.headers["x-request-id"] != again.headers["x-request-id"]


async def test_the_same_key_with_another_body_is_refused(office: Office) -> None:
    key = str(uuid4())
    assert (await office.group("one", key)).status_code == 201
    is_problem(await office.group("two", key), 422, "IDEMPOTENCY_KEY_REUSED")
    assert (await office.group("one", key)).status_code == 201


async def test_duplicates_at_once_wait_for_the_first_and_get_its_reply(office: Office) -> None:
    """Ten at once while the row that decides is held: none is answered before, and one has written."""
    key = str(uuid4())
    database = office.world.databases["people"]
    async with database.transaction(office.world.tenant_id) as connection:
        await connection.execute(text("LOCK TABLE people.dynamic_group IN SHARE MODE"))
        asked = [asyncio.ensure_future(office.group("at once", key)) for _ in range(10)]

        async def waiting() -> bool:
            async with database.transaction(office.world.tenant_id) as other:
                blocked = text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = current_user"
                )
                return int(await other.scalar(blocked) or 0) >= 2

        await until(waiting, what="the duplicates waited")
        assert not any(request.done() for request in asked)
    replies = await asyncio.gather(*asked)
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["id"] for reply in replies}) == 1


async def test_a_request_that_was_refused_leaves_no_key_behind(office: Office) -> None:
    key, taken = str(uuid4()), f"taken {uuid4()}"
    assert (await office.group(taken, str(uuid4()))).status_code == 201
    refused = await office.group(taken, key)
    assert refused.status_code == 409
    assert await office.keys(key) == 0
    assert (await office.group(f"free {uuid4()}", key)).status_code == 201  # the key may be used for what is right
    assert await office.keys(key) == 1


async def test_another_person_with_the_same_key_is_another_request(office: Office) -> None:
    key = str(uuid4())
    both = [
        await office.post("/v1/goals/" + (await office.goal(who))["id"] + ":propose", {}, who, **marks(key))
        for who in ("S1", "S2")
    ]
    assert [reply.status_code for reply in both] == [200, 200]
    assert both[0].json()["id"] != both[1].json()["id"]


async def test_whoever_may_not_write_is_not_shown_the_reply_of_whoever_did(office: Office) -> None:
    key = str(uuid4())
    assert (await office.group("secret", key)).status_code == 201
    reply = await office.group("secret", key, who="S1")
    assert reply.status_code == 403
    assert "secret" not in reply.text


@pytest.mark.parametrize("key", ["", "a b", "ü", "x" * 201, "a\tb"])
async def test_a_key_is_printable_and_not_too_long(office: Office, key: str) -> None:
    headers = {**office.people["ADMIN"], "Idempotency-Key": key.encode()}
    reply = await office.gateway.client.post("/v1/groups", json={"name": "x", "rule": RULE}, headers=headers)  # type: ignore[arg-type]  # bytes are sent as they are
    is_problem(reply, 400, "IDEMPOTENCY_KEY_INVALID")


def marks(key: str) -> dict[str, str]:
    return {"idempotency_key": key, "if_match": "*"}


async def test_a_shared_object_has_a_tag_and_a_write_that_names_it_succeeds_once(office: Office) -> None:
    goal = await office.goal()
    path, me = f"/v1/goals/{goal['id']}", office.people["S1"]
    tag = (await office.gateway.client.get(path, headers=me)).headers["etag"]
    assert tag == f'"{goal["etag"]}"'
    proposed = await office.post(f"{path}:propose", {}, "S1", if_match=tag)
    assert proposed.status_code == 200
    assert proposed.headers["etag"] != tag
    refused = await office.post(f"{path}:confirm", {}, "C1", if_match=tag)
    is_problem(refused, 412, "ETAG_MISMATCH")
    weak = f"W/{proposed.headers['etag']}"  # as proxies that compress make of it
    assert (await office.post(f"{path}:confirm", {}, "C1", if_match=weak)).status_code == 200


async def test_a_write_that_names_no_version_is_refused(office: Office) -> None:
    path = f"/v1/goals/{(await office.goal())['id']}:propose"
    is_problem(await office.post(path, {}, "S1"), 428, "IF_MATCH_REQUIRED")
    for none in ('""', 'W/""', '"', "W/"):
        is_problem(await office.post(path, {}, "S1", if_match=none), 400, "IF_MATCH_INVALID")
    is_problem(await office.post(path, {}, "S1", if_match='"another"'), 412, "ETAG_MISMATCH")
    assert (await office.post(path, {}, "S1", if_match="*")).status_code == 200


async def test_of_two_who_read_the_same_version_one_writes(office: Office) -> None:
    goal = await office.goal()
    path, tag = f"/v1/goals/{goal['id']}:propose", f'"{goal["etag"]}"'
    replies = await asyncio.gather(*(office.post(path, {}, "S1", if_match=tag) for _ in range(4)))
    assert sorted(reply.status_code for reply in replies)[0] == 200
    assert {reply.status_code for reply in replies} - {200, 412} == set()
    assert [reply.status_code for reply in replies].count(200) == 1


async def page(office: Office, path: str, who: str = "ADMIN", **query: str | int) -> dict[str, object]:
    reply = await office.gateway.client.get(path, params=query, headers=office.people[who])
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


async def test_pages_follow_one_another_to_the_end(office: Office) -> None:
    codes, token, pages = [], "", 0
    while True:
        found = await page(office, EMPLOYEES, page_size=2, page_token=token)
        codes += [each["code"] for each in found["items"]]  # type: ignore[attr-defined]
        token, pages = str(found["next_page_token"]), pages + 1
        if not token:
            break
    assert sorted(codes) == sorted(["ADMIN", "C1", "S1", "S2"])
    assert pages >= 2
    assert STAFF.count("\n") == 4


async def test_a_token_is_of_one_list_one_filter_one_company_and_unchanged(office: Office, front: Gateway) -> None:
    token = str((await page(office, EMPLOYEES, page_size=1))["next_page_token"])
    admin = office.people["ADMIN"]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[-1] ^= 1
    tampered = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
    for path, query in (
        (EMPLOYEES, {"page_token": tampered}),
        (EMPLOYEES, {"page_token": token[:-4]}),
        (EMPLOYEES, {"page_token": token + "AAAA"}),
        (EMPLOYEES, {"page_token": "x"}),
        (EMPLOYEES, {"page_token": "é"}),
        (EMPLOYEES, {"page_token": token, "query": "Chen"}),
        (EMPLOYEES, {"page_token": token, "include_left": "true"}),
        ("/v1/departments", {"page_token": token}),
    ):
        reply = await front.client.get(path, params={"page_size": 1, **query}, headers=admin)
        body = is_problem(reply, 400, "PAGE_TOKEN_INVALID")
        assert body["errors"][0]["pointer"] == "query:/page_token"
    assert (await page(office, EMPLOYEES, page_size=3, page_token=token))["items"]  # the size is no part of the filter
    installation = {"Authorization": f"Bearer {await installation_token(front)}"}
    body = {"name": "Other", "admin_email": "hr@other.example"}
    tenant = (await front.client.post("/v1/tenants", json=body, headers=installation)).json()["id"]
    stranger = await front.sign_in("ADMIN", tenant)
    reply = await front.client.get(EMPLOYEES, params={"page_size": 1, "page_token": token}, headers=stranger)
    is_problem(reply, 400, "PAGE_TOKEN_INVALID")


async def installation_token(front: Gateway) -> str:
    reply = await front.client.post("/v1/dev/token", json={"installation": True})
    return str(reply.json()["token"])


async def test_a_role_that_is_revoked_through_the_api_ends_there_too(office: Office) -> None:
    client, admin = office.gateway.client, office.people["ADMIN"]
    s2 = (await client.get("/v1/me", headers=office.people["S2"])).json()["employee_id"]
    granted = await office.post("/v1/roles", {"employee_id": s2, "role": "auditor"})
    assert granted.status_code == 201, granted.text

    async def sees_roles() -> bool:
        return (await client.get("/v1/roles", headers=office.people["S2"])).status_code == 200

    await until(sees_roles, what="the role counted")
    assert (await client.delete(f"/v1/roles/{granted.json()['id']}", headers=admin)).status_code == 204

    async def sees_none() -> bool:
        return not await sees_roles()

    await until(sees_none, what="the role was gone")


async def test_how_far_logs_are_followed_is_refused_to_who_looks_after_a_department(office: Office) -> None:
    listed = (await office.gateway.client.get(EMPLOYEES, headers=office.people["ADMIN"])).json()["items"]
    seller = next(each for each in listed if each["code"] == "S1")
    scope = {"scope_kind": "department", "scope_id": seller["department_id"]}
    granted = await office.post("/v1/roles", {"employee_id": seller["id"], "role": "operator", **scope})
    assert granted.is_success, granted.text
    refused = await office.gateway.client.get("/v1/ops/lag", headers=office.people["S1"])
    is_problem(refused, 403, "NOT_ALLOWED")
    told = await office.gateway.client.get("/v1/ops/lag", headers=office.people["ADMIN"])
    assert (told.status_code, told.json()["silent"]) == (200, ["engine"])
