"""Tenants and identities; read across tenants only through the system role."""

from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.people import tables
from services.people.domain.model import Edition, Tenant


class TenantStore:
    """One tenant, or all of them on a system connection."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def add(self, tenant: Tenant) -> Tenant:
        """Insert the tenant and return it with the instant of its creation."""
        row = {
            "tenant_id": tenant.id,
            "name": tenant.name,
            "zone": tenant.zone,
            "country": tenant.country,
            "language": tenant.language,
            "edition": tenant.edition,
        }
        found = await self._connection.execute(insert(tables.tenant).values(row).returning(tables.tenant))
        return _tenant(found.one())

    async def get(self) -> Tenant | None:
        """The tenant of this connection."""
        query = select(tables.tenant).where(tables.tenant.c.tenant_id == self._tenant_id)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else _tenant(row)

    async def page(self, after: UUID | None, limit: int) -> list[Tenant]:
        """Tenants by id (system connection)."""
        query = select(tables.tenant).order_by(tables.tenant.c.tenant_id).limit(limit)
        if after is not None:
            query = query.where(tables.tenant.c.tenant_id > after)
        return [_tenant(row) for row in await self._connection.execute(query)]

    async def bump(self) -> int:
        """Count a change of the tenant's own facts; return the new version."""
        version = tables.tenant.c.version
        change = update(tables.tenant).where(tables.tenant.c.tenant_id == self._tenant_id).values(version=version + 1)
        found: int = (await self._connection.execute(change.returning(version))).scalar_one()
        return found

    async def tenants_of(self, issuer: str, subject: str) -> list[UUID]:
        """The tenants in which the identity is known (system connection)."""
        identity = tables.identity.c
        query = select(identity.tenant_id).where(identity.issuer == issuer, identity.subject == subject).limit(2)
        return list((await self._connection.execute(query)).scalars())

    async def employee_of(self, issuer: str, subject: str) -> UUID | None:
        """The employee of this tenant to whom the identity is linked."""
        identity = tables.identity.c
        query = select(identity.employee_id).where(
            identity.tenant_id == self._tenant_id, identity.issuer == issuer, identity.subject == subject
        )
        found: UUID | None = (await self._connection.execute(query)).scalar_one_or_none()
        return found

    async def link(self, issuer: str, subject: str, employee_id: UUID) -> bool:
        """Link an identity; false when it is linked to somebody already."""
        row = {"tenant_id": self._tenant_id, "issuer": issuer, "subject": subject, "employee_id": employee_id}
        statement = upsert(tables.identity).values(row).on_conflict_do_nothing()
        return (await self._connection.execute(statement)).rowcount == 1


def _tenant(row: Row[tuple[object, ...]]) -> Tenant:
    return Tenant(
        id=row.tenant_id,
        name=row.name,
        zone=row.zone,
        country=row.country,
        language=row.language,
        edition=Edition(row.edition),
        version=row.version,
        create_time=row.create_time,
    )
