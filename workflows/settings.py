"""What the worker and the bridge are told; read once and frozen."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from services.runtime.settings import File, Finding, ProcessSettings
from workflows.messages import LOOK_AGAIN_SECONDS

Seconds = Annotated[float, Field(gt=0)]


class EngineSettings(ProcessSettings):
    """What both processes need to reach the engine; payload keys are 32 bytes in base64, the first one encrypts."""

    host: str = Field(default="127.0.0.1", validation_alias="ATTUNE_HOST")
    payload_keys: str = Field(default="", validation_alias="ATTUNE_PAYLOAD_KEY", repr=False)
    temporal_tls: bool = Field(default=False, validation_alias="TEMPORAL_TLS")
    temporal_tls_ca_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_SERVER_CA_CERT_PATH")
    temporal_tls_certificate_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_CLIENT_CERT_PATH")
    temporal_tls_key_file: File = Field(default=None, validation_alias="TEMPORAL_TLS_CLIENT_KEY_PATH")
    temporal_api_key: str = Field(default="", validation_alias="TEMPORAL_API_KEY", repr=False)

    def development(self) -> Iterator[Finding]:
        """Add what is wrong with how the engine is reached and what it is given to keep."""
        yield from super().development()
        if not self.payload_keys.strip(" ,"):
            yield self._finding("payload_keys", "what workflows exchange would be readable in the engine's database")
        yield from self._loopback("temporal_address")
        if self.transport == "tls" and not self.temporal_tls:
            yield self._finding("temporal_tls", "the connection to the engine is not encrypted")


class WorkerSettings(EngineSettings):
    """`python -m workflows.worker`."""

    calls: ClassVar[tuple[str, ...]] = ("people", "goals", "reviews", "scoring")

    probe_port: int = Field(default=0, ge=0, le=65535, validation_alias="ATTUNE_WORKER_METRICS_PORT")
    blocked_retry_seconds: Seconds = Field(default=600, validation_alias="ATTUNE_WORKER_BLOCKED_RETRY_SECONDS")
    bulk_activities: int = Field(default=8, ge=1, validation_alias="ATTUNE_WORKER_BULK_ACTIVITIES")
    short_activities: int = Field(default=100, ge=1, validation_alias="ATTUNE_WORKER_SHORT_ACTIVITIES")
    grace_seconds: Seconds = Field(default=10, validation_alias="ATTUNE_WORKER_GRACE_SECONDS")
    # What this code is called among the versions that the engine knows; without one it works on whatever comes.
    build_id: str = Field(default="", validation_alias="ATTUNE_WORKER_BUILD_ID")


class BridgeSettings(EngineSettings):
    """`python -m workflows.bridge`; serves EngineService on `port`."""

    calls: ClassVar[tuple[str, ...]] = ("goals", "reviews", "scoring")

    port: int = Field(default=50056, ge=0, le=65535, validation_alias="ATTUNE_ENGINE_PORT")
    metrics_port: ClassVar[int] = 0  # metrics stand beside readiness on the probe's port
    health_port: ClassVar[int] = 0  # and so does health without TLS
    probe_port: int = Field(default=0, ge=0, le=65535, validation_alias="ATTUNE_BRIDGE_METRICS_PORT")
    reconcile_seconds: Seconds = Field(default=60, validation_alias="ATTUNE_BRIDGE_RECONCILE_SECONDS")
    poll_seconds: Seconds = Field(default=0.25, validation_alias="ATTUNE_BRIDGE_POLL_SECONDS")
    look_again_seconds: Seconds = Field(default=LOOK_AGAIN_SECONDS, validation_alias="ATTUNE_BRIDGE_LOOK_AGAIN_SECONDS")
    schedule_jitter_seconds: float = Field(default=60, ge=0, validation_alias="ATTUNE_BRIDGE_SCHEDULE_JITTER_SECONDS")

    def development(self) -> Iterator[Finding]:
        """Add a server that nobody on another machine can reach."""
        yield from super().development()
        yield from self._loopback("host")
