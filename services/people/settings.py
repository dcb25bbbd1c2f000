"""Settings of the people service."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Finding, ServiceSettings

LOCAL_ISSUER = "attune-local"  # what the gateway's issuer of local mode calls itself


class PeopleSettings(ServiceSettings):
    """What the people service is told by its environment, `ATTUNE_PEOPLE_*`."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_PEOPLE_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "people"

    # Issuers whose subjects are employee codes or e-mail addresses, so that no identity has to be linked first.
    directory_issuers: tuple[str, ...] = ()
    # "<issuer> <subject>" of those who administer the installation: they create tenants and nothing else.
    installation_administrators: tuple[str, ...] = ()

    def development(self) -> Iterator[Finding]:
        """Add the trust in tokens of the gateway's local issuer."""
        yield from super().development()
        message = f"trusts {LOCAL_ISSUER}, which issues a token for anybody to whoever asks"
        for name in ("directory_issuers", "installation_administrators"):
            if any(each.split(" ")[0] == LOCAL_ISSUER for each in getattr(self, name)):
                yield self._finding(name, message)
