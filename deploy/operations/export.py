"""All rows of one tenant in one archive: JSON lines for each table, and a manifest of counts and checksums."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deploy.names import SERVICES
from deploy.operations.catalog import TenantTable, tenant_tables
from deploy.operations.reach import Installation, Refused

MANIFEST = "manifest.json"
SNAPSHOT = text("SELECT pg_export_snapshot()")
REVISION = text("SELECT version_num FROM alembic_version")
KNOWN = text("SELECT EXISTS (SELECT FROM tenant WHERE tenant_id = :tenant_id)")


@dataclass(frozen=True)
class Content:
    """What one table gave."""

    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What an archive holds: tables as `service/table`, schemas at which migration."""

    tenant_id: str
    create_time: str
    schemas: Mapping[str, str]
    tables: Mapping[str, Content]

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(content.rows for content in self.tables.values())


SHAPE = TypeAdapter(Manifest)


async def export_tenant(installation: Installation, tenant_id: UUID, file: Path) -> Manifest:
    """Write everything of a tenant as of one instant, readable by the file's owner only. Raises Refused.

    Row-level security shows the tenant's own rows and no others to the owner's role; nothing stops for it.
    """
    partial = file.with_name(file.name + ".partial")
    partial.unlink(missing_ok=True)
    schemas: dict[str, str] = {}
    tables: dict[str, Content] = {}
    with (
        open(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as target,  # noqa: ASYNC230 - no loop waits
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        async with AsyncExitStack() as open_connections:
            snapshot: str | None = None
            for service in SERVICES:
                reading = installation.reading(f"{service}_owner", tenant_id, snapshot)
                connection = await open_connections.enter_async_context(reading)
                if snapshot is None:
                    await _require_known(connection, tenant_id)
                    snapshot = await connection.scalar(SNAPSHOT)
                schemas[service] = str(await connection.scalar(REVISION))
                for table in await tenant_tables(connection, service):
                    name = f"{service}/{table.name}"
                    tables[name] = await _write(connection, tenant_id, table, archive, f"{name}.jsonl")
        manifest = Manifest(str(tenant_id), datetime.now(UTC).isoformat(), schemas, dict(sorted(tables.items())))
        archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=2))
    partial.replace(file)
    return manifest


def check(file: Path) -> Manifest:
    """Return the manifest of an archive that holds exactly what it says. Raises Refused with what differs."""
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = SHAPE.validate_json(archive.read(MANIFEST))
            names = [name for name in archive.namelist() if name != MANIFEST]
            found = {name.removesuffix(".jsonl"): _read(archive, name) for name in names}
    except ValidationError as error:
        wrong = sorted({".".join(map(str, each["loc"])) or "all of it" for each in error.errors()})
        raise Refused(f"{file} has a manifest of another shape: {', '.join(wrong)}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, RuntimeError) as error:
        raise Refused(f"{file} is no whole archive: {error}") from error
    told = manifest.tables
    if wrong := sorted(name for name in told.keys() | found.keys() if told.get(name) != found.get(name)):
        raise Refused(f"{file} is not what its manifest says: {', '.join(wrong)}")
    return manifest


def _read(archive: zipfile.ZipFile, name: str) -> Content:
    rows, digest = 0, hashlib.sha256()
    with archive.open(name) as lines:
        for line in lines:
            digest.update(line)
            rows += 1
    return Content(rows, digest.hexdigest())


async def _require_known(connection: AsyncConnection, tenant_id: UUID) -> None:
    if not await connection.scalar(KNOWN, {"tenant_id": tenant_id}):
        raise Refused(f"there is no tenant {tenant_id}")


async def _write(
    connection: AsyncConnection, tenant_id: UUID, table: TenantTable, archive: zipfile.ZipFile, name: str
) -> Content:
    rows, digest = 0, hashlib.sha256()
    query = text(
        f'SELECT row_to_json(t)::text FROM "{table.name}" t WHERE tenant_id = :tenant_id'  # noqa: S608  # the catalog's names
        f" ORDER BY {', '.join(table.key)}"
    )
    with archive.open(name, "w", force_zip64=True) as lines:
        async with connection.stream(query, {"tenant_id": tenant_id}) as found:
            async for (row,) in found:
                line = row.encode() + b"\n"
                lines.write(line)
                digest.update(line)
                rows += 1
    return Content(rows, digest.hexdigest())
