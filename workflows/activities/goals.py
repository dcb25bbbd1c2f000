"""Steps that begin in goals: what people attained in a cycle's period."""

from temporalio import activity

from protos.goals.v1 import goals_pb2, goals_pb2_grpc
from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from workflows.calls import Caller
from workflows.messages import Deed, Step, attainment_freeze_id


class GoalsActivities:
    """Freezes attainments, so that a stage is scored on one consistent state of all goals."""

    def __init__(
        self,
        goals: "goals_pb2_grpc.GoalsServiceAsyncStub",
        reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
        caller: Caller,
    ) -> None:
        self._goals = goals
        self._reviews = reviews
        self._caller = caller

    @activity.defn(name=Step.FREEZE_ATTAINMENTS)
    async def freeze_attainments(self, deed: Deed) -> None:
        """Freeze the attainments of the cycle's period; repeating it changes nothing."""
        tenant = deed.cycle.tenant_id
        asked = clockwork_pb2.GetScoringRulesRequest(cycle_id=deed.cycle.cycle_id)
        rules = await self._reviews.GetScoringRules(asked, **self._caller.short(tenant))
        request = goals_pb2.FreezeAttainmentsRequest(
            freeze_id=attainment_freeze_id(deed.action.stage_id, deed.action.epoch),
            period_start=rules.period_start,
            period_end=rules.period_end,
        )
        request.as_of.FromDatetime(deed.at)
        await self._goals.FreezeAttainments(request, **self._caller.bulk(tenant))
