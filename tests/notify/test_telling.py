"""Messages arise once per event and person, in their language; deliveries show what became of them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiosmtplib
import pytest
from sqlalchemy import text

from services.notify.consumers import handlers
from services.notify.convert import messages as convert
from services.notify.domain.model import DeliveryState, Preferences
from services.notify.domain.wording import CATALOG, LANGUAGES, render
from services.notify.sender import INTERRUPTED_AFTER, Sender
from services.notify.store import NotifyWork
from services.notify.usecases import read_inbox
from services.notify.usecases.ports import Recipient, Recipients, TaskRange
from services.notify.usecases.read_inbox import ListInbox
from services.notify.usecases.tell import Telling
from services.runtime.database import Database, Origin
from services.runtime.eventlog import Event
from tests.identity import person

DUE = datetime(2026, 9, 30, 10, tzinfo=UTC)
CYCLE, STAGE = uuid4(), uuid4()


class KnownReviews:
    """Reviews that knows who owes which task."""

    def __init__(self, *owed: tuple[UUID, UUID]) -> None:
        self._owed = tuple(Recipient(task, employee, DUE) for task, employee in owed)

    async def recipients(self, tenant_id: UUID, tasks: TaskRange) -> Recipients:
        return Recipients(self._owed, "三季度", "自评", "Asia/Shanghai")


class KnownPeople:
    """People that knows everybody's address."""

    async def contact(self, tenant_id: UUID, employee_id: UUID) -> tuple[str, str]:
        return f"{employee_id}@b.example", "en"


class Letterbox:
    """Takes e-mails, or refuses them in the ways it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.taken: list[tuple[str, str]] = []
        self._errors = list(errors)

    async def send(self, address: str, title: str, body: str) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.taken.append((address, title))

    def to(self, employee_id: UUID) -> list[str]:
        """Return the titles that somebody got; other tests' deliveries may come by, too."""
        return [title for address, title in self.taken if address.startswith(str(employee_id))]


Opened = Callable[[UUID], Any]


@pytest.fixture
def tenant_id() -> UUID:
    return uuid4()


@pytest.fixture
async def database(service_database: Callable[[str], Database]) -> Database:
    return service_database("notify")


def opening(database: Database, tenant_id: UUID) -> Opened:
    @asynccontextmanager
    async def opened(employee_id: UUID) -> AsyncIterator[NotifyWork]:
        async with database.transaction(tenant_id) as connection:
            yield NotifyWork(connection, Origin(person(tenant_id, employee_id=employee_id), tenant_id))

    return opened


def event(tenant_id: UUID, kind: str, **payload: Any) -> Event:
    ids = {name: str(value) for name, value in payload.items()}
    return Event(uuid4(), tenant_id, kind, "task", uuid4(), 1, ids, "", datetime(2026, 9, 1, tzinfo=UTC))


def opened_tasks(tenant_id: UUID) -> Event:
    return event(
        tenant_id, "reviews.tasks_opened", cycle_id=CYCLE, stage_id=STAGE, first=uuid4(), last=uuid4(), count=2
    )


async def handle(opened: Opened, happened: Event, telling: Telling) -> None:
    async with opened(uuid4()) as work:
        await handlers(telling)[happened.kind](work, happened)


async def inbox(opened: Opened, employee_id: UUID, language: str = "zh-CN") -> Any:
    async with opened(employee_id) as work:
        return convert.list_inbox_reply(await read_inbox.list_inbox(work, ListInbox(False, None, 50, language)))


async def test_everybody_who_owes_is_told_once_however_often_the_event_comes(
    database: Database, tenant_id: UUID
) -> None:
    opened, one, other = opening(database, tenant_id), uuid4(), uuid4()
    telling = Telling(KnownReviews((uuid4(), one), (uuid4(), one), (uuid4(), other)), [])
    happened = opened_tasks(tenant_id)
    for _ in range(3):
        await handle(opened, happened, telling)
    (message,) = (await inbox(opened, one)).messages
    assert message.title == "自评：2 项待办"
    assert "2026-09-30 18:00" in message.body
    assert (message.subject_type, message.subject_id, message.sequence) == ("stage", str(STAGE), 1)
    assert (await inbox(opened, other, "en")).messages[0].title == "自评: 1 to do"
    await handle(opened, opened_tasks(tenant_id), telling)
    assert [each.sequence for each in (await inbox(opened, one)).messages] == [2, 1]


@pytest.mark.parametrize(
    ("kind", "who", "subject"),
    [
        ("reviews.task_returned", "assignee_id", "task_id"),
        ("reviews.appeal_filed", "owner_id", "appeal_id"),
        ("reviews.interview_scheduled", "employee_id", "interview_id"),
        ("goals.goal_proposed", "manager_id", ""),
    ],
)
async def test_one_person_is_told_of_what_concerns_them(
    database: Database, tenant_id: UUID, kind: str, who: str, subject: str
) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    payload = {who: me} | ({subject: uuid4()} if subject else {})
    await handle(opened, event(tenant_id, kind, **payload), Telling(KnownReviews(), []))
    page = await inbox(opened, me)
    assert (len(page.messages), page.unread) == (1, 1)
    assert (await inbox(opened, uuid4())).messages == []


async def test_nobody_is_told_where_nobody_is_named(database: Database, tenant_id: UUID) -> None:
    opened = opening(database, tenant_id)
    happened = event(tenant_id, "reviews.task_reassigned", task_id=uuid4())
    await handle(opened, happened, Telling(KnownReviews(), []))
    async with opened(uuid4()) as work:
        assert (await work.connection.execute(text("SELECT count(*) FROM message"))).scalar_one() == 0


async def test_what_was_withdrawn_is_void(database: Database, tenant_id: UUID) -> None:
    opened, me, task = opening(database, tenant_id), uuid4(), uuid4()
    telling = Telling(KnownReviews((task, me)), [])
    await handle(opened, opened_tasks(tenant_id), telling)
    await handle(opened, event(tenant_id, "reviews.task_withdrawn", task_id=task), telling)
    assert [each.void for each in (await inbox(opened, me)).messages] == [True]


async def test_only_ones_own_messages_are_marked_read(database: Database, tenant_id: UUID) -> None:
    opened, me, other = opening(database, tenant_id), uuid4(), uuid4()
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews((uuid4(), me), (uuid4(), other)), []))
    (theirs,) = (await inbox(opened, other)).messages
    async with opened(me) as work:
        assert await read_inbox.mark_read(work, [UUID(theirs.id)]) == 0
        assert await read_inbox.mark_read(work, None) == 1
    assert ((await inbox(opened, me)).unread, (await inbox(opened, other)).unread) == (0, 1)


async def test_preferences_choose_the_language(database: Database, tenant_id: UUID) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    async with opened(me) as work:
        await read_inbox.set_preferences(work, Preferences("en", False))
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews((uuid4(), me)), []))
    assert (await inbox(opened, me)).messages[0].title.endswith("to do")


def test_every_kind_is_worded_in_every_language() -> None:
    values = {"cycle": "C", "stage": "S", "count": 1, "zone": "Nowhere/Land", "due_at": DUE.isoformat()}
    for kind in CATALOG:
        for language in LANGUAGES:
            assert all(render(kind, values, language))


async def deliveries(opened: Opened) -> list[tuple[str, int, str]]:
    async with opened(uuid4()) as work:
        return [
            (each.state.value, each.attempts, each.error) for each in await work.deliveries.page(None, None, None, 9)
        ]


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "sent"),
        (aiosmtplib.SMTPResponseException(550, "no such user"), "failed"),
        (aiosmtplib.SMTPResponseException(451, "come again"), "pending"),
        (aiosmtplib.SMTPConnectError("down"), "pending"),
        (aiosmtplib.SMTPServerDisconnected("gone"), "unknown"),
    ],
)
async def test_a_delivery_shows_what_became_of_it(
    database: Database, tenant_id: UUID, error: Exception | None, state: str
) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews((uuid4(), me)), ["email"]))
    box = Letterbox(*([error] if error else []))
    await Sender(database, KnownPeople(), box, 1.0).send_due()
    name = type(error).__name__ if error else ""
    assert await deliveries(opened) == [(state, 1, name)]
    assert box.to(me) == ([] if error else ["自评: 1 to do"])


async def test_an_interrupted_send_is_unknown_and_not_repeated(database: Database, tenant_id: UUID) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews((uuid4(), me)), ["email"]))
    long_ago = INTERRUPTED_AFTER + timedelta(seconds=1)
    async with opened(me) as work:
        await work.connection.execute(
            text(
                "UPDATE delivery SET state = 'sending', attempts = 1, update_time = clock_timestamp() - CAST(:ago AS interval)"
            ),
            {"ago": long_ago},
        )
    box = Letterbox()
    await Sender(database, KnownPeople(), box, 1.0).send_due()
    assert await deliveries(opened) == [(DeliveryState.UNKNOWN.value, 1, "INTERRUPTED")]
    assert box.to(me) == []


async def test_who_wants_no_mail_gets_none(database: Database, tenant_id: UUID) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    async with opened(me) as work:
        await read_inbox.set_preferences(work, Preferences("", False))
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews((uuid4(), me)), ["email"]))
    box = Letterbox()
    await Sender(database, KnownPeople(), box, 1.0).send_due()
    assert [state for state, _, _ in await deliveries(opened)] == ["void"]
    assert box.to(me) == []
