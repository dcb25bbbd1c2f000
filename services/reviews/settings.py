"""Settings of the reviews service."""

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class ReviewsSettings(ServiceSettings):
    """What the reviews service is told by its environment, `ATTUNE_REVIEWS_*`."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_REVIEWS_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "reviews"
    calls: ClassVar[tuple[str, ...]] = ("people", "scoring", "notify")
