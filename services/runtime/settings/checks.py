"""What tells a setting of a developer's machine from one of production."""

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

WELL_KNOWN_PASSWORDS = frozenset({"", "attune", "admin", "changeme", "change-me", "password", "postgres", "secret"})
VERIFIED = frozenset({"verify-ca", "verify-full"})
ENCRYPTED = VERIFIED | {"require"}
AUTHORITY = "PGSSLROOTCERT"  # the variable that the driver of PostgreSQL reads at each connection, as psql does


class Finding(NamedTuple):
    """A variable that keeps the process from starting, and what to do about it; never its value."""

    variable: str
    message: str


def database_faults(url: str, *, encrypted_by_us: bool) -> Iterator[str]:
    """Yield what makes a database URL one of development; over a Unix socket nothing travels."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if parts.password is not None and parts.password.lower() in WELL_KNOWN_PASSWORDS:
        yield "the password is one that everybody tries first"
    host = parts.hostname or next(iter(options.get("host", ())), "")
    if encrypted_by_us and host and not host.startswith("/") and not ENCRYPTED & set(options.get("ssl", ())):
        yield "the connection is not encrypted; add ?ssl=verify-full"


def verifies(url: str) -> bool:
    """Return whether a database URL asks for the server's certificate to be verified, which wants an authority."""
    return bool(VERIFIED & set(parse_qs(urlsplit(url).query).get("ssl", ())))


def reads_authority(url: str) -> bool:
    """Return whether the driver reads the authority's file: where one is named it verifies for `require` as well."""
    options = parse_qs(urlsplit(url).query)
    return bool(ENCRYPTED & {*options.get("ssl", ()), *options.get("sslmode", ())})


def is_loopback(address: str) -> bool:
    """Return whether an address, with or without scheme and port, is this machine's own."""
    if address == "::":  # every interface
        return False
    host = urlsplit("//" + address.rpartition("/")[2]).hostname or ""
    return host in ("", "localhost", "::1") or host.startswith("127.")
