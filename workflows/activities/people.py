"""Steps that begin in people: who takes part in a cycle."""

import asyncio
from uuid import UUID

from temporalio import activity

from protos.people.v1 import people_pb2, people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2, clockwork_pb2_grpc
from workflows import policies
from workflows.activities.progress import kept_alive
from workflows.calls import Caller
from workflows.messages import Deed, Step

UUID_BYTES = 16


class PeopleActivities:
    """Freezes populations and carries them to reviews, page by page."""

    def __init__(
        self,
        people: "people_pb2_grpc.PeopleServiceAsyncStub",
        reviews: "clockwork_pb2_grpc.ClockworkServiceAsyncStub",
        caller: Caller,
    ) -> None:
        self._people = people
        self._reviews = reviews
        self._caller = caller

    @activity.defn(name=Step.ENROL)
    async def enrol(self, deed: Deed) -> None:
        """Freeze the population as of one instant and enrol it; the next page is fetched while one is enrolled."""
        tenant, cycle = deed.cycle.tenant_id, deed.cycle.cycle_id
        request = clockwork_pb2.GetEnrolmentRequest(cycle_id=cycle)
        enrolment = await self._reviews.GetEnrolment(request, **self._caller.short(tenant))
        async with kept_alive() as place:
            frozen = await self._people.FreezePopulation(_freeze(enrolment), **self._caller.bulk(tenant))
            after = max(place.last, enrolment.after_employee_id)
            coming: asyncio.Task[people_pb2.PageFrozenMembersResponse] | None = self._fetch(tenant, enrolment, after)
            while coming:
                page = await coming
                last = str(UUID(bytes=page.employee_ids[-UUID_BYTES:])) if page.employee_ids else ""
                coming = None if page.last or not last else self._fetch(tenant, enrolment, last)
                if last:
                    await self._reviews.EnrolPage(_enrol(cycle, page), **self._caller.bulk(tenant))
                    place.reached(last)
            finish = clockwork_pb2.FinishEnrolmentRequest(cycle_id=cycle, frozen=frozen.count)
            await self._reviews.FinishEnrolment(finish, **self._caller.bulk(tenant))

    def _fetch(
        self, tenant: str, enrolment: clockwork_pb2.GetEnrolmentResponse, after: str
    ) -> asyncio.Task[people_pb2.PageFrozenMembersResponse]:
        request = people_pb2.PageFrozenMembersRequest(
            freeze_id=enrolment.freeze_id, after_employee_id=after, page_size=policies.PAGE
        )

        async def fetch() -> people_pb2.PageFrozenMembersResponse:
            return await self._people.PageFrozenMembers(request, **self._caller.bulk(tenant))

        return asyncio.create_task(fetch())


def _freeze(enrolment: clockwork_pb2.GetEnrolmentResponse) -> people_pb2.FreezePopulationRequest:
    return people_pb2.FreezePopulationRequest(
        freeze_id=enrolment.freeze_id,
        population=people_pb2.Population(
            everyone=enrolment.everyone,
            department_ids=enrolment.department_ids,
            group_ids=enrolment.group_ids,
            employee_ids=enrolment.employee_ids,
            exclude_employee_ids=enrolment.exclude_employee_ids,
        ),
        as_of=enrolment.as_of,
        group_ids=enrolment.rule_group_ids,
    )


def _enrol(cycle_id: str, page: people_pb2.PageFrozenMembersResponse) -> clockwork_pb2.EnrolPageRequest:
    return clockwork_pb2.EnrolPageRequest(
        cycle_id=cycle_id,
        employee_ids=page.employee_ids,
        codes=page.codes,
        posts=page.posts,
        levels=page.levels,
        department_paths=page.department_paths,
        department_names=page.department_names,
        manager_chains=page.manager_chains,
        group_ids=page.group_ids,
        problems=page.problems,
        hired_on=page.hired_on,
        department_heads=page.department_heads,
    )
