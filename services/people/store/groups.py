"""Dynamic groups of one tenant."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people import tables
from services.people.domain.group_rules import STORED, Rule, parse_rule
from services.people.domain.model import Group


class GroupStore:
    """Groups with their rules."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, group: Group) -> Group | None:
        """Insert a group and return it as stored; None when the name is taken."""
        row = {"tenant_id": self._tenant_id, "id": group.id, "name": group.name, "rule": dict(group.rule)}
        statement = upsert(tables.dynamic_group).values(row).on_conflict_do_nothing().returning(tables.dynamic_group)
        stored = (await self._connection.execute(statement)).one_or_none()
        return None if stored is None else _group(stored)

    async def page(self, after: UUID | None, limit: int) -> list[Group]:
        """Groups by id."""
        columns = tables.dynamic_group.c
        query = select(tables.dynamic_group).where(columns.tenant_id == self._tenant_id)
        if after is not None:
            query = query.where(columns.id > after)
        return [_group(row) for row in await self._connection.execute(query.order_by(columns.id).limit(limit))]

    async def rules(self, group_ids: Collection[UUID] | None = None) -> dict[UUID, Rule]:
        """The typed rules of these groups, or of all; ids that do not exist are absent."""
        columns = tables.dynamic_group.c
        query = select(columns.id, columns.rule).where(columns.tenant_id == self._tenant_id)
        if group_ids is not None:
            if not group_ids:
                return {}
            query = query.where(columns.id.in_(list(group_ids)))
        rows = await self._connection.execute(query)
        return {row.id: parse_rule(row.rule, STORED) for row in rows}

    async def resolve(self, written: Collection[str]) -> dict[str, UUID]:
        """Ids of groups by id or name as a user writes them; the unknown are absent."""
        if not written:
            return {}
        columns = tables.dynamic_group.c
        query = select(columns.id, columns.name).where(columns.tenant_id == self._tenant_id)
        rows = (await self._connection.execute(query)).all()
        found = {row.name: row.id for row in rows} | {str(row.id): row.id for row in rows}
        return {text: found[text] for text in written if text in found}


def _group(row: Row[Any]) -> Group:
    return Group(id=row.id, name=row.name, rule=row.rule, version=row.version, create_time=row.create_time)
