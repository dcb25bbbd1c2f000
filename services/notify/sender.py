"""Sends what is queued for e-mail; SMTP knows no dedupe key, so a send that was interrupted is shown as unknown."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from typing import Protocol

import aiosmtplib
import grpc

from services.notify.domain.model import DeliveryState, Outgoing
from services.notify.domain.wording import render
from services.notify.settings import NotifySettings
from services.notify.store.deliveries import Outbox
from services.notify.usecases.ports import People
from services.runtime.database import Database
from services.runtime.telemetry import log

BATCH = 20
INTERRUPTED_AFTER = timedelta(minutes=2)  # longer than any send lasts
SEND_SECONDS = 20.0
MAX_ATTEMPTS = 8
TEMPORARY = range(400, 500)  # SMTP replies that ask to come again


class Mailer(Protocol):
    """A way to hand an e-mail over."""

    async def send(self, address: str, title: str, body: str) -> None:
        """Hand it over; raises aiosmtplib.SMTPException or OSError."""
        ...


class SmtpMailer:
    """E-mail by SMTP."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    async def send(self, address: str, title: str, body: str) -> None:
        """Hand an e-mail to the server; raises aiosmtplib.SMTPException or OSError."""
        email = EmailMessage()
        email["From"], email["To"], email["Subject"] = self._settings.smtp_sender, address, title
        email.set_content(body)
        await aiosmtplib.send(
            email,
            hostname=self._settings.smtp_host,
            port=self._settings.smtp_port,
            username=self._settings.smtp_username or None,
            password=self._settings.smtp_password or None,
            start_tls=self._settings.smtp_starttls,
            timeout=SEND_SECONDS,
        )


class Sender:
    """Claims deliveries, sends them, and notes what became of each."""

    def __init__(self, database: Database, people: People, mailer: Mailer, poll_seconds: float) -> None:
        self._database, self._people, self._mailer, self._poll = database, people, mailer, poll_seconds

    async def run(self) -> None:
        """Send for ever."""
        while True:
            if not await self.send_due():
                await asyncio.sleep(self._poll)

    async def send_due(self) -> int:
        """Send one batch; return how many were claimed."""
        async with self._database.system_transaction() as connection:
            outbox = Outbox(connection)
            await outbox.give_up_interrupted(INTERRUPTED_AFTER)
            claimed = await outbox.claim(BATCH)
        for each in claimed:
            state, error = await self._send(each)
            async with self._database.system_transaction() as connection:
                pause = timedelta(seconds=2.0**each.attempts) if state is DeliveryState.PENDING else timedelta(0)
                await Outbox(connection).settle(each, state, error, pause)
        return len(claimed)

    async def _send(self, each: Outgoing) -> tuple[DeliveryState, str]:
        if not each.wanted:
            return DeliveryState.VOID, ""
        try:
            address, language = await self._people.contact(each.tenant_id, each.recipient_id)
            if not address:
                return DeliveryState.FAILED, "NO_ADDRESS"
            title, body = render(each.kind, each.parameters, each.language or language)
            await self._mailer.send(address, title, body)
        except (aiosmtplib.SMTPException, OSError, grpc.aio.AioRpcError) as error:
            return self._failed(each, error)
        return DeliveryState.SENT, ""

    def _failed(self, each: Outgoing, error: Exception) -> tuple[DeliveryState, str]:
        """Only what certainly was not taken is tried again; the error's text may name the recipient and is not kept."""
        name = type(error).__name__
        code = getattr(error, "code", 0)
        log.warning("delivery failed", delivery=str(each.id), error=name, attempt=each.attempts)
        if isinstance(error, aiosmtplib.SMTPReadTimeoutError | aiosmtplib.SMTPServerDisconnected):
            return DeliveryState.UNKNOWN, name
        refused = isinstance(error, aiosmtplib.SMTPResponseException) and code not in TEMPORARY
        if refused or isinstance(error, aiosmtplib.SMTPRecipientsRefused) or each.attempts >= MAX_ATTEMPTS:
            return DeliveryState.FAILED, name
        return DeliveryState.PENDING, name
