"""A company of six on a stack of its own with a cycle under way, and ways to hold up its processes and its people."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
from temporalio.client import Client
from temporalio.service import RPCError

from cli.client import Api
from deploy.local.stack import Stack
from deploy.local.waiting import until as wait
from tests.bench.company import PERIOD, TEMPLATE
from tests.waiting import until
from workflows import messages
from workflows.client import Cycles

STAFF = (
    "工号,姓名,邮箱,部门,上级工号,岗位,职级,入职日期\n"
    "E001,周明,e001@a.example,同频,,董事长,M3,2019-01-01\n"
    "E002,王芳,e002@a.example,同频/销售,E001,经理,M1,2020-03-01\n"
    "E003,李雷,e003@a.example,同频/销售,E002,顾问,P5,2021-03-01\n"
    "E004,韩梅,e004@a.example,同频/销售,E002,顾问,P4,2022-03-01\n"
    "E005,赵强,e005@a.example,同频/研发,E002,工程师,P5,2021-06-01\n"
    "E006,孙丽,e006@a.example,同频/研发,E002,工程师,P6,2018-06-01\n"
)
SECONDS = 90.0  # a held process is noticed, and comes back, within this on a slow machine
Row = dict[str, Any]


class Postbox:
    """A mail server that turns away whom it is told to."""

    def __init__(self) -> None:
        self.turned_away: set[str] = set()
        self.taken: list[str] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        if address in self.turned_away:
            return "450 later"
        envelope.rcpt_tos.append(address)
        self.taken.append(address)
        return "250 OK"


@dataclass
class Company:
    """The tenant as its administrator, its operator and its people see it."""

    stack: Stack
    http: httpx.AsyncClient
    admin: Api
    operator: Api
    ids: dict[str, str] = field(default_factory=dict)
    cycle_id: str = ""
    tenant_id: str = ""
    token: str = ""

    async def as_(self, code: str) -> Api:
        """Speak as somebody of the company."""
        return await speaking_as(Api(self.http, patience=30), code, self.tenant_id)

    @property
    def headers(self) -> dict[str, str]:
        """Who asks: the operator."""
        return {"Authorization": f"Bearer {self.token}"}

    async def rows(self) -> list[Row]:
        """What the one call answers, as an operator."""
        answer = await self.http.get("/v1/ops/stalled", headers=self.headers)
        return list(answer.json()["items"]) if answer.is_success else []

    async def wait_for(self, *named: str, besides: tuple[str, ...] = ()) -> list[Row]:
        """Wait until these are told, and nothing else but perhaps what follows from them."""

        seen: list[Row] = []

        async def told() -> bool:  # the look that matched is kept: the next one may find a process slow
            seen[:] = await self.rows()
            return set(named) <= {name_of(row) for row in seen} <= {*named, *besides}

        try:
            await until(told, SECONDS)
        except AssertionError:
            raise AssertionError(f"told {sorted(map(name_of, seen))}, not {sorted(named)}") from None
        return seen

    def _state_of(self, process: str) -> str:
        return str(self.stack.running().processes[process].state)

    async def wait_until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        await until(condition, SECONDS)

    async def task_of(self, code: str) -> str:
        """The self review that somebody owes."""
        api = await self.as_(code)
        [task] = [each async for each in api.items("/tasks", cycle=self.cycle_id, stage="self_review")]
        return str(task["id"])

    async def hint(self) -> None:
        """Wake the cycle's workflow, as the bridge would."""
        await Cycles(await self.engine()).hint(self.tenant_id, self.cycle_id)

    async def engine(self) -> Client:
        return await Client.connect(self.stack.address("temporal"), namespace=self.stack.wiring().namespace)

    async def lose_workflow(self, besides: tuple[str, ...] = ()) -> list[Row]:
        """End the workflow, and again where a hint that was on its way has started it; the rows once it is missed."""
        handle = (await self.engine()).get_workflow_handle(messages.cycle_workflow_id(self.tenant_id, self.cycle_id))
        seen: list[Row] = []

        async def missed() -> bool:
            rows = await self.rows()
            if "WORKFLOW_MISSING" in (named := {name_of(row) for row in rows}):
                seen[:] = rows
                return named <= {"WORKFLOW_MISSING", *besides}
            with suppress(RPCError):
                await handle.terminate("as by accident")
            return False

        await until(missed, SECONDS, "the workflow was missed")
        return seen

    @asynccontextmanager
    async def sql(self) -> AsyncIterator[asyncpg.Connection]:
        """The database as its superuser."""
        connection = await asyncpg.connect(self.stack.wiring().admin_database_url())
        try:
            yield connection
        finally:
            await connection.close()

    @contextmanager
    def held(self, process: str) -> Iterator[None]:
        """Kill a process (SIGKILL) and keep it down for as long."""
        self.stack.hold(process)
        try:
            yield
        finally:
            self.stack.release(process)
            wait(lambda: self._state_of(process) == "ready", SECONDS, f"{process} did not come back")


def name_of(row: Row) -> str:
    """The cause; of a silent or slow process with its name, which stands first in the detail."""
    named = row["cause"] in ("SERVICE_DOWN", "CONSUMER_BEHIND")
    return f"{row['cause']} {row['detail'].split(' ')[0]}" if named else str(row["cause"])


async def speaking_as(api: Api, who: str, tenant_id: str) -> Api:
    token = await api.post("/dev/token", {"as": who, "tenant": tenant_id})
    return api.speaking_for(token["token"])


async def founded(stack: Stack, http: httpx.AsyncClient) -> Company:
    """The company with its staff, an operator (E006), and a cycle in which everybody reviews themselves."""
    api = Api(http, patience=60)
    root = api.speaking_for((await api.post("/dev/token", {"installation": True}))["token"])
    tenant = await root.post("/tenants", {"name": f"同频 {os.getpid()}", "admin_email": "hr@a.example"})
    admin = await speaking_as(api, "ADMIN", tenant["id"])
    await admin.upload("/employees:import", "staff.csv", STAFF.encode())
    ids = {each["code"]: each["id"] async for each in admin.items("/employees")}
    await admin.post("/roles", {"employee_id": ids["E006"], "role": "operator"})
    await admin.post("/templates", {"source": TEMPLATE, "publish": True})
    cycle = await admin.post(
        "/cycles",
        {"name": "Stalled", "period": PERIOD, "template": "Bench", "population": {"everyone": True}},
    )
    company = Company(stack, http, admin, admin, ids, cycle["id"], tenant["id"])
    token = await api.post("/dev/token", {"as": "E006", "tenant": tenant["id"]})
    company.token, company.operator = token["token"], api.speaking_for(token["token"])
    body = {"on_person_findings": "exclude", "warnings_reason": "six people"}
    await admin.post(f"/cycles/{company.cycle_id}:launch", body)

    async def opened() -> bool:
        stages = (await admin.get(f"/cycles/{company.cycle_id}"))["stages"]
        return any(stage["key"] == "self_review" and stage["state"] == "open" for stage in stages)

    await until(opened, SECONDS, "everybody reviews themselves")
    return company


def said_by(stack: Stack) -> str:
    """How the processes are, and the last that the gateway and its services wrote: a stack leaves nothing behind."""
    processes = stack.running().processes
    states = [f"{name}: {process}" for name, process in processes.items()]
    logs = [stack.layout.logs / f"{name}.log" for name in ("supervisor", "gateway", "reviews", "scoring")]
    tails = [f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-25:]) for log in logs if log.exists()]
    return "\n".join([*states, *tails])


def in_days(days: int) -> str:
    """An instant so many days from now."""
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


async def take(company: Company, rows: list[Row], cause: str, action: str, **body: Any) -> None:
    """Do what the row of this cause offers, by exactly the call that it names, in the role that it names."""
    row = next(row for row in rows if row["cause"] == cause)
    remedy = next(each for each in row["remedies"] if each["action"] == action)
    method, path, *fixed = remedy["call"].split(" ", 2)
    api = company.operator if remedy["role"] == "operator" else company.admin
    assert method == "POST"
    await api.post(path.removeprefix("/v1"), {**(json.loads(fixed[0]) if fixed else {}), **body})
