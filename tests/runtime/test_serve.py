"""What every call passes, over real gRPC: deadline, caller, values, one transaction, stored replies, errors."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from sqlalchemy import text

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from services.runtime.database import Database, Runner, Work
from services.runtime.errors import DETAILS_KEY, reason_of
from services.runtime.identity import Access, Principal, admitted
from services.runtime.serve import RequestRules, Service, build_server
from tests.identity import Keyring, person
from tests.waiting import until

PEOPLE = "/attune.people.v1.PeopleService"
HR = Access(roles=frozenset({"hr_admin"}))
ACCESS = {f"{PEOPLE}/{name}": HR for name in ("CreateGroup", "CreateTenant")} | {
    f"{PEOPLE}/GetTenant": Access(roles=frozenset({"employee"}), services=frozenset({"worker"})),
    "/attune.scoring.v1.ScoringService/DownloadExport": HR,
}
Body = Callable[[Work], Awaitable[Any]]


class GroupTakenError(Exception):
    """A service's own error: nothing of the runtime is imported for it."""

    reason: ClassVar[str] = "GROUP_TAKEN"
    category: ClassVar[str] = "precondition"
    message = "there is such a group"
    violations = (("name", "TAKEN", "choose another"),)
    meta: ClassVar[dict[str, str]] = {"name": "x"}


@dataclass(frozen=True)
class NewGroup:
    name: str


@dataclass
class Script:
    """What the use case and its preparation do, and how often they ran."""

    body: Body | None = None
    preparation: Callable[[], Awaitable[None]] | None = None
    runs: int = 0
    prepared: int = 0


class Servicer(people_pb2_grpc.PeopleServiceServicer):
    """Methods of one statement, as in every service."""

    def __init__(self, database: Database, script: Script, announce: Callable[[], None] = lambda: None) -> None:
        self._runner = Runner(database, Work, announce=announce)
        self._script = script

    async def CreateGroup(self, request: Any, context: Any) -> people_pb2.CreateGroupResponse:
        return await self._runner.command(context, request, self._create, read, reply)

    async def CreateTenant(self, request: Any, context: Any) -> people_pb2.CreateTenantResponse:
        return await self._runner.command(context, request, self._create, read, tenant_reply, prepare=self._prepare)

    async def GetTenant(self, request: Any, context: Any) -> people_pb2.GetTenantResponse:
        return await self._runner.perform(
            context, request, self._list, lambda _: None, lambda _: people_pb2.GetTenantResponse()
        )

    async def _prepare(self, principal: Principal, command: NewGroup) -> NewGroup:
        self._script.prepared += 1
        if self._script.preparation:
            await self._script.preparation()
        return replace(command, name=f"{command.name}+{principal.kind}")

    async def _create(self, work: Work, command: NewGroup) -> str:
        self._script.runs += 1
        await work.emit("people.group_created", "group", uuid4(), 1, {"run": self._script.runs})
        if self._script.body:
            await self._script.body(work)
        return f"{command.name}/{self._script.runs}"

    async def _list(self, work: Work, _: None) -> None:
        if self._script.body:
            await self._script.body(work)


class Exports(scoring_pb2_grpc.ScoringServiceServicer):
    """A stream that fails after its first part."""

    async def DownloadExport(self, request: Any, context: Any) -> AsyncIterator[scoring_pb2.DownloadExportResponse]:
        yield scoring_pb2.DownloadExportResponse()
        raise GroupTakenError


def read(request: Any) -> NewGroup:
    return NewGroup(request.name)


def tenant_reply(name: str) -> people_pb2.CreateTenantResponse:
    return people_pb2.CreateTenantResponse(tenant=people_pb2.Tenant(name=name))


def reply(name: str) -> people_pb2.CreateGroupResponse:
    return people_pb2.CreateGroupResponse(group=people_pb2.Group(name=name))


@dataclass
class Client:
    """A caller of the servicer, as a person of one tenant unless it says otherwise."""

    stub: Any
    exports: Any
    keyring: Keyring
    script: Script
    tenant_id: UUID
    principal: Principal

    async def create(self, request_id: str = "", name: str = "n", **options: Any) -> str:
        request = people_pb2.CreateGroupRequest(request_id=request_id or str(uuid4()), name=name)
        answer = await self.stub.CreateGroup(request, **self.options(options))
        return str(answer.group.name)

    async def fail(self, body: Body | None = None) -> grpc.aio.AioRpcError:
        """Return the error that the caller sees when the use case does this."""
        self.script.body = body
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.create()
        return caught.value

    def options(self, given: dict[str, Any]) -> dict[str, Any]:
        return {"timeout": 10, "metadata": self.keyring.as_user(self.principal)} | given


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    made = Keyring(Path(tmp_path_factory.mktemp("keys")))
    for name in ("gateway", "worker", "bridge"):
        made.signer(name)
    return made


@pytest.fixture
async def client(database: Database, keyring: Keyring) -> AsyncIterator[Client]:
    script, tenant_id = Script(), uuid4()
    service = Service(
        registrations=[
            (people_pb2_grpc.add_PeopleServiceServicer_to_server, Servicer(database, script)),  # type: ignore[abstract]  # the rest is absent
            (scoring_pb2_grpc.add_ScoringServiceServicer_to_server, Exports()),  # type: ignore[abstract]  # the rest is absent
        ],
        access=ACCESS,
        rules=RequestRules(text_limits={"attune.people.v1.CreateGroupRequest.rule_json": 20_000}),
    )
    server, _ = build_server(service, keyring.verifier())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = people_pb2_grpc.PeopleServiceStub(channel)
        exports = scoring_pb2_grpc.ScoringServiceStub(channel)
        yield Client(stub, exports, keyring, script, tenant_id, person(tenant_id, "hr_admin"))
    await server.stop(0)


async def refuse(_: Work) -> None:
    raise GroupTakenError


async def events_of(database: Database, tenant_id: UUID) -> int:
    async with database.transaction(tenant_id) as connection:
        return int(await connection.scalar(text("SELECT count(*) FROM event")) or 0)


async def test_a_repeated_request_is_answered_with_the_first_reply(client: Client, database: Database) -> None:
    first = await client.create("r1", "a")
    assert await client.create("r1", "a") == first == "a/1"
    assert client.script.runs == 1
    assert await events_of(database, client.tenant_id) == 1


async def test_a_request_id_with_another_body_is_refused(client: Client) -> None:
    await client.create("r1", "a")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create("r1", "b")
    assert reason_of(caught.value) == "IDEMPOTENCY_KEY_REUSED"


async def test_a_request_id_belongs_to_one_actor_and_one_tenant(client: Client) -> None:
    await client.create("r1", "a")
    for other in (person(client.tenant_id, "hr_admin"), person(uuid4(), "hr_admin")):
        await client.create("r1", "b", metadata=client.keyring.as_user(other))
    assert client.script.runs == 3


async def test_a_request_without_an_id_is_refused(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.CreateGroup(people_pb2.CreateGroupRequest(name="n"), **client.options({}))
    assert reason_of(caught.value) == "REQUEST_ID_REQUIRED"


async def test_a_concurrent_duplicate_waits_and_is_answered_with_the_first_reply(client: Client) -> None:
    release = asyncio.Event()

    async def wait(_: Work) -> None:
        await release.wait()

    client.script.body = wait
    twins = [asyncio.ensure_future(client.create("r1", "a")) for _ in range(4)]
    await until(lambda: client.script.runs > 0)
    release.set()
    assert set(await asyncio.gather(*twins)) == {"a/1"}
    assert client.script.runs == 1


async def test_a_request_that_failed_leaves_no_key_and_no_event(client: Client, database: Database) -> None:
    client.script.body = refuse
    with pytest.raises(grpc.aio.AioRpcError):
        await client.create("r1", "a")
    assert await events_of(database, client.tenant_id) == 0
    client.script.body = None
    assert await client.create("r1", "a") == "a/2"


async def test_a_repeated_request_is_authorised_before_it_is_answered(client: Client) -> None:
    await client.create("r1", "a")
    demoted = replace(client.principal, roles=())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create("r1", "a", metadata=client.keyring.as_user(demoted))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_a_domain_error_arrives_with_reason_and_fields(client: Client) -> None:
    error = await client.fail(refuse)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    status = status_pb2.Status.FromString(dict(error.trailing_metadata() or ())[DETAILS_KEY])
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("GROUP_TAKEN", "attune", {"name": "x"})
    assert status.details[1].Unpack(bad)
    assert [(v.field, v.reason) for v in bad.field_violations] == [("name", "TAKEN")]


async def test_a_stream_fails_with_its_reason_too(client: Client) -> None:
    call = client.exports.DownloadExport(
        scoring_pb2.DownloadExportRequest(), metadata=client.keyring.as_user(client.principal)
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [part async for part in call]
    assert reason_of(caught.value) == "GROUP_TAKEN"


async def test_a_bug_is_internal_and_tells_nothing(client: Client) -> None:
    async def stumble(_: Work) -> None:
        raise KeyError("secret")

    error = await client.fail(stumble)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT pg_sleep(3)", "DEADLINE_EXCEEDED"),
        ("SELECT 3000000000::bigint::int", "INVALID_ARGUMENT"),
        ("SELECT 'a' || convert_from('\\x00', 'UTF8')", "INVALID_ARGUMENT"),
        ("INSERT INTO audit_note SELECT id, id, 'n' FROM (SELECT gen_random_uuid() AS id) AS x", "INTERNAL"),
        ("SELECT 1 FROM no_such_table", "INTERNAL"),
    ],
)
async def test_errors_of_the_database_have_their_status(client: Client, sql: str, code: str) -> None:
    limit = "50ms" if code == "DEADLINE_EXCEEDED" else "20s"  # which the others must not come near

    async def run(work: Work) -> None:
        await work.connection.execute(text(f"SET LOCAL statement_timeout = '{limit}'"))
        await work.connection.execute(text(sql))

    assert (await client.fail(run)).code().name == code


async def test_a_lock_that_does_not_come_and_a_deadlock_may_be_tried_again(client: Client, database: Database) -> None:
    async def lock(work: Work) -> None:
        await work.connection.execute(text("SET LOCAL lock_timeout = '50ms'"))
        await work.connection.execute(text("SELECT pg_advisory_xact_lock(99)"))

    async with database.system_transaction() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(99)"))
        error = await client.fail(lock)
    assert (error.code(), reason_of(error)) == (grpc.StatusCode.ABORTED, "LOCK_TIMEOUT")


@pytest.mark.parametrize("seconds", [None, 60, 3600])
async def test_a_deadline_of_at_most_thirty_seconds_is_required(client: Client, seconds: float | None) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(timeout=seconds)
    assert reason_of(caught.value) == "DEADLINE_REQUIRED"
    assert await client.create(timeout=30)


@pytest.mark.parametrize(("name", "code"), [("a\x00b", "INVALID_CHARACTER"), ("x" * 10_001, "TOO_LONG")])
async def test_texts_that_cannot_be_stored_are_refused_by_field(client: Client, name: str, code: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.create(name=name)
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata() or ())[DETAILS_KEY])
    bad = error_details_pb2.BadRequest()
    assert status.details[1].Unpack(bad)
    assert [(v.field, v.reason) for v in bad.field_violations] == [("name", code)]
    assert await client.create(name="x" * 10_000)


async def test_a_field_may_be_allowed_a_longer_text(client: Client) -> None:
    request = people_pb2.CreateGroupRequest(request_id="r", name="n", rule_json="x" * 20_000)
    await client.stub.CreateGroup(request, **client.options({}))


async def test_the_caller_must_be_known_and_admitted(client: Client) -> None:
    for metadata, code in (
        ((), grpc.StatusCode.UNAUTHENTICATED),
        ((("authorization", "Bearer x"),), grpc.StatusCode.UNAUTHENTICATED),
        (client.keyring.as_service("worker", client.tenant_id), grpc.StatusCode.PERMISSION_DENIED),
        (client.keyring.as_user(person(client.tenant_id)), grpc.StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.create(metadata=metadata)
        assert caught.value.code() is code


async def test_a_service_without_a_tenant_is_refused_where_one_is_needed(client: Client) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await client.stub.GetTenant(
            people_pb2.GetTenantRequest(), timeout=20, metadata=client.keyring.as_service("worker")
        )
    assert reason_of(caught.value) == "TENANT_REQUIRED"
    request, metadata = people_pb2.GetTenantRequest(), client.keyring.as_service("worker", client.tenant_id)
    await client.stub.GetTenant(request, timeout=20, metadata=metadata)


async def test_the_trace_of_the_caller_reaches_the_event(client: Client, database: Database) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    parent = (("traceparent", f"00-{trace_id}-00f067aa0ba902b7-00"),)
    await client.create(metadata=(*client.keyring.as_user(client.principal), *parent))
    async with database.transaction(client.tenant_id) as connection:
        assert await connection.scalar(text("SELECT trace_id FROM event")) == trace_id


async def test_preparation_runs_before_the_transaction_and_not_for_a_repetition(client: Client) -> None:
    request = people_pb2.CreateTenantRequest(request_id="r1", name="a")
    for _ in range(2):
        answer = await client.stub.CreateTenant(request, **client.options({}))
        assert answer.tenant.name == "a+user/1"
    assert (client.script.prepared, client.script.runs) == (1, 1)


@pytest.mark.parametrize(("same", "seen"), [(True, "a+user/1"), (False, "GROUP_TAKEN")])
async def test_a_preparation_that_finds_its_twins_work_done_is_answered_with_the_twins_reply(
    client: Client, same: bool, seen: str
) -> None:
    """Nothing is kept yet when the second one begins, and the first one's effect makes its preparation refuse."""
    begun, done = asyncio.Event(), asyncio.Event()

    async def refuse_after_the_first() -> None:
        client.script.preparation = None
        begun.set()
        await done.wait()
        raise GroupTakenError

    async def create(request_id: str) -> str:
        request = people_pb2.CreateTenantRequest(request_id=request_id, name="a")
        try:
            return str((await client.stub.CreateTenant(request, **client.options({}))).tenant.name)
        except grpc.aio.AioRpcError as error:
            return reason_of(error)

    client.script.preparation = refuse_after_the_first
    second = asyncio.ensure_future(create("r1" if same else "r2"))
    async with asyncio.timeout(30):
        await begun.wait()
    assert await create("r1") == "a+user/1"
    done.set()
    assert await second == seen
    assert client.script.runs == 1


async def test_followers_are_woken_only_by_what_was_committed(database: Database) -> None:
    """The runner announces after the commit, and says nothing when nothing was emitted or it failed."""
    told: list[int] = []
    script, tenant_id = Script(), uuid4()
    servicer = Servicer(database, script, lambda: told.append(script.runs))  # type: ignore[abstract]  # the rest is absent
    admitted(person(tenant_id, "hr_admin"))
    await servicer.CreateGroup(people_pb2.CreateGroupRequest(request_id="r1", name="a"), None)
    await servicer.CreateGroup(people_pb2.CreateGroupRequest(request_id="r1", name="a"), None)
    await servicer.GetTenant(people_pb2.GetTenantRequest(), None)
    script.body = refuse
    with pytest.raises(GroupTakenError):
        await servicer.CreateGroup(people_pb2.CreateGroupRequest(request_id="r2", name="a"), None)
    assert told == [1]
