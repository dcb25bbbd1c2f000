"""The range that a chunk of new tasks is told of by holds the ids that the database gives them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

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
