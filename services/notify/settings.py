"""Settings of the notify service."""

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import ServiceSettings


class NotifySettings(ServiceSettings):
    """What the notify service is told by its environment, `ATTUNE_NOTIFY_*`; without an SMTP host no e-mail is sent."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "notify"

    smtp_host: str = ""
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_username: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_starttls: bool = False
    smtp_sender: str = "attune@localhost"
    send_poll_seconds: float = Field(default=1.0, gt=0)
