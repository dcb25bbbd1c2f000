"""Fixtures that all tests share: a real PostgreSQL, and each service's roles on a database of the module's own."""

import functools
from collections.abc import AsyncIterator, Callable, Iterator

import hypothesis
import pytest

from services.runtime.database import Database
from tests.postgres import DatabaseUrls, PostgresServer, open_database, run_directory, running_server, urls_of

# The machine is shared: how long an example takes, or is looked for, says nothing.
hypothesis.settings.register_profile("shared", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("shared")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The server of this run, with the roles and schemas of all services."""
    with running_server(run_directory(tmp_path_factory.getbasetemp())) as server:
        yield server


@pytest.fixture(scope="module")
def database_urls(postgres: PostgresServer) -> Callable[[str], DatabaseUrls]:
    """`database_urls("reviews")`: how that service reaches a migrated database of the module's own, by role."""

    @functools.cache
    def urls(service: str) -> DatabaseUrls:
        return urls_of(postgres, service, postgres.create_database(service))

    return urls


@pytest.fixture(scope="module")
async def service_database(
    database_urls: Callable[[str], DatabaseUrls],
) -> AsyncIterator[Callable[[str], Database]]:
    """`service_database("reviews")`: that service's pools on a database of this module's own, never as superuser."""
    opened: dict[str, Database] = {}

    def open_once(service: str) -> Database:
        if service not in opened:
            opened[service] = open_database(service, database_urls(service))
        return opened[service]

    yield open_once
    for database in opened.values():
        await database.dispose()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each test that did not run why: nobody looks for an s in a row of dots."""
    for report in terminalreporter.stats.get("skipped", ()):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"NOT RUN  {report.nodeid}: {reason.removeprefix('Skipped: ')}", yellow=True)
