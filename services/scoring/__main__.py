"""Composition root of scoring: `python -m services.scoring` serves, `… migrate` brings the schema up to date."""

import sys

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.goals.v1 import goals_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc
from protos.scoring.v1 import scoring_pb2_grpc
from services.runtime import telemetry
from services.runtime.audit import Sealer
from services.runtime.database import Database, Runner, upgrade
from services.runtime.eventlog import Backlog, Consumer, EventLogServicer, Wake
from services.runtime.identity import TokenSigner
from services.runtime.serve import RequestRules, Service, channel_to, run, serve
from services.runtime.settings import load, owner_database_url
from services.scoring.clients import Goals, GoalsClient, Reviews, ReviewsClient
from services.scoring.consumers import HANDLERS
from services.scoring.corrector import Corrector
from services.scoring.policy import RPC_ACCESS, SERVICE
from services.scoring.servicer import ScoringServicer
from services.scoring.settings import ScoringSettings
from services.scoring.store import ScoringWork
from services.scoring.usecases.compute_scores import Computing

REQUEST_RULES = RequestRules(bulk=frozenset({SERVICE + "ComputeScores", SERVICE + "CreateExport"}))


def compose(database: Database, wake: Wake, reviews: Reviews, goals: Goals, backlog: Backlog | None = None) -> Service:
    """The servicers of scoring over a database and the services it asks."""
    runner = Runner(database, ScoringWork, announce=wake.announce)
    return Service(
        registrations=(
            (scoring_pb2_grpc.add_ScoringServiceServicer_to_server, ScoringServicer(runner, Computing(reviews, goals))),
            (eventlog_pb2_grpc.add_EventLogServiceServicer_to_server, EventLogServicer(database, backlog)),
        ),
        access=RPC_ACCESS,
        rules=REQUEST_RULES,
        followers=frozenset({"reviews", "notify", "bridge"}),
    )


async def main() -> None:
    """Serve until told to stop."""
    settings = load(ScoringSettings)
    telemetry.configure("scoring", settings)
    database = Database.of(settings)
    signer = TokenSigner("scoring", settings.identity_key_file)
    wake = Wake(settings.redis_url, "scoring")
    reviews, goals = channel_to("reviews", settings), channel_to("goals", settings)
    clockwork = clockwork_pb2_grpc.ClockworkServiceStub(reviews)
    attainments = goals_pb2_grpc.GoalsServiceStub(goals)
    reviews_client = ReviewsClient(clockwork, signer)
    producers = {"reviews": eventlog_pb2_grpc.EventLogServiceStub(reviews)}
    backlog = Backlog("scoring", database, producers, signer)
    service = compose(database, wake, reviews_client, GoalsClient(attainments, signer), backlog)
    corrector = Corrector(database, reviews_client, poll_seconds=settings.event_poll_seconds, announce=wake.announce)
    consumer = Consumer(
        "scoring",
        database,
        producers,
        HANDLERS,
        ScoringWork,
        signer=signer,
        wake=wake,
        poll_seconds=settings.event_poll_seconds,
    )
    try:
        await serve(
            settings, service, database=database, background=[Sealer(database).run, consumer.run, corrector.run]
        )
    finally:
        await wake.close()
        await reviews.close()
        await goals.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        upgrade("scoring", owner_database_url("scoring"))
    else:
        run(main)
