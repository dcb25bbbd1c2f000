"""The environment variables that each process reads, told by its own settings class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic_settings import BaseSettings

from deploy.jobs.database import AdministratorSettings, RoleSettings, prefix
from deploy.jobs.engine import EngineJobSettings
from deploy.jobs.version import VersionJobSettings
from deploy.names import SERVICES
from services.gateway.settings import GatewaySettings
from services.goals.settings import GoalsSettings
from services.notify.settings import NotifySettings
from services.people.settings import PeopleSettings
from services.reviews.settings import ReviewsSettings
from services.runtime.settings.checks import AUTHORITY
from services.scoring.settings import ScoringSettings
from tests.deploy.charts import CHART, load, topology
from workflows.settings import BridgeSettings, WorkerSettings

CLASSES: Mapping[str, type[BaseSettings]] = {
    "gateway": GatewaySettings,
    "people": PeopleSettings,
    "goals": GoalsSettings,
    "reviews": ReviewsSettings,
    "scoring": ScoringSettings,
    "notify": NotifySettings,
    "bridge": BridgeSettings,
    "worker-cycle": WorkerSettings,
    "worker-bulk": WorkerSettings,
}
OWNERS = frozenset(f"{prefix(service)}OWNER_DATABASE_URL" for service in SERVICES)  # read by `migrate` alone


def variable(kind: type[BaseSettings], field: str) -> str:
    """The environment variable of a setting."""
    alias = kind.model_fields[field].validation_alias
    return str(alias) if alias else f"{kind.model_config.get('env_prefix', '')}{field}".upper()


def variables(kind: type[BaseSettings]) -> frozenset[str]:
    """Every environment variable that a class reads."""
    return frozenset(variable(kind, field) for field in kind.model_fields)


TLS_FILES = ("ATTUNE_TLS_CERTIFICATE_FILE", "ATTUNE_TLS_KEY_FILE", "ATTUNE_TLS_CA_FILE")
ENGINE = frozenset({"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"})
ENGINE_FILES = {
    "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "authority",
    "TEMPORAL_TLS_CLIENT_CERT_PATH": "certificate",
    "TEMPORAL_TLS_CLIENT_KEY_PATH": "certificate",
}


@dataclass(frozen=True)
class Choices:
    """What an installation chose that decides which files a process is told of."""

    tls: bool  # between processes; else a mesh has it
    engine_files: frozenset[str]  # authority, certificate
    database_authority: bool  # a file of it

    def untold(self, component: str) -> dict[str, str]:
        """What a process could be told and is not, each with the reason."""
        process = topology()[component]
        told = {
            f"ATTUNE_{called.upper()}_ADDRESS": "it does not call there"
            for called in (*SERVICES, "engine")
            if called not in process["calls"]
        }
        if not self.tls:
            told |= dict.fromkeys(TLS_FILES, "who runs the mesh has the certificates")
        if "temporal" not in process["uses"]:
            told |= dict.fromkeys(ENGINE, "it has nothing to do with the engine")
        else:
            told |= self.engine_files_untold()
        if "postgres" in process["uses"] and not self.database_authority:
            told[AUTHORITY] = "the database's certificate is not verified"
        if "redis" not in process["uses"]:
            told["REDIS_URL"] = "it neither announces nor follows a log"
        if component == "gateway":
            told["ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE"] = "a development setting"
        return told

    def engine_files_untold(self) -> dict[str, str]:
        """The files for the engine that this installation has not."""
        return {name: "there is no such file" for name, kind in ENGINE_FILES.items() if kind not in self.engine_files}

    def expected(self, component: str) -> frozenset[str]:
        """What a process is told in production: all that its class reads, but what has a reason not to be."""
        return variables(CLASSES[component]) - self.untold(component).keys()

    def expected_of_job(self, name: str) -> frozenset[str]:
        """What a job of the setup is told."""
        if name == "engine":
            return variables(EngineJobSettings) - self.engine_files_untold().keys()
        if name == "operations":
            systems = {f"{prefix(service)}SYSTEM_DATABASE_URL" for service in SERVICES}
            return OWNERS | systems | self.expected_of_job("engine") | self._authority
        if name == "version":
            return variables(VersionJobSettings) - self.engine_files_untold().keys()
        if name == "migrations":
            return OWNERS | self._authority
        roles = {f"{prefix(service)}{field.upper()}" for service in SERVICES for field in RoleSettings.model_fields}
        return variables(AdministratorSettings) | roles | self._authority

    @property
    def _authority(self) -> frozenset[str]:
        return frozenset({AUTHORITY} if self.database_authority else ())


def choices(values: str) -> Choices:
    """The choices of a values file of the chart."""
    chosen = load(CHART / "values" / f"{values}.yaml") if values else {}
    own = chosen.get("temporal", {}).get("tls", {})
    files = frozenset(kind for kind in ("authority", "certificate") if own.get(kind))
    authority = "databaseAuthority" in chosen.get("secrets", {})
    return Choices(chosen.get("transport", {}).get("kind", "tls") == "tls", files, authority)


COMPOSE = Choices(tls=False, engine_files=frozenset(), database_authority=False)
