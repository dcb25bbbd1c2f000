"""The RPCs of reviews on a real server: stubs for HR and for the worker, the company behind people in memory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import grpc

from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc, cycles_pb2, cycles_pb2_grpc, templates_pb2
from protos.reviews.v1.templates_pb2_grpc import TemplateServiceStub
from services.reviews.__main__ import compose
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.eventlog import Wake
from services.runtime.serve import build_server, open_channel
from tests.identity import Keyring, person
from tests.reviews.companies import Company, CompiledHere
from tests.reviews.launches import KPI

SECONDS = 25.0


@dataclass
class Wire:
    """A tenant with stubs for HR and for the worker; the company behind people is in memory."""

    channel: grpc.aio.Channel
    keyring: Keyring
    company: Company
    tenant_id: UUID = field(default_factory=new_id)

    def __post_init__(self) -> None:
        self.cycles = cycles_pb2_grpc.CycleServiceStub(self.channel)
        self.clockwork = clockwork_pb2_grpc.ClockworkServiceStub(self.channel)
        self.owner = self.company.id_of("E000001")

    @property
    def hr(self) -> dict[str, Any]:
        who = person(self.tenant_id, "hr_admin", employee_id=self.owner)
        return {"metadata": self.keyring.as_user(who), "timeout": SECONDS}

    def service(self, name: str = "worker", *, tenant: bool = True) -> dict[str, Any]:
        metadata = self.keyring.as_service(name, self.tenant_id if tenant else None)
        return {"metadata": metadata, "timeout": SECONDS}

    async def publish(self) -> None:
        request = templates_pb2.ApplyTemplateRequest(request_id=str(uuid4()), source=KPI, publish=True)
        await TemplateServiceStub(self.channel).ApplyTemplate(request, **self.hr)

    async def create(self, **given: Any) -> cycles_pb2.Cycle:
        request = cycles_pb2.CreateCycleRequest(
            request_id=str(uuid4()),
            name="2026 Q3",
            kind="quarter",
            period_start="2026-07-01",
            period_end="2026-09-30",
            template="业务岗KPI",
            population=cycles_pb2.CyclePopulation(everyone=True),
            **given,
        )
        reply: cycles_pb2.CreateCycleResponse = await self.cycles.CreateCycle(request, **self.hr)
        return reply.cycle

    def launch_request(self, cycle_id: str) -> cycles_pb2.LaunchCycleRequest:
        return cycles_pb2.LaunchCycleRequest(
            request_id=str(uuid4()),
            cycle_id=cycle_id,
            on_person_findings=cycles_pb2.ON_PERSON_FINDINGS_EXCLUDE,
            warnings_reason="known",
        )

    def page(self, cycle_id: str) -> clockwork_pb2.EnrolPageRequest:
        """Everybody but the root reports to the root."""
        members = self.company.members_now
        root = members.ids[0]
        size = len(members)
        return clockwork_pb2.EnrolPageRequest(
            cycle_id=cycle_id,
            employee_ids=b"".join(members.ids),
            codes=members.codes,
            posts=members.posts,
            levels=["P5"] * size,
            department_paths=members.department_paths,
            department_names=members.department_names,
            manager_chains=[b"", *[root] * (size - 1)],
            group_ids=members.group_ids,
            problems=members.problems,
            hired_on=["2020-01-01"] * size,
            department_heads=members.department_heads,
        )

    async def tick(self, cycle_id: str) -> clockwork_pb2.TickResponse:
        request = clockwork_pb2.TickRequest(cycle_id=cycle_id)
        request.effective_at.FromDatetime(datetime.now(UTC))
        reply: clockwork_pb2.TickResponse = await self.clockwork.Tick(request, **self.service())
        return reply

    async def launched(self) -> str:
        """A running cycle of everybody."""
        cycle_id = (await self.create()).id
        await self.cycles.LaunchCycle(self.launch_request(cycle_id), **self.hr)
        await self.clockwork.EnrolPage(self.page(cycle_id), **self.service())
        frozen = len(self.company.members_now)
        finish = clockwork_pb2.FinishEnrolmentRequest(cycle_id=cycle_id, frozen=frozen)
        await self.clockwork.FinishEnrolment(finish, **self.service())
        return cycle_id

    async def open_until(self, cycle_id: str, key: str) -> clockwork_pb2.Action:
        """Open what is due until the stage `key` is; close the stages before it by HR's hand."""
        for _ in range(20):
            for action in (await self.tick(cycle_id)).due:
                names: dict[str, Any] = {"cycle_id": cycle_id, "stage_id": action.stage_id, "epoch": action.epoch}
                if action.kind == clockwork_pb2.ACTION_KIND_OPEN:
                    await self.clockwork.OpenStage(clockwork_pb2.OpenStageRequest(**names), **self.service())
                    if action.stage_key == key:
                        return action
                elif action.kind == clockwork_pb2.ACTION_KIND_EXPIRE:
                    await self.clockwork.ExpireStage(clockwork_pb2.ExpireStageRequest(**names), **self.service())
            await self.close_one(cycle_id)
        raise AssertionError(f"{key} does not open")

    async def close_one(self, cycle_id: str) -> None:
        cycle = (await self.cycles.GetCycle(cycles_pb2.GetCycleRequest(cycle_id=cycle_id), **self.hr)).cycle
        for stage in cycle.stages:
            if stage.state == cycles_pb2.STAGE_STATE_OPEN:
                request = cycles_pb2.CloseStageRequest(
                    request_id=str(uuid4()), cycle_id=cycle_id, stage=stage.key, reason="enough"
                )
                await self.cycles.CloseStage(request, **self.hr)


@asynccontextmanager
async def served(database: Database, keys: Path) -> AsyncIterator[Wire]:
    """Serve reviews on loopback, for a tenant with one published template."""
    keyring = Keyring(keys)
    for name in ("gateway", "worker", "bridge", "scoring", "notify"):
        keyring.signer(name)
    company = Company()
    service = compose(database, Wake("", "reviews"), cast(Any, company), cast(Any, CompiledHere()))
    async with AsyncExitStack() as stack:
        server, _ = build_server(service, keyring.verifier())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        stack.push_async_callback(server.stop, None)
        channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{port}"))
        wire = Wire(channel, keyring, company)
        await wire.publish()
        yield wire
