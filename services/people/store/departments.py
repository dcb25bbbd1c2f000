"""The department tree of one tenant."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people import tables
from services.people.domain.departments import Department


class DepartmentStore:
    """Departments; those of one tenant fit into memory."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def all(self) -> list[Department]:
        """Every department, in no order."""
        query = select(tables.department).where(tables.department.c.tenant_id == self._tenant_id)
        return [_department(row) for row in await self._connection.execute(query)]

    async def page(self, after: str, limit: int) -> list[Department]:
        """Departments by their path of names, so that parents come before what is below them."""
        columns = tables.department.c
        query = (
            select(tables.department)
            .where(columns.tenant_id == self._tenant_id, columns.path_names > after)
            .order_by(columns.path_names)
            .limit(limit)
        )
        return [_department(row) for row in await self._connection.execute(query)]

    async def exists(self, department_id: UUID) -> bool:
        """Whether there is such a department."""
        columns = tables.department.c
        query = select(columns.id).where(columns.tenant_id == self._tenant_id, columns.id == department_id)
        return (await self._connection.execute(query)).one_or_none() is not None

    async def add(self, departments: Sequence[Department]) -> None:
        """Insert new departments in one statement."""
        if departments:
            rows = [
                {
                    "tenant_id": self._tenant_id,
                    "id": department.id,
                    "name": department.name,
                    "path": list(department.path),
                    "path_names": department.path_names,
                }
                for department in departments
            ]
            await self._connection.execute(insert(tables.department), rows)

    async def resolve(self, written: Collection[str]) -> dict[str, UUID]:
        """Ids of departments by id, code or A/B/C path as a user writes them; the unknown are absent."""
        wanted = {text: text.removeprefix("/") for text in written}
        found: dict[str, UUID] = {}
        for department in await self.all() if wanted else ():
            for name in (str(department.id), department.path_names, department.code):
                if name:
                    found[name] = department.id
        named = {text: found.get(text) or found.get(name) for text, name in wanted.items()}
        return {text: department_id for text, department_id in named.items() if department_id is not None}


def _department(row: Row[tuple[object, ...]]) -> Department:
    return Department(
        id=row.id,
        name=row.name,
        path=tuple(row.path),
        path_names=row.path_names,
        code=row.code or "",
    )
