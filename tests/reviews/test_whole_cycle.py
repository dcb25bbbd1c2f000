"""A cycle goes from launch to its end on a real database, driven by nothing but Tick."""

from collections.abc import Callable
from uuid import UUID

import pytest

from services.reviews.domain.model import CycleState, Span, Stage, StageState, Unit
from services.reviews.usecases.open_stage import Session
from services.runtime.clock import new_id
from services.runtime.database import Database
from tests.reviews.worlds import World, employee, member, spine

CREW = [member(1, []), *(member(number, [1]) for number in range(2, 7))]


@pytest.fixture
def world(service_database: Callable[[str], Database]) -> World:
    return World(service_database("reviews"), sessions=(Session(new_id(), employee(1)),))


async def test_the_spine_runs_to_its_end(world: World) -> None:
    await world.launch(spine(start={"early_close": True}, self={"early_close": True}), CREW)

    await world.turn()
    assert await world.tasks("self") == {"open": 5}
    assert (await world.stage("start")).closed_early

    await world.submit_all("self")
    await world.turn()
    assert await world.tasks("self") == {"accepted": 5}
    assert await world.tasks("manager") == {"open": 5}

    await world.submit_all("manager", but=[employee(6)])
    await world.skip(hours=4)
    await world.turn()
    assert await world.tasks("manager") == {"accepted": 4, "expired": 1}
    assert await world.tasks("calibration") == {"open": 1}

    await world.submit_all("calibration", "accepted")
    await world.skip(hours=2)
    await world.turn()
    assert await world.tasks("release") == {"open": 1}
    await world.skip(hours=5)
    assert not (await world.turn()).due
    assert (await world.stage("release")).state is StageState.OPEN, "a manual release waits for its person"

    await world.submit_all("release", "accepted")
    await world.turn()
    assert (await world.cycle()).state is CycleState.RELEASED
    assert await world.tasks("acknowledgement") == {"open": 5}
    await world.submit_all("acknowledgement", "accepted", but=[employee(2)])
    await world.skip(hours=2)
    await world.turn()
    assert await world.tasks("acknowledgement") == {"accepted": 4, "expired": 1}
    assert await world.tasks("interview") == {"open": 5}
    states = "SELECT state, count(*) FROM participant WHERE tenant_id = :tenant_id GROUP BY 1"
    assert dict(await world.rows(states)) == {"exempt": 1, "released": 4, "no_answer": 1}
    await world.skip(hours=2)
    look = await world.turn()

    assert look.finished
    assert (await world.cycle()).state is CycleState.CLOSED
    events = await world.events()
    assert events[-1] == "cycle_closed"
    assert events.count("stage_opened") == events.count("stage_closed") == 8
    assert dict(await world.rows(states)) == {"exempt": 1, "closed": 5}
    [(closed,)] = await world.rows(
        "SELECT payload ->> 'participants' FROM event WHERE tenant_id = :tenant_id AND kind = 'reviews.cycle_closed'"
    )
    assert closed == "5"


async def test_people_who_cannot_take_part_are_rows_with_reasons(world: World) -> None:
    people = [*CREW, member(8, [], problem=1), member(9, [9], problem=2)]
    await world.launch(spine(), people)
    rows = await world.rows(
        "SELECT code, state, findings FROM participant WHERE tenant_id = :tenant_id AND state <> 'enrolled'"
        " ORDER BY code"
    )
    assert rows == [
        ("E000001", "exempt", ["ROOT_OF_REPORTING_TREE"]),
        ("E000008", "excluded", ["NO_MANAGER"]),
        ("E000009", "excluded", ["MANAGER_LOOP"]),
    ]


async def test_a_form_gives_tasks_only_for_the_relations_it_has(world: World) -> None:
    forms = (
        await world.keep_form({"peer": "100"}, post="expert"),
        await world.keep_form({"skip": "100"}, post="deputy"),
        await world.keep_form(),
    )
    people = [
        *(member(1, []), member(2, [1]), member(3, [2, 1])),
        *(member(4, [2, 1], post="expert"), member(5, [2, 1], post="deputy"), member(6, [1], post="deputy")),
    ]
    quick = {"early_close": True}
    await world.launch(
        spine(start=quick, self=quick, manager={"advance": "individually"}),
        people,
        forms=forms,
    )
    await world.turn()
    assert await owed(world, "self_review") == [(2, 2, "self"), (3, 3, "self")]
    await world.submit_all("self")
    await world.turn()
    assert await owed(world, "manager_review") == [(2, 1, "manager"), (3, 2, "manager"), (5, 1, "skip"), (6, 0, "skip")]
    look = await world.look()
    assert not look.due, "who is not asked is not waited for"
    assert await world.open(await opened(world, "interview")) == 5
    assert [(person, manager) for person, manager, _ in await owed(world, "interview")] == [
        *((2, 1), (3, 2), (4, 2), (5, 2), (6, 1))
    ], "managers talk with their people, whoever rated them"


async def owed(world: World, kind: str) -> list[tuple[int, int, str]]:
    """(whom it is about, who owes it or 0, relation) of the tasks of a kind, people by number."""
    rows = await world.rows(
        "SELECT subject_id, assignee_id, relation FROM task WHERE tenant_id = :tenant_id AND kind = :kind"
        " ORDER BY subject_id",
        kind=kind,
    )
    return [(_number(subject), _number(assignee), relation) for subject, assignee, relation in rows]


def _number(who: UUID | None) -> int:
    return UUID(str(who)).int & 0xFFFF if who else 0


async def opened(world: World, key: str) -> Stage:
    """The stage, as if it opened now."""
    await world.execute(
        "UPDATE stage SET state = 'opening', epoch = 1, opened_at = now()"
        " WHERE tenant_id = :tenant_id AND cycle_id = :cycle_id AND key = :key",
        key=key,
    )
    return await world.stage(key)


async def test_a_person_goes_on_alone(world: World) -> None:
    await world.launch(spine(start={"early_close": True}, manager={"advance": "individually"}), CREW)
    await world.turn()
    assert (await world.stage("manager")).state is StageState.PLANNED
    await world.submit_all("self", but=[employee(number) for number in (3, 4, 5, 6)])
    await world.turn()
    assert await world.tasks("manager") == {"open": 1}
    await world.submit_all("self", but=[employee(number) for number in (4, 5, 6)])
    await world.turn()
    assert await world.tasks("manager") == {"open": 2}
    await world.skip(hours=2, minutes=1)
    await world.turn()
    assert await world.tasks("manager") == {"open": 5}, "the end of a stage lets everybody through"


async def test_policies_at_the_due_instant(world: World) -> None:
    await world.launch(
        spine(
            start={"early_close": True},
            self={"on_timeout": "extend_once", "grace": Span(30, Unit.HOURS)},
            manager={"on_timeout": "escalate", "grace": Span(10, Unit.HOURS)},
        ),
        [member(1, []), member(2, [1]), *(member(number, [2, 1]) for number in range(3, 7))],
    )
    await world.turn()
    await world.skip(hours=2)
    await world.turn()
    stage = await world.stage("self")
    assert stage.state is StageState.OPEN
    assert stage.extended_once
    await world.skip(hours=30)
    await world.turn()
    assert await world.tasks("self") == {"expired": 5}

    await world.skip(hours=3)
    await world.turn()
    assert (await world.stage("manager")).state is StageState.CLOSING
    rows = await world.rows(
        "SELECT assignee_id, origin_id, due_override IS NOT NULL FROM task WHERE kind = 'manager_review'"
        " AND tenant_id = :tenant_id AND origin_id = :second",
        second=employee(2),
    )
    assert rows == [(employee(1), employee(2), True)] * 4, "the manager's manager has it now"
    await world.skip(hours=11)
    await world.turn()
    assert await world.tasks("manager") == {"expired": 5}
