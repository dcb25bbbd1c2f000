"""The crowd: three hundred people who do over REST, as themselves, what the script says."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.client import Api, Problem
from deploy.local.demo.company import Company, Person
from deploy.local.demo.ledger import Ledger
from deploy.local.demo.script import ACTUALS, NARRATIVE, Review, Script

AT_ONCE = 12  # people who click in the same moment
CLOSED = ("STAGE_CLOSED", "STAGE_NOT_OPEN", "TASK_EXPIRED", "TASK_NOT_OPEN", "TASK_CLOSED")


@dataclass
class Crowd:
    """Everybody, with their tokens; counts what the server refused."""

    api: Api
    admin: Api
    tenant_id: str
    company: Company
    script: Script
    ledger: Ledger
    cycle_id: str = ""
    ids: dict[str, str] = field(default_factory=dict)  # code → employee id
    refused: dict[str, int] = field(default_factory=dict)
    _callers: dict[str, Api] = field(default_factory=dict)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    _disagreed: asyncio.Event = field(default_factory=asyncio.Event)

    async def caller(self, code: str) -> Api:
        """Return the API as one person."""
        if code not in self._callers:
            reply = await self.api.post("/dev/token", {"as": code, "tenant": self.tenant_id})
            self._callers[code] = self.api.speaking_for(reply["token"])
        return self._callers[code]

    async def each(self, codes: Iterable[str], act: Callable[[str], Awaitable[None]]) -> None:
        """Have many people act, a dozen at a time; the first failure ends it."""

        async def in_turn(code: str) -> None:
            async with self._turns:
                await act(code)

        async with asyncio.TaskGroup() as group:
            for code in codes:
                group.create_task(in_turn(code))

    async def check_in(self) -> None:
        """Everybody with goals reports what was reached."""
        owners = sorted({goal.owner_code for goal in self.company.goals})
        await self.each(owners, self._check_in_own)

    async def _check_in_own(self, code: str) -> None:
        api = await self.caller(code)
        said = {(g.name, m.name): m for g in self.company.goals if g.owner_code == code for m in g.measures}
        async for goal in api.items("/goals"):
            for measure in goal["measures"]:
                planned = said[goal["name"], measure["name"]]
                if planned.value or planned.done:
                    body = {"measure_id": measure["id"], "done": planned.done, "confidence": 7}
                    body |= {"value": planned.value} if planned.value else {}
                    await api.post(f"/goals/{goal['id']}:check-in", body)

    async def review_themselves(self, stage: Mapping[str, Any]) -> None:
        """Most in time; two are extended by HR and submit after the others' deadline; some only when it is too late."""
        reviews = self.script.self_reviews
        until = _instant(stage["due_at"]) + timedelta(seconds=6)
        for code in self.script.extended:
            body = {"until": until.isoformat(), "reason": "出差在外", "participant": code}
            await self.admin.post(f"/cycles/{self.cycle_id}/stages/{stage['key']}:extend", body)
        in_time = [code for code, review in reviews.items() if review.when == "in_time"]
        await self.each(in_time, lambda code: self._submit_own(code, "self_review", reviews[code]))
        await _until(_instant(stage["due_at"]) + timedelta(seconds=1))
        await self.each(self.script.extended, lambda code: self._submit_own(code, "self_review", reviews[code]))

    async def come_too_late(self, stage: Mapping[str, Any]) -> None:
        """Those who are late try when the stage has closed, and are told so."""
        if stage["key"] == "self_review":
            late = {code: review for code, review in self.script.self_reviews.items() if review.when == "late"}
            await self.each(late, lambda code: self._too_late(code, code, "self_review", late[code]))
        if stage["key"] == "manager_review":
            late = {code: review for code, review in self.script.manager_reviews.items() if review.when == "late"}
            rater = {code: self.script.rater_of(self.company, code) for code in late}
            await self.each(late, lambda code: self._too_late(rater[code], code, "manager_review", late[code]))

    async def enter_actuals(self, stage: Mapping[str, Any]) -> None:
        """Every provider of the stage enters what they owe in one sheet and submits it."""
        providers: set[str] = set()
        async for task in self.admin.items("/tasks", cycle=self.cycle_id, stage=stage["key"], everybody=True):
            providers.add(task["assignee_id"])
        codes = {employee_id: code for code, employee_id in self.ids.items()}
        await self.each(sorted(codes[each] for each in providers), self._enter_sheet)

    async def _enter_sheet(self, code: str) -> None:
        api = await self.caller(code)
        owed = [row async for row in api.items(f"/cycles/{self.cycle_id}/actuals", missing=True)]
        actuals = [
            {
                "participant_id": row["participant_id"],
                "item": row["item"],
                "value": self.script.actuals[row["employee_code"]][row["item"]],
            }
            for row in owed
            if row.get("provider_id") == self.ids[code]
        ]
        if actuals:
            reply = await api.put(f"/cycles/{self.cycle_id}/actuals", {"actuals": actuals})
            if reply["failed"]:
                raise RuntimeError(f"{code}: {reply['failed'][:3]}")
        async for task in api.items("/tasks", cycle=self.cycle_id, stage="data_entry", owed=True):
            await self._submit(api, task, [])

    async def review_staff(self, stage: Mapping[str, Any]) -> None:
        """Managers review their people; one leaves half-way, and what they left is done by their own manager."""
        in_time = {code for code, review in self.script.manager_reviews.items() if review.when == "in_time"}
        leaver = self.script.leaver
        left_behind = {p.code for p in self.company.reports_of(leaver)} - self.script.leaver_rates
        await self.each(sorted(self.script.leaver_rates & in_time), lambda code: self._review_report(leaver, code))
        await self._leave(leaver, left_behind)
        others = sorted(in_time - self.script.leaver_rates - left_behind)
        manager = {person.code: person.manager_code for person in self.company.people}
        await self.each(others, lambda code: self._review_report(manager[code], code))
        successor = self.company.person(leaver).manager_code
        await self.each(sorted(left_behind & in_time), lambda code: self._review_report(successor, code))

    async def _leave(self, leaver: str, left_behind: set[str]) -> None:
        api = await self.caller(leaver)
        drafted = sorted(left_behind)[0]
        task = await self._task(api, "manager_review", drafted)
        answers = _answers(self.company.person(drafted), self.script.manager_reviews[drafted])
        await api.post(f"/tasks/{task['id']}:save", {"version": task.get("version", 0), "answers": answers[:1]})
        today = datetime.now(UTC).date().isoformat()
        await self.admin.post(f"/employees/{self.ids[leaver]}:depart", {"left_on": today, "reason": "个人原因"})

    async def _review_report(self, rater: str, code: str) -> None:
        api = await self.caller(rater)
        task = await self._task(api, "manager_review", code)
        await self._submit(api, task, _answers(self.company.person(code), self.script.manager_reviews[code]))

    async def _submit_own(self, code: str, stage: str, review: Review) -> None:
        api = await self.caller(code)
        task = await self._task(api, stage, code)
        await self._submit(api, task, _answers(self.company.person(code), review))

    async def _too_late(self, rater: str, code: str, stage: str, review: Review) -> None:
        api = await self.caller(rater)
        task = await self._task(api, stage, code, owed=False)
        try:
            await self._submit(api, task, _answers(self.company.person(code), review))
        except Problem as problem:
            if problem.code not in CLOSED:
                raise
            self.refused[problem.code] = self.refused.get(problem.code, 0) + 1
        else:
            raise RuntimeError(f"{rater} was too late for {stage} of {code}, and was not told so")

    async def _task(self, api: Api, stage: str, code: str, *, owed: bool = True) -> dict[str, Any]:
        """Return somebody's task about a participant; it may come by hand-over, so it is waited for."""
        for _ in range(60):
            async for task in api.items("/tasks", cycle=self.cycle_id, stage=stage, owed=owed or None):
                if task.get("employee_id") == self.ids[code]:
                    return task
            await asyncio.sleep(0.25)
        raise RuntimeError(f"there is no task {stage} about {code}")

    async def _submit(self, api: Api, task: Mapping[str, Any], answers: list[dict[str, Any]]) -> None:
        body = {
            "stage_id": task["stage_id"],
            "version": task.get("version", 0),
            "answers": answers,
            "signature": "click",
        }
        key = self.ledger.invoke("submit", task["id"])
        try:
            reply = await api.post(f"/tasks/{task['id']}:submit", body, key=key)
        except Problem as problem:
            self.ledger.fail(key, problem.code)
            raise
        self.ledger.ok(key, {"version": reply["version"], "answers": answers})

    async def calibrate(self, stage: Mapping[str, Any]) -> None:
        """HR moves those that the script names, tries one move and takes it back, and commits every session."""
        moves = {move.code: move for move in self.script.moves}
        codes = {employee_id: code for code, employee_id in self.ids.items()}
        async for session in self.admin.items("/calibration-sessions", cycle=self.cycle_id):
            if session["state"] == "open":
                detail = await self.admin.get(f"/calibration-sessions/{session['id']}")
                grades = [count["grade"] for count in detail["session"]["distribution"]]
                for member in detail["members"]:
                    move = moves.get(codes[member["employee_id"]])
                    if move is not None:
                        await self._move(session["id"], member, grades, move.steps, move.reason)
                await self.admin.post(f"/calibration-sessions/{session['id']}:commit", {})

    async def _move(
        self, session_id: str, member: Mapping[str, Any], grades: list[str], steps: int, reason: str
    ) -> None:
        path = f"/calibration-sessions/{session_id}"
        at = grades.index(member["grade"])
        worse = grades[min(len(grades) - 1, at + 1)]
        tried = {"participant": member["participant_id"], "grade": worse, "reason": "讨论中"}
        await self.admin.post(f"{path}:move", tried)
        await self.admin.post(f"{path}:undo", {})
        grade = grades[max(0, min(len(grades) - 1, at + steps))]
        if grade != member["grade"]:
            body = {"participant": member["participant_id"], "grade": grade, "reason": reason}
            await self.admin.post(f"{path}:move", body)

    async def acknowledge(self, stage: Mapping[str, Any]) -> None:
        """Most agree, some disagree, some never answer; who is about to appeal disagrees."""
        appellant = self.script.appellant
        final = {code: said for code, said in self.script.acknowledgements.items() if said != "none"}
        said = {appellant: "disagree"} | {code: final[code] for code in final if code != appellant}
        await self.each(said, lambda code: self._acknowledge_own(code, said[code]))

    async def _acknowledge_own(self, code: str, opinion: str) -> None:
        api = await self.caller(code)
        own = [result async for result in api.items("/results", cycle=self.cycle_id, employee=self.ids[code])]
        body = {"opinion": opinion, "comment": "" if opinion == "agree" else "希望复核", "signature": "click"}
        await api.post(f"/results/{own[0]['id']}:acknowledge", body)
        if code == self.script.appellant:
            self._disagreed.set()

    async def appeal(self, stage: Mapping[str, Any], owner: str, score: str) -> None:
        """One person who has disagreed appeals; the appeal's owner amends the result, which is acknowledged again.

        Filing makes the acknowledgement disputed until the decision: so the first one is waited for.
        """
        await self._disagreed.wait()
        code = self.script.appellant
        api, judge = await self.caller(code), await self.caller(owner)
        own = [result async for result in api.items("/results", cycle=self.cycle_id, employee=self.ids[code])]
        filed = await api.post("/appeals", {"result": own[0]["id"], "grounds": "第三季度上线的项目未计入目标达成"})
        await judge.post(f"/appeals/{filed['id']}:accept")
        proof = {"name": "上线验收单", "url": "https://docs.tongpin.example/q3", "sha256": "0" * 64}
        decision = {"outcome": "amended", "score": score, "reason": "核实后补记一项关键结果", "evidence": [proof]}
        await judge.post(f"/appeals/{filed['id']}:decide", decision)
        await self._amended(api, filed["id"])
        await self._acknowledge_own(code, self.script.acknowledgements[code])

    async def _amended(self, api: Api, appeal_id: str) -> None:
        """Wait until scoring has made and released the amended result."""
        for _ in range(200):
            if (await api.get(f"/appeals/{appeal_id}"))["state"] == "amended":
                return
            await asyncio.sleep(0.3)
        raise RuntimeError(f"the result was not amended as appeal {appeal_id} decided")

    async def interview(self, stage: Mapping[str, Any]) -> None:
        """Managers of some departments hold their interviews: scheduled, recorded and signed by both."""
        by_code: dict[str, dict[str, Any]] = {}
        codes = {employee_id: code for code, employee_id in self.ids.items()}
        async for row in self.admin.items("/interviews", cycle=self.cycle_id):
            by_code[codes[row["employee_id"]]] = row
        held = sorted(self.script.interviewed & by_code.keys())
        await self.each(held, lambda code: self._hold(by_code[code], code, codes))

    async def _hold(self, row: Mapping[str, Any], code: str, codes: Mapping[str, str]) -> None:
        manager, employee = await self.caller(codes[row["interviewer_id"]]), await self.caller(code)
        path = f"/interviews/{row['id']}"
        when = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
        await manager.post(f"{path}:schedule", {"scheduled_time": when, "place": "会议室 3"})
        await manager.post(f"{path}:record", {"notes": "肯定了本期成果，约定下期重点"})
        await employee.post(f"{path}:record", {"notes": "认可，需要更多跨部门支持"})
        await manager.post(f"{path}:sign", {"signature": "click"})
        await employee.post(f"{path}:sign", {"signature": "click"})


def _answers(person: Person, review: Review) -> list[dict[str, Any]]:
    rated: list[dict[str, Any]] = [{"item": item, "value": str(value)} for item, value in review.ratings.items()]
    asked = NARRATIVE.get(person.family)
    return [*rated, {"item": asked, "text": "完成了约定的重点任务，并总结了改进点"}] if asked else rated


def actuals_of(person: Person) -> tuple[str, ...]:
    """Return the items on which somebody's actual values are entered."""
    return ACTUALS[person.family]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def _until(moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))
