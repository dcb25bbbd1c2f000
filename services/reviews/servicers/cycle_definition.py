"""The RPCs of CycleService that define and check a cycle; the servicer of cycles inherits them."""

from protos.reviews.v1 import cycles_pb2, cycles_pb2_grpc
from services.reviews.convert import cycle_definition as convert
from services.reviews.store import ReviewsWork
from services.reviews.usecases.cycle_definition import CycleDefiner, create_cycle
from services.reviews.usecases.preflight import Preflight, validate_cycle
from services.runtime.database import Runner
from services.runtime.database.runner import CallContext


class CycleDefinitionServicer(cycles_pb2_grpc.CycleServiceServicer):
    """CreateCycle and ValidateCycle."""

    _runner: Runner[ReviewsWork]
    _definer: CycleDefiner
    _preflight: Preflight

    async def CreateCycle(
        self, request: cycles_pb2.CreateCycleRequest, context: CallContext
    ) -> cycles_pb2.CreateCycleResponse:
        return await self._runner.command(
            context,
            request,
            create_cycle,
            convert.create_cycle,
            convert.create_cycle_reply,
            prepare=self._definer.prepare,
        )

    async def ValidateCycle(
        self, request: cycles_pb2.ValidateCycleRequest, context: CallContext
    ) -> cycles_pb2.ValidateCycleResponse:
        return await self._runner.command(
            context,
            request,
            validate_cycle,
            convert.validate_cycle,
            convert.validate_cycle_reply,
            prepare=self._preflight.prepare,
        )
