"""The story of one cycle: a company is imported, a cycle is launched, the crowd acts until it has closed."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.client import Api
from deploy.local.demo.company import CHAIR, Company, goals_file, staff_file
from deploy.local.demo.crowd import Crowd
from deploy.local.demo.ledger import Ledger
from deploy.local.demo.script import AMENDED_SCORE, Script

SAMPLES = Path(__file__).resolve().parents[1] / "samples"
TEMPLATES = ("template-business-kpi.yaml", "template-rnd-okr.yaml", "template-support-mbo.yaml")
PERIOD = ("2026-07-01", "2026-09-30")
ADMINISTRATOR = "ADMIN"
RESEARCH_GROUP = "研发序列"
LENGTHS: Mapping[str, int] = {  # seconds at pace 1; what is done early closes early
    "open": 3,
    "self_review": 24,
    "data_entry": 24,
    "manager_review": 30,
    "calibration": 12,
    "release": 2,
    "acknowledgement": 20,
    "appeals": 20,
    "interview": 16,
}
ENDED = ("closed", "canceled", "archived")
Tell = Callable[[str], None]
Actor = Callable[[Mapping[str, Any]], Coroutine[Any, Any, None]]


@dataclass
class Story:
    """One run of the demo against a stack that is up."""

    api: Api
    company: Company
    script: Script
    tell: Tell
    pace: float = 1.0
    ledger: Ledger = field(default_factory=Ledger)
    tenant_name: str = "同频科技"
    deadline_seconds: float = 900.0

    async def run(self) -> Crowd:
        """Play the whole story; returns the crowd when the cycle has closed."""
        crowd = await self.prepare()
        await self.launch(crowd)
        async with asyncio.timeout(self.deadline_seconds):
            await self.follow(crowd)
        return crowd

    async def prepare(self) -> Crowd:
        """Create the company, import staff and goals, publish the templates."""
        installation = await self.api.post("/dev/token", {"installation": True})
        root = self.api.speaking_for(installation["token"])
        tenant = await root.post("/tenants", {"name": self.tenant_name, "admin_email": "hr@tongpin.example"})
        token = await self.api.post("/dev/token", {"as": ADMINISTRATOR, "tenant": tenant["id"]})
        admin = self.api.speaking_for(token["token"])
        crowd = Crowd(self.api, admin, tenant["id"], self.company, self.script, self.ledger)
        await self._import_staff(crowd)
        await self._publish_templates(admin)
        await self._import_goals(crowd)
        return crowd

    async def _import_staff(self, crowd: Crowd) -> None:
        report = await crowd.admin.upload("/employees:import", "staff.csv", staff_file(self.company))
        _expect(report["created"], len(self.company.people) + 1, "employees created", report.get("errors"))
        async for employee in crowd.admin.items("/employees"):
            crowd.ids[employee["code"]] = employee["id"]
        rule = {"attribute": "department", "operator": "within", "value": "同频科技/研发中心"}
        preview = await crowd.admin.post("/groups:preview", {"rule": rule})
        await crowd.admin.post("/groups", {"name": RESEARCH_GROUP, "rule": rule})
        self.tell(f"imported {report['created']} employees; group {RESEARCH_GROUP} has {preview['count']}")

    async def _publish_templates(self, admin: Api) -> None:
        for name in TEMPLATES:
            source = (SAMPLES / name).read_text(encoding="utf-8")
            await admin.post("/templates", {"source": source, "publish": True})
        self.tell(f"published {len(TEMPLATES)} templates")

    async def _import_goals(self, crowd: Crowd) -> None:
        file = goals_file(self.company, *PERIOD)
        report = await crowd.admin.upload("/goals:import", "goals.csv", file, confirm="true")
        _expect(report["created"], len(self.company.goals), "goals created", report.get("errors"))
        await crowd.check_in()
        self.tell(f"imported {report['created']} goals; their owners checked in")

    async def launch(self, crowd: Crowd) -> None:
        """Create, check and launch the cycle; launching twice under one key changes nothing."""
        cycle = await crowd.admin.post("/cycles", self.definition())
        crowd.cycle_id = cycle["id"]
        report = await crowd.admin.post(f"/cycles/{crowd.cycle_id}:validate")
        errors = [each for each in report.get("findings", ()) if each["severity"] != "warning"]
        _expect(len(errors), 0, "findings that block", errors)
        body = {"on_person_findings": "refuse", "warnings_reason": "演示"}
        for _ in range(2):
            await crowd.admin.post(f"/cycles/{crowd.cycle_id}:launch", body, key=f"launch-{crowd.cycle_id}")
        self.tell(f"checked {report['population']} people and launched the cycle")

    def definition(self) -> dict[str, Any]:
        """Return the cycle as HR writes it: three forms by rule, windows of seconds."""
        lengths = {key: {"length": f"{max(2, round(each * self.pace))} seconds"} for key, each in LENGTHS.items()}
        return {
            "name": "2026年第三季度绩效考核",
            "period": {"kind": "quarter", "start": PERIOD[0], "end": PERIOD[1]},
            "template": "业务岗KPI",
            "forms": [
                {"match": {"department": "同频科技/销售中心"}, "template": "业务岗KPI"},
                {"match": {"group": RESEARCH_GROUP}, "template": "研发岗OKR+KPI"},
                {"match": {}, "template": "支持岗MBO"},
            ],
            "population": {"everyone": True, "exclude": [CHAIR, ADMINISTRATOR]},
            "overrides": lengths,
            "appeal_owner": self.appeal_owner(),
        }

    def appeal_owner(self) -> str:
        """Return the head of human resources by code."""
        return next(person.code for person in self.company.people if person.post == "人力资源部经理")

    async def follow(self, crowd: Crowd) -> None:
        """Let the crowd act on each stage as it opens, until the cycle has closed."""
        actors = self._actors(crowd)
        seen: dict[str, str] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                cycle = await crowd.admin.get(f"/cycles/{crowd.cycle_id}")
                for stage in cycle["stages"]:
                    if seen.get(stage["key"]) != stage["state"]:
                        seen[stage["key"]] = stage["state"]
                        self.tell(f"{stage['key']}: {stage['state']}")
                        if stage["state"] == "open" and stage["key"] in actors:
                            group.create_task(actors[stage["key"]](stage))
                        if stage["state"] == "closed":
                            group.create_task(crowd.come_too_late(stage))
                if cycle["state"] in ENDED:
                    _expect(cycle["state"], "closed", "state of the cycle", None)
                    return
                await asyncio.sleep(0.4)

    def _actors(self, crowd: Crowd) -> dict[str, Actor]:
        async def appeal(stage: Mapping[str, Any]) -> None:
            await crowd.appeal(stage, self.appeal_owner(), AMENDED_SCORE)

        return {
            "self_review": crowd.review_themselves,
            "data_entry": crowd.enter_actuals,
            "manager_review": crowd.review_staff,
            "calibration": crowd.calibrate,
            "acknowledgement": crowd.acknowledge,
            "appeals": appeal,
            "interview": crowd.interview,
        }


class Unexpected(Exception):
    """Something came out otherwise than the script implies."""


def _expect(got: object, wanted: object, what: str, detail: object) -> None:
    if got != wanted:
        raise Unexpected(f"{what}: {got} instead of {wanted}; {str(detail)[:2000]}")
