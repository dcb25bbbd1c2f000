"""The event log of a service: appended with each change, served to followers, consumed with the effect."""

from services.runtime.eventlog.log import PARTITIONS, Event, emit, partition_of, tables

__all__ = ["PARTITIONS", "Event", "emit", "partition_of", "tables"]
