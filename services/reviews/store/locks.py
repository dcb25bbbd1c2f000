"""The advisory lock that orders submissions and the commands that change a stage."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

LOCK_STAGE = text("SELECT pg_advisory_xact_lock(:key)")


def stage_lock_key(stage_id: UUID) -> int:
    """The one key of a stage's lock: the last 64 bits of its id, signed; those bits are random in every id we make."""
    return int.from_bytes(stage_id.bytes[8:], "big", signed=True)


async def lock_stages(connection: AsyncConnection, stage_ids: list[UUID]) -> None:
    """Take the exclusive locks in key order, each as its own statement, before the rows are locked and updated.

    Submissions hold the shared lock from before they read the stage until they commit (architecture.md §4.6).
    """
    for key in sorted({stage_lock_key(stage_id) for stage_id in stage_ids}):
        await connection.execute(LOCK_STAGE, {"key": key})
