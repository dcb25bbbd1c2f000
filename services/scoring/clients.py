"""Calls to reviews and goals: proto in, domain out."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from protos.goals.v1 import goals_pb2, goals_pb2_grpc
from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from services.runtime.identity import TokenSigner, call_metadata
from services.scoring.convert import inputs as convert
from services.scoring.domain.model import CycleRules, GoalsByEmployee, Page

CALL_SECONDS = 25.0


class Reviews(Protocol):
    """What scoring asks of reviews."""

    async def page(self, tenant_id: UUID, cycle_id: UUID, after: UUID | None, size: int) -> Page:
        """The next participants of a cycle by id, their forms, and the cycle's rules."""
        ...

    async def rules(self, tenant_id: UUID, cycle_id: UUID) -> CycleRules:
        """The cycle's rules alone."""
        ...


class Goals(Protocol):
    """What scoring asks of goals."""

    async def attainments(self, tenant_id: UUID, freeze_id: str, employee_ids: Sequence[UUID]) -> GoalsByEmployee:
        """The frozen goals of these people."""
        ...


class ReviewsClient:
    """Reviews by gRPC."""

    def __init__(self, stub: "clockwork_pb2_grpc.ClockworkServiceAsyncStub", signer: TokenSigner) -> None:
        self._stub = stub
        self._signer = signer

    async def page(self, tenant_id: UUID, cycle_id: UUID, after: UUID | None, size: int) -> Page:
        """The next participants of a cycle by id, their forms, and the cycle's rules."""
        rules = await self._rules(tenant_id, cycle_id)
        request = clockwork_pb2.ListScoringInputsRequest(
            cycle_id=str(cycle_id), after_participant_id=str(after or ""), page_size=size
        )
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.ListScoringInputs(request, metadata=metadata, timeout=CALL_SECONDS)
        return convert.page(cycle_id, rules, reply)

    async def rules(self, tenant_id: UUID, cycle_id: UUID) -> CycleRules:
        """The cycle's rules alone."""
        return convert.cycle_rules(cycle_id, await self._rules(tenant_id, cycle_id))

    async def _rules(self, tenant_id: UUID, cycle_id: UUID) -> clockwork_pb2.GetScoringRulesResponse:
        request = clockwork_pb2.GetScoringRulesRequest(cycle_id=str(cycle_id))
        metadata = call_metadata(self._signer, tenant_id)
        return await self._stub.GetScoringRules(request, metadata=metadata, timeout=CALL_SECONDS)


class GoalsClient:
    """Goals by gRPC."""

    def __init__(self, stub: "goals_pb2_grpc.GoalsServiceAsyncStub", signer: TokenSigner) -> None:
        self._stub = stub
        self._signer = signer

    async def attainments(self, tenant_id: UUID, freeze_id: str, employee_ids: Sequence[UUID]) -> GoalsByEmployee:
        """The frozen goals of these people."""
        request = goals_pb2.ListAttainmentsRequest(
            freeze_id=freeze_id, employee_ids=[str(each) for each in employee_ids]
        )
        metadata = call_metadata(self._signer, tenant_id)
        reply = await self._stub.ListAttainments(request, metadata=metadata, timeout=CALL_SECONDS)
        return convert.goals_by_employee(reply.attainments)
