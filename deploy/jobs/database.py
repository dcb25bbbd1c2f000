"""Makes the database, its roles, schemas and privileges: `python -m deploy.jobs.database`; repeatable."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import asyncpg
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deploy.names import SERVICES
from services.runtime.database import certificate_told

ITERATIONS = 4096  # PostgreSQL's own default
BOOTSTRAP = Path(__file__).resolve().parents[1] / "bootstrap.sql"


class Unusable(ValueError):
    """What the URLs say cannot be done; the message names the role, never its password."""


class AdministratorSettings(BaseSettings):
    """The role that may create roles and databases; nothing but this job is told of it."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    database_url: str = Field(validation_alias="DATABASE_URL", repr=False)


class RoleSettings(BaseSettings):
    """The URLs of one service's roles, by the prefix of its settings; each URL's password is given to its role."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: str = Field(repr=False)
    system_database_url: str = Field(repr=False)
    owner_database_url: str = Field(repr=False)

    def urls(self) -> Iterator[str]:
        """Each role's URL."""
        yield from (self.database_url, self.system_database_url, self.owner_database_url)


def prefix(service: str) -> str:
    """The prefix of a service's variables."""
    return f"ATTUNE_{service.upper()}_"


async def bootstrap(administrator_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Make the database, its roles and schemas, and set the passwords of roles. Raises Unusable before it begins."""
    verifiers = _verifiers_of(passwords)
    server = await asyncpg.connect(administrator_url)
    try:
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await server.execute(await server.fetchval("SELECT format('CREATE DATABASE %I', $1::text)", database))
    finally:
        await server.close()
    connection = await asyncpg.connect(_on(administrator_url, database))
    try:
        await connection.execute(BOOTSTRAP.read_text())
        for role, verifier in verifiers.items():
            statement = "SELECT format('ALTER ROLE %I PASSWORD %L', $1::text, $2::text)"
            await connection.execute(await connection.fetchval(statement, role, verifier))
    finally:
        await connection.close()


def _verifiers_of(passwords: Mapping[str, str]) -> dict[str, str]:
    """Return what the server is told of each role's password. Raises Unusable for those that it cannot be told."""
    verifiers: dict[str, str] = {}
    refused: list[str] = []
    for role, password in passwords.items():
        try:
            verifiers[role] = scram_verifier(password)
        except ValueError:
            refused.append(role)
    if refused:
        names = ", ".join(refused)
        raise Unusable(f"the password of {names} may have printable ASCII characters only; nothing was set")
    return verifiers


def scram_verifier(password: str, salt: bytes = b"") -> str:
    """Return what the server keeps of a password (RFC 5803), so that none of its logs holds the password; new salt.

    Raises ValueError for other characters than printable ASCII, which would have to be prepared (RFC 4013) first.
    """
    if not (password.isascii() and password.isprintable()):
        raise ValueError("a role's password may have printable ASCII characters only")
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    client_key, server_key = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
    parts = (base64.b64encode(each).decode() for each in (salt, hashlib.sha256(client_key).digest(), server_key))
    return "SCRAM-SHA-256${}:{}${}:{}".format(ITERATIONS, *parts)


def _on(url: str, database: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, f"/{database}", parts.query, ""))


def for_driver(url: str) -> str:
    """The URL as the driver itself reads it, which calls `sslmode` what the other roles' URLs call `ssl`."""
    parts = urlsplit(url)
    options = [("sslmode" if name == "ssl" else name, value) for name, value in parse_qsl(parts.query)]
    return urlunsplit((parts.scheme.partition("+")[0], parts.netloc, parts.path, urlencode(options, safe="/"), ""))


def roles_of(urls: list[str]) -> tuple[str, dict[str, str]]:
    """The database that all URLs name, and the password of each role. Raises Unusable when they name several."""
    parts = [urlsplit(url) for url in urls]
    databases = {part.path.removeprefix("/") for part in parts}
    if len(databases) != 1:
        raise Unusable(f"the URLs name several databases: {', '.join(sorted(databases))}")
    return databases.pop(), {part.username or "": unquote(part.password) for part in parts if part.password}


def main() -> int:
    """Bootstrap by the environment."""
    urls = [url for service in SERVICES for url in RoleSettings(_env_prefix=prefix(service)).urls()]
    administrator = for_driver(AdministratorSettings().database_url)
    try:
        database, passwords = roles_of(urls)
        with certificate_told(administrator):
            asyncio.run(bootstrap(administrator, database, passwords))
    except Unusable as error:
        raise SystemExit(f"deploy.jobs.database: {error}") from None
    print(f"database {database}: roles and schemas are there")  # noqa: T201 - a command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
