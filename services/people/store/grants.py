"""Granted roles of one tenant; revoked ones stay as rows."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people import tables
from services.people.domain.model import Role, RoleGrant, ScopeKind

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('people.roles' || CAST(:tenant_id AS text), 0))")


class GrantStore:
    """Roles with their scopes."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock(self) -> None:
        """Let nobody else grant or revoke in this tenant until the transaction ends."""
        await self._connection.execute(_LOCK, {"tenant_id": str(self._tenant_id)})

    async def add(self, grant: RoleGrant) -> RoleGrant:
        """Grant a role; one that is held already stays what it is and is returned."""
        row = {
            "tenant_id": self._tenant_id,
            "id": grant.id,
            "employee_id": grant.employee_id,
            "role": grant.role,
            "scope_kind": grant.scope_kind,
            "scope_id": grant.scope_id,
        }
        await self._connection.execute(upsert(tables.role_grant).values(row).on_conflict_do_nothing())
        columns = tables.role_grant.c
        held = await self._list(
            columns.employee_id == grant.employee_id,
            columns.role == grant.role,
            columns.scope_kind == grant.scope_kind,
            columns.scope_id == grant.scope_id,
        )
        return held[0]

    async def get(self, grant_id: UUID) -> RoleGrant | None:
        """A grant that still holds."""
        found = await self._list(tables.role_grant.c.id == grant_id)
        return found[0] if found else None

    async def revoke(self, grant_id: UUID) -> None:
        """End a grant."""
        columns = tables.role_grant.c
        change = update(tables.role_grant).where(columns.tenant_id == self._tenant_id, columns.id == grant_id)
        await self._connection.execute(change.values(revoke_time=func.clock_timestamp()))

    async def held_by(self, employee_id: UUID) -> list[RoleGrant]:
        """The roles that somebody holds now."""
        return await self._list(tables.role_grant.c.employee_id == employee_id)

    async def holders(self, role: Role, scope_kind: ScopeKind) -> list[RoleGrant]:
        """Who holds a role over this kind of scope."""
        columns = tables.role_grant.c
        return await self._list(columns.role == role, columns.scope_kind == scope_kind)

    async def page(self, role: str, employee_id: UUID | None, after: UUID | None, limit: int) -> list[RoleGrant]:
        """Grants by id, narrowed by role and holder where given."""
        columns = tables.role_grant.c
        conditions: list[ColumnElement[bool]] = []
        if role:
            conditions.append(columns.role == role)
        if employee_id is not None:
            conditions.append(columns.employee_id == employee_id)
        if after is not None:
            conditions.append(columns.id > after)
        return await self._list(*conditions, limit=limit)

    async def _list(self, *conditions: ColumnElement[bool], limit: int | None = None) -> list[RoleGrant]:
        columns = tables.role_grant.c
        query = select(tables.role_grant).where(columns.tenant_id == self._tenant_id, columns.revoke_time.is_(None))
        query = query.where(*conditions).order_by(columns.id).limit(limit)
        return [_grant(row) for row in await self._connection.execute(query)]


def _grant(row: Row[Any]) -> RoleGrant:
    return RoleGrant(
        id=row.id,
        employee_id=row.employee_id,
        role=Role(row.role),
        scope_kind=ScopeKind(row.scope_kind),
        scope_id=row.scope_id,
        create_time=row.create_time,
    )
