"""What every process and every service is told; a secret has no default and is never shown."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.runtime.settings.checks import AUTHORITY, Finding, database_faults, is_loopback, verifies

HERE_ONLY = "is of this machine only, and production runs on several"
File = Annotated[Path | None, BeforeValidator(lambda given: given or None)]  # an empty variable names no file


@dataclass(frozen=True)
class Certificate:
    """The files by which a process shows who it is, and recognises others; the certificate names the process."""

    certificate_file: Path
    key_file: Path
    authority_file: Path


class ProcessSettings(BaseSettings):
    """What every process of Attune is told; a service's own settings extend ServiceSettings instead."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True)

    calls: ClassVar[tuple[str, ...]] = ()  # whom this process calls: the arrows of docs/architecture.md

    mode: Literal["local", "production"] = Field(default="production", validation_alias="ATTUNE_MODE")
    # Who encrypts what goes between machines: we do, or a service mesh that also tells processes apart.
    transport: Literal["tls", "mesh"] = Field(default="tls", validation_alias="ATTUNE_TRANSPORT")
    tls_certificate_file: File = Field(default=None, validation_alias="ATTUNE_TLS_CERTIFICATE_FILE")
    tls_key_file: File = Field(default=None, validation_alias="ATTUNE_TLS_KEY_FILE")
    tls_ca_file: File = Field(default=None, validation_alias="ATTUNE_TLS_CA_FILE")
    identity_key_file: Path = Field(validation_alias="ATTUNE_IDENTITY_KEY_FILE")
    identity_keys_dir: Path = Field(validation_alias="ATTUNE_IDENTITY_KEYS_DIR")
    redis_url: str = Field(default="", validation_alias="REDIS_URL", repr=False)
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

    @model_validator(mode="after")
    def _whole_certificate(self) -> Self:
        if len({self.tls_certificate_file is None, self.tls_key_file is None, self.tls_ca_file is None}) > 1:
            raise ValueError("ATTUNE_TLS_CERTIFICATE_FILE, _KEY_FILE and _CA_FILE belong together: set all or none")
        return self

    @classmethod
    def variable(cls, name: str) -> str:
        """Return the environment variable of a setting."""
        alias = cls.model_fields[name].validation_alias
        return str(alias) if alias else f"{cls.model_config.get('env_prefix', '')}{name}".upper()

    @property
    def certificate(self) -> Certificate | None:
        """The certificate of this process; None where calls go unencrypted."""
        if self.tls_certificate_file is None or self.tls_key_file is None or self.tls_ca_file is None:
            return None
        return Certificate(self.tls_certificate_file, self.tls_key_file, self.tls_ca_file)

    def development(self) -> Iterator[Finding]:
        """Yield each setting that is fit for one machine of a developer only; production mode refuses them all."""
        if self.transport == "tls" and self.certificate is None:
            message = "calls between processes would go unencrypted; name the file, or set ATTUNE_TRANSPORT=mesh"
            yield from (self._finding(f"tls_{part}_file", message) for part in ("certificate", "key", "ca"))
        yield from self._loopback(*(f"{name}_address" for name in self.calls))
        if self.transport == "tls" and self.redis_url.startswith("redis:"):
            yield self._finding("redis_url", "the connection is not encrypted; use rediss://")

    def _finding(self, name: str, message: str) -> Finding:
        return Finding(self.variable(name), message)

    def _loopback(self, *names: str) -> Iterator[Finding]:
        return (self._finding(name, HERE_ONLY) for name in names if is_loopback(getattr(self, name)))


class ServiceSettings(ProcessSettings):
    """What a service with a schema is told; subclasses name `service` and pass `env_prefix="ATTUNE_<SVC>_"`."""

    service: ClassVar[str]

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)  # 0: no metrics are served
    health_port: int = Field(default=0, ge=0, le=65535)  # gRPC health without TLS, for probes that know none; 0: none
    database_url: str = Field(repr=False)
    system_database_url: str = Field(repr=False)
    # Who signs the database's certificate; the driver reads this variable by itself.
    database_authority_file: File = Field(default=None, validation_alias=AUTHORITY)
    pool_size: int = Field(default=12, ge=1)
    system_pool_size: int = Field(default=4, ge=1)
    event_poll_seconds: float = Field(default=0.5, gt=0)

    def development(self) -> Iterator[Finding]:
        """Add what is wrong with where the service listens and where its rows are."""
        yield from super().development()
        yield from self._loopback("host")
        for name in ("database_url", "system_database_url"):
            for message in database_faults(getattr(self, name), encrypted_by_us=self.transport == "tls"):
                yield self._finding(name, message)
        if self.database_authority_file is None and any(map(verifies, (self.database_url, self.system_database_url))):
            yield self._finding(
                "database_authority_file", "the database's URL wants a certificate verified; name the file"
            )


def owner_database_url(service: str) -> str:
    """Return the URL of the role that owns the service's schema, for `migrate` alone; KeyError when unset."""
    return os.environ[f"ATTUNE_{service.upper()}_OWNER_DATABASE_URL"]
