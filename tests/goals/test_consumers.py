"""Live goals follow their owners through the organisation; asking people where somebody stands."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from sqlalchemy import event, text

from protos.goals.v1 import goals_pb2 as pb
from protos.people.v1 import people_pb2, people_pb2_grpc
from services.goals.clients import BATCH, PAGE, PeopleClient
from services.goals.consumers import handlers
from services.goals.domain.model import Owner
from services.goals.follower import Follower
from services.goals.store import GoalsWork
from services.goals.usecases.standing import Standing
from services.runtime.clock import utc_now
from services.runtime.database import Database, Origin
from services.runtime.eventlog import Event
from services.runtime.identity import Principal
from tests.goals.conftest import Company, close, confirm, propose, refusal
from tests.identity import Keyring

SERVICE = "attune.people.v1.PeopleService"
Tell = Callable[..., Awaitable[None]]


@pytest.fixture
def tell(company: Company, database: Database) -> Tell:
    """Have goals consume an event of people."""
    known = handlers(Standing(company.people))

    async def told(kind: str, payload: Mapping[str, Any]) -> None:
        happened = Event(
            id=uuid4(),
            tenant_id=company.tenant_id,
            kind=kind,
            aggregate_type="employee",
            aggregate_id=uuid4(),
            version=1,
            payload=dict(payload),
            trace_id="",
            create_time=utc_now(),
        )
        async with database.transaction(company.tenant_id) as connection:
            principal = Principal(company.tenant_id, "service", "goals")
            await known[kind](GoalsWork(connection, Origin(principal, company.tenant_id)), happened)

    return told


def moved(company: Company, code: str, *, below: Sequence[UUID], unit: UUID) -> None:
    """Change where people says that somebody stands."""
    owner = company.people.owners[code]
    company.people.owners[code] = Owner(owner.id, (company.company, unit), tuple(below))


async def test_the_new_manager_decides_and_the_old_one_sees_nothing(company: Company, tell: Tell) -> None:
    goal = await company.create()
    await company.goals.ProposeGoal(propose(goal), **company.by(company.owner))
    moved(company, "E1", below=(company.stranger, company.head), unit=company.research)
    await tell("people.employee_transferred", {"employee_id": str(company.owner)})
    gone = await refusal(company.goals.ConfirmGoal(confirm(goal), **company.by(company.manager)))
    assert gone.code is grpc.StatusCode.NOT_FOUND
    confirmed = await company.goals.ConfirmGoal(confirm(goal), **company.by(company.stranger))
    assert confirmed.goal.version == 3  # moving is no change of the goal


async def test_a_move_announced_for_later_is_followed_when_its_day_has_come(
    company: Company, tell: Tell, database: Database
) -> None:
    goal = await company.create()
    now = utc_now()
    day = (now + timedelta(days=40)).date()
    await tell("people.employee_transferred", {"employee_id": str(company.owner), "effective_on": day.isoformat()})
    moved(company, "E1", below=(company.stranger,), unit=company.research)
    follower, asked = Follower(database, Standing(company.people)), pb.GetGoalRequest(goal_id=goal.id)
    await follower.follow(now + timedelta(days=38))
    assert (await company.goals.GetGoal(asked, **company.by(company.manager))).goal.id == goal.id
    midnight = datetime.combine(day, time(), UTC)
    await follower.follow(midnight - timedelta(hours=13))  # it has begun in the first zones
    assert (await company.goals.GetGoal(asked, **company.by(company.stranger))).goal.id == goal.id
    # Until it has begun in the last zone people may have answered too early, so it is asked once more.
    moved(company, "E1", below=(company.manager,), unit=company.sales)
    await follower.follow(midnight + timedelta(hours=12))
    assert (await company.goals.GetGoal(asked, **company.by(company.manager))).goal.id == goal.id
    moved(company, "E1", below=(company.stranger,), unit=company.research)
    await follower.follow(midnight + timedelta(hours=13))
    assert (await company.goals.GetGoal(asked, **company.by(company.manager))).goal.id == goal.id


async def test_a_move_of_long_ago_is_not_looked_at_again(company: Company, tell: Tell, database: Database) -> None:
    await tell("people.employee_transferred", {"employee_id": str(company.owner), "effective_on": "2020-01-01"})
    async with database.transaction(company.tenant_id) as connection:
        assert await connection.scalar(text("SELECT count(*) FROM standing_due")) == 0


async def test_the_whole_line_below_moves_along(company: Company, tell: Tell) -> None:
    goal = await company.create()
    for code, below in (("M1", (company.stranger, company.head)), ("E1", (company.manager, company.stranger))):
        moved(company, code, below=below, unit=company.research)
    await tell("people.employee_transferred", {"employee_id": str(company.manager)})
    assert (await company.goals.GetGoal(pb.GetGoalRequest(goal_id=goal.id), **company.by(company.stranger))).goal.id


async def test_a_staff_file_moves_many_in_few_statements(company: Company, database: Database, tell: Tell) -> None:
    executed: list[str] = []

    def count(connection: object, cursor: object, statement: str, *rest: object) -> None:
        executed.append(statement)

    counts, crowd = [], 0
    for size in (1, 60):
        codes = [f"X{crowd + number}" for number in range(size)]
        crowd += size
        for code in codes:
            employee = uuid4()
            company.people.owners[code] = Owner(employee, (company.company,), (company.manager,))
            await company.create(by=employee)
            moved(company, code, below=(company.stranger,), unit=company.research)
        event.listen(database.app.sync_engine, "before_cursor_execute", count)
        executed.clear()
        ids = [str(company.people.owners[code].id) for code in codes]
        await tell("people.employees_imported", {"count": size, "transferred": ids, "departed": []})
        event.remove(database.app.sync_engine, "before_cursor_execute", count)
        counts.append(len(executed))
        listed = await company.goals.ListGoals(
            pb.ListGoalsRequest(all=True, page_size=500), **company.by(company.stranger)
        )
        assert len(listed.goals) == crowd
    assert counts[0] == counts[1]


async def test_a_staff_file_without_moves_asks_nobody(company: Company, tell: Tell) -> None:
    await company.create()
    company.people.owners.clear()
    await tell("people.employees_imported", {"count": 3, "transferred": [], "departed": []})


async def test_settled_goals_stay_where_they_were(company: Company, tell: Tell, database: Database) -> None:
    settled, live = await company.confirmed(name="settled"), await company.confirmed(name="live")
    await company.goals.CloseGoal(close(settled), **company.by(company.manager))
    moved(company, "E1", below=(company.stranger,), unit=company.research)
    await tell("people.employee_transferred", {"employee_id": str(company.owner)})
    async with database.transaction(company.tenant_id) as connection:
        rows = await connection.execute(text("SELECT name, manager_chain FROM goal"))
        chains = {row.name: row.manager_chain for row in rows}
    assert chains == {"settled": [company.manager, company.head], "live": [company.stranger]}
    assert live.state == pb.GOAL_STATE_ACTIVE


@pytest.mark.parametrize("kind", ["people.employee_departed", "people.employee_rehired", "people.employee_transferred"])
async def test_an_event_may_come_twice_and_for_strangers(company: Company, tell: Tell, kind: str) -> None:
    goal = await company.create()
    for employee in (company.owner, company.owner, uuid4()):
        await tell(kind, {"employee_id": str(employee)})
    asked = pb.GetGoalRequest(goal_id=goal.id)
    assert (await company.goals.GetGoal(asked, **company.by(company.manager))).goal == goal


async def test_nobody_who_left_gets_a_new_goal(company: Company) -> None:
    company.people.owners["E1"] = Owner(company.owner, (), (company.manager,), departed=True)
    request = pb.CreateGoalRequest(request_id="c", goal=pb.Goal(owner_id=str(company.owner)))
    request.goal.MergeFrom(pb.Goal(name="g", mode=pb.MODE_MBO, weight="1", measures=[pb.Measure(name="m")]))
    request.goal.MergeFrom(pb.Goal(period_start="2026-01-01", period_end="2026-12-31"))
    assert (await refusal(company.goals.CreateGoal(request, **company.by_hr))).reason == "OWNER_UNKNOWN"


class Organisation:
    """People by gRPC with a long line and more departments than a page holds."""

    def __init__(self) -> None:
        self.employees: dict[str, people_pb2.Employee] = {}
        self.departments: list[people_pb2.Department] = []
        self.calls: list[int] = []

    async def batch(
        self, request: people_pb2.BatchGetEmployeesRequest, context: Any
    ) -> people_pb2.BatchGetEmployeesResponse:
        self.calls.append(len(request.employee_ids))
        found = [self.employees[each] for each in request.employee_ids if each in self.employees]
        return people_pb2.BatchGetEmployeesResponse(employees=found)

    async def list_departments(
        self, request: people_pb2.ListDepartmentsRequest, context: Any
    ) -> people_pb2.ListDepartmentsResponse:
        begin = int(request.page_token or 0)
        page = self.departments[begin : begin + request.page_size]
        following = begin + request.page_size
        token = str(following) if following < len(self.departments) else ""
        return people_pb2.ListDepartmentsResponse(departments=page, next_page_token=token)

    def handler(self) -> grpc.GenericRpcHandler:
        """Serve the RPCs that goals calls."""
        methods: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "BatchGetEmployees": grpc.unary_unary_rpc_method_handler(
                self.batch,
                request_deserializer=people_pb2.BatchGetEmployeesRequest.FromString,
                response_serializer=people_pb2.BatchGetEmployeesResponse.SerializeToString,
            ),
            "ListDepartments": grpc.unary_unary_rpc_method_handler(
                self.list_departments,
                request_deserializer=people_pb2.ListDepartmentsRequest.FromString,
                response_serializer=people_pb2.ListDepartmentsResponse.SerializeToString,
            ),
        }
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    def hire(self, manager_id: str = "", *, department_id: str = "", left_on: str = "") -> UUID:
        """Add an employee."""
        employee = uuid4()
        self.employees[str(employee)] = people_pb2.Employee(
            id=str(employee), manager_id=manager_id, department_id=department_id, left_on=left_on
        )
        return employee


@pytest.fixture
async def organisation(keyring: Keyring) -> AsyncIterator[tuple[Organisation, PeopleClient]]:
    server, servicer = grpc.aio.server(), Organisation()
    server.add_generic_rpc_handlers((servicer.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield servicer, PeopleClient(people_pb2_grpc.PeopleServiceStub(channel), keyring.signer("goals"))
    await server.stop(None)


async def test_the_line_above_is_found_level_by_level(organisation: tuple[Organisation, PeopleClient]) -> None:
    servicer, client = organisation
    line = [servicer.hire()]
    for _ in range(5):
        line.append(servicer.hire(str(line[-1])))
    staff = [servicer.hire(str(line[-1])) for _ in range(BATCH + 1)]
    standing = await client.standing(uuid4(), staff)
    assert {owner.manager_chain for owner in standing.values()} == {tuple(reversed(line))}
    assert servicer.calls == [BATCH, 1] + [1] * 6  # each manager is asked for once


async def test_a_loop_of_managers_ends(organisation: tuple[Organisation, PeopleClient]) -> None:
    servicer, client = organisation
    first = servicer.hire()
    second = servicer.hire(str(first))
    servicer.employees[str(first)].manager_id = str(second)
    own = servicer.hire()
    servicer.employees[str(own)].manager_id = str(own)
    standing = await client.standing(uuid4(), [first, second, own, uuid4()])
    assert {each: owner.manager_chain for each, owner in standing.items()} == {
        first: (second,),
        second: (first,),
        own: (),
    }


async def test_departments_of_every_page_and_who_has_left(organisation: tuple[Organisation, PeopleClient]) -> None:
    servicer, client = organisation
    for _ in range(PAGE + 1):
        unit = str(uuid4())
        servicer.departments.append(people_pb2.Department(id=unit, path_ids=[unit]))
    last = servicer.departments[-1].id
    yesterday, tomorrow = (utc_now().date() + timedelta(days=days) for days in (-1, 1))
    gone = servicer.hire(department_id=last, left_on=yesterday.isoformat())
    going = servicer.hire(left_on=tomorrow.isoformat())
    standing = await client.standing(uuid4(), [gone, going])
    assert standing[gone] == Owner(gone, (UUID(last),), (), departed=True)
    assert standing[going] == Owner(going)
