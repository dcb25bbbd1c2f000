"""A company on the real services, its cycles as HR makes them, and the real worker that moves them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from temporalio.client import Client

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc, cycles_pb2, cycles_pb2_grpc, tasks_pb2, tasks_pb2_grpc, templates_pb2
from protos.reviews.v1.templates_pb2_grpc import TemplateServiceStub
from services.runtime.identity import Grant, Principal
from tests.security.conftest import World
from workflows import messages
from workflows.calls import Caller
from workflows.settings import WorkerSettings
from workflows.worker import activities, build_worker

SECONDS = 25.0
STAFF_COLUMNS = "code,name,email,department,manager_code,post,level,hired_on"
RATINGS = (("work/results", "3"), ("work/conduct", "2"))
TEMPLATE = """
name: Review
sections:
  - key: work
    name: Work
    weight: 100
    indicators:
      - {key: results, name: Results, kind: qualitative, weight: 60, scale: &scale {points: [
          {value: 1, label: "1"}, {value: 2, label: "2"}, {value: 3, label: "3"}, {value: 4, label: "4"}]}}
      - {key: conduct, name: Conduct, kind: qualitative, weight: 40, scale: *scale}
raters: {self: 0, manager: 100}
grades:
  - {grade: A, from: 75, coefficient: 1.2}
  - {grade: B, from: 50, coefficient: 1.0}
  - {grade: C, from: 0, coefficient: 0.8}
guideline: {mode: inform, quotas: {A: 30, B: 50, C: 20}, minimum: 10}
calibration: {facilitator: owner}
release: automatic
"""


@dataclass
class Company:
    """A tenant with everybody in one department under one head, on the services of a world."""

    world: World
    tenant_id: UUID
    admin_id: UUID
    ids: dict[str, UUID] = field(default_factory=dict)  # code → employee

    def __post_init__(self) -> None:
        self.people = people_pb2_grpc.PeopleServiceStub(self.world.channels["people"])
        channel = self.world.channels["reviews"]
        self.cycles = cycles_pb2_grpc.CycleServiceStub(channel)
        self.tasks = tasks_pb2_grpc.TaskServiceStub(channel)
        self.templates = TemplateServiceStub(channel)

    @property
    def hr(self) -> dict[str, Any]:
        return self.as_person(self.admin_id, "hr_admin")

    def as_person(self, employee_id: UUID, *roles: str) -> dict[str, Any]:
        grants = tuple(Grant(role) for role in ("employee", *roles))
        principal = Principal(self.tenant_id, "user", "user", employee_id, grants)
        return {"metadata": self.world.keyring.as_user(principal), "timeout": SECONDS}

    async def hire(self, size: int) -> None:
        """The head and so many reports."""
        rows = [f"P{n},Person {n},p{n}@a.example,Head,{'P0' if n else ''},clerk,P5,2020-01-01" for n in range(size + 1)]
        content = "\n".join((STAFF_COLUMNS, *rows)).encode()
        request = people_pb2.ImportEmployeesRequest(
            request_id=str(uuid4()), content=content, format=people_pb2.FILE_FORMAT_CSV
        )
        report = await self.people.ImportEmployees(request, **self.hr)
        assert not report.errors, report.errors
        asked = people_pb2.ResolveReferencesRequest(employees=[f"P{n}" for n in range(size + 1)])
        found = (await self.people.ResolveReferences(asked, **self.hr)).employees
        self.ids = {code: UUID(found[code]) for code in sorted(found)}

    async def set_calendar(self, days: Mapping[date, bool]) -> None:
        """Say of these days whether one works."""
        request = people_pb2.SetCalendarDaysRequest(
            request_id=str(uuid4()),
            days=[people_pb2.CalendarDay(date=day.isoformat(), working=working) for day, working in days.items()],
        )
        await self.people.SetCalendarDays(request, **self.hr)

    async def publish(self, process: str) -> None:
        """Publish the template with this process."""
        request = templates_pb2.ApplyTemplateRequest(request_id=str(uuid4()), source=TEMPLATE + process, publish=True)
        await self.templates.ApplyTemplate(request, **self.hr)

    async def create(self, **given: Any) -> str:
        """A cycle of everybody, in draft; its id."""
        request = cycles_pb2.CreateCycleRequest(
            request_id=str(uuid4()),
            name="Cycle",
            kind="quarter",
            period_start="2026-07-01",
            period_end="2026-09-30",
            template="Review",
            population=cycles_pb2.CyclePopulation(everyone=True),
            **given,
        )
        return str((await self.cycles.CreateCycle(request, **self.hr)).cycle.id)

    async def launch(self, cycle_id: str) -> None:
        request = cycles_pb2.LaunchCycleRequest(
            request_id=str(uuid4()),
            cycle_id=cycle_id,
            on_person_findings=cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE,
            warnings_reason="known",
        )
        await self.cycles.LaunchCycle(request, **self.hr)

    async def cycle(self, cycle_id: str) -> cycles_pb2.Cycle:
        reply: cycles_pb2.GetCycleResponse = await self.cycles.GetCycle(
            cycles_pb2.GetCycleRequest(cycle_id=cycle_id), **self.hr
        )
        return reply.cycle

    async def is_in(self, cycle_id: str, stage: str, state: str) -> bool:
        """Whether a stage has come to a state such as `open`."""
        wanted = cycles_pb2.StageState.Value(f"STAGE_STATE_{state.upper()}")
        return any(each.key == stage and each.state == wanted for each in (await self.cycle(cycle_id)).stages)

    async def draft_reviews(self, draft: str) -> None:
        """The head has drafted every review, as the page of a form keeps it while it is filled in."""
        change = "UPDATE task SET draft = :draft WHERE tenant_id = :tenant_id AND kind = 'manager_review'"
        await self.change(change, draft=draft)

    async def review_everybody(self, cycle_id: str) -> int:
        """The head answers every task of the manager review; how many."""
        head = self.as_person(self.ids["P0"])
        asked = tasks_pb2.ListTasksRequest(cycle_id=cycle_id, stage="manager_review", open=True, page_size=500)
        owed = (await self.tasks.ListTasks(asked, **head)).tasks
        for task in owed:
            request = tasks_pb2.SubmitTaskRequest(
                request_id=str(uuid4()),
                task_id=task.id,
                stage_id=task.stage_id,
                answers=[tasks_pb2.Answer(item=item, value=value) for item, value in RATINGS],
                signature="click",
            )
            await self.tasks.SubmitTask(request, **head)
        return len(owed)

    async def rows(self, sql: str, **parameters: Any) -> Sequence[tuple[Any, ...]]:
        """What reviews holds of this tenant, read in its own role."""
        async with self.world.databases["reviews"].transaction(self.tenant_id) as connection:
            found = await connection.execute(text(sql), {"tenant_id": self.tenant_id, **parameters})
            return [tuple(row) for row in found]

    async def change(self, sql: str, **parameters: Any) -> None:
        """Change rows of reviews that no RPC changes, in its own role."""
        async with self.world.databases["reviews"].transaction(self.tenant_id) as connection:
            await connection.execute(text(sql), {"tenant_id": self.tenant_id, **parameters})

    async def set_clock(self, cycle_id: str, now: datetime) -> None:
        """Set the time of a cycle, in the role of the system: no RPC does that."""
        change = text(
            "UPDATE cycle SET clock_offset = CAST(:now AS timestamptz) - clock_timestamp()"
            " WHERE tenant_id = :tenant_id AND id = :cycle_id"
        )
        async with self.world.databases["reviews"].system_transaction() as connection:
            keys = {"tenant_id": self.tenant_id, "cycle_id": UUID(cycle_id), "now": now}
            assert (await connection.execute(change, keys)).rowcount == 1


async def new_company(world: World, size: int, *, zone: str = "Asia/Shanghai", country: str = "CN") -> Company:
    """A tenant of its own with so many people under one head."""
    request = people_pb2.CreateTenantRequest(
        request_id=str(uuid4()), name="Company", admin_email="hr@a.example", time_zone=zone, country=country
    )
    people = people_pb2_grpc.PeopleServiceStub(world.channels["people"])
    made = await people.CreateTenant(request, metadata=world.metadata("installation_admin"), timeout=SECONDS)
    company = Company(world, UUID(made.tenant.id), UUID(made.admin_employee_id))
    await company.hire(size)
    return company


def worker_settings(world: World) -> WorkerSettings:
    """What the worker of a world is told."""
    return WorkerSettings(
        people_address=world.addresses["people"],
        goals_address=world.addresses["goals"],
        reviews_address=world.addresses["reviews"],
        scoring_address=world.addresses["scoring"],
        identity_key_file=world.keyring.private_key("worker"),
        identity_keys_dir=world.keyring.public,
        blocked_retry_seconds=1.0,
    )


@asynccontextmanager
async def real_workers(engine: Client, world: World) -> AsyncIterator[None]:
    """The worker's two halves, with the real workflows and the real steps."""
    settings = worker_settings(world)
    steps = activities(settings)
    async with AsyncExitStack() as workers:
        for queue in messages.QUEUES:
            await workers.enter_async_context(build_worker(engine, queue, steps, settings))
        yield


def bridge_caller(world: World) -> Caller:
    """Calls in the name of the bridge."""
    return Caller(world.keyring.signer("bridge"))


def clockwork(world: World) -> "clockwork_pb2_grpc.ClockworkServiceAsyncStub":
    """The RPCs of reviews that the worker and the bridge call."""
    return clockwork_pb2_grpc.ClockworkServiceStub(world.channels["reviews"])
