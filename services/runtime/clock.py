"""New identifiers and the process's own clock; what decides reads the database's clock instead."""

from datetime import UTC, datetime
from uuid import UUID

from uuid_utils import compat


def new_id() -> UUID:
    """Return a new UUID of version 7: unique, and growing with time to the millisecond."""
    return compat.uuid7()


def utc_now() -> datetime:
    """Return the present instant by this machine's clock, in UTC; for leases, tokens and logs only."""
    return datetime.now(UTC)
