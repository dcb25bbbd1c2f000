"""Composition root of reviews: `python -m services.reviews` serves, `… migrate` brings the schema up to date."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.people.v1 import people_pb2_grpc
from protos.reviews.v1 import (
    clockwork_pb2_grpc,
    cycles_pb2_grpc,
    outcomes_pb2_grpc,
    tasks_pb2_grpc,
    templates_pb2_grpc,
)
from protos.scoring.v1 import scoring_pb2_grpc
from services.reviews.clients import PeopleClient, ScoringClient
from services.reviews.consumers import HANDLERS
from services.reviews.gauges import Gauges
from services.reviews.policy import RPC_ACCESS
from services.reviews.servicer import (
    ClockworkServicer,
    CycleServicer,
    OutcomeServicer,
    TasksServicer,
    TemplateServicer,
)
from services.reviews.settings import ReviewsSettings
from services.reviews.store import ReviewsWork
from services.reviews.store.submit import Submissions
from services.reviews.usecases.cycle_definition import CycleDefiner
from services.reviews.usecases.preflight import Preflight
from services.reviews.usecases.schedules import Scheduler
from services.runtime import telemetry
from services.runtime.audit import Sealer
from services.runtime.database import Database, Origin, Runner, upgrade
from services.runtime.errors import DeniedError
from services.runtime.eventlog import Backlog, Consumer, EventLogServicer, Wake
from services.runtime.identity import Principal, TokenSigner
from services.runtime.serve import RequestRules, Service, channel_to, run, serve
from services.runtime.settings import load, owner_database_url

CLOCKWORK = "/attune.reviews.v1.ClockworkService/"
LARGEST_TEMPLATE, LARGEST_OVERRIDES = 1 << 20, 1 << 16
REQUEST_RULES = RequestRules(
    bulk=frozenset(
        {CLOCKWORK + name for name in ("EnrolPage", "OpenStage", "ExpireStage", "RemindStage", "ListScoringInputs")}
        | {"/attune.reviews.v1.TaskService/ImportActuals"}
    ),
    text_limits={
        "attune.reviews.v1.ApplyTemplateRequest.source": LARGEST_TEMPLATE,
        "attune.reviews.v1.CreateCycleRequest.overrides_json": LARGEST_OVERRIDES,
    },
)


def opening(database: Database) -> Callable[[Principal], AbstractAsyncContextManager[ReviewsWork]]:
    """Opens transactions for the steps before a command's own."""

    @asynccontextmanager
    async def opened(principal: Principal) -> AsyncIterator[ReviewsWork]:
        if principal.tenant_id is None:
            raise DeniedError("this method needs a tenant and the caller has none", reason="TENANT_REQUIRED")
        async with database.transaction(principal.tenant_id) as connection:
            yield ReviewsWork(connection, Origin(principal, principal.tenant_id))

    return opened


def compose(
    database: Database, wake: Wake, people: PeopleClient, scoring: ScoringClient, backlog: Backlog | None = None
) -> Service:
    """The servicers of reviews over a database and the services it asks."""
    runner = Runner(database, ReviewsWork, announce=wake.announce)
    definer, preflight = CycleDefiner(people, opening(database)), Preflight(people, scoring, opening(database))
    scheduler = Scheduler(people, definer, preflight, opening(database))
    tasks = TasksServicer(runner, Submissions(database), people)
    return Service(
        registrations=(
            (templates_pb2_grpc.add_TemplateServiceServicer_to_server, TemplateServicer(runner, scoring)),
            (cycles_pb2_grpc.add_CycleServiceServicer_to_server, CycleServicer(runner, definer, preflight, scheduler)),
            (tasks_pb2_grpc.add_TaskServiceServicer_to_server, tasks),
            (outcomes_pb2_grpc.add_OutcomeServiceServicer_to_server, OutcomeServicer(runner, people)),
            (clockwork_pb2_grpc.add_ClockworkServiceServicer_to_server, ClockworkServicer(runner, scheduler)),
            (eventlog_pb2_grpc.add_EventLogServiceServicer_to_server, EventLogServicer(database, backlog)),
        ),
        access=RPC_ACCESS,
        rules=REQUEST_RULES,
        followers=frozenset({"scoring", "notify", "bridge"}),
    )


async def main() -> None:
    """Serve until told to stop."""
    settings = load(ReviewsSettings)
    telemetry.configure("reviews", settings)
    database = Database.of(settings)
    signer = TokenSigner("reviews", settings.identity_key_file)
    wake = Wake(settings.redis_url, "reviews")
    followed = ("people", "scoring", "notify")
    channels = {name: channel_to(name, settings) for name in followed}
    producers = {name: eventlog_pb2_grpc.EventLogServiceStub(channel) for name, channel in channels.items()}
    service = compose(
        database,
        wake,
        PeopleClient(people_pb2_grpc.PeopleServiceStub(channels["people"]), signer),
        ScoringClient(scoring_pb2_grpc.ScoringServiceStub(channels["scoring"]), signer),
        Backlog("reviews", database, producers, signer),
    )
    consumer = Consumer(
        "reviews",
        database,
        producers,
        HANDLERS,
        ReviewsWork,
        signer=signer,
        wake=wake,
        poll_seconds=settings.event_poll_seconds,
    )
    try:
        await serve(
            settings, service, database=database, background=[Sealer(database).run, consumer.run, Gauges(database).run]
        )
    finally:
        await wake.close()
        for channel in channels.values():
            await channel.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        upgrade("reviews", owner_database_url("reviews"))
    else:
        run(main)
