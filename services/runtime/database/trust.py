"""Ends a process with one plain line where the certificate of the database is not accepted."""

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import InterfaceError

from services.runtime.settings.checks import AUTHORITY, reads_authority


@contextmanager
def certificate_told(*urls: str) -> Iterator[None]:
    """Raise SystemExit, naming the variable, where the certificate of these databases keeps us from connecting."""
    file = os.environ.get(AUTHORITY, "")
    if file and any(map(reads_authority, urls)) and (fault := _fault_of(file)):
        raise SystemExit(f"{AUTHORITY}: no authority can be read from {file}: {fault}")
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        remedy = "name the file of the authority that signed it, and in the URL the host that it was made for"
        raise SystemExit(
            f"{AUTHORITY}: the database's certificate is refused: {error.verify_message}; {remedy}"
        ) from None
    except (asyncpg.ClientConfigurationError, InterfaceError) as error:
        cause = error.__cause__ or error  # SQLAlchemy wraps what the driver raised
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if not isinstance(cause, asyncpg.ClientConfigurationError):
            raise
        raise SystemExit(
            f"the database's URL cannot be used: {cause}; {AUTHORITY} names the authority's file"
        ) from None


def _fault_of(file: str) -> str:
    """What is wrong with the file of an authority; nothing, when it holds one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except ssl.SSLError:  # a kind of OSError, without words of its own
        return "it holds no certificate"
    except OSError as error:
        return str(error.strerror)
    return ""
