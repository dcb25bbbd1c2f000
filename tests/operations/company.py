"""A small company on a whole stack whose people do what they owe whenever they are asked: it may be set back."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ruamel.yaml import YAML

from cli.client import Api
from deploy.local.demo.ledger import Ledger
from deploy.local.layout import REPOSITORY
from tests.waiting import until

SAMPLES = REPOSITORY / "deploy" / "local" / "samples"
STAFF, TEMPLATE, CYCLE = (SAMPLES / name for name in ("people-small.csv", "template-small.yaml", "cycle-small.yaml"))
RATINGS = {"M1": 5, "M2": 4, "E1": 3, "E2": 4, "E3": 5, "E4": 3}
REVIEWS = ("self_review", "manager_review")


def larger_staff(managers: int, reports: int) -> tuple[bytes, dict[str, int]]:
    """Return a staff file of so many managers with so many reports each below one chair, and what each is rated."""
    leaders = [f"L{number}" for number in range(managers)]
    rows = [STAFF.read_text(encoding="utf-8").splitlines()[0], "C1,主席,c1@small.example,大同频,,董事长,M3,2019-01-01"]
    for code in leaders:
        rows.append(f"{code},经理{code},{code.lower()}@small.example,大同频/{code},C1,经理,M1,2020-03-01")
        for number in range(reports):
            own = f"{code}P{number}"
            rows.append(f"{own},员工{own},{own.lower()}@small.example,大同频/{code},{code},顾问,P5,2021-03-01")
    codes = [row.partition(",")[0] for row in rows[2:]]
    return "\n".join((*rows, "")).encode(), {code: 3 + index % 3 for index, code in enumerate(codes)}


@dataclass
class SmallCompany:
    """One tenant with one cycle; `ledger` notes what was acknowledged."""

    api: Api
    name: str
    ledger: Ledger
    dice: random.Random = field(default_factory=lambda: random.Random(0))
    staff: bytes = STAFF.read_bytes()
    ratings: Mapping[str, int] = field(default_factory=lambda: RATINGS)
    tenant_id: str = ""
    cycle_id: str = ""
    ids: dict[str, str] = field(default_factory=dict)
    _callers: dict[str, Api] = field(default_factory=dict)

    async def found(self) -> None:
        """Create the tenant, import its staff, publish its template."""
        installation = await self.api.post("/dev/token", {"installation": True})
        root = self.api.speaking_for(installation["token"])
        tenant = await root.post("/tenants", {"name": self.name, "admin_email": "hr@small.example"})
        self.tenant_id = tenant["id"]
        admin = await self.caller("ADMIN")
        await admin.upload("/employees:import", "staff.csv", self.staff)
        self.ids = {each["id"]: each["code"] async for each in admin.items("/employees")}
        await admin.post("/templates", {"source": TEMPLATE.read_text(encoding="utf-8"), "publish": True})

    async def launch(self) -> None:
        """Launch the cycle over everybody but the chair and the administrator, and wait for its first stage."""
        admin = await self.caller("ADMIN")
        definition = YAML(typ="safe").load(CYCLE.read_text(encoding="utf-8"))
        definition["name"] = f"{self.name}试运行"
        self.cycle_id = (await admin.post("/cycles", definition))["id"]
        await admin.post(f"/cycles/{self.cycle_id}:launch", {"warnings_reason": "小团队"})
        await self.opened("self_review")

    async def caller(self, code: str) -> Api:
        """Return the API as one person."""
        if code not in self._callers:
            reply = await self.api.post("/dev/token", {"as": code, "tenant": self.tenant_id})
            self._callers[code] = self.api.speaking_for(reply["token"])
        return self._callers[code]

    def sign_in_anew(self) -> None:
        """Forget all tokens."""
        self._callers.clear()

    async def state(self) -> str:
        """Return the state of the cycle."""
        return str((await self._cycle())["state"])

    async def stages(self) -> Mapping[str, str]:
        """Return the state of each stage."""
        return {stage["key"]: stage["state"] for stage in (await self._cycle())["stages"]}

    async def opened(self, stage: str, seconds: float = 90.0) -> None:
        """Wait until a stage is open."""

        async def is_open() -> bool:
            return (await self.stages())[stage] == "open"

        await until(is_open, seconds, f"{stage} is open")

    async def owed(self, stage: str = "") -> list[tuple[str, dict[str, Any]]]:
        """Return what is owed, with who owes it."""
        admin = await self.caller("ADMIN")
        query = {"cycle": self.cycle_id, "stage": stage or None, "everybody": True, "owed": True}
        return [(self.ids[task["assignee_id"]], task) async for task in admin.items("/tasks", **query)]

    async def act(self, stage: str, most: int = 1_000) -> int:
        """Have up to so many of those who owe something in a stage do it, in random order; return how many did."""
        owed = [(code, task) for code, task in await self.owed(stage) if task["kind"] == stage]
        self.dice.shuffle(owed)
        for code, task in owed[:most]:
            await (self._review(code, task) if stage in REVIEWS else self._acknowledge(code))
        return min(len(owed), most)

    async def finish(self, seconds: float = 120.0, told: Callable[[], Awaitable[None]] | None = None) -> None:
        """Have everybody do what they owe, and HR give the release, until the cycle has closed.

        Nobody acknowledges before they are `told`, where that is given: who has done so already is told nothing.
        """
        admin = await self.caller("ADMIN")

        async def closed() -> bool:
            for stage in (*REVIEWS, "acknowledgement"):
                if (await self.stages())[stage] == "open":
                    if stage == "acknowledgement" and told is not None:
                        await told()
                    await self.act(stage)
            if (await self.stages())["release"] == "open":
                await admin.post(f"/cycles/{self.cycle_id}:release", {"reason": "按期"}, key=f"release-{self.cycle_id}")
            return await self.state() == "closed"

        await until(closed, seconds, "the cycle is closed")

    async def differences(self) -> list[str]:
        """Return what its results have otherwise than its ratings imply."""
        admin = await self.caller("ADMIN")
        got = {self.ids[row["employee_id"]]: row async for row in admin.items("/results", cycle=self.cycle_id)}
        found = {code: Decimal(row["final"]) for code, row in got.items() if row.get("released")}
        wanted = {code: Decimal(rating * 20) for code, rating in self.ratings.items()}
        differing = sorted(code for code in found.keys() | wanted if found.get(code) != wanted.get(code))
        return [f"{code}: {found.get(code)} instead of {wanted.get(code)}" for code in differing]

    async def _cycle(self) -> dict[str, Any]:
        return await (await self.caller("ADMIN")).get(f"/cycles/{self.cycle_id}")

    async def _review(self, code: str, task: Mapping[str, Any]) -> None:
        rating = self.ratings[self.ids[task["employee_id"]]]
        answers = [{"item": "conduct/service", "value": str(rating)}]
        body = {"stage_id": task["stage_id"], "version": task.get("version", 0), "answers": answers}
        key = self.ledger.invoke("submit", task["id"])
        reply = await (await self.caller(code)).post(f"/tasks/{task['id']}:submit", body, key=key)
        self.ledger.ok(key, {"version": reply["version"], "answers": answers})

    async def _acknowledge(self, code: str) -> None:
        api = await self.caller(code)
        own = [row async for row in api.items("/results", cycle=self.cycle_id) if self.ids[row["employee_id"]] == code]
        await api.post(f"/results/{own[0]['id']}:acknowledge", {"opinion": "agree", "signature": "click"})
