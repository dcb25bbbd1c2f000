"""Every task knows the request that caused it, however it came to be."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from services.reviews import tables
from services.reviews.domain.model import StageKind, StageState, TaskState
from services.reviews.usecases.open_stage import OpenStage, Session, open_stage
from services.runtime.clock import new_id
from services.runtime.database import Database
from tests.reviews.seed import Seed
from tests.reviews.test_appeals import Case

CAUSE, LATER = "1" * 32, "2" * 32


@pytest.fixture
async def seed(service_database: Callable[[str], Database]) -> Seed:
    return await Seed(service_database("reviews")).cycle(release_mode="manual")


async def opened(seed: Seed, stage_id: UUID, epoch: int, cause: str, *sessions: Session) -> list[str]:
    """The causes of a stage's tasks after it was opened by that one."""
    await seed.do(seed.person(new_id()), open_stage, OpenStage(stage_id, epoch, None, sessions, cause))
    rows = await seed.rows("SELECT trace_id FROM task WHERE stage_id = :id", id=stage_id)
    return [row.trace_id for row in rows]


@pytest.mark.parametrize(
    "kind",
    [
        StageKind.ACKNOWLEDGEMENT,
        StageKind.INTERVIEW,
        StageKind.DATA_ENTRY,
        StageKind.CALIBRATION,
        StageKind.RELEASE,
    ],
)
async def test_a_task_of_a_stage_knows_what_had_the_stage_opened(seed: Seed, kind: StageKind) -> None:
    participant, _ = await seed.participant(new_id())
    keys = {"cycle_id": seed.cycle_id, "participant_id": participant}
    await seed.insert(tables.provider, **keys, item="work/a", provider_id=new_id())
    stage_id = await seed.stage(kind, StageState.OPENING)
    sessions = (Session(new_id(), new_id()),) if kind is StageKind.CALIBRATION else ()
    assert await opened(seed, stage_id, 1, CAUSE, *sessions) == [CAUSE]


async def test_a_task_that_is_given_back_knows_what_had_the_stage_reopened(seed: Seed) -> None:
    participant, employee_id = await seed.participant()
    stage_id = await seed.stage(StageKind.SELF_REVIEW, StageState.OPENING, epoch=2)
    given: dict[str, Any] = {"participant_id": participant, "subject_id": employee_id, "trace_id": CAUSE}
    await seed.task(stage_id, employee_id, state=TaskState.EXPIRED, **given)
    assert await opened(seed, stage_id, 2, LATER) == [LATER]


async def test_who_files_an_appeal_causes_its_owners_task(service_database: Callable[[str], Database]) -> None:
    case = await Case(Seed(service_database("reviews"))).build()
    view = await case.file()
    assert (await case.task_row(view.appeal.task_id)).trace_id == "trace"
