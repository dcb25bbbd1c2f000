"""The worker and the consumers without Temporal and without waiting: the same steps, taken when a test says so."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from temporalio.testing import ActivityEnvironment

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.goals.v1 import goals_pb2_grpc
from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.reviews.consumers import HANDLERS as REVIEWS_HANDLERS
from services.reviews.store import ReviewsWork
from services.runtime.eventlog import Consumer, Wake
from services.scoring.clients import ReviewsClient
from services.scoring.consumers import HANDLERS as SCORING_HANDLERS
from services.scoring.corrector import Corrector
from services.scoring.store import ScoringWork
from tests.runtime.conftest import beyond_the_horizon
from tests.security.conftest import World
from workflows import policies
from workflows.activities.goals import GoalsActivities
from workflows.activities.people import PeopleActivities
from workflows.activities.reviews import ReviewsActivities
from workflows.activities.scoring import ScoringActivities
from workflows.calls import Caller
from workflows.messages import Action, ActionKind, CycleRef, Deed, Look, Sight, Step

MANY = 60
FOLLOWED = ("people", "scoring", "reviews")


class Clock:
    """Performs what reviews answers to a look, as ReviewCycle has it performed, and follows the event logs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tenant = str(world.tenant_id)
        caller = Caller(world.keyring.signer("worker"))
        clockwork = clockwork_pb2_grpc.ClockworkServiceStub(world.channels["reviews"])
        people = PeopleActivities(people_pb2_grpc.PeopleServiceStub(world.channels["people"]), clockwork, caller)
        goals = GoalsActivities(goals_pb2_grpc.GoalsServiceStub(world.channels["goals"]), clockwork, caller)
        reviews = ReviewsActivities(clockwork, caller, 5.0)
        scoring = ScoringActivities(scoring_pb2_grpc.ScoringServiceStub(world.channels["scoring"]), clockwork, caller)
        self._steps: dict[Step, Callable[..., Any]] = {
            Step.TICK: reviews.tick,
            Step.ENROL: people.enrol,
            Step.OPEN_STAGE: reviews.open_stage,
            Step.OPEN_CALIBRATION: scoring.open_calibration,
            Step.REMIND_STAGE: reviews.remind_stage,
            Step.EXPIRE_STAGE: reviews.expire_stage,
            Step.FREEZE_ATTAINMENTS: goals.freeze_attainments,
            Step.SETTLE_STAGE: reviews.settle_stage,
            Step.SETTLE_SCORES: scoring.settle_scores,
            Step.SETTLE_CALIBRATION: scoring.settle_calibration,
            Step.SETTLE_RELEASE: scoring.settle_release,
        }
        reviews_client = ReviewsClient(clockwork, world.keyring.signer("scoring"))
        self._corrector = Corrector(world.databases["scoring"], reviews_client, poll_seconds=0, announce=lambda: None)
        self._consumers = (
            _consumer(world, "scoring", ("reviews",), SCORING_HANDLERS, ScoringWork),
            _consumer(world, "reviews", ("people", "scoring"), REVIEWS_HANDLERS, ReviewsWork),
        )

    async def grant(self, code: str, role: str) -> None:
        """Give somebody a role for the whole company."""
        people = people_pb2_grpc.PeopleServiceStub(self._world.channels["people"])
        who = self._world.metadata("hr_admin")
        everybody = people_pb2.ListEmployeesRequest(page_size=100)
        listed = await people.ListEmployees(everybody, metadata=who, timeout=20)
        [employee_id] = [each.id for each in listed.employees if each.code == code]
        request = people_pb2.GrantRoleRequest(
            request_id=str(uuid4()), employee_id=employee_id, role=role, scope_kind="tenant"
        )
        await people.GrantRole(request, metadata=who, timeout=20)

    async def enrol(self, cycle_id: str) -> None:
        """Enrol the population of a launched cycle, then do what is due."""
        cycle = CycleRef(self._tenant, cycle_id)
        await self._perform(Step.ENROL, Deed(cycle, Action(ActionKind.ENROL), datetime.now(UTC)))
        await self.turn(cycle_id)

    async def turn(self, cycle_id: str) -> None:
        """Look and perform until nothing is due. Raises RuntimeError when that does not end."""
        cycle = CycleRef(self._tenant, cycle_id)
        for _ in range(MANY):
            # Another test's transaction may hold back what has just been told, by the consumer before this one too.
            for consumer in self._consumers:
                for name in FOLLOWED:
                    await beyond_the_horizon(self._world.databases[name], "event")
                await consumer.catch_up()
                while await self._corrector.round():
                    pass
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


def _consumer(world: World, name: str, follows: tuple[str, ...], handlers: Any, make_work: Any) -> Consumer[Any]:
    producers = {each: eventlog_pb2_grpc.EventLogServiceStub(world.channels[each]) for each in follows}
    signer, wake = world.keyring.signer(name), Wake("", name)
    return Consumer(name, world.databases[name], producers, handlers, make_work, signer=signer, wake=wake)
