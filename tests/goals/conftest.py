"""Fixtures of the tests of goals: the real service in this process, on a real database, spoken to by gRPC."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from protos.goals.v1 import goals_pb2 as pb
from protos.goals.v1 import goals_pb2_grpc
from services.goals.__main__ import compose
from services.goals.domain.model import Owner
from services.goals.usecases.standing import Standing
from services.runtime.database import Database
from services.runtime.errors import DETAILS_KEY, reason_of
from services.runtime.eventlog import Wake
from services.runtime.identity import Grant, Principal
from services.runtime.serve import build_server, open_channel
from tests.identity import Keyring

Stub = Any  # the generated asynchronous stub exists for type checkers only
Call = dict[str, Any]


class KnownPeople:
    """People that knows a few employees by code, of any tenant."""

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {}

    async def ids_of(self, tenant_id: UUID, codes: Sequence[str]) -> Mapping[str, UUID]:
        return {code: self.owners[code].id for code in codes if code in self.owners}

    async def standing(self, tenant_id: UUID, employee_ids: Sequence[UUID]) -> Mapping[UUID, Owner]:
        return {owner.id: owner for owner in self.owners.values() if owner.id in employee_ids}


@dataclass
class Company:
    """A tenant of its own: the head above two managers, each with staff; HR stands beside."""

    goals: Stub
    people: KnownPeople
    keyring: Keyring = field(repr=False)
    tenant_id: UUID = field(default_factory=uuid4)
    head: UUID = field(default_factory=uuid4)
    manager: UUID = field(default_factory=uuid4)
    stranger: UUID = field(default_factory=uuid4)  # manages another line
    owner: UUID = field(default_factory=uuid4)
    colleague: UUID = field(default_factory=uuid4)
    hr: UUID = field(default_factory=uuid4)
    company: UUID = field(default_factory=uuid4)
    sales: UUID = field(default_factory=uuid4)
    research: UUID = field(default_factory=uuid4)

    def __post_init__(self) -> None:
        top, sales, research = (self.company,), (self.company, self.sales), (self.company, self.research)
        self.people.owners |= {
            "E1": Owner(self.owner, sales, (self.manager, self.head)),
            "E2": Owner(self.colleague, sales, (self.manager, self.head)),
            "M1": Owner(self.manager, sales, (self.head,)),
            "M2": Owner(self.stranger, research, (self.head,)),
            "H1": Owner(self.head, top, ()),
            "HR": Owner(self.hr, top, (self.head,)),
        }

    def by(self, employee_id: UUID, *grants: Grant) -> Call:
        """Call options of one of its employees."""
        principal = Principal(self.tenant_id, "user", "user", employee_id, (Grant("employee"), *grants))
        return {"metadata": self.keyring.as_user(principal), "timeout": 25.0}

    @property
    def by_hr(self) -> Call:
        """Call options of its HR administrator."""
        return self.by(self.hr, Grant("hr_admin"))

    def by_service(self, name: str) -> Call:
        """Call options of a service in its name."""
        return {"metadata": self.keyring.as_service(name, self.tenant_id), "timeout": 25.0}

    async def create(self, by: UUID | None = None, **fields: Any) -> pb.Goal:
        """Create a KPI of the owner; further fields replace those of the goal."""
        request = pb.CreateGoalRequest(request_id=str(uuid4()), goal=kpi(**fields))
        created: pb.CreateGoalResponse = await self.goals.CreateGoal(request, **self.by(by or self.owner))
        return created.goal

    async def confirmed(self, **fields: Any) -> pb.Goal:
        """Create a goal of the owner and take it to its confirmation."""
        goal = await self.create(**fields)
        await self.goals.ProposeGoal(propose(goal), **self.by(self.owner))
        confirmed: pb.ConfirmGoalResponse = await self.goals.ConfirmGoal(confirm(goal), **self.by(self.manager))
        return confirmed.goal

    async def check_in(self, goal: pb.Goal, value: str, **fields: Any) -> pb.CheckInGoalResponse:
        """Report a value as the owner."""
        request = pb.CheckInGoalRequest(request_id=str(uuid4()), goal_id=goal.id, value=value, confidence=-1)
        request.MergeFrom(pb.CheckInGoalRequest(**fields))
        answer: pb.CheckInGoalResponse = await self.goals.CheckInGoal(request, **self.by(self.owner))
        return answer

    async def load(self, content: str | bytes, *, call: Call | None = None, **fields: Any) -> pb.ImportGoalsResponse:
        """Import a file as the HR administrator, or as whoever is named."""
        request = pb.ImportGoalsRequest(
            request_id=str(uuid4()),
            content=content.encode() if isinstance(content, str) else content,
            **{"format": pb.FILE_FORMAT_CSV, **fields},
        )
        report: pb.ImportGoalsResponse = await self.goals.ImportGoals(request, **(call or self.by_hr))
        return report


def kpi(**fields: Any) -> pb.Goal:
    """A sound KPI of the running year."""
    sound = {
        "name": "Revenue",
        "mode": pb.MODE_KPI,
        "weight": "40",
        "period_start": "2026-01-01",
        "period_end": "2026-12-31",
        "measures": [pb.Measure(name="Revenue", target="200", unit="M")],
    }
    return pb.Goal(**{**sound, **fields})


def propose(goal: pb.Goal, etag: str = "") -> pb.ProposeGoalRequest:
    return pb.ProposeGoalRequest(request_id=str(uuid4()), goal_id=goal.id, etag=etag)


def confirm(goal: pb.Goal, etag: str = "") -> pb.ConfirmGoalRequest:
    return pb.ConfirmGoalRequest(request_id=str(uuid4()), goal_id=goal.id, etag=etag)


def reject(goal: pb.Goal, reason: str = "too easy") -> pb.RejectGoalRequest:
    return pb.RejectGoalRequest(request_id=str(uuid4()), goal_id=goal.id, reason=reason)


def cancel(goal: pb.Goal, reason: str = "dropped") -> pb.CancelGoalRequest:
    return pb.CancelGoalRequest(request_id=str(uuid4()), goal_id=goal.id, reason=reason)


def close(goal: pb.Goal) -> pb.CloseGoalRequest:
    return pb.CloseGoalRequest(request_id=str(uuid4()), goal_id=goal.id)


@dataclass(frozen=True)
class Refusal:
    """How a call was refused: status, reason, sentence, and (field, code, what would be right) of each field."""

    code: grpc.StatusCode
    reason: str
    message: str
    violations: tuple[tuple[str, str, str], ...]


async def refusal(call: Any) -> Refusal:
    """Return how a call was refused; fails when it was not."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    error = refused.value
    violations: list[tuple[str, str, str]] = []
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad):
                    violations += [(each.field, each.reason, each.description) for each in bad.field_violations]
    return Refusal(error.code(), reason_of(error), error.details() or "", tuple(violations))


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> Keyring:
    """Keys of the processes that call goals."""
    made = Keyring(tmp_path_factory.mktemp("keys"))
    for name in ("gateway", "worker", "scoring", "goals", "people", "reviews"):
        made.signer(name)
    return made


@pytest.fixture
def database(service_database: Callable[[str], Database]) -> Database:
    """The service's pools."""
    return service_database("goals")


@pytest.fixture(scope="module")
def known_people() -> KnownPeople:
    """People as goals sees them."""
    return KnownPeople()


@pytest.fixture(scope="module")
async def goals(
    service_database: Callable[[str], Database], keyring: Keyring, known_people: KnownPeople
) -> AsyncIterator[Stub]:
    """A stub of the service, served in this process."""
    service = compose(service_database("goals"), Wake("", "goals"), Standing(known_people))
    server, _ = build_server(service, keyring.verifier())
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        yield goals_pb2_grpc.GoalsServiceStub(channel)
    await server.stop(None)


@pytest.fixture
def company(goals: Stub, known_people: KnownPeople, keyring: Keyring) -> Company:
    """A new company."""
    known_people.owners.clear()
    return Company(goals, known_people, keyring)
