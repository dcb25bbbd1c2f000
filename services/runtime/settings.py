"""Settings of a process, read once from the environment and frozen; a secret has no default."""

import os
from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ProcessSettings(BaseSettings):
    """What every process of Attune is told; a service's own settings extend ServiceSettings instead."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    identity_key_file: Path = Field(validation_alias="ATTUNE_IDENTITY_KEY_FILE")
    identity_keys_dir: Path = Field(validation_alias="ATTUNE_IDENTITY_KEYS_DIR")
    redis_url: str = Field(default="", validation_alias="REDIS_URL")
    people_address: str = Field(default="127.0.0.1:50051", validation_alias="ATTUNE_PEOPLE_ADDRESS")
    goals_address: str = Field(default="127.0.0.1:50052", validation_alias="ATTUNE_GOALS_ADDRESS")
    reviews_address: str = Field(default="127.0.0.1:50053", validation_alias="ATTUNE_REVIEWS_ADDRESS")
    scoring_address: str = Field(default="127.0.0.1:50054", validation_alias="ATTUNE_SCORING_ADDRESS")
    notify_address: str = Field(default="127.0.0.1:50055", validation_alias="ATTUNE_NOTIFY_ADDRESS")
    engine_address: str = Field(default="127.0.0.1:50056", validation_alias="ATTUNE_ENGINE_ADDRESS")
    temporal_address: str = Field(default="127.0.0.1:7233", validation_alias="TEMPORAL_ADDRESS")
    temporal_namespace: str = Field(default="default", validation_alias="TEMPORAL_NAMESPACE")
    otlp_endpoint: str = Field(default="", validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    trace_ratio: float = Field(default=0.01, ge=0, le=1, validation_alias="ATTUNE_TRACE_RATIO")
    log_level: str = Field(default="INFO", validation_alias="ATTUNE_LOG_LEVEL")


class ServiceSettings(ProcessSettings):
    """What a service with a schema is told; subclasses name `service` and pass `env_prefix="ATTUNE_<SVC>_"`."""

    service: ClassVar[str]

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)  # 0: no metrics are served
    database_url: str
    system_database_url: str
    pool_size: int = Field(default=12, ge=1)
    system_pool_size: int = Field(default=4, ge=1)
    event_poll_seconds: float = Field(default=0.5, gt=0)


def owner_database_url(service: str) -> str:
    """Return the URL of the role that owns the service's schema, for `migrate` alone; KeyError when unset."""
    return os.environ[f"ATTUNE_{service.upper()}_OWNER_DATABASE_URL"]
