"""E-mail by a real SMTP server: what it takes, what it refuses, and what of a delivery is then known."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import grpc
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from services.notify.domain.model import Discarded, News
from services.notify.sender import LANES, MAX_ATTEMPTS, SILENCE, Mailer, Sender, SmtpMailer
from services.notify.settings import NotifySettings
from services.notify.store import NotifyWork
from services.notify.store.deliveries import Outbox
from services.notify.usecases.tell_of_delivery import MOST_TASKS, tell_of_discarded
from services.runtime.clock import utc_now
from services.runtime.database import Database, Origin
from tests.identity import person
from tests.mail import MailServer

AWAY = grpc.StatusCode.UNAVAILABLE


class Postbox:
    """Answers each e-mail as it is told, and keeps what it took."""

    def __init__(self) -> None:
        self.taken: list[EmailMessage] = []
        self.rcpt_reply = self.data_reply = "250 OK"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if self.rcpt_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt_reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.data_reply.startswith("250"):
            self.taken.append(message_from_bytes(envelope.content, policy=policy.default))
        return self.data_reply


class KnownPeople:
    """People that knows everybody's address, or answers that it cannot."""

    def __init__(self, address: str = "", answer: grpc.StatusCode | None = None) -> None:
        self._address, self.answer, self.asked = address, answer, 0

    async def contact(self, tenant_id: UUID, employee_id: UUID) -> tuple[str, str]:
        self.asked += 1
        if self.answer is not None:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(self.answer, nothing, nothing)
        return self._address or f"{employee_id}@b.example", "zh-CN"


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def mailer(postbox: Postbox) -> Iterator[SmtpMailer]:
    server = MailServer(postbox)
    server.start()
    yield mailer_to(server.port)
    server.stop()


def mailer_to(port: int) -> SmtpMailer:
    settings = NotifySettings.model_construct(smtp_host="127.0.0.1", smtp_port=port, smtp_sender="hr@a.example")
    return SmtpMailer(settings)


async def queue(database: Database, tenant_id: UUID, **parameters: str) -> UUID:
    """Queue one e-mail to somebody new; return them."""
    me = uuid4()
    values = {"cycle": "三季度", "stage": "自评", "count": 1, **parameters}
    news = News(me, "tasks_opened", "stage", uuid4(), values)
    async with database.transaction(tenant_id) as connection:
        work = NotifyWork(connection, Origin(person(tenant_id, employee_id=me), tenant_id))
        await work.inbox.tell(uuid4(), datetime(2026, 9, 1, tzinfo=UTC), [news], ["email"])
    return me


async def states(database: Database, tenant_id: UUID) -> list[tuple[str, int, str]]:
    async with database.transaction(tenant_id) as connection:
        rows = await connection.execute(text("SELECT state, attempts, error FROM delivery ORDER BY id"))
        return [(row.state, row.attempts, row.error) for row in rows]


def sender(database: Database, mailer: Mailer, people: KnownPeople | None = None) -> Sender:
    return Sender(database, people or KnownPeople(), mailer, 0.05)


async def test_an_email_arrives_in_the_language_of_its_recipient(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me = await queue(database, tenant_id, stage="自评\r\nBcc: x@c.example")
    await sender(database, mailer).send_due()
    assert await states(database, tenant_id) == [("sent", 1, "")]
    (email,) = [each for each in postbox.taken if each["To"] == f"{me}@b.example"]
    assert email["Subject"] == "自评 Bcc: x@c.example：1 项待办"
    assert (email["Bcc"], email["From"]) == (None, "hr@a.example")
    assert email["Date"]
    assert email["Message-ID"]
    assert "三季度" in email.get_content()


@pytest.mark.parametrize(
    ("rcpt", "data", "state"),
    [
        ("450 greylisted", "250 OK", "pending"),
        ("550 no such user", "250 OK", "failed"),
        ("250 OK", "452 full", "pending"),
        ("250 OK", "554 no", "failed"),
    ],
)
async def test_what_a_server_refuses_for_now_is_tried_again(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer, rcpt: str, data: str, state: str
) -> None:
    await queue(database, tenant_id)
    postbox.rcpt_reply, postbox.data_reply = rcpt, data
    await sender(database, mailer).send_due()
    ((found, attempts, error),) = await states(database, tenant_id)
    assert (found, attempts) == (state, 1)
    assert "@" not in error


async def test_a_refused_email_is_sent_once_the_server_takes_it(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me = await queue(database, tenant_id)
    postbox.rcpt_reply = "450 greylisted"
    await sender(database, mailer).send_due()
    postbox.rcpt_reply = "250 OK"
    async with database.transaction(tenant_id) as connection:
        pause = "SELECT next_attempt_time - update_time > interval '1 second' FROM delivery"
        assert await connection.scalar(text(pause)), "it is not tried again at once"
        await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp() + interval '1 hour'"))
    await sender(database, mailer).send_due()  # not before its pause has passed
    assert (await states(database, tenant_id))[0][:2] == ("pending", 1)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp()"))
    await sender(database, mailer).send_due()
    assert await states(database, tenant_id) == [("sent", 2, "")]
    assert [each["To"] for each in postbox.taken].count(f"{me}@b.example") == 1


async def test_a_server_that_leaves_before_its_answer_may_have_taken_it(database: Database, tenant_id: UUID) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        for reply in (b"250 me\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"):
            await reader.readline()
            writer.write(reply)
        await reader.readuntil(b"\r\n.\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        await queue(database, tenant_id)
        await sender(database, mailer_to(server.sockets[0].getsockname()[1])).send_due()
    ((state, attempts, _),) = await states(database, tenant_id)
    assert (state, attempts) == ("unknown", 1)


async def test_nothing_is_given_up_while_people_cannot_be_reached(
    database: Database, tenant_id: UUID, mailer: SmtpMailer
) -> None:
    await queue(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE delivery SET attempts = 99"))
    await sender(database, mailer, KnownPeople(answer=AWAY)).send_due()
    assert await states(database, tenant_id) == [("pending", 99, "PEOPLE_UNAVAILABLE")]
    assert await told(database, tenant_id) == []


async def test_tries_are_counted_from_when_people_can_say_where_to(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    await ask(database, tenant_id, uuid4(), uuid4())
    postbox.rcpt_reply = "450 greylisted"
    for people in (*[KnownPeople(answer=AWAY)] * (MAX_ATTEMPTS + 1), KnownPeople()):
        await sender(database, mailer, people).send_due()
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp()"))
    assert await states(database, tenant_id) == [("pending", 1, "SMTPRecipientsRefused")]
    assert await told(database, tenant_id) == [("delivery_failed", "SMTPRecipientsRefused")]


@pytest.mark.parametrize("silence", sorted(SILENCE, key=str))
async def test_while_people_are_silent_there_is_nothing_to_do_and_that_is_said_once(
    database: Database, tenant_id: UUID, mailer: SmtpMailer, silence: grpc.StatusCode
) -> None:
    for _ in range(2 * LANES):
        await queue(database, tenant_id)
    people = KnownPeople(answer=silence)
    sending = sender(database, mailer, people)
    with capture_logs() as logged:
        for times in (1, 2):
            assert await sending.send_due() == 0, "work that was done would be looked for again without a pause"
            assert people.asked == times * LANES
        for people.answer in (None, silence):
            await queue(database, tenant_id)
            await sending.send_due()
    said = [each["reason"] for each in logged if each["event"].startswith("nothing is sent")]
    assert said == [f"PEOPLE_{silence.name}"] * 2, "once an outage"


@pytest.mark.parametrize(("before", "state"), [(0, "pending"), (MAX_ATTEMPTS - 1, "failed")])
async def test_an_answer_that_is_no_silence_counts_as_a_try(
    database: Database, tenant_id: UUID, mailer: SmtpMailer, before: int, state: str
) -> None:
    await queue(database, tenant_id)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE delivery SET attempts = :before"), {"before": before})
    assert await sender(database, mailer, KnownPeople(answer=grpc.StatusCode.INTERNAL)).send_due() > 0
    assert await states(database, tenant_id) == [(state, before + 1, "PEOPLE_INTERNAL")]


class SideBySide:
    """Ends every two e-mails to one address at the same moment: refuses one for good, takes the other.

    Of the two the one that came last goes on first; it is refused and taken in turn.
    """

    def __init__(self, me: UUID) -> None:
        self._me, self._both, self._pairs = me, asyncio.Barrier(2), 0

    async def send(self, address: str, title: str, body: str) -> None:
        if not address.startswith(str(self._me)):
            return
        place = await self._both.wait()
        refused = self._pairs % 2
        self._pairs += place == 0
        if place == refused:
            raise aiosmtplib.SMTPDataError(554, "no")


async def test_of_two_messages_that_end_side_by_side_the_one_that_arrived_is_told_last(
    database: Database, tenant_id: UUID
) -> None:
    me, tasks = uuid4(), [uuid4() for _ in range(12)]
    sending = sender(database, SideBySide(me))
    for task in tasks:
        for _ in range(2):
            await ask(database, tenant_id, me, task)
        async with asyncio.timeout(60):
            await sending.send_due()
    async with database.transaction(tenant_id) as connection:
        events = (await connection.execute(text("SELECT kind, payload FROM event ORDER BY xid, id"))).all()
    last = {each.payload["task_ids"][0]: each.kind for each in events}
    assert last, "of some pair the message that was refused ended first"
    assert set(last.values()) == {"notify.delivery_made"}, "each task was asked for by a message that arrived"


async def test_an_address_that_is_none_fails_alone(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    await queue(database, tenant_id)
    await sender(database, mailer, KnownPeople("a@b.example\r\nX: y")).send_due()
    assert (await states(database, tenant_id))[0][0] == "failed"
    assert postbox.taken == []


async def ask(database: Database, tenant_id: UUID, me: UUID, task_id: UUID) -> None:
    """One more message that asks somebody for a task."""
    news = News(me, "task_reminded", "task", task_id, {"due_at": ""}, (task_id,), uuid4())
    async with database.transaction(tenant_id) as connection:
        work = NotifyWork(connection, Origin(person(tenant_id, employee_id=me), tenant_id))
        await work.inbox.tell(uuid4(), datetime(2026, 9, 1, tzinfo=UTC), [news], ["email"])


async def told(database: Database, tenant_id: UUID) -> list[tuple[str, str]]:
    """Kind of each event about deliveries, and its error; every one names the task and the person."""
    async with database.transaction(tenant_id) as connection:
        events = (await connection.execute(text("SELECT kind, payload FROM event ORDER BY xid, id"))).all()
    assert all(each.payload["channel"] == "email" and len(each.payload["task_ids"]) == 1 for each in events)
    return [(each.kind.removeprefix("notify."), each.payload["error"]) for each in events]


async def test_a_failure_is_told_once_and_so_is_the_message_that_arrives_after_it(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me, task = uuid4(), uuid4()
    await ask(database, tenant_id, me, task)
    postbox.rcpt_reply = "450 greylisted"
    for _ in range(3):
        await sender(database, mailer).send_due()
        async with database.transaction(tenant_id) as connection:
            await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp()"))
    assert await told(database, tenant_id) == [("delivery_failed", "SMTPRecipientsRefused")]
    postbox.rcpt_reply = "250 OK"
    await ask(database, tenant_id, me, task)
    await sender(database, mailer).send_due()
    kinds = [kind for kind, _ in await told(database, tenant_id)]
    assert kinds[0] == "delivery_failed"
    assert set(kinds[1:]) == {"delivery_made"}


async def test_who_wants_no_email_any_more_is_not_said_to_have_been_missed(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me = uuid4()
    await ask(database, tenant_id, me, uuid4())
    postbox.rcpt_reply = "450 greylisted"
    await sender(database, mailer).send_due()
    async with database.transaction(tenant_id) as connection:
        refuse = "INSERT INTO preference (tenant_id, employee_id, language, email) VALUES (:tenant, :me, '', false)"
        await connection.execute(text(refuse), {"tenant": tenant_id, "me": me})
        await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp()"))
    await sender(database, mailer).send_due()
    assert await states(database, tenant_id) == [("void", 2, "")]
    assert [kind for kind, _ in await told(database, tenant_id)] == ["delivery_failed", "delivery_made"]


async def test_a_message_that_arrives_at_once_is_no_news(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me, task = uuid4(), uuid4()
    await ask(database, tenant_id, me, task)
    await sender(database, mailer).send_due()
    assert await told(database, tenant_id) == []
    postbox.rcpt_reply = "550 no such user"
    await ask(database, tenant_id, me, other := uuid4())
    await sender(database, mailer).send_due()
    assert [kind for kind, _ in await told(database, tenant_id)] == ["delivery_failed"]
    async with database.transaction(tenant_id) as connection:
        [payload] = (await connection.execute(text("SELECT payload FROM event"))).scalars()
    assert (payload["task_ids"], payload["recipient_id"]) == ([str(other)], str(me))


async def test_nothing_is_sent_while_an_operator_holds_and_what_was_queued_before_may_be_discarded(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    before = await queue(database, tenant_id)
    async with database.system_transaction() as connection:
        await Outbox(connection).hold("restored")
        await Outbox(connection).hold("again")
    since = await queue(database, tenant_id)
    await sender(database, mailer).send_due()
    assert postbox.taken == []
    async with database.system_transaction() as connection:
        held = await Outbox(connection).held()
        assert held is not None
        assert (held.reason, held.queued_before >= 1, held.queued > held.queued_before) == ("restored", True, True)
        waiting = await Outbox(connection).waiting(held.since)
    discarded = 0
    for each in waiting:
        async with database.transaction(each) as connection:
            discarded += len(await Outbox(connection).discard(each, held.since, 100))
    assert discarded == held.queued_before
    async with database.system_transaction() as connection:
        await Outbox(connection).release()
        assert await Outbox(connection).held() is None
    await sender(database, mailer).send_due()
    addressees = {str(each["To"]) for each in postbox.taken}
    assert (f"{since}@b.example" in addressees, f"{before}@b.example" in addressees) == (True, False)
    assert [state for state, *_ in await states(database, tenant_id)].count("unknown") == 1


async def test_what_is_discarded_is_told_of_as_not_arrived_unless_a_later_message_did(
    database: Database, tenant_id: UUID, postbox: Postbox, mailer: SmtpMailer
) -> None:
    me, owed, reminded = uuid4(), uuid4(), uuid4()
    for task in (owed, reminded):
        await ask(database, tenant_id, me, task)
    async with database.transaction(tenant_id) as connection:
        await connection.execute(text("UPDATE delivery SET next_attempt_time = clock_timestamp() + interval '1 hour'"))
    await ask(database, tenant_id, me, reminded)
    await sender(database, mailer).send_due()
    for wanted in ([[], [owed]], []):
        async with database.transaction(tenant_id) as connection:
            gone = await Outbox(connection).discard(tenant_id, utc_now(), 100)
            work = NotifyWork(connection, Origin(person(tenant_id), tenant_id))
            await tell_of_discarded(work, gone)
        assert sorted((list(each.task_ids) for each in gone), key=len) == wanted
    assert await told(database, tenant_id) == [("delivery_failed", "DISCARDED")]


@dataclass
class Trips:
    """What is told, trip by trip."""

    made: list[Sequence[tuple[UUID, int, Mapping[str, Any]]]] = field(default_factory=list)

    async def emit_each(
        self, kind: str, aggregate_type: str, told: Sequence[tuple[UUID, int, Mapping[str, Any]]]
    ) -> None:
        self.made.append(told)


async def test_many_who_were_discarded_are_told_of_in_one_trip_an_event_each() -> None:
    counts = {uuid4(): count for count in (1, 0, MOST_TASKS + 1)}
    gone = [
        Discarded(uuid4(), who, "email", 1, utc_now(), [uuid4() for _ in range(count)]) for who, count in counts.items()
    ]
    trips = Trips()
    await tell_of_discarded(trips, gone)
    (told,) = trips.made
    told_of = [(UUID(payload["recipient_id"]), len(payload["task_ids"])) for _, _, payload in told]
    one, _, many = counts
    assert told_of == [(one, 1), (many, MOST_TASKS), (many, 1)]


async def test_a_send_that_was_interrupted_is_unknown_and_told(
    database: Database, tenant_id: UUID, mailer: SmtpMailer
) -> None:
    await ask(database, tenant_id, uuid4(), uuid4())
    async with database.transaction(tenant_id) as connection:
        dead = (
            "UPDATE delivery SET state = 'sending', attempts = 1, update_time = clock_timestamp() - interval '1 hour'"
        )
        await connection.execute(text(dead))
    for _ in range(2):
        await sender(database, mailer).send_due()
    assert await states(database, tenant_id) == [("unknown", 1, "INTERRUPTED")]
    assert await told(database, tenant_id) == [("delivery_failed", "INTERRUPTED")]
