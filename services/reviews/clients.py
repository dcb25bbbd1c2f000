"""Calls to people and scoring: proto in, domain out; each satisfies a Protocol beside the use case that calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.scoring.v1 import scoring_pb2, scoring_pb2_grpc
from services.reviews.convert import people as convert
from services.reviews.domain.cycle_definition import CalendarCopy, References
from services.reviews.domain.form_rules import Members
from services.reviews.domain.model import Population
from services.reviews.usecases.templates import FormulaFault, FormulaToCheck
from services.runtime.clock import utc_now
from services.runtime.identity import TokenSigner, call_metadata

CALL_SECONDS = 20.0
BULK_SECONDS = 120.0
PAGE = 5_000


class PeopleClient:
    """People by gRPC, in the name of this service."""

    def __init__(self, stub: people_pb2_grpc.PeopleServiceAsyncStub, signer: TokenSigner) -> None:
        self._stub = stub
        self._signer = signer

    async def resolve(
        self, tenant_id: UUID, employees: Sequence[str], departments: Sequence[str], groups: Sequence[str]
    ) -> References:
        """Ids of what was written; nothing to ask is not asked."""
        if not (employees or departments or groups):
            return References()
        request = people_pb2.ResolveReferencesRequest(employees=employees, departments=departments, groups=groups)
        metadata = call_metadata(self._signer, tenant_id)
        return convert.references(await self._stub.ResolveReferences(request, metadata=metadata, timeout=CALL_SECONDS))

    async def calendar(self, tenant_id: UUID, first: date, last: date) -> CalendarCopy:
        """The tenant's zone and every day from first to last."""
        request = people_pb2.ListCalendarDaysRequest(to=last.isoformat(), **{"from": first.isoformat()})
        metadata = call_metadata(self._signer, tenant_id)
        return convert.calendar(await self._stub.ListCalendarDays(request, metadata=metadata, timeout=CALL_SECONDS))

    async def freeze(
        self, tenant_id: UUID, freeze_id: UUID, population: Population, as_of: datetime, group_ids: Sequence[UUID]
    ) -> int:
        """How many people were frozen."""
        at = Timestamp()
        at.FromDatetime(as_of)
        request = people_pb2.FreezePopulationRequest(
            freeze_id=str(freeze_id),
            population=convert.population(population),
            as_of=at,
            group_ids=sorted({str(group_id) for group_id in group_ids}),
            transient=True,  # looked at to check a cycle; whom a launch freezes is the worker's business
        )
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.FreezePopulation(request, metadata=metadata, timeout=BULK_SECONDS)
        return reply.count

    async def members(self, tenant_id: UUID, freeze_id: UUID) -> AsyncIterator[Members]:
        """The frozen people, page by page, by id."""
        after = ""
        while True:
            request = people_pb2.PageFrozenMembersRequest(
                freeze_id=str(freeze_id), after_employee_id=after, page_size=PAGE
            )
            metadata = call_metadata(self._signer, tenant_id)
            page = await self._stub.PageFrozenMembers(request, metadata=metadata, timeout=CALL_SECONDS)
            if page.employee_ids:
                yield convert.members(page)
                after = convert.last_id(page)
            if page.last or not page.employee_ids:
                return

    async def employed(self, tenant_id: UUID, employee_ids: Iterable[UUID]) -> Mapping[UUID, bool]:
        """Who of these works here today; those unknown are absent."""
        request = people_pb2.BatchGetEmployeesRequest(employee_ids=sorted(str(each) for each in employee_ids))
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.BatchGetEmployees(request, metadata=metadata, timeout=CALL_SECONDS)
        return convert.employed(reply, utc_now().date())

    async def edition(self, tenant_id: UUID) -> str:
        """basic or professional."""
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.GetTenant(people_pb2.GetTenantRequest(), metadata=metadata, timeout=CALL_SECONDS)
        return convert.edition(reply)


class ScoringClient:
    """Scoring by gRPC, as far as formulas go; the tenant does not matter to a formula."""

    def __init__(self, stub: scoring_pb2_grpc.ScoringServiceAsyncStub, signer: TokenSigner) -> None:
        self._stub = stub
        self._signer = signer

    async def check(self, formulas: Sequence[FormulaToCheck]) -> Sequence[FormulaFault]:
        """What keeps formulas from being used; none means that all compile."""
        asked = (scoring_pb2.Formula(key=each.key, text=each.text, basis=each.basis) for each in formulas)
        request = scoring_pb2.CheckFormulasRequest(formulas=asked)
        metadata = call_metadata(self._signer, None)
        reply = await self._stub.CheckFormulas(request, metadata=metadata, timeout=CALL_SECONDS)
        return [
            FormulaFault(each.key, each.code, each.message, each.message_zh, each.position) for each in reply.faults
        ]
