"""One stack that keeps its traces, with a mail server, in which one small cycle has gone part of its way."""

import asyncio
import json
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.handlers import Sink

from cli.client import Api, connect
from deploy.local import steps
from deploy.local.kept import lines_of, spans_of
from deploy.local.layout import REPOSITORY
from deploy.local.stack import Stack
from tests.mail import MailServer
from tests.waiting import until

REGISTRY = tomllib.loads((REPOSITORY / "deploy" / "observability" / "registry.toml").read_text())
SERVICES = ("people", "goals", "reviews", "scoring", "notify")
OWN = (*SERVICES, "gateway", "bridge", "worker")
SLOW = 120.0  # seconds that anything may take on a machine that does much else
STAFF = (
    "工号,姓名,邮箱,部门,上级工号,岗位,职级,入职日期\n"
    "E001,欧阳明镜,mirror@canary.example,同频,,董事长,M3,2019-01-01\n"
    "E002,上官流云,cloud@canary.example,同频/销售,E001,经理,M1,2020-03-01\n"
    "E003,司马青衫,shirt@canary.example,同频/销售,E002,顾问,P5,2021-03-01\n"
)
COMMENT = "只有本人知道的一句话"
CANARIES = ("欧阳明镜", "上官流云", "司马青衫", "canary.example", COMMENT)
TEMPLATE = """
name: 小组考核
sections:
  - key: conduct
    name: 行为
    weight: 100
    indicators:
      - key: service
        name: 客户第一
        kind: qualitative
        weight: 100
        scale: {points: [{value: 5, label: 卓越}, {value: 4, label: 良好}, {value: 3, label: 合格}]}
raters: {self: 0, manager: 100}
grades:
  - {grade: A, from: 90, coefficient: 1.2}
  - {grade: B, from: 0, coefficient: 1}
calibration: {facilitator: owner}
release: manual
process:
  - {key: open, kind: open, name: 启动, length: 1 second}
  - {key: self_review, kind: self_review, name: 自评, after: [open], length: 30 days}
  - {key: manager_review, kind: manager_review, name: 上级评, after: [self_review], length: 30 days}
  - {key: calibration, kind: calibration, name: 校准, after: [manager_review], length: 30 days}
  - {key: release, kind: release, name: 结果开通, after: [calibration], length: 1 day}
"""


@dataclass
class Traced:
    """The stack and its people at the API."""

    stack: Stack
    tenant_id: str = ""
    cycle_id: str = ""
    people: dict[str, Api] = field(default_factory=dict)

    def spans(self, trace_id: str = "") -> list[dict[str, Any]]:
        """The spans that arrived, of one trace and what it caused or of all."""
        if trace_id:
            return spans_of(self.stack.layout, trace_id)
        files = sorted(self.stack.layout.traces.glob("spans.jsonl*"))
        return [json.loads(line) for file in files for line in whole_lines(file)]

    def lines(self, trace_id: str) -> list[dict[str, Any]]:
        """The log lines of a trace and of what it caused."""
        return lines_of(self.stack.layout, trace_id)

    def log(self, process: str) -> list[dict[str, Any]]:
        """All lines of a process of ours; each has to be JSON."""
        return [json.loads(line) for line in whole_lines(self.stack.layout.log(process))]

    async def owed(self, code: str) -> list[dict[str, Any]]:
        """The tasks that somebody owes."""
        return list((await self.people[code].get("/tasks"))["items"])


def whole_lines(file: Path) -> list[str]:
    """The lines of a file that somebody is writing, but for one that is half written."""
    return file.read_text().rpartition("\n")[0].splitlines()


@contextmanager
def mail_server() -> Iterator[dict[str, str]]:
    """Takes every e-mail; how notify is told of it."""
    server = MailServer(Sink())
    server.start()
    try:
        yield {"ATTUNE_NOTIFY_SMTP_HOST": "127.0.0.1", "ATTUNE_NOTIFY_SMTP_PORT": str(server.port)}
    finally:
        server.stop()


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Traced]:
    """All processes and the collector, on free ports."""
    with mail_server() as told:
        stack = Stack(folder / "stack", "free", only=(*steps.PROCESSES, steps.COLLECTOR), environment=told, tied=True)
        await asyncio.to_thread(stack.start)
        try:
            yield Traced(stack)
        finally:
            await asyncio.to_thread(stack.stop)


async def settle_in(traced: Traced, api: Api) -> None:
    """A company of three and its administrator, with a cycle that was not launched."""
    root = api.speaking_for((await api.post("/dev/token", {"installation": True}))["token"])
    made = await root.post("/tenants", {"name": "Traced", "admin_email": "hr@canary.example"})
    traced.tenant_id = made["id"]

    async def speaking(code: str) -> Api:
        return api.speaking_for((await api.post("/dev/token", {"as": code, "tenant": made["id"]}))["token"])

    traced.people["ADMIN"] = hr = await speaking("ADMIN")
    await hr.upload("/employees:import", "staff.csv", STAFF.encode())
    for code in ("E001", "E002", "E003"):
        traced.people[code] = await speaking(code)
    await hr.post("/templates", {"source": TEMPLATE, "publish": True})
    period = {"kind": "quarter", "start": "2026-07-01", "end": "2026-09-30"}
    population = {"everyone": True, "exclude": ["ADMIN", "E001"]}
    cycle = {"name": "小组", "period": period, "template": "小组考核", "population": population}
    traced.cycle_id = (await hr.post("/cycles", cycle))["id"]


async def launch_with_a_fault(traced: Traced) -> None:
    """Launch; the first step finds people gone, fails, and succeeds when they are back."""
    await asyncio.to_thread(traced.stack.hold, "worker")
    body = {"on_person_findings": "exclude", "warnings_reason": "small"}
    await traced.people["ADMIN"].post(f"/cycles/{traced.cycle_id}:launch", body)
    await asyncio.to_thread(traced.stack.hold, "people")
    await asyncio.to_thread(traced.stack.release, "worker")
    await until(lambda: any(line["event"] == "step failed" for line in traced.log("worker")), SLOW, "a step failed")
    await asyncio.to_thread(traced.stack.release, "people")
    await asyncio.to_thread(traced.stack.wait_ready, SLOW)

    async def owes() -> bool:
        return bool(await traced.owed("E003"))

    await until(owes, SLOW, "the self review opened")


async def go_part_of_the_way(traced: Traced) -> None:
    """One submits, an operator looks at the workflow, and HR pauses: what is owed is stalled from then on."""
    [task] = await traced.owed("E003")
    answers = [{"item": "conduct/service", "value": "5"}]
    sent = {"stage_id": task["stage_id"], "version": 0, "answers": answers, "comment": COMMENT}
    await traced.people["E003"].post(f"/tasks/{task['id']}:submit", sent)
    await traced.people["ADMIN"].get(f"/ops/cycles/{traced.cycle_id}")
    await traced.people["ADMIN"].post(f"/cycles/{traced.cycle_id}:pause", {"reason": "small"})


@pytest.fixture(scope="package")
async def traced() -> AsyncIterator[Traced]:
    """The stack once the cycle is paused."""
    async with AsyncExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="attune-traced-"))
        found = await opened.enter_async_context(running(Path(folder)))
        http = await opened.enter_async_context(connect(found.stack.address("gateway")))
        await settle_in(found, Api(http, patience=SLOW))
        await launch_with_a_fault(found)
        await go_part_of_the_way(found)
        yield found
