"""Lists for the reconciler, across tenants: what should have a workflow or a schedule in the engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


class LiveRows(Protocol):
    async def cycles(self, after: tuple[UUID, UUID] | None, size: int) -> Sequence[tuple[UUID, UUID]]: ...


class NeedsLiveRows(Protocol):
    @property
    def live(self) -> LiveRows: ...


@dataclass(frozen=True, slots=True)
class PageLive:
    after: tuple[UUID, UUID] | None
    size: int


@dataclass(frozen=True, slots=True)
class LivePage:
    """(tenant, id) each."""

    rows: Sequence[tuple[UUID, UUID]]
    size: int

    @property
    def next(self) -> tuple[UUID, UUID] | None:
        return self.rows[-1] if self.rows and len(self.rows) == self.size else None


async def list_live_cycles(work: NeedsLiveRows, command: PageLive) -> LivePage:
    """Launched and not ended, a canceled one whose tasks are still being withdrawn included."""
    return LivePage(await work.live.cycles(command.after, command.size), command.size)
