"""Templates, their versions and the forms made from them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reviews.domain.form_body import content_hash, form_id
from services.reviews.domain.model import Form, Template, TemplateState, TemplateVersion
from services.reviews.tables import form, template, template_version

LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


class TemplateStore:
    """Rows of `template`, `template_version` and `form` of one tenant."""

    def __init__(self, connection: AsyncConnection, tenant_id: UUID) -> None:
        self._connection = connection
        self._tenant_id = tenant_id

    async def lock_name(self, name: str) -> Template | None:
        """The template of this name, locked; two that apply a new name at once wait for each other."""
        await self._connection.execute(LOCK_NAME, {"name": f"{self._tenant_id}/{name}"})
        return await self._one(template.c.name == name, lock=True)

    async def lock(self, template_id: UUID) -> Template | None:
        return await self._one(template.c.id == template_id, lock=True)

    async def find(self, template_id: UUID) -> Template | None:
        return await self._one(template.c.id == template_id)

    async def find_by_name(self, name: str) -> Template | None:
        return await self._one(template.c.name == name)

    async def page(self, after: tuple[str, UUID] | None, size: int) -> list[Template]:
        """Templates by name."""
        query = self._mine().order_by(template.c.name, template.c.id).limit(size)
        if after is not None:
            query = query.where(func.row(template.c.name, template.c.id) > func.row(*after))
        return [_template(row) for row in (await self._connection.execute(query)).all()]

    async def add(self, new: Template) -> None:
        values = {"id": new.id, "name": new.name, "state": new.state.value, "version": new.version}
        await self._connection.execute(insert(template).values(tenant_id=self._tenant_id, **values))

    async def save(self, changed: Template) -> Template:
        """Writes what changes in a template and gives it its next etag."""
        saved = replace(changed, etag=changed.etag + 1)
        values = {
            "state": saved.state.value,
            "version": saved.version,
            "published_version": saved.published_version,
            "etag": saved.etag,
            "update_time": func.now(),
        }
        where = (template.c.tenant_id == self._tenant_id, template.c.id == saved.id)
        await self._connection.execute(update(template).where(*where).values(**values))
        return saved

    async def version(self, template_id: UUID, number: int) -> TemplateVersion | None:
        query = select(template_version).where(
            template_version.c.tenant_id == self._tenant_id,
            template_version.c.template_id == template_id,
            template_version.c.version == number,
        )
        row = (await self._connection.execute(query)).one_or_none()
        return _version(row) if row else None

    async def versions(self, template_id: UUID, below: int | None, size: int) -> list[TemplateVersion]:
        """Versions, newest first, without their bodies."""
        columns = [column for column in template_version.c if column.name != "body"]
        query = select(*columns).where(
            template_version.c.tenant_id == self._tenant_id, template_version.c.template_id == template_id
        )
        if below is not None:
            query = query.where(template_version.c.version < below)
        rows = await self._connection.execute(query.order_by(template_version.c.version.desc()).limit(size))
        return [_version(row) for row in rows.all()]

    async def put_draft(self, draft: TemplateVersion) -> TemplateVersion:
        """Writes a draft version, over an earlier draft of the same number; a published one is never touched."""
        values = {"body": draft.body, "content_hash": draft.content_hash}
        key = {"tenant_id": self._tenant_id, "template_id": draft.template_id, "version": draft.version}
        statement = upsert(template_version).values(**key, **values)
        statement = statement.on_conflict_do_update(
            index_elements=list(key), set_=values, where=template_version.c.published_at.is_(None)
        )
        row = (await self._connection.execute(statement.returning(template_version))).one()
        return _version(row)

    async def publish(self, version: TemplateVersion, at: datetime) -> TemplateVersion:
        where = (
            template_version.c.tenant_id == self._tenant_id,
            template_version.c.template_id == version.template_id,
            template_version.c.version == version.version,
        )
        await self._connection.execute(update(template_version).where(*where).values(published_at=at))
        return replace(version, published_at=at)

    async def keep_form(self, body: Mapping[str, Any], template_id: UUID, version: int) -> UUID:
        """The id of the form with this content; the row is made once, whatever number of templates yields it."""
        content = content_hash(body)
        values = {"id": form_id(content), "content_hash": content, "body": body, "template_version": version}
        statement = upsert(form).values(tenant_id=self._tenant_id, template_id=template_id, **values)
        await self._connection.execute(statement.on_conflict_do_nothing())
        return form_id(content)

    async def forms(self, ids: Iterable[UUID]) -> Sequence[Form]:
        query = select(form).where(form.c.tenant_id == self._tenant_id, form.c.id.in_(list(ids)))
        rows = (await self._connection.execute(query)).all()
        return [
            Form(row.id, row.content_hash, row.body, row.template_id, row.template_version, row.labels) for row in rows
        ]

    def _mine(self) -> Any:
        return select(template).where(template.c.tenant_id == self._tenant_id)

    async def _one(self, condition: Any, *, lock: bool = False) -> Template | None:
        query = self._mine().where(condition)
        row = (await self._connection.execute(query.with_for_update() if lock else query)).one_or_none()
        return _template(row) if row else None


def _template(row: Row[Any]) -> Template:
    return Template(
        id=row.id,
        name=row.name,
        state=TemplateState(row.state),
        version=row.version,
        published_version=row.published_version,
        etag=row.etag,
        create_time=row.create_time,
        update_time=row.update_time,
    )


def _version(row: Row[Any]) -> TemplateVersion:
    return TemplateVersion(
        template_id=row.template_id,
        version=row.version,
        body=getattr(row, "body", {}),
        content_hash=row.content_hash,
        published_at=row.published_at,
        create_time=row.create_time,
    )
