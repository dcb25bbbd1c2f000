"""Composition root of notify: `python -m services.notify` serves, `… migrate` brings the schema up to date."""

import sys

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.notify.v1 import notify_pb2_grpc
from protos.people.v1 import people_pb2_grpc
from protos.reviews.v1 import clockwork_pb2_grpc
from services.notify.clients import PeopleClient, ReviewsClient
from services.notify.consumers import handlers
from services.notify.domain.model import EMAIL
from services.notify.gauges import Gauges
from services.notify.policy import RPC_ACCESS
from services.notify.sender import Sender, SmtpMailer
from services.notify.servicer import NotifyServicer
from services.notify.settings import NotifySettings
from services.notify.store import NotifyWork
from services.notify.usecases.ports import People
from services.notify.usecases.tell import Telling
from services.runtime import telemetry
from services.runtime.audit import Sealer
from services.runtime.database import Database, Runner, upgrade
from services.runtime.eventlog import Backlog, Consumer, EventLogServicer, Wake
from services.runtime.identity import TokenSigner
from services.runtime.serve import RequestRules, Service, channel_to, run, serve
from services.runtime.settings import load, owner_database_url


def compose(database: Database, wake: Wake, people: People, backlog: Backlog | None = None) -> Service:
    """The servicers of notify over a database and what knows people's addresses."""
    runner = Runner(database, NotifyWork, announce=wake.announce)
    return Service(
        registrations=(
            (notify_pb2_grpc.add_NotifyServiceServicer_to_server, NotifyServicer(runner, people)),
            (eventlog_pb2_grpc.add_EventLogServiceServicer_to_server, EventLogServicer(database, backlog)),
        ),
        access=RPC_ACCESS,
        rules=RequestRules(),
        followers=frozenset({"reviews"}),
    )


async def main() -> None:
    """Serve until told to stop."""
    settings = load(NotifySettings)
    telemetry.configure("notify", settings)
    database = Database.of(settings)
    signer = TokenSigner("notify", settings.identity_key_file)
    wake = Wake(settings.redis_url, "notify")
    names = ("people", "goals", "reviews")
    channels = {name: channel_to(name, settings) for name in names}
    people = PeopleClient(people_pb2_grpc.PeopleServiceStub(channels["people"]), signer)
    reviews = ReviewsClient(clockwork_pb2_grpc.ClockworkServiceStub(channels["reviews"]), signer)
    producers = {name: eventlog_pb2_grpc.EventLogServiceStub(channels[name]) for name in ("goals", "reviews")}
    consumer = Consumer(
        "notify",
        database,
        producers,
        handlers(Telling(reviews, [EMAIL] if settings.smtp_host else [])),
        NotifyWork,
        signer=signer,
        wake=wake,
        poll_seconds=settings.event_poll_seconds,
    )
    background = [Sealer(database).run, consumer.run, Gauges(database).run]
    if settings.smtp_host:
        background.append(Sender(database, people, SmtpMailer(settings), settings.send_poll_seconds).run)
    else:
        telemetry.log.info("no SMTP host is set: nothing is sent by e-mail, the inbox is kept")
    try:
        service = compose(database, wake, people, Backlog("notify", database, producers, signer))
        await serve(settings, service, database=database, background=background)
    finally:
        await wake.close()
        for channel in channels.values():
            await channel.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        upgrade("notify", owner_database_url("notify"))
    else:
        run(main)
