"""Settings of the goals service."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class GoalsSettings(ServiceSettings):
    """What the goals service is told by its environment, `ATTUNE_GOALS_*`."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_GOALS_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "goals"
    calls: ClassVar[tuple[str, ...]] = ("people",)
