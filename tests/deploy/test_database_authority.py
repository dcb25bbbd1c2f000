"""PostgreSQL by verified TLS, as the chart tells it: what connects, and what is said by that which does not."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.jobs import keys
from deploy.jobs.database import for_driver
from deploy.jobs.health import serving
from deploy.local.layout import SOCKET_NAME
from deploy.local.ports import LOOPBACK, Claims, take_free
from deploy.local.stack import Stack
from deploy.local.waiting import until
from deploy.names import SERVICES
from tests.certificates import Authority
from tests.deploy.charts import container, pods, rendered
from tests.deploy.encrypted import EncryptedPostgres
from tests.deploy.image import lay_out
from tests.deploy.node import Node

pytestmark = pytest.mark.enable_socket
AUTHORITY = "attune-database-authority"
STARTS_WITHIN = 120.0
CONNECTING = ("setup-database", "setup-migrations", "people")  # one of each kind; all services are alike in this


@pytest.fixture(scope="module")
def database() -> Iterator[EncryptedPostgres]:
    """A real server with nothing in it, behind TLS with a certificate for `localhost`."""
    with tempfile.TemporaryDirectory(prefix="attune-tls-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", only=("postgres",), tied=True)
        stack.start()
        certificate = Authority(Path(folder) / "authority").issue("localhost")
        server = EncryptedPostgres(stack.layout.socket_dir / SOCKET_NAME, certificate)
        try:
            yield server
        finally:
            server.close()
            stack.stop()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds."""
    return lay_out(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def free() -> Iterator[dict[str, int]]:
    """Ports in place of those of the pod of people; nobody else takes them before it listens."""
    names, claims = ("50051", "50151", "9051"), Claims()
    yield dict(zip(names, take_free(len(names), claims), strict=True))
    claims.close()


def node(
    folder: Path, image: Path, database: EncryptedPostgres, free: dict[str, int], host: str, authority: str
) -> Node:
    """A node whose Secrets say where the database is, and whose authority's file holds this."""
    keys.make_all(folder / "keys")
    own = Authority(folder / "processes").issue("people")
    place = f"{host}:{database.port}/attune?ssl=verify-full"
    urls = {role: f"postgresql+asyncpg://{role}:a-password@{place}" for role in roles()}
    secrets = {
        "attune-identity-people": {"private.pem": (folder / "keys" / "people" / "private.pem").read_text()},
        "attune-public-keys": {each.name: each.read_text() for each in (folder / "keys" / "public").iterdir()},
        "attune-tls-people": {
            "tls.crt": own.certificate_file.read_text(),
            "tls.key": own.key_file.read_text(),
            "ca.crt": own.authority_file.read_text(),
        },
        "attune-database-owners": {f"{service}-url": urls[f"{service}_owner"] for service in SERVICES},
        "attune-database-administrator": {
            "url": f"postgresql://postgres@{host}:{database.port}/postgres?sslmode=verify-full"
        },
        AUTHORITY: {"ca.crt": authority},
    }
    for service in SERVICES:
        secrets[f"attune-database-{service}"] = {"url": urls[f"{service}_app"], "system-url": urls[f"{service}_system"]}
    return Node(folder, image, secrets, {AUTHORITY: secrets[AUTHORITY]}, free)


def roles() -> Iterator[str]:
    return (f"{service}_{kind}" for service in SERVICES for kind in ("app", "system", "owner"))


def test_jobs_and_services_connect_to_a_database_that_the_authority_vouches_for(
    tmp_path: Path, image: Path, database: EncryptedPostgres, free: dict[str, int]
) -> None:
    here = node(tmp_path, image, database, free, "localhost", database.authority_file.read_text())
    told = pods(rendered("small"))
    for job in ("setup-database", "setup-migrations"):
        done = here.run(told[job])
        assert done.returncode == 0, done.stderr
    log = tmp_path / "people.log"
    process = here.start(told["people"], log)
    try:

        def healthy() -> bool:
            assert process.poll() is None, log.read_text()
            return serving(f"grpc://{LOOPBACK}:{here.ports['50151']}")

        until(healthy, STARTS_WITHIN, "people did not get healthy")
    finally:
        process.kill()
        process.wait()
    assert database.encrypted > len(SERVICES)
    assert database.plain == 0


@pytest.mark.parametrize("name", CONNECTING)
@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("localhost", "unable to get local issuer certificate"),
        (LOOPBACK, f"IP address mismatch, certificate is not valid for '{LOOPBACK}'"),
    ],
)
def test_a_database_that_is_another_is_refused_by_one_line(
    name: str, host: str, reason: str, tmp_path: Path, image: Path, database: EncryptedPostgres, free: dict[str, int]
) -> None:
    stranger = Authority(tmp_path / "stranger").file
    authority = database.authority_file if host == LOOPBACK else stranger
    done = node(tmp_path, image, database, free, host, authority.read_text()).run(pods(rendered("small"))[name])
    assert done.returncode == 1
    assert f"PGSSLROOTCERT: the database's certificate is refused: {reason}" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert "a-password" not in done.stderr + done.stdout


@pytest.mark.parametrize("name", CONNECTING)
@pytest.mark.parametrize("chosen", [(), ("--set", "secrets.databaseAuthority.secret=")], ids=["empty", "none"])
def test_where_no_authority_can_be_read_its_variable_is_named(
    name: str, chosen: tuple[str, ...], tmp_path: Path, image: Path, database: EncryptedPostgres, free: dict[str, int]
) -> None:
    done = node(tmp_path, image, database, free, "localhost", "").run(pods(rendered("small", *chosen))[name])
    assert done.returncode == 1
    assert "PGSSLROOTCERT" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize("values", ["small", "multi-tenant"])
def test_whoever_speaks_to_the_database_has_the_authoritys_file_and_nobody_else(
    values: str,
) -> None:
    for name, pod in pods(rendered(values)).items():
        told = {entry["name"]: entry.get("value") for entry in container(pod)["env"]}
        mounts = {mount["mountPath"]: mount for mount in container(pod)["volumeMounts"]}
        wanted = name in (*SERVICES, "setup-database", "setup-migrations", "operations")
        assert ("PGSSLROOTCERT" in told) == wanted, name
        assert not wanted or mounts[str(Path(told["PGSSLROOTCERT"]).parent)]["readOnly"] is True
        assert ("/etc/attune/database" in mounts) == wanted, name


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (
            "postgresql://a:p%40@h:5/postgres?sslmode=verify-full",
            "postgresql://a:p%40@h:5/postgres?sslmode=verify-full",
        ),
        ("postgresql+asyncpg://a@h/postgres?ssl=verify-full", "postgresql://a@h/postgres?sslmode=verify-full"),
        ("postgresql://postgres@/postgres?host=/run/pg", "postgresql://postgres@/postgres?host=/run/pg"),
    ],
)
def test_the_administrators_url_says_encryption_as_the_others_do_or_as_the_driver(given: str, read: str) -> None:
    assert for_driver(given) == read
