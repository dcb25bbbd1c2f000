"""The environment variables that each process reads, told by its own settings class."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic_settings import BaseSettings

from deploy.jobs.database import AdministratorSettings, RoleSettings, prefix
from deploy.jobs.engine import EngineJobSettings
from deploy.names import SERVICES
from services.gateway.settings import GatewaySettings
from services.goals.settings import GoalsSettings
from services.notify.settings import NotifySettings
from services.people.settings import PeopleSettings
from services.reviews.settings import ReviewsSettings
from services.scoring.settings import ScoringSettings
from tests.deploy.charts import topology
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


def untold(component: str) -> dict[str, str]:
    """What a process could be told and is not, each with the reason."""
    process = topology()[component]
    told: dict[str, str] = {}
    for called in (*SERVICES, "engine"):
        if called not in process["calls"]:
            told[f"ATTUNE_{called.upper()}_ADDRESS"] = "it does not call there"
    if "temporal" not in process["uses"]:
        told |= dict.fromkeys(("TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"), "it has nothing to do with the engine")
    if "redis" not in process["uses"]:
        told["REDIS_URL"] = "it neither announces nor follows a log"
    if component == "gateway":
        told["ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE"] = "a development setting"
    return told


def expected(component: str) -> frozenset[str]:
    """What a process is told in production: all that its class reads, but what has a reason not to be."""
    return variables(CLASSES[component]) - untold(component).keys()


def expected_of_job(name: str) -> frozenset[str]:
    """What a job of the setup is told."""
    if name == "engine":
        return variables(EngineJobSettings)
    if name == "migrations":
        return OWNERS
    roles = {f"{prefix(service)}{field.upper()}" for service in SERVICES for field in RoleSettings.model_fields}
    return variables(AdministratorSettings) | roles
