"""What holds up a real stack, really caused, alone and two at once: named by one call, cleared by what it offers."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cli.client import Problem, connect
from deploy.local.stack import Stack
from tests.e2e.stalled_company import Company, Postbox, founded, in_days, said_by, take
from tests.mail import MailServer

pytestmark = pytest.mark.enable_socket
RETRYING = ("ACTIVITY_RETRYING", "CONSUMER_BEHIND bridge")
"""What follows when a service is silent for longer."""


@pytest.fixture(scope="module")
def postbox() -> Iterator[tuple[Postbox, int]]:
    postbox = Postbox()
    server = MailServer(postbox)
    server.start()
    yield postbox, server.port
    server.stop()


@pytest.fixture(scope="module")
def stack(postbox: tuple[Postbox, int]) -> Iterator[Stack]:
    """All processes; missing workflows are looked for so rarely that a test can see one."""
    told = {
        "ATTUNE_BRIDGE_RECONCILE_SECONDS": "3600",
        "ATTUNE_NOTIFY_SMTP_HOST": "127.0.0.1",
        "ATTUNE_NOTIFY_SMTP_PORT": str(postbox[1]),
        "ATTUNE_NOTIFY_SEND_POLL_SECONDS": "0.2",
    }
    with tempfile.TemporaryDirectory(prefix="attune-stalled-") as folder:
        stack = Stack(Path(folder) / "stack", ports="free", tied=True, environment=told)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


@pytest.fixture(scope="module")
async def company(stack: Stack, postbox: tuple[Postbox, int]) -> AsyncIterator[Company]:
    postbox[0].turned_away.add("e004@a.example")
    async with connect(stack.address("gateway")) as http:
        try:
            company = await founded(stack, http)
        except Problem as problem:
            raise AssertionError(f"{problem}\n{said_by(stack)}") from problem
        yield company


async def test_people_and_commands_hold_things_up(company: Company) -> None:
    """Each cause is joined by the next before it is cleared, so that every one is seen alone and in two pairs."""
    admin, cycle = company.admin, f"/cycles/{company.cycle_id}"
    await company.wait_for()
    away = {"from": in_days(0)[:10], "to": in_days(60)[:10], "reason": "产假"}
    await admin.post(f"/employees/{company.ids['E003']}:absence", away)
    rows = await company.wait_for("ASSIGNEE_ON_LEAVE")
    assert {row["assignee_id"] for row in rows} == {company.ids["E003"]}

    await admin.post(f"{cycle}:pause", {"reason": "调整"})
    rows = await company.wait_for("ASSIGNEE_ON_LEAVE", "CYCLE_PAUSED")
    await take(company, rows, "CYCLE_PAUSED", "resume", reason="继续")
    rows = await company.wait_for("ASSIGNEE_ON_LEAVE")
    await take(company, rows, "ASSIGNEE_ON_LEAVE", "extend", until=in_days(90), reason="回来后补")
    await company.wait_for()


async def test_the_engine_holds_things_up(company: Company) -> None:
    await company.wait_for()
    rows = await company.lose_workflow()
    assert rows[0]["trace_id"]
    assert rows[0]["workflow_id"].endswith(company.cycle_id)
    with company.held("worker"):
        await take(company, rows, "WORKFLOW_MISSING", "restart_workflow", reason="恢复")
        rows = await company.wait_for("NO_WORKER")
        assert [remedy["action"] for remedy in rows[0]["remedies"]] == ["start_process", "restart_workflow"]
        rows = await company.lose_workflow()
        await take(company, rows, "WORKFLOW_MISSING", "restart_workflow", reason="恢复")
        await company.wait_for("NO_WORKER")
        with company.held("notify"):
            await company.wait_for("NO_WORKER", "SERVICE_DOWN notify")
    await company.wait_for()


@pytest.mark.parametrize("process", ["goals", "scoring", "notify"])
async def test_a_service_that_does_not_answer_is_named(company: Company, process: str) -> None:
    await company.wait_for()
    with company.held(process):
        rows = await company.wait_for(f"SERVICE_DOWN {process}", besides=RETRYING)
        [row] = [row for row in rows if row["cause"] == "SERVICE_DOWN"]
        assert row["since"]
        assert row["remedies"][0]["call"].endswith(f"#start-{process}")
    await company.wait_for()


async def test_without_reviews_or_the_engine_the_call_still_answers(company: Company) -> None:
    await company.wait_for()
    with company.held("reviews"):
        await company.hint()
        await company.wait_for("SERVICE_DOWN reviews", "ACTIVITY_RETRYING", besides=RETRYING)
        with company.held("bridge"):
            await company.wait_for("SERVICE_DOWN reviews", "SERVICE_DOWN engine")
    await company.wait_for()
    with company.held("temporal"):
        await company.wait_for("SERVICE_DOWN temporal", besides=RETRYING)
    await company.wait_for()
    with company.held("people"):

        async def refused() -> bool:
            answer = await company.http.get("/v1/ops/stalled", headers=company.headers)
            return answer.status_code == 503 and answer.json()["code"] == "SERVICE_DOWN"

        await company.wait_until(refused)
    await company.wait_for()


async def test_a_consumer_that_cannot_apply_an_event_is_named_until_it_can(company: Company) -> None:
    await company.wait_for()
    async with company.sql() as admin:
        await admin.execute("REVOKE INSERT ON notify.message FROM notify_app")
        await company.admin.post("/tasks:remind", {"ids": [await company.task_of("E005")], "reason": "请尽快"})
        rows = await company.wait_for("CONSUMER_BEHIND notify")
        assert "set aside" in rows[0]["detail"]
        assert rows[0]["trace_id"]
        lag = await company.operator.get("/ops/lag")
        behind = next(each for each in lag["lags"] if (each["consumer"], each["producer"]) == ("notify", "reviews"))
        assert behind["parked"] >= 1
        await company.admin.post(f"/cycles/{company.cycle_id}:pause", {"reason": "调整"})
        rows = await company.wait_for("CONSUMER_BEHIND notify", "CYCLE_PAUSED")
        await take(company, rows, "CYCLE_PAUSED", "resume", reason="继续")
        with company.held("goals"):
            await company.wait_for("CONSUMER_BEHIND notify", "SERVICE_DOWN goals", besides=RETRYING)
        await company.wait_for("CONSUMER_BEHIND notify")
        rows = await company.lose_workflow(besides=("CONSUMER_BEHIND notify",))
        await take(company, rows, "WORKFLOW_MISSING", "restart_workflow", reason="恢复")
        await company.wait_for("CONSUMER_BEHIND notify")
        await admin.execute("GRANT INSERT ON notify.message TO notify_app")
    await company.wait_for()


async def test_a_blocked_mail_server_is_told_apart_from_somebody_late(
    company: Company, postbox: tuple[Postbox, int]
) -> None:
    """Last: the clock of the cycle goes on by forty days."""
    await company.wait_for()
    with company.held("worker"):
        async with company.sql() as admin:
            await admin.execute("UPDATE reviews.cycle SET clock_offset = '40 days' WHERE id = $1", company.cycle_id)
        await company.wait_for("OVERDUE_SEEN", "OVERDUE_UNDELIVERED", besides=("NO_WORKER",))
        rows = await company.rows()
        unreached = [row for row in rows if row["cause"] == "OVERDUE_UNDELIVERED"]
        assert [row["assignee_id"] for row in unreached] == [company.ids["E004"]]
        postbox[0].turned_away.clear()
        await take(company, unreached, "OVERDUE_UNDELIVERED", "remind", reason="请尽快")
        await company.wait_for("OVERDUE_SEEN", besides=("NO_WORKER",))
        explained = await company.operator.get("/ops/explain", task=unreached[0]["task_id"])
        assert {row["cause"] for row in explained["items"]} - {"NO_WORKER"} == {"OVERDUE_SEEN"}
