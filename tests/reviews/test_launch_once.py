"""A launch that is repeated, raced or broken off enrols everybody once, and lists whom it could not enrol."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import grpc
import pytest

from protos.reviews.v1 import clockwork_pb2, cycles_pb2
from services.runtime.database import Database
from services.runtime.errors import reason_of
from tests.reviews.wires import Wire, served

ONCE = """
SELECT (SELECT count(*) FROM participant WHERE cycle_id = :cycle) AS people,
    (SELECT count(DISTINCT employee_id) FROM participant WHERE cycle_id = :cycle) AS persons,
    (SELECT count(*) FROM rater WHERE cycle_id = :cycle AND relation = 'manager') AS raters,
    (SELECT count(DISTINCT participant_id) FROM rater WHERE cycle_id = :cycle AND relation = 'manager') AS rated,
    (SELECT count(*) FROM event WHERE kind = 'reviews.cycle_launched' AND aggregate_id = :cycle) AS launches,
    (SELECT count(*) FROM event WHERE kind = 'reviews.cycle_enrolled' AND aggregate_id = :cycle) AS enrolments
"""


@pytest.fixture(scope="module")
async def wire(
    service_database: Callable[[str], Database], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Wire]:
    async with served(service_database("reviews"), tmp_path_factory.mktemp("keys")) as wire:
        yield wire


async def launch(wire: Wire, request: cycles_pb2.LaunchCycleRequest) -> cycles_pb2.LaunchCycleResponse | str:
    """The reply, or the reason of the refusal."""
    try:
        reply: cycles_pb2.LaunchCycleResponse = await wire.cycles.LaunchCycle(request, **wire.hr)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return reply


async def test_launches_at_once_are_one_launch(wire: Wire) -> None:
    cycle = await wire.create()
    same = wire.launch_request(cycle.id)
    others = [wire.launch_request(cycle.id) for _ in range(4)]
    answers = await asyncio.gather(*(launch(wire, request) for request in (same, same, *others, same, same)))
    of_same = [answers[place] for place in (0, 1, 6, 7)]
    assert all(answer == of_same[0] for answer in of_same), "one key has one answer"
    launched = {answer.cycle.etag for answer in answers if not isinstance(answer, str)}
    assert len(launched) == 1
    one_per_key = [of_same[0], *answers[2:6]]
    assert sorted(answer for answer in one_per_key if isinstance(answer, str)) == ["CYCLE_STATE_INVALID"] * 4


def rows(page: clockwork_pb2.EnrolPageRequest, first: int, last: int) -> clockwork_pb2.EnrolPageRequest:
    """The rows from `first` up to `last` of a page."""
    part = clockwork_pb2.EnrolPageRequest(
        cycle_id=page.cycle_id, employee_ids=page.employee_ids[16 * first : 16 * last]
    )
    for column in page.DESCRIPTOR.fields:
        if column.name not in {"cycle_id", "employee_ids"}:
            getattr(part, column.name).extend(getattr(page, column.name)[first:last])
    return part


async def test_an_enrolment_that_is_broken_off_and_begun_anew_enrols_nobody_twice(
    wire: Wire, service_database: Callable[[str], Database]
) -> None:
    cycle = await wire.create()
    await wire.cycles.LaunchCycle(wire.launch_request(cycle.id), **wire.hr)
    whole = wire.page(cycle.id)
    await wire.clockwork.EnrolPage(rows(whole, 0, 12), **wire.service())
    anew = wire.page(cycle.id)  # as if frozen again after a reorganisation: the second in line leads everybody
    for place in range(2, len(anew.manager_chains)):
        anew.manager_chains[place] = anew.employee_ids[16:32] + anew.employee_ids[:16]
    pages = [rows(anew, first, first + 10) for first in (0, 5, 10, 15, 20)] * 2
    await asyncio.gather(*(wire.clockwork.EnrolPage(page, **wire.service()) for page in pages))
    finish = clockwork_pb2.FinishEnrolmentRequest(cycle_id=cycle.id, frozen=30)
    await asyncio.gather(*(wire.clockwork.FinishEnrolment(finish, **wire.service()) for _ in range(3)))
    late = await wire.clockwork.EnrolPage(whole, **wire.service())
    assert (late.enrolled, late.excluded) == (0, 0), "a page that comes late changes nothing"

    async with service_database("reviews").transaction(wire.tenant_id) as connection:
        [found] = await connection.exec_driver_sql(
            ONCE.replace(":cycle", f"'{UUID(cycle.id)}'"),
        )
    assert tuple(found) == (30, 30, 29, 29, 1, 1)


async def test_whoever_could_not_be_enrolled_is_listed_with_every_reason(wire: Wire) -> None:
    cycle = await wire.create(forms=[cycles_pb2.FormRule(post="sales", template="业务岗KPI")])
    await wire.cycles.LaunchCycle(wire.launch_request(cycle.id), **wire.hr)
    page = wire.page(cycle.id)
    page.problems[1], page.problems[2] = 1, 2  # a salesperson without a manager, a developer in a loop
    await wire.clockwork.EnrolPage(page, **wire.service())
    await wire.clockwork.FinishEnrolment(
        clockwork_pb2.FinishEnrolmentRequest(cycle_id=cycle.id, frozen=30), **wire.service()
    )
    request = cycles_pb2.ListParticipantsRequest(
        cycle_id=cycle.id, state=cycles_pb2.PARTICIPANT_STATE_EXCLUDED, page_size=100
    )
    listed = {each.code: each for each in (await wire.cycles.ListParticipants(request, **wire.hr)).participants}
    developers = {code for code, post in zip(page.codes, page.posts, strict=True) if post == "developer"}
    assert set(listed) == developers | {"E000001"}
    assert (listed["E000001"].reason, list(listed["E000001"].reasons)) == ("NO_MANAGER", ["NO_MANAGER"])
    assert list(listed["E000002"].reasons) == ["NO_FORM_RULE", "MANAGER_LOOP"]
    words = [listed["E000002"].reason_message.find(each) for each in ("no form rule", "loop")]
    assert -1 < words[0] < words[1], listed["E000002"].reason_message
    whole = (await wire.cycles.GetCycle(cycles_pb2.GetCycleRequest(cycle_id=cycle.id), **wire.hr)).cycle
    assert (whole.participants, whole.excluded) == (30 - len(listed), len(listed))


async def test_a_second_launch_of_a_cycle_that_runs_is_refused(wire: Wire) -> None:
    cycle_id = await wire.launched()
    request = wire.launch_request(cycle_id)
    assert await launch(wire, request) == "CYCLE_STATE_INVALID"
    assert await launch(wire, request) == "CYCLE_STATE_INVALID"
    request.request_id = str(uuid4())
    assert await launch(wire, request) == "CYCLE_STATE_INVALID"
