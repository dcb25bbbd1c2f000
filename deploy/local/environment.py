"""What each process of the local stack is told about the others, as environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from deploy.local import processes
from deploy.local.layout import REPOSITORY, Layout
from deploy.local.ports import LOOPBACK
from deploy.names import LOCAL_ISSUER, SERVICES, SIGNERS

DATABASE = "attune"

# Defaults of the local stack: quick enough for second-long stages. A variable already set wins.
_TUNING: Mapping[str, str] = {
    "ATTUNE_BRIDGE_RECONCILE_SECONDS": "2",
    "ATTUNE_WORKER_BLOCKED_RETRY_SECONDS": "5",
    "ATTUNE_WORKER_GRACE_SECONDS": "5",
    "ATTUNE_BRIDGE_SCHEDULE_JITTER_SECONDS": "0",
    "ATTUNE_MODE": "local",
    # Tokens of the gateway's local issuer name an employee by code or e-mail, or the installation.
    "ATTUNE_PEOPLE_DIRECTORY_ISSUERS": '["attune-local"]',
    "ATTUNE_PEOPLE_INSTALLATION_ADMINISTRATORS": '["attune-local installation"]',
    "PYTHONUNBUFFERED": "1",
}
# Only the bootstrap may use the role that may do everything.
_BOOTSTRAP_ONLY = ("DATABASE_URL",)


@dataclass(frozen=True)
class Wiring:
    """The addresses that this run of the stack settled on."""

    layout: Layout
    ports: Mapping[str, int]
    admin_url: str
    role_passwords: Mapping[str, str]
    redis_url: str
    temporal_address: str
    namespace: str
    database: str = DATABASE

    def database_url(self, role: str) -> str:
        """The address of the database for one role, for SQLAlchemy's asyncpg driver."""
        parts = urlsplit(self.admin_url)
        password = self.role_passwords.get(role)
        host = parts.netloc.rpartition("@")[2]
        login = f"{role}:{password}@" if password else f"{role}@"
        query = parts.query.replace("sslmode=", "ssl=")  # what SQLAlchemy hands to the driver under its own name
        return urlunsplit(("postgresql+asyncpg", login + host, f"/{self.database}", query, ""))

    def admin_database_url(self, database: str = "") -> str:
        """The address of the database for the role that bootstraps, for asyncpg itself."""
        parts = urlsplit(self.admin_url)
        return urlunsplit(("postgresql", parts.netloc, f"/{database or self.database}", parts.query, ""))

    def address(self, name: str) -> str:
        """Where one process answers."""
        fixed = {"postgres": self.admin_database_url(), "redis": self.redis_url, "temporal": self.temporal_address}
        if name in fixed:
            return fixed[name]
        scheme = "http://" if name in ("gateway", "temporal_ui") or name.endswith("_metrics") else ""
        return f"{scheme}{LOOPBACK}:{self.ports[name]}"


def process_environment(wiring: Wiring, name: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of one process. Wiring overrides what was inherited; tuning does not."""
    kept = {key: value for key, value in inherited.items() if key not in _BOOTSTRAP_ONLY}
    told = {**_TUNING, **kept, **_shared(wiring), **_own(wiring, name)}
    if name == "gateway" and told["ATTUNE_MODE"] == "local":
        told["ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE"] = str(wiring.layout.private_key_file(LOCAL_ISSUER))
    return told


def traced(wiring: Wiring, inherited: Mapping[str, str]) -> dict[str, str]:
    """What is inherited where the stack's own collector runs: every trace is kept there unless a ratio was set."""
    endpoint = f"http://{wiring.address('collector')}"
    return {"ATTUNE_TRACE_RATIO": "1", **inherited, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def _shared(wiring: Wiring) -> dict[str, str]:
    addresses = {f"ATTUNE_{service.upper()}_ADDRESS": wiring.address(service) for service in (*SERVICES, "engine")}
    return {
        **addresses,
        processes.MARK: str(wiring.layout.root),
        "PYTHONPATH": str(REPOSITORY),
        "REDIS_URL": wiring.redis_url,
        "TEMPORAL_ADDRESS": wiring.temporal_address,
        "TEMPORAL_NAMESPACE": wiring.namespace,
        "ATTUNE_IDENTITY_KEYS_DIR": str(wiring.layout.public_keys),
    }


def _own(wiring: Wiring, name: str) -> dict[str, str]:
    own: dict[str, str] = {}
    if name in SIGNERS:
        own["ATTUNE_IDENTITY_KEY_FILE"] = str(wiring.layout.private_key_file(name))
        own[f"ATTUNE_{name.upper()}_METRICS_PORT"] = str(wiring.ports[f"{name}_metrics"])
    if name in SERVICES:
        own[f"ATTUNE_{name.upper()}_PORT"] = str(wiring.ports[name])
        own[f"ATTUNE_{name.upper()}_HEALTH_PORT"] = str(wiring.ports[f"{name}_health"])
        own[f"ATTUNE_{name.upper()}_DATABASE_URL"] = wiring.database_url(f"{name}_app")
        own[f"ATTUNE_{name.upper()}_SYSTEM_DATABASE_URL"] = wiring.database_url(f"{name}_system")
    if name == "gateway":
        own["ATTUNE_GATEWAY_PORT"] = str(wiring.ports["gateway"])
    if name == "bridge":
        own["ATTUNE_ENGINE_PORT"] = str(wiring.ports["engine"])
    return own


def migration_environment(wiring: Wiring, service: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment in which one service brings its schema up to date: its own, and the owner's role."""
    owner = {f"ATTUNE_{service.upper()}_OWNER_DATABASE_URL": wiring.database_url(f"{service}_owner")}
    return {**process_environment(wiring, service, inherited), **owner}
