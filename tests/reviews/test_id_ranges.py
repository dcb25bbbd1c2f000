"""Ids that the database makes of instants and parts: what they are, and the range that those of one instant lie in."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import text

from services.reviews.store.admission import id_range
from services.runtime.database import Database

MADE = text("SELECT at, deterministic_id(at, 'task') AS id FROM unnest(CAST(:instants AS timestamptz[])) AS at")


async def test_ids_lie_in_the_range_of_their_instant(service_database: Callable[[str], Database]) -> None:
    second = datetime(2026, 9, 30, 16, 0, tzinfo=UTC)
    instants = [second + timedelta(microseconds=each) for each in (0, 1, 499, 500, 501, 999, 1_499, 968_741, 999_999)]
    async with service_database("reviews").system_transaction() as connection:
        made = (await connection.execute(MADE, {"instants": instants})).all()
    ranges = {row.at: id_range(row.at) for row in made}
    assert [row.at for row in made if not ranges[row.at][0] <= row.id <= ranges[row.at][1]] == []


def made_here(at: datetime, *parts: str) -> UUID:
    """Milliseconds as in UUID version 7, then the first ten bytes of the digest, with the bits of the version."""
    rest = bytearray(hashlib.sha256("\x1f".join(parts).encode()).digest()[:10])
    rest[0], rest[2] = rest[0] & 0x0F | 0x70, rest[2] & 0x3F | 0x80
    return UUID(bytes=round(at.timestamp() * 1000).to_bytes(6, "big") + bytes(rest))


async def test_ids_are_what_they_have_been_in_every_release(service_database: Callable[[str], Database]) -> None:
    """A repeated enrolment finds its rows by them, also when the process that made them was of another release."""
    at = datetime(2026, 9, 30, 16, 0, 1, 250_000, tzinfo=UTC)
    query = text("SELECT n, deterministic_id(:at, n::text, '同频', 'manager') FROM generate_series(1, 500) AS n")
    for service in ("people", "goals", "reviews", "scoring", "notify"):
        async with service_database(service).system_transaction() as connection:
            made = (await connection.execute(query, {"at": at})).all()
        assert [(n, made_here(at, str(n), "同频", "manager")) for n, _ in made] == [tuple(row) for row in made]
