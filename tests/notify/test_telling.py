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
        """Return the titles that somebody got."""
        return [title for address, title in self.taken if address.startswith(str(employee_id))]


Opened = Callable[[UUID], Any]


def opening(database: Database, tenant_id: UUID) -> Opened:
    @asynccontextmanager
    async def opened(employee_id: UUID) -> AsyncIterator[NotifyWork]:
        async with database.transaction(tenant_id) as connection:
            yield NotifyWork(connection, Origin(person(tenant_id, employee_id=employee_id), tenant_id))

    return opened


def event(tenant_id: UUID, kind: str, /, **payload: Any) -> Event:
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
        ("reviews.appeal_declined", "employee_id", "appeal_id"),
        ("reviews.stage_extended", "owner_id", "stage_id"),
        ("reviews.cycle_paused", "owner_id", "cycle_id"),
        ("reviews.cycle_canceled", "owner_id", "cycle_id"),
        ("reviews.interview_scheduled", "employee_id", "interview_id"),
        ("goals.goal_proposed", "manager_id", ""),
    ],
)
async def test_one_person_is_told_of_what_concerns_them(
    database: Database, tenant_id: UUID, kind: str, who: str, subject: str
) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    payload = {"stage_id": STAGE, who: me} | ({subject: uuid4()} if subject else {})
    await handle(opened, event(tenant_id, kind, **payload), Telling(KnownReviews(), []))
    page = await inbox(opened, me)
    assert (len(page.messages), page.unread) == (1, 1)
    assert (await inbox(opened, uuid4())).messages == []


async def test_nobody_is_told_where_nobody_is_named(database: Database, tenant_id: UUID) -> None:
    opened = opening(database, tenant_id)
    happened = event(tenant_id, "reviews.task_reassigned", task_id=uuid4(), stage_id=STAGE)
    await handle(opened, happened, Telling(KnownReviews(), []))
    async with opened(uuid4()) as work:
        assert (await work.connection.execute(text("SELECT count(*) FROM message"))).scalar_one() == 0


async def voids(opened: Opened, employee_id: UUID) -> list[bool]:
    return [each.void for each in (await inbox(opened, employee_id)).messages]


async def test_what_was_withdrawn_is_void_once_none_of_its_tasks_is_left(database: Database, tenant_id: UUID) -> None:
    opened, one, two = opening(database, tenant_id), uuid4(), uuid4()
    first, second, third = uuid4(), uuid4(), uuid4()
    telling = Telling(KnownReviews((first, one), (second, two), (third, two)), [])
    await handle(opened, opened_tasks(tenant_id), telling)
    await handle(opened, withdrawn(tenant_id, first), telling)
    await handle(opened, withdrawn(tenant_id, second), telling)
    assert (await voids(opened, one), await voids(opened, two)) == ([True], [False])
    await handle(opened, withdrawn(tenant_id, third), telling)
    assert await voids(opened, two) == [True]


def withdrawn(tenant_id: UUID, task: UUID) -> Event:
    return event(tenant_id, "reviews.task_withdrawn", task_id=task, stage_id=STAGE)


@pytest.mark.parametrize("kind", ["reviews.tasks_withdrawn", "reviews.tasks_expired"])
async def test_the_end_of_a_chunk_voids_all_but_what_is_still_owed(
    database: Database, tenant_id: UUID, kind: str
) -> None:
    opened, gone, extended, elsewhere = opening(database, tenant_id), uuid4(), uuid4(), uuid4()
    tasks = sorted([uuid4(), uuid4()])
    owed = ((tasks[0], gone), (tasks[1], extended))
    await handle(opened, opened_tasks(tenant_id), Telling(KnownReviews(*owed), []))
    apart = event(tenant_id, "reviews.task_opened", task_id=tasks[0], stage_id=uuid4(), assignee_id=elsewhere)
    await handle(opened, apart, Telling(KnownReviews(), []))
    ended = event(tenant_id, kind, cycle_id=CYCLE, stage_id=STAGE, first=tasks[0], last=tasks[1])
    await handle(opened, ended, Telling(KnownReviews(owed[1]), []))
    assert (await voids(opened, gone), await voids(opened, extended)) == ([True], [False])
    assert await voids(opened, elsewhere) == [False]


async def test_who_handed_a_task_on_is_not_asked_for_it_any_more(database: Database, tenant_id: UUID) -> None:
    opened, before, after, task = opening(database, tenant_id), uuid4(), uuid4(), uuid4()
    telling = Telling(KnownReviews((task, before)), [])
    await handle(opened, opened_tasks(tenant_id), telling)
    handed = event(tenant_id, "reviews.task_reassigned", task_id=task, stage_id=STAGE, assignee_id=after)
    await handle(opened, handed, telling)
    assert (await voids(opened, before), await voids(opened, after)) == ([True], [False])


async def test_both_sides_of_an_interview_are_told(database: Database, tenant_id: UUID) -> None:
    opened, employee, manager = opening(database, tenant_id), uuid4(), uuid4()
    ids = {"employee_id": employee, "manager_id": manager, "interview_id": uuid4()}
    at = "2026-10-08T02:00:00+00:00"
    await handle(
        opened, event(tenant_id, "reviews.interview_scheduled", **ids, scheduled_at=at), Telling(KnownReviews(), [])
    )
    (theirs,), (mine,) = (await inbox(opened, employee)).messages, (await inbox(opened, manager, "en")).messages
    assert "2026-10-08 02:00 UTC" in theirs.body
    assert (theirs.kind, mine.kind) == ("interview_scheduled", "interview_to_hold")


async def test_to_acknowledge_is_to_be_told_of_a_result(database: Database, tenant_id: UUID) -> None:
    opened, me = opening(database, tenant_id), uuid4()
    ids = {"cycle_id": CYCLE, "stage_id": STAGE, "first": uuid4(), "last": uuid4()}
    happened = event(tenant_id, "reviews.tasks_opened", **ids, kind="acknowledgement")
    await handle(opened, happened, Telling(KnownReviews((uuid4(), me)), []))
    assert (await inbox(opened, me)).messages[0].title == "您的绩效结果已公布"


def test_what_has_no_words_yet_is_still_shown() -> None:
    assert [render("of_tomorrow", {}, language)[0] for language in LANGUAGES] == [
        "您有一条新消息",
        "There is news for you",
    ]


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
        (aiosmtplib.SMTPAuthenticationError(535, "who are you"), "pending"),
        (aiosmtplib.SMTPServerDisconnected("gone"), "unknown"),
        (TimeoutError(), "unknown"),
        (ValueError("no address"), "failed"),
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
                "UPDATE delivery SET state = 'sending', attempts = 1,"
                " update_time = clock_timestamp() - CAST(:ago AS interval)"
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
