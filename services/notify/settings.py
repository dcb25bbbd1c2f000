"""Settings of the notify service."""

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.runtime.settings import Finding, ServiceSettings

LOCAL_SENDER = "attune@localhost"


class NotifySettings(ServiceSettings):
    """What the notify service is told by its environment, `ATTUNE_NOTIFY_*`; without an SMTP host no e-mail is sent."""

    model_config = SettingsConfigDict(env_prefix="ATTUNE_NOTIFY_", frozen=True, extra="ignore", populate_by_name=True)

    service: ClassVar[str] = "notify"
    calls: ClassVar[tuple[str, ...]] = ("people", "goals", "reviews", "scoring")

    smtp_host: str = ""
    smtp_port: int = Field(default=25, ge=1, le=65535)
    smtp_username: str = ""
    smtp_password: str = Field(default="", repr=False)
    smtp_starttls: bool = False
    smtp_sender: str = LOCAL_SENDER
    send_poll_seconds: float = Field(default=1.0, gt=0)

    def development(self) -> Iterator[Finding]:
        """Add what is wrong with how e-mail is sent, where it is."""
        yield from super().development()
        if self.smtp_password and not self.smtp_starttls:
            yield self._finding("smtp_starttls", "the password would be sent unencrypted")
        if self.smtp_host and self.smtp_sender == LOCAL_SENDER:
            yield self._finding("smtp_sender", f"{LOCAL_SENDER} is of no domain")
