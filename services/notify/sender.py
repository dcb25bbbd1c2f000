"""Sends what is queued for e-mail; SMTP knows no dedupe key, so a send that was interrupted is shown as unknown."""

import asyncio
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Protocol

import aiosmtplib
import grpc
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.domain.model import DeliveryState, Outgoing
from services.notify.domain.wording import render
from services.notify.settings import NotifySettings
from services.notify.store.deliveries import Outbox
from services.notify.usecases.ports import People
from services.notify.usecases.tell_of_delivery import tell_of_delivery
from services.runtime.background import repeat
from services.runtime.clock import utc_now
from services.runtime.database import Database, Origin, Work
from services.runtime.errors import DEPENDENCY_DOWN
from services.runtime.identity import Principal
from services.runtime.telemetry import log

LANES, BATCH = 4, 20  # sends at a time, and how many each makes before it looks for interrupted ones again
INTERRUPTED_AFTER = timedelta(minutes=2)  # longer than a call to people and a send last together
SEND_SECONDS = 60.0  # from connecting to the server's last word
ANSWER_SECONDS = 20.0  # of the server to each command
MAX_ATTEMPTS = 16  # with the pauses, some six hours
LONGEST_PAUSE = timedelta(hours=1)
WITHOUT_PEOPLE = timedelta(seconds=10)  # until an address is asked for again
# What says nothing of the delivery that was asked for: people is away, too slow or too busy, or keys are being changed.
SILENCE = DEPENDENCY_DOWN | {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
SENT = Counter("attune_deliveries", "What became of attempts to send", ["state"])
TEMPORARY, PERMANENT = range(400, 500), range(500, 600)  # replies of SMTP


class Mailer(Protocol):
    """A way to hand an e-mail over."""

    async def send(self, address: str, title: str, body: str) -> None:
        """Hand it over; raises aiosmtplib.SMTPException, OSError, or ValueError for an address that is none."""
        ...


class SmtpMailer:
    """E-mail by SMTP."""

    def __init__(self, settings: NotifySettings) -> None:
        self._settings = settings

    async def send(self, address: str, title: str, body: str) -> None:
        """Hand an e-mail to the server; raises aiosmtplib.SMTPException, OSError, or ValueError."""
        sender = self._settings.smtp_sender
        email = EmailMessage()
        email["From"], email["To"], email["Subject"] = sender, address, " ".join(title.split())
        email["Date"], email["Message-ID"] = format_datetime(utc_now()), make_msgid(domain=sender.rpartition("@")[2])
        email.set_content(body)
        async with asyncio.timeout(SEND_SECONDS):
            await aiosmtplib.send(
                email,
                hostname=self._settings.smtp_host,
                port=self._settings.smtp_port,
                username=self._settings.smtp_username or None,
                password=self._settings.smtp_password or None,
                start_tls=self._settings.smtp_starttls,
                timeout=ANSWER_SECONDS,
            )


class Sender:
    """Claims deliveries, sends them, and notes what became of each."""

    def __init__(self, database: Database, people: People, mailer: Mailer, poll_seconds: float) -> None:
        self._database, self._people, self._mailer, self._poll = database, people, mailer, poll_seconds
        self._silent = False  # whether people were when they were last asked

    async def run(self) -> None:
        """Send for ever."""
        await repeat(self.send_due, named="sending", every_seconds=self._poll, eager=True)

    async def send_due(self) -> int:
        """Send what is due, up to a batch a lane; return how many were dealt with by lanes that people answered."""
        await self._give_up_interrupted()
        return sum(await asyncio.gather(*(self._send_batch() for _ in range(LANES))))

    async def _give_up_interrupted(self) -> None:
        """What was being sent when its sender died may have been taken or not: unknown, and told as not arrived."""
        async with self._database.system_transaction() as connection:
            left = await Outbox(connection).interrupted(INTERRUPTED_AFTER, BATCH)
        for tenant_id, delivery_id in left:
            async with self._database.transaction(tenant_id) as connection:
                await Outbox(connection).take_turn(tenant_id, delivery_id)
                each = await Outbox(connection).give_up(tenant_id, delivery_id, INTERRUPTED_AFTER)
                if each is not None:
                    await _tell(connection, each, DeliveryState.UNKNOWN, "INTERRUPTED")

    async def _send_batch(self) -> int:
        """Claim one at a time, so that a crash leaves nothing `unknown` but what was really being sent.

        While people are silent there is nothing to do: none of what is queued could be sent, and the lane pauses.
        """
        for count in range(BATCH):
            async with self._database.system_transaction() as connection:
                claimed = await Outbox(connection).claim(1)
            if not claimed:
                return count
            for each in claimed:
                if not await self._deliver(each):
                    return 0
        return BATCH

    async def _deliver(self, each: Outgoing) -> bool:
        """Try once and note what came of it; false while people are silent: then nothing was tried and counts."""
        try:
            state, error = await self._send(each)
        except grpc.aio.AioRpcError as answer:
            error = f"PEOPLE_{answer.code().name}"
            if answer.code() in SILENCE:
                await self._put_back(each, error)
                return False
            self._silent, state = False, _pending_or_failed(each)
        pause = min(timedelta(seconds=2 ** min(each.attempts, 16)), LONGEST_PAUSE)
        async with self._database.transaction(each.tenant_id) as connection:
            await Outbox(connection).take_turn(each.tenant_id, each.id)
            await Outbox(connection).settle(each, state, error, pause)
            await _tell(connection, each, state, error)
        SENT.labels(state.value).inc()
        return True

    async def _put_back(self, each: Outgoing, error: str) -> None:
        if not self._silent:
            log.warning("nothing is sent: people cannot be asked where to", reason=error)
        self._silent = True
        async with self._database.transaction(each.tenant_id) as connection:
            await Outbox(connection).put_back(each, error, WITHOUT_PEOPLE)

    async def _send(self, each: Outgoing) -> tuple[DeliveryState, str]:
        """Try once; raises grpc.aio.AioRpcError when people cannot say where to."""
        if not each.wanted:
            return DeliveryState.VOID, ""
        address, language = await self._people.contact(each.tenant_id, each.recipient_id)
        self._silent = False
        if not address:
            return DeliveryState.FAILED, "NO_ADDRESS"
        title, body = render(each.kind, each.parameters, each.language or language)
        try:
            await self._mailer.send(address, title, body)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            name = type(error).__name__  # its text may name the recipient and is not kept
            ids = {"tenant": str(each.tenant_id), "delivery": str(each.id)}
            log.warning("delivery failed", error=name, attempt=each.attempts, **ids)
            state = outcome_of(error)
            return _pending_or_failed(each) if state is DeliveryState.PENDING else state, name
        return DeliveryState.SENT, ""


def _pending_or_failed(each: Outgoing) -> DeliveryState:
    return DeliveryState.FAILED if each.attempts >= MAX_ATTEMPTS else DeliveryState.PENDING


async def _tell(connection: AsyncConnection, each: Outgoing, state: DeliveryState, error: str) -> None:
    principal = Principal(tenant_id=each.tenant_id, kind="service", name="notify")
    work = Work(connection, Origin(principal, each.tenant_id))
    await tell_of_delivery(work, Outbox(connection), each, state, error)


def outcome_of(error: Exception) -> DeliveryState:
    """Return pending for what was certainly not taken and may be later, failed for good, or unknown.

    A server that answers 4xx (RFC 5321, 4.2.1) asks to come again; one that cannot be reached, greeted or signed in to
    says nothing about the e-mail; one that falls silent or leaves may have taken it.
    """
    match error:
        case aiosmtplib.SMTPConnectError() | aiosmtplib.SMTPHeloError() | aiosmtplib.SMTPAuthenticationError():
            return DeliveryState.PENDING
        case aiosmtplib.SMTPRecipientsRefused():
            later = all(each.code in TEMPORARY for each in error.recipients)
            return DeliveryState.PENDING if later else DeliveryState.FAILED
        case aiosmtplib.SMTPResponseException() if error.code in TEMPORARY:
            return DeliveryState.PENDING
        case aiosmtplib.SMTPResponseException() if error.code in PERMANENT:
            return DeliveryState.FAILED
        case ValueError() | aiosmtplib.SMTPNotSupported():
            return DeliveryState.FAILED
        case _:
            return DeliveryState.UNKNOWN
