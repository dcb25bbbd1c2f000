"""Nobody reads or changes what is another company's, nor what is no business of theirs: every RPC with others' ids."""

import dataclasses
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import text

from protos.people.v1 import people_pb2, people_pb2_grpc
from services.runtime.database import Database
from services.runtime.identity import Grant, Principal
from tests.cli import test_cycle as cycle_by_commands
from tests.cli.clock import Clock
from tests.cli.conftest import Attune
from tests.cli.test_cycle import cycle as cycle
from tests.cli.test_cycle import cycle_id as cycle_id
from tests.security.conftest import SERVICES, World, methods_of

TRIES = 6  # of each RPC
# By the last word of a field that names a row: the table it is in.
NAMED_BY = {
    **dict.fromkeys(
        ("employee", "assignee", "author", "manager", "owner", "facilitator", "provider", "recipient"),
        ("people", "employee"),
    ),
    **dict.fromkeys(("department", "scope"), ("people", "department")),
    "group": ("people", "dynamic_group"),
    "grant": ("people", "role_grant"),
    "goal": ("goals", "goal"),
    "measure": ("goals", "goal"),
    **{
        name: ("reviews", name) for name in ("appeal", "cycle", "interview", "participant", "stage", "task", "template")
    },
    "schedule": ("reviews", "cycle_schedule"),
    **{name: ("scoring", name) for name in ("export", "result", "session")},
    "message": ("notify", "message"),
}
NOT_A_ROW = {"request_id", "id"}  # a key of the caller's own
ROLES = ("hr_admin", "hr_partner", "appeal_owner", "facilitator", "auditor", "operator")
WRITTEN = ("按计划完成", "补充说明", "希望复核", "漏计一单", "贡献突出", "核实")  # by those who take part
TABLES = text(
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'"
    " WHERE n.nspname = :schema AND c.relkind = 'r' AND has_table_privilege(c.oid, 'SELECT')"
)
Ids = dict[str, list[str]]
Rows = dict[str, set[str]]


@dataclass(frozen=True)
class Played:
    """A company whose cycle has gone its way to an amended result, with a group, a goal and somebody without a part."""

    world: World
    ids: Ids
    bystander: Principal
    stranger: Principal  # of another company, with every role there

    async def rows(self) -> Rows:
        """All rows of the company, by table."""
        found: Rows = {}
        for service, database in self.world.databases.items():
            found |= await _rows_of(service, database, self.world.tenant_id)
        return found


@pytest.fixture(scope="module")
async def played(
    world: World, attune: Attune, cycle: str, cycle_id: str, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> Played:
    folder = tmp_path_factory.mktemp("played")
    await cycle_by_commands.test_a_cycle_goes_its_way_by_commands(attune, cycle, cycle_id, clock, folder)
    await _others(attune, folder)
    found = (await attune("people", "list", "--json")).value["items"]
    bystander = next(each["id"] for each in found if each["code"] == "E007")
    ids = {noun: await _ids_of(world, *place) for noun, place in NAMED_BY.items()}
    assert {noun for noun, some in ids.items() if not some} <= {"interview", "message", "schedule"}
    return Played(world, ids, Principal(world.tenant_id, "user", "user", UUID(bystander)), await _stranger(world))


async def _others(attune: Attune, folder: Path) -> None:
    """What a cycle does not leave behind by itself."""
    staff, goals = folder / "more.csv", folder / "goals.csv"
    staff.write_text("工号,姓名,邮箱,部门,上级工号\nE007,钱七,e007@a.example,同频/研发,E001\n", encoding="utf-8")
    assert (await attune("people", "import", staff)).code == 0
    assert (await attune("export", "results", "--cycle", "第三季度考核", "--out", folder / "results.csv")).code == 0
    goals.write_text(
        "工号,目标,类型,权重,基线,目标值,开始日期,结束日期\nE003,签约额,KPI,100,0,100,2026-07-01,2026-09-30\n",
        encoding="utf-8",
    )
    assert (await attune("goals", "import", goals)).code == 0
    rule = '{"attribute": "post", "operator": "eq", "value": "顾问"}'
    assert (await attune("groups", "create", "顾问", rule)).code == 0


async def _ids_of(world: World, service: str, table: str) -> list[str]:
    async with world.databases[service].transaction(world.tenant_id) as connection:
        found = await connection.execute(text(f"SELECT id FROM {table} ORDER BY id LIMIT 12"))
        return [str(each) for each in found.scalars()]


async def _rows_of(service: str, database: Database, tenant_id: UUID) -> Rows:
    async with database.transaction(tenant_id) as connection:
        tables = (await connection.execute(TABLES, {"schema": service})).scalars().all()
        return {
            f"{service}.{table}": set((await connection.execute(text(f"SELECT t::text FROM {table} t"))).scalars())
            for table in tables
        }


async def _stranger(world: World) -> Principal:
    stub = people_pb2_grpc.PeopleServiceStub(world.channels["people"])
    request = people_pb2.CreateTenantRequest(request_id=str(uuid4()), name="B", admin_email="hr@b.example")
    made = await stub.CreateTenant(request, metadata=world.metadata("installation_admin"), timeout=20)
    grants = tuple(Grant(role) for role in ROLES)
    return Principal(UUID(made.tenant.id), "user", "user", UUID(made.admin_employee_id), grants)


def aimed(message: Any, dice: random.Random, ids: Ids, depth: int = 0) -> Any:
    """Fill a request so that it means rows of the company: their ids, and else what makes sense."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is None:
            values = [_value(field, dice, ids) for _ in range(2 if field.is_repeated else 1)]
            if field.is_repeated:
                getattr(message, field.name).extend(values)
            elif dice.random() < 0.8:
                setattr(message, field.name, values[0])
        elif depth < 3 and not field.message_type.GetOptions().map_entry and dice.random() < 0.7:
            inner = getattr(message, field.name).add() if field.is_repeated else getattr(message, field.name)
            if field.message_type.full_name == "google.protobuf.Timestamp":
                inner.FromSeconds(4_000_000_000)
            else:
                aimed(inner, dice, ids, depth + 1)
    return message


def _value(field: Any, dice: random.Random, ids: Ids) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        noun = field.name.removesuffix("s").removesuffix("_id").rsplit("_", 1)[-1]
        if field.name not in NOT_A_ROW and field.name.endswith(("_id", "_ids")) and ids.get(noun):
            return dice.choice(ids[noun])
        if field.name in NOT_A_ROW:
            return str(UUID(int=dice.getrandbits(128), version=4))
        return dice.choice(("A", "self_review", "2099-01-01", "4", "conduct/service", "E003", "x", "80"))
    if field.type == FieldDescriptor.TYPE_ENUM:
        return dice.choice([value.number for value in field.enum_type.values])
    if field.type == FieldDescriptor.TYPE_BYTES:
        return b"code,name\nE003,X\n"
    return dice.choice((0, 1)) if field.type != FieldDescriptor.TYPE_BOOL else dice.random() < 0.5


@dataclass
class Heard:
    """What came of many requests."""

    answered: list[tuple[str, str, bytes]] = dataclasses.field(
        default_factory=list
    )  # method, what was asked, what was answered
    unknown: set[str] = dataclasses.field(
        default_factory=set
    )  # methods that did not find the row which they were asked about

    def of(self, method: str, request: str, answers: list[bytes], error: grpc.aio.AioRpcError | None) -> None:
        """Take note of one request."""
        assert error is None or error.code() is not grpc.StatusCode.UNAUTHENTICATED, f"{method} did not look at all"
        self.answered += [(method, request, answer) for answer in answers]
        if error is not None and error.code() is grpc.StatusCode.NOT_FOUND:
            self.unknown.add(method)


async def _ask_everything(played: Played, who: Principal, *, roles: bool) -> Heard:
    """Call every RPC that people may call several times."""
    dice = random.Random(f"strangers {roles}")
    heard = Heard()
    for service in SERVICES:
        for method in methods_of(service):
            access = played.world.access[f"/{method.containing_service.full_name}/{method.name}"]
            if not access.roles & ({*ROLES, "employee"} if roles else {"employee"}):
                continue
            for _ in range(TRIES):
                request = aimed(GetMessageClass(method.input_type)(), dice, played.ids)
                metadata = played.world.keyring.as_user(who)  # of each call, for a token is valid for a minute
                heard.of(method.name, str(request), *await played.world.ask(service, method, request, metadata))
    return heard


def test_every_field_that_names_a_row_is_known() -> None:
    """A new kind of row that this test does not aim at would pass it unseen."""
    unknown = set()
    for service in SERVICES:
        for method in methods_of(service):
            for field in method.input_type.fields:
                noun = field.name.removesuffix("s").removesuffix("_id").rsplit("_", 1)[-1]
                if field.name.endswith(("_id", "_ids")) and field.name not in NOT_A_ROW and noun not in NAMED_BY:
                    unknown.add(field.name)
    assert unknown == {"freeze_id", "tenant_id"}, "freezes and tenants are named by processes alone"


async def test_another_company_reads_and_changes_nothing(played: Played) -> None:
    before = await played.rows()
    heard = await _ask_everything(played, played.stranger, roles=True)
    told = [*(each for some in played.ids.values() for each in some), *WRITTEN, "李雷", "韩梅", "签约额"]
    leaked = [
        f"{name} tells {secret}"
        for name, request, answer in heard.answered
        for secret in told
        if secret.encode() in answer and secret not in request
    ]
    assert leaked == []
    assert len(heard.unknown) >= 40, f"few methods looked for the rows they were asked about: {sorted(heard.unknown)}"
    assert await played.rows() == before


async def test_a_colleague_without_a_part_reads_and_changes_nothing_of_others(played: Played) -> None:
    before = await played.rows()
    heard = await _ask_everything(played, played.bystander, roles=False)
    leaked = [f"{name} tells {said}" for name, _, told in heard.answered for said in WRITTEN if said.encode() in told]
    assert leaked == []
    after = await played.rows()
    gone = {table: rows - after[table] for table, rows in before.items() if rows - after[table]}
    assert gone == {}, "rows that were there have been changed"
