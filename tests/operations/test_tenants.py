"""One tenant's rows of every table are exported, and deleted, and no row of another tenant is."""

import json
import zipfile
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from temporalio.client import Client

from deploy.names import SERVICES
from deploy.operations.deletion import delete_tenant
from deploy.operations.export import MANIFEST, check, export_tenant
from deploy.operations.reach import Installation, Refused, find_installation
from tests.operations.tenants import fingerprint
from tests.postgres import PostgresServer
from tests.waiting import until
from workflows.client import Cycles

NOTHING_KEPT = {"people/deleted_tenant"}


async def test_an_export_holds_every_row_of_its_tenant_and_none_of_another(
    installation: Installation, admin: asyncpg.Connection, two_tenants: tuple[UUID, UUID], tmp_path: Path
) -> None:
    own, other = two_tenants
    wanted = {name: count for name, (count, _) in (await fingerprint(admin, own)).items()}
    assert len(wanted) > 60
    assert [name for name, count in wanted.items() if not count] == sorted(NOTHING_KEPT)
    file = tmp_path / "own.zip"
    manifest = await export_tenant(installation, own, file)
    assert {name: content.rows for name, content in manifest.tables.items()} == wanted
    assert file.stat().st_mode & 0o077 == 0
    assert check(file) == manifest
    with zipfile.ZipFile(file) as archive:
        lines = [line for name in archive.namelist() if name != MANIFEST for line in archive.open(name)]
    assert len(lines) == manifest.rows
    assert {json.loads(line)["tenant_id"] for line in lines} == {str(own)}
    assert not any(str(other).encode() in line for line in lines)


async def test_an_archive_that_was_altered_is_found(
    installation: Installation, two_tenants: tuple[UUID, UUID], tmp_path: Path
) -> None:
    whole, altered = tmp_path / "whole.zip", tmp_path / "altered.zip"
    await export_tenant(installation, two_tenants[0], whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(altered, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            target.writestr(name, content.replace(b"code1", b"code9") if name == "people/employee.jsonl" else content)
    with pytest.raises(Refused, match=r"people/employee$"):
        check(altered)


async def test_half_an_archive_is_refused(
    installation: Installation, two_tenants: tuple[UUID, UUID], tmp_path: Path
) -> None:
    whole, half = tmp_path / "whole.zip", tmp_path / "half.zip"
    await export_tenant(installation, two_tenants[0], whole)
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(Refused, match="is no whole archive"):
        check(half)


FACTS = {"tenant_id": "t", "create_time": "now", "schemas": {}, "tables": {}}


@pytest.mark.parametrize(
    ("manifest", "wrong"),
    [
        ([], "all of it"),
        (7, "all of it"),
        ("no JSON {", "all of it"),
        ({"tables": {}}, "create_time, schemas, tenant_id"),
        ({**FACTS, "tables": [1]}, "tables"),
        ({**FACTS, "tables": {"people/post": 5}}, "tables.people/post"),
        ({**FACTS, "tables": {"people/post": {"rows": "many"}}}, "tables.people/post.rows, tables.people/post.sha256"),
        ({**FACTS, "tenant_id": {}}, "tenant_id"),
    ],
)
def test_a_manifest_of_another_shape_is_refused_in_one_line(manifest: object, wrong: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "any.zip", "w") as archive:
        archive.writestr(MANIFEST, manifest if isinstance(manifest, str) else json.dumps(manifest))
    with pytest.raises(Refused) as refused:
        check(tmp_path / "any.zip")
    assert str(refused.value) == f"{tmp_path / 'any.zip'} has a manifest of another shape: {wrong}"


async def test_a_deletion_leaves_a_tombstone_and_every_row_of_another_tenant(
    installation: Installation, admin: asyncpg.Connection, two_tenants: tuple[UUID, UUID], temporal_client: Client
) -> None:
    own, other = two_tenants
    before = await fingerprint(admin, other)
    for tenant_id in two_tenants:
        await Cycles(temporal_client).hint(str(tenant_id), str(uuid4()))
    await until(lambda: listed(temporal_client, own, 1), what="the workflow is listed")
    said: list[str] = []
    await delete_tenant(installation, own, "company", 0, said.append)
    left = {name for name, (count, _) in (await fingerprint(admin, own)).items() if count}
    assert left == NOTHING_KEPT
    assert await fingerprint(admin, other) == before
    assert await listed(temporal_client, own, 0)
    assert await listed(temporal_client, other, 1)
    tombstone = await admin.fetchrow("SELECT * FROM people.deleted_tenant WHERE tenant_id = $1", own)
    assert tombstone["finish_time"] is not None
    assert json.loads(tombstone["audit_roots"])["reviews"]["sequence"] == 3
    await delete_tenant(installation, own, "company", 0, said.append)
    assert said.count("begun before; going on") == 1


async def listed(client: Client, tenant_id: UUID, count: int) -> bool:
    found = [each async for each in client.list_workflows(f"AttuneTenant = '{tenant_id}'")]
    return len(found) == count


async def test_a_deletion_that_was_cut_short_is_taken_up_again(
    installation: Installation, admin: asyncpg.Connection, two_tenants: tuple[UUID, UUID]
) -> None:
    own, other = two_tenants
    before = await fingerprint(admin, other)

    def die_after_people(line: str) -> None:
        if line.startswith("people:"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await delete_tenant(installation, own, "company", 0, die_after_people)
    half = await fingerprint(admin, own)
    assert (half["people/employee"][0], half["reviews/task"][0]) == (0, 3)
    await delete_tenant(installation, own, "company", 0, lambda _: None)
    assert {name for name, (count, _) in (await fingerprint(admin, own)).items() if count} == NOTHING_KEPT
    assert await fingerprint(admin, other) == before


async def test_rows_that_come_late_are_deleted_too(
    installation: Installation,
    admin: asyncpg.Connection,
    two_tenants: tuple[UUID, UUID],
    postgres: PostgresServer,
    whole_database: str,
) -> None:
    own, _ = two_tenants
    late = f"INSERT INTO notify.preference VALUES ('{own}', '{uuid4()}', 'en', true)"
    said: list[str] = []

    def write_when_notify_is_done(line: str) -> None:
        said.append(line)
        if line.startswith("notify:"):
            postgres.execute(whole_database, late)

    await delete_tenant(installation, own, "company", 0, write_when_notify_is_done)
    assert "1 rows had been written meanwhile and are deleted" in said
    assert {name for name, (count, _) in (await fingerprint(admin, own)).items() if count} == NOTHING_KEPT


@pytest.mark.parametrize(
    ("name", "state", "reason"),
    [
        ("another", "closed", "has another name"),
        ("company", "running", "cycles are under way"),
        ("company", "released", "cancel or close each first"),
    ],
)
async def test_a_deletion_is_refused_and_nothing_is_touched(
    installation: Installation,
    admin: asyncpg.Connection,
    two_tenants: tuple[UUID, UUID],
    name: str,
    state: str,
    reason: str,
) -> None:
    own, _ = two_tenants
    await admin.execute("UPDATE reviews.cycle SET state = $2 WHERE tenant_id = $1", own, state)
    before = await fingerprint(admin, own)
    with pytest.raises(Refused, match=reason):
        await delete_tenant(installation, own, name, 0, lambda _: None)
    assert await fingerprint(admin, own) == before


async def test_what_is_not_there_is_neither_exported_nor_deleted(installation: Installation, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="there is no tenant"):
        await export_tenant(installation, uuid4(), tmp_path / "none.zip")
    with pytest.raises(Refused, match="there is no tenant"):
        await delete_tenant(installation, uuid4(), "company", 0, lambda _: None)


def test_an_installation_named_by_half_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for service in SERVICES:
        monkeypatch.setenv(f"ATTUNE_{service.upper()}_OWNER_DATABASE_URL", "postgresql+asyncpg://owner@/attune")
    with pytest.raises(Refused, match=r"no database URL for goals_system, notify_system"):
        find_installation()
