"""What the gateway is told by its environment."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import File, Finding, ProcessSettings

MIB = 1024 * 1024


class GatewaySettings(ProcessSettings):
    """Settings of the gateway; `local` mode adds an issuer of its own to the OIDC one."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_prefix="ATTUNE_GATEWAY_")

    calls: ClassVar[tuple[str, ...]] = ("people", "goals", "reviews", "scoring", "notify", "engine")

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    metrics_port: int = Field(default=0, ge=0, le=65535)
    local_issuer_key_file: File = None
    oidc_issuer: str = ""
    oidc_audience: str = ""
    oidc_jwks_url: str = ""
    oidc_tenant_claim: str = "tenant"
    installation_administrators: frozenset[str] = frozenset()  # subjects of the OIDC issuer
    requests_per_minute: int = Field(default=6000, ge=1)  # a person's, in one gateway process
    principal_cache_seconds: float = Field(default=5.0, ge=0, le=5)  # and 60 s of the token until a revocation counts
    body_limit: int = Field(default=MIB, ge=1024)
    call_seconds: float = Field(default=10.0, gt=0, le=29)

    @model_validator(mode="after")
    def _some_issuer(self) -> Self:
        if self.mode == "local" and self.local_issuer_key_file is None and not self.oidc_jwks_url:
            raise ValueError("local mode needs ATTUNE_GATEWAY_LOCAL_ISSUER_KEY_FILE, or an OIDC issuer")
        return self

    @property
    def issuing_key_file(self) -> Path | None:
        """The key of the issuer that gives tokens to whoever asks; none in production, whatever else is set."""
        return self.local_issuer_key_file if self.mode == "local" else None

    def development(self) -> Iterator[Finding]:
        """Add the local issuer, and what is missing to trust another."""
        yield from super().development()
        yield from self._loopback("host")
        if self.local_issuer_key_file is not None:
            yield self._finding("local_issuer_key_file", "the local issuer gives a token for anybody to whoever asks")
        for name in ("oidc_issuer", "oidc_audience", "oidc_jwks_url"):
            if not getattr(self, name):
                yield self._finding(name, "is not set, so that no token could be verified")
        if self.oidc_jwks_url.startswith("http:"):
            yield self._finding("oidc_jwks_url", "keys read without TLS are anybody's; use https")
