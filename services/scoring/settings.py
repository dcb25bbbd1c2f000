"""Settings of the scoring service."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class ScoringSettings(ServiceSettings):
    """What the scoring service is told by its environment, `ATTUNE_SCORING_*`."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_SCORING_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "scoring"
    calls: ClassVar[tuple[str, ...]] = ("reviews", "goals")
