"""Settings of the people service."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class PeopleSettings(ServiceSettings):
    """What the people service is told by its environment, `ATTUNE_PEOPLE_*`."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_PEOPLE_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "people"

    # Issuers whose subjects are employee codes or e-mail addresses, so that no identity has to be linked first.
    directory_issuers: tuple[str, ...] = ()
    # "<issuer> <subject>" of those who administer the installation: they create tenants and nothing else.
    installation_administrators: tuple[str, ...] = ()
