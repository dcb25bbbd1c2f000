"""What reviews says of a cycle to the caller whom the engine service serves."""

from protos.reviews.v1 import cycles_pb2, cycles_pb2_grpc
from services.runtime.identity import forward_metadata
from workflows import policies

LIVE = frozenset(
    {
        cycles_pb2.CYCLE_STATE_LAUNCHING,
        cycles_pb2.CYCLE_STATE_RUNNING,
        cycles_pb2.CYCLE_STATE_PAUSED,
        cycles_pb2.CYCLE_STATE_RELEASED,
    }
)


class LiveRows:
    """Asks reviews in the caller's name, so that nobody touches a cycle of another tenant."""

    def __init__(self, reviews: "cycles_pb2_grpc.CycleServiceAsyncStub") -> None:
        self._reviews = reviews

    async def is_live(self, cycle_id: str) -> bool:
        """Return whether the cycle has begun and not ended. Raises grpc.aio.AioRpcError, also for one unknown."""
        request = cycles_pb2.GetCycleRequest(cycle_id=cycle_id)
        metadata = forward_metadata()
        reply = await self._reviews.GetCycle(request, timeout=policies.SHORT_CALL.total_seconds(), metadata=metadata)
        return reply.cycle.state in LIVE
