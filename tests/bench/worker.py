"""The worker without Temporal: the same activities, one after the other, at the real services."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from temporalio.testing import ActivityEnvironment

from protos.people.v1 import people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc
from services.runtime.serve import open_channel
from tests.bench.standing import Standing
from workflows import policies
from workflows.activities.people import PeopleActivities
from workflows.activities.reviews import ReviewsActivities
from workflows.calls import Caller
from workflows.messages import Action, ActionKind, CycleRef, Deed, Look, Sight, Step

MANY = 40


class Worker:
    """Performs what reviews answers to a look, as ReviewCycle has it performed."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._opened = AsyncExitStack()
        self._steps: dict[Step, Callable[..., Any]] = {}

    async def __aenter__(self) -> "Worker":
        stack = self._standing.stack
        people = await self._opened.enter_async_context(open_channel(stack.address("people")))
        reviews = await self._opened.enter_async_context(open_channel(stack.address("reviews")))
        caller = Caller(self._standing.signer("worker"))
        clockwork = clockwork_pb2_grpc.ClockworkServiceStub(reviews)
        of_people = PeopleActivities(people_pb2_grpc.PeopleServiceStub(people), clockwork, caller)
        of_reviews = ReviewsActivities(clockwork, caller, 5.0)
        self._steps = {
            Step.TICK: of_reviews.tick,
            Step.ENROL: of_people.enrol,
            Step.OPEN_STAGE: of_reviews.open_stage,
            Step.EXPIRE_STAGE: of_reviews.expire_stage,
            Step.SETTLE_STAGE: of_reviews.settle_stage,
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def enrol(self, cycle: CycleRef) -> None:
        """Freeze the population and enrol it, page by page."""
        await self._perform(Step.ENROL, Deed(cycle, Action(ActionKind.ENROL), datetime.now(UTC)))

    async def turn(self, cycle: CycleRef) -> None:
        """Look and perform until nothing is due. Raises RuntimeError when that does not end."""
        for _ in range(MANY):
            at = datetime.now(UTC)
            sight: Sight = await self._perform(Step.TICK, Look(cycle, at))
            if not sight.due and not sight.stage_closed:
                return
            for action in sight.due:
                for step in policies.steps_of(action):
                    await self._perform(step, Deed(cycle, action, at))
        raise RuntimeError("the cycle does not come to rest")

    async def _perform(self, step: Step, message: object) -> Any:
        return await ActivityEnvironment().run(self._steps[step], message)
