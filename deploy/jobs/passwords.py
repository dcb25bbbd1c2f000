"""Prints a fresh file of passwords for docker compose: `python -m deploy.jobs.passwords > .env`."""

from __future__ import annotations

import base64
import secrets
import sys
from collections.abc import Iterator

from deploy.names import ROLE_KINDS, SERVICES


def lines() -> Iterator[str]:
    """A password for PostgreSQL's administrator, Temporal, Grafana and each role, and a key for workflows' payloads."""
    names = [
        "POSTGRES",
        "TEMPORAL",
        "GRAFANA",
        *(f"{service}_{kind}".upper() for service in SERVICES for kind in ROLE_KINDS),
    ]
    yield from (f"{name}_PASSWORD={secrets.token_urlsafe(24)}" for name in names)
    yield f"ATTUNE_PAYLOAD_KEY={base64.b64encode(secrets.token_bytes(32)).decode()}"


if __name__ == "__main__":
    sys.stdout.write("\n".join((*lines(), "")))
