"""Writers against a closer through the real RPCs, and a witness inside the closer's own transaction."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import grpc
from sqlalchemy import insert

from protos.reviews.v1 import cycles_pb2, cycles_pb2_grpc, tasks_pb2, tasks_pb2_grpc
from services.reviews import tables
from services.reviews.domain.model import StageKind
from services.runtime.clock import new_id
from services.runtime.database import Database
from services.runtime.errors import reason_of
from services.runtime.identity import Metadata, Principal
from tests.reviews.seed import Seed

# The closer counts what has committed while it holds the stage: whatever commits afterwards was late. That needs no
# clock and finds a submission that read the stage before the close and committed after it.
WITNESS = """
CREATE TABLE reviews.witness (stage_id uuid PRIMARY KEY, submissions bigint NOT NULL);
GRANT SELECT, INSERT ON reviews.witness TO reviews_app;
CREATE FUNCTION reviews.testify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO reviews.witness SELECT NEW.id, count(*) FROM reviews.submission
    WHERE tenant_id = NEW.tenant_id AND stage_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER testify AFTER UPDATE ON reviews.stage FOR EACH ROW
    WHEN (OLD.state = 'open' AND NEW.state = 'closing') EXECUTE FUNCTION reviews.testify();
"""
TOLD = "SELECT submissions, (SELECT count(*) FROM submission) AS stored FROM witness WHERE stage_id = :stage_id"
STAGE = "race"
SECONDS = 25.0


@dataclass
class Outcome:
    """What came of one race."""

    wait_seconds: float  # of the closer, for its whole RPC
    accepted: list[int]  # by writer
    refused: int  # writers that were told that the stage is closed
    late: int  # submissions that committed after the close


@dataclass
class Race:
    """One stage of a tenant of its own; every writer owes `each` tasks."""

    channel: grpc.aio.Channel
    sign: Callable[[Principal], Metadata]
    database: Database
    writers: int
    each: int = 1
    seed: Seed = field(init=False)
    stage_id: UUID = field(init=False)
    people: list[UUID] = field(init=False)
    tasks: list[list[UUID]] = field(init=False)

    async def prepare(self) -> "Race":
        """Put the rows in place."""
        self.seed = await Seed(self.database).cycle()
        self.stage_id = await self.seed.stage(StageKind.CUSTOM, key=STAGE)
        self.people = [new_id() for _ in range(self.writers)]
        self.tasks = [[new_id() for _ in range(self.each)] for _ in range(self.writers)]
        rows = [
            {
                "tenant_id": self.seed.tenant_id,
                "id": task,
                "cycle_id": self.seed.cycle_id,
                "stage_id": self.stage_id,
                "kind": "custom",
                "epoch": 1,
                "assignee_id": person,
                "origin_id": task,
                "form_id": self.seed.form_id,
            }
            for person, owed in zip(self.people, self.tasks, strict=True)
            for task in owed
        ]
        async with self.database.transaction(self.seed.tenant_id) as connection:
            await connection.execute(insert(tables.task), rows)
        return self

    async def run(self, head_start: float, stagger: float = 0.0, *, flanked: bool = False) -> Outcome:
        """Let all write and one close; it begins so many seconds after the writers, and after one was accepted.

        The writers begin `stagger` apart. Where they are flanked, the first has been accepted before the others begin,
        and the last begins when the close has been answered: whatever the others meet, the close came among them.
        """
        self._under_way, self._closed = asyncio.Event(), asyncio.Event()
        if not flanked:
            self._closed.set()
        first = 1 if flanked else self.writers
        writing = [asyncio.create_task(self._write(number, stagger)) for number in range(first)]
        async with asyncio.timeout(SECONDS):
            await self._under_way.wait()
        writing += [asyncio.create_task(self._write(number, stagger)) for number in range(first, self.writers)]
        await asyncio.sleep(head_start)
        wait = await self._close()
        self._closed.set()
        outcomes = await asyncio.gather(*writing)
        [told] = await self.seed.rows(TOLD, stage_id=self.stage_id)
        accepted = [count for count, _ in outcomes]
        assert told.stored == sum(accepted), "what was acknowledged is stored, and nothing else"
        return Outcome(wait, accepted, sum(refused for _, refused in outcomes), told.stored - told.submissions)

    async def _write(self, number: int, stagger: float) -> tuple[int, bool]:
        await asyncio.sleep(stagger * (number % 4))
        if number == self.writers - 1:
            await self._closed.wait()
        stub = tasks_pb2_grpc.TaskServiceStub(self.channel)
        metadata = self.sign(self.seed.person(self.people[number]))
        for place, task in enumerate(self.tasks[number]):
            answer = tasks_pb2.Answer(item="conduct/teamwork", value="4")
            extra = tasks_pb2.Answer(item="conduct/extra", value="1")
            request = tasks_pb2.SubmitTaskRequest(
                request_id=str(task), task_id=str(task), stage_id=str(self.stage_id), answers=[answer, extra]
            )
            try:
                await stub.SubmitTask(request, metadata=metadata, timeout=SECONDS)
            except grpc.aio.AioRpcError as error:
                if reason_of(error) != "STAGE_CLOSED":
                    raise
                return place, True
            self._under_way.set()
        return self.each, False

    async def _close(self) -> float:
        stub = cycles_pb2_grpc.CycleServiceStub(self.channel)
        metadata = self.sign(self.seed.person(self.seed.owner_id, "hr_admin"))
        request = cycles_pb2.CloseStageRequest(
            request_id=str(uuid4()), cycle_id=str(self.seed.cycle_id), stage=STAGE, reason="enough"
        )
        begun = time.perf_counter()
        await stub.CloseStage(request, metadata=metadata, timeout=SECONDS)
        return time.perf_counter() - begun
