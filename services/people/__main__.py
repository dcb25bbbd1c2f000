"""Composition root of people: `python -m services.people` serves, `… migrate` brings the schema up to date."""

import sys

from protos.eventlog.v1 import eventlog_pb2_grpc
from protos.people.v1 import people_pb2_grpc
from services.people.policy import RPC_ACCESS
from services.people.servicer import PeopleServicer
from services.people.settings import PeopleSettings
from services.people.store import PeopleWork
from services.people.sweeper import Sweeper
from services.people.usecases.groups import MAX_RULE
from services.people.usecases.principal import SignInRules
from services.runtime import telemetry
from services.runtime.audit import Sealer
from services.runtime.database import Database, Runner, upgrade
from services.runtime.eventlog import EventLogServicer, Wake
from services.runtime.serve import RequestRules, Service, run, serve
from services.runtime.settings import load, owner_database_url

_METHODS = "/attune.people.v1.PeopleService/"
REQUEST_RULES = RequestRules(
    bulk=frozenset({_METHODS + "ImportEmployees", _METHODS + "FreezePopulation"}),
    text_limits={
        "attune.people.v1.CreateGroupRequest.rule_json": MAX_RULE,
        "attune.people.v1.PreviewGroupRequest.rule_json": MAX_RULE,
    },
)


def compose(database: Database, settings: PeopleSettings, wake: Wake) -> Service:
    """The servicers of people over a database."""
    sign_in = SignInRules(
        directory_issuers=frozenset(settings.directory_issuers),
        installation_administrators=frozenset(settings.installation_administrators),
    )
    servicer = PeopleServicer(database, Runner(database, PeopleWork, announce=wake.announce), sign_in)
    return Service(
        registrations=(
            (people_pb2_grpc.add_PeopleServiceServicer_to_server, servicer),
            (eventlog_pb2_grpc.add_EventLogServiceServicer_to_server, EventLogServicer(database)),
        ),
        access=RPC_ACCESS,
        rules=REQUEST_RULES,
        followers=frozenset({"reviews", "goals", "notify"}),
    )


async def main() -> None:
    """Serve until told to stop."""
    settings = load(PeopleSettings)
    telemetry.configure("people", settings)
    database = Database.of(settings)
    wake = Wake(settings.redis_url, "people")
    try:
        service = compose(database, settings, wake)
        background = [Sealer(database).run, *Sweeper(database).loops]
        await serve(settings, service, database=database, background=background)
    finally:
        await wake.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        upgrade("people", owner_database_url("people"))
    else:
        run(main)
