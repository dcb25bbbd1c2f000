"""The close race through the real RPCs over gRPC: nobody is late, and who closes is not starved by those who write."""

from collections.abc import AsyncIterator, Callable

import pytest

from protos.people.v1 import people_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.reviews.__main__ import compose
from services.reviews.clients import PeopleClient, ScoringClient
from services.runtime.database import Database
from services.runtime.eventlog import Wake
from services.runtime.serve import build_server, open_channel
from tests.identity import Keyring
from tests.postgres import PostgresServer, open_database, urls_of
from tests.reviews.races import WITNESS, Race

TRIALS, WRITERS = 40, 12
CROWD, TASKS_EACH = 24, 40
Make = Callable[[int, int], Race]


@pytest.fixture(scope="module")
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """A database whose closers count what has committed."""
    name = postgres.create_database("reviews")
    postgres.execute(name, WITNESS)
    opened = open_database("reviews", urls_of(postgres, "reviews", name))
    yield opened
    await opened.dispose()


@pytest.fixture(scope="module")
async def race(database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Make]:
    """Makes races at a server of reviews, which is not told how to reach people and scoring."""
    keys = Keyring(tmp_path_factory.mktemp("keys"))
    keys.signer("gateway")
    async with open_channel("127.0.0.1:9") as nowhere:
        people = PeopleClient(people_pb2_grpc.PeopleServiceStub(nowhere), keys.signer("reviews"))
        scoring = ScoringClient(scoring_pb2_grpc.ScoringServiceStub(nowhere), keys.signer("reviews"))
        server, _ = build_server(compose(database, Wake("", "reviews"), people, scoring), keys.verifier())
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with open_channel(f"127.0.0.1:{port}") as channel:
            await channel.channel_ready()
            yield lambda writers, each: Race(channel, keys.as_user, database, writers, each)
        await server.stop(None)


async def test_of_twelve_writers_none_is_late_in_forty_trials(race: Make) -> None:
    outcomes = []
    for trial in range(TRIALS):
        contest = await race(WRITERS, 1).prepare()
        outcomes.append(await contest.run(head_start=0.002 * (trial % 10), stagger=0.002, flanked=True))
    assert sum(outcome.late for outcome in outcomes) == 0
    assert all(sum(outcome.accepted) + outcome.refused == WRITERS for outcome in outcomes)
    between = [set(outcome.accepted[1:-1]) for outcome in outcomes]
    assert {0, 1} in between, "the close came among those who were held by nothing, at least once"


async def test_the_closer_commits_while_twenty_four_still_write(race: Make) -> None:
    contest = await race(CROWD, TASKS_EACH).prepare()
    outcome = await contest.run(head_start=0.3)
    assert outcome.late == 0
    assert outcome.refused == CROWD, "every writer was still at work when the stage closed"
    assert sum(outcome.accepted) > 0
