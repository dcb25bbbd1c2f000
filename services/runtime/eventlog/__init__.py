"""The event log of a service: appended with each change, served to followers, consumed with the effect."""

from services.runtime.eventlog.backlog import Backlog
from services.runtime.eventlog.consumer import Consumer
from services.runtime.eventlog.log import (
    PARTITIONS,
    Event,
    bump_epoch,
    emit,
    furthest_places,
    partition_of,
    tables,
)
from services.runtime.eventlog.reading import event_of
from services.runtime.eventlog.servicer import EventLogServicer, rpc_access
from services.runtime.eventlog.wake import Wake

__all__ = [
    "PARTITIONS",
    "Backlog",
    "Consumer",
    "Event",
    "EventLogServicer",
    "Wake",
    "bump_epoch",
    "emit",
    "event_of",
    "furthest_places",
    "partition_of",
    "rpc_access",
    "tables",
]
