"""Composition root of goals: `python -m services.goals` serves, `… migrate` brings the schema up to date."""

import sys

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.goals.v1 import goals_pb2_grpc
from protos.people.v1 import people_pb2_grpc
from services.goals.clients import PeopleClient
from services.goals.consumers import handlers
from services.goals.follower import Follower
from services.goals.policy import RPC_ACCESS
from services.goals.servicer import GoalsServicer
from services.goals.settings import GoalsSettings
from services.goals.store import GoalsWork
from services.goals.usecases.standing import Standing
from services.runtime import telemetry
from services.runtime.audit import Sealer
from services.runtime.database import Database, Runner, upgrade
from services.runtime.eventlog import Backlog, Consumer, EventLogServicer, Wake
from services.runtime.identity import TokenSigner
from services.runtime.serve import RequestRules, Service, channel_to, run, serve
from services.runtime.settings import load, owner_database_url

_METHODS = "/attune.goals.v1.GoalsService/"
REQUEST_RULES = RequestRules(bulk=frozenset({_METHODS + "ImportGoals", _METHODS + "FreezeAttainments"}))


def compose(database: Database, wake: Wake, standing: Standing, backlog: Backlog | None = None) -> Service:
    """The servicers of goals over a database and what knows where owners stand."""
    runner = Runner(database, GoalsWork, announce=wake.announce)
    return Service(
        registrations=(
            (goals_pb2_grpc.add_GoalsServiceServicer_to_server, GoalsServicer(runner, standing)),
            (eventlog_pb2_grpc.add_EventLogServiceServicer_to_server, EventLogServicer(database, backlog)),
        ),
        access=RPC_ACCESS,
        rules=REQUEST_RULES,
        followers=frozenset({"notify", "bridge"}),
    )


async def main() -> None:
    """Serve until told to stop."""
    settings = load(GoalsSettings)
    telemetry.configure("goals", settings)
    database = Database.of(settings)
    signer = TokenSigner("goals", settings.identity_key_file)
    wake = Wake(settings.redis_url, "goals")
    people = channel_to("people", settings)
    standing = Standing(PeopleClient(people_pb2_grpc.PeopleServiceStub(people), signer))
    producers = {"people": eventlog_pb2_grpc.EventLogServiceStub(people)}
    consumer = Consumer(
        "goals",
        database,
        producers,
        handlers(standing),
        GoalsWork,
        signer=signer,
        wake=wake,
        poll_seconds=settings.event_poll_seconds,
    )
    background = [Sealer(database).run, consumer.run, Follower(database, standing).run]
    try:
        service = compose(database, wake, standing, Backlog("goals", database, producers, signer))
        await serve(settings, service, database=database, background=background)
    finally:
        await wake.close()
        await people.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        upgrade("goals", owner_database_url("goals"))
    else:
        run(main)
