"""What the worker and the bridge are told; read once and frozen."""

from typing import Annotated, ClassVar

from pydantic import Field

from services.runtime.settings import ProcessSettings
from workflows.messages import LOOK_AGAIN_SECONDS

Seconds = Annotated[float, Field(gt=0)]


class EngineSettings(ProcessSettings):
    """What both processes need to reach the engine; payload keys are 32 bytes in base64, the first one encrypts."""

    host: str = Field(default="127.0.0.1", validation_alias="ATTUNE_HOST")
    payload_keys: str = Field(default="", validation_alias="ATTUNE_PAYLOAD_KEY", repr=False)


class WorkerSettings(EngineSettings):
    """`python -m workflows.worker`."""

    probe_port: int = Field(default=0, ge=0, le=65535, validation_alias="ATTUNE_WORKER_METRICS_PORT")
    blocked_retry_seconds: Seconds = Field(default=600, validation_alias="ATTUNE_WORKER_BLOCKED_RETRY_SECONDS")
    bulk_activities: int = Field(default=8, ge=1, validation_alias="ATTUNE_WORKER_BULK_ACTIVITIES")
    short_activities: int = Field(default=100, ge=1, validation_alias="ATTUNE_WORKER_SHORT_ACTIVITIES")
    grace_seconds: Seconds = Field(default=10, validation_alias="ATTUNE_WORKER_GRACE_SECONDS")


class BridgeSettings(EngineSettings):
    """`python -m workflows.bridge`; serves EngineService on `port`."""

    port: int = Field(default=50056, ge=0, le=65535, validation_alias="ATTUNE_ENGINE_PORT")
    metrics_port: ClassVar[int] = 0  # metrics stand beside readiness on the probe's port
    probe_port: int = Field(default=0, ge=0, le=65535, validation_alias="ATTUNE_BRIDGE_METRICS_PORT")
    reconcile_seconds: Seconds = Field(default=60, validation_alias="ATTUNE_BRIDGE_RECONCILE_SECONDS")
    poll_seconds: Seconds = Field(default=0.25, validation_alias="ATTUNE_BRIDGE_POLL_SECONDS")
    look_again_seconds: Seconds = Field(default=LOOK_AGAIN_SECONDS, validation_alias="ATTUNE_BRIDGE_LOOK_AGAIN_SECONDS")
    schedule_jitter_seconds: float = Field(default=60, ge=0, validation_alias="ATTUNE_BRIDGE_SCHEDULE_JITTER_SECONDS")
