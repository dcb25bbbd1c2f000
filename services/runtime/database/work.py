"""The unit of work that a use case is given: one transaction, its caller, and the means to tell of the change."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.runtime import audit
from services.runtime.eventlog.log import Told, emit, emit_each
from services.runtime.identity import Origin

NOW = text("SELECT clock_timestamp()")


class Work:
    """One transaction in the hands of a use case; services subclass it with their stores bound to the connection."""

    def __init__(self, connection: AsyncConnection, origin: Origin) -> None:
        self.connection = connection
        self.principal = origin.principal
        self.tenant_id = origin.tenant_id
        self.request_id = origin.request_id
        self.trace_id = origin.trace_id
        self.emitted = 0
        self.after_commit: list[Callable[[], None]] = []  # what is noted elsewhere only once it is true

    async def now(self) -> datetime:
        """Return the database's clock as of this call, so after whatever locks were taken before it; UTC."""
        return (await self.connection.execute(NOW)).scalar_one()  # type: ignore[no-any-return]

    async def emit(
        self, kind: str, aggregate_type: str, aggregate_id: UUID, version: int, payload: Mapping[str, Any]
    ) -> UUID:
        """Append an event to the service's log, in this transaction; return its id."""
        self.emitted += 1
        aggregate = (aggregate_type, aggregate_id)
        return await emit(self.connection, self.tenant_id, kind, aggregate, version, payload, self.trace_id)

    async def emit_each(self, kind: str, aggregate_type: str, told: Sequence[Told]) -> None:
        """Append an event of one kind for each of many aggregates, in one trip."""
        self.emitted += len(told)
        await emit_each(self.connection, self.tenant_id, kind, aggregate_type, told, self.trace_id)

    async def audit_each(self, action: str, subject_type: str, details: Mapping[UUID, dict[str, Any]]) -> None:
        """Write an audit entry of one action for each of many subjects, in one trip."""
        await audit.write_each(
            self.connection,
            self.tenant_id,
            self.principal,
            action,
            subject_type,
            details,
            request_id=self.request_id,
            trace_id=self.trace_id,
        )

    async def audit(
        self,
        action: str,
        subject_type: str,
        subject_id: UUID,
        *,
        detail: dict[str, Any],
        note: str = "",
        content_hash: bytes | None = None,
        on_behalf_of: UUID | None = None,
    ) -> UUID:
        """Write an audit entry in this transaction; return its id. See runtime.audit.write for what goes where."""
        return await audit.write(
            self.connection,
            self.tenant_id,
            self.principal,
            action,
            (subject_type, subject_id),
            detail=detail,
            note=note,
            content_hash=content_hash,
            on_behalf_of=on_behalf_of,
            request_id=self.request_id,
            trace_id=self.trace_id,
        )


W = TypeVar("W", bound=Work)
WorkFactory = Callable[[AsyncConnection, Origin], W]
