"""What the gateway is told by its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ProcessSettings

MIB = 1024 * 1024


class GatewaySettings(ProcessSettings):
    """Settings of the gateway; `local` mode adds an issuer of its own and is refused where an OIDC issuer is named."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_prefix="ATTUNE_GATEWAY_")

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)
    mode: Literal["local", "production"] = "production"
    local_issuer_key_file: Path | None = None
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_url: str = ""
    oidc_tenant_claim: str = "tenant"
    installation_administrators: frozenset[str] = frozenset()  # subjects of the OIDC issuer
    requests_per_minute: int = Field(default=6000, ge=1)  # a person's, in one gateway process
    principal_cache_seconds: float = Field(default=5.0, ge=0, le=60)
    body_limit: int = Field(default=MIB, ge=1024)
    call_seconds: float = Field(default=10.0, gt=0, le=29)

    @model_validator(mode="after")
    def _one_source_of_tokens(self) -> "GatewaySettings":
        if self.mode == "production" and not (self.oidc_issuer and self.oidc_jwks_url and self.oidc_audience):
            names = ("ATTUNE_GATEWAY_OIDC_ISSUER", "ATTUNE_GATEWAY_OIDC_JWKS_URL", "ATTUNE_GATEWAY_OIDC_AUDIENCE")
            raise ValueError(f"production mode needs {', '.join(names)}")
        if self.mode == "production" and self.local_issuer_key_file is not None:
            raise ValueError(
                "ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE is a development setting; production mode refuses it"
            )
        if self.mode == "local" and self.local_issuer_key_file is None:
            raise ValueError("local mode needs ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE")
        return self
