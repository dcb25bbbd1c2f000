"""One cycle from its definition to an amended result, by commands alone."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from tests.cli.clock import Clock
from tests.cli.conftest import Attune

TEMPLATE = """\
name: 销售季度考核
sections:
  - key: performance
    name: 业绩
    weight: 60
    indicators:
      - {key: revenue, name: 销售额, kind: quantitative, weight: 100, method: ratio, target: 100, data_provider: hr}
  - key: conduct
    name: 行为
    weight: 40
    indicators:
      - key: service
        name: 客户第一
        kind: qualitative
        weight: 100
        scale: {points: [{value: 5, label: 卓越}, {value: 4, label: 良好}, {value: 3, label: 合格}]}
raters: {self: 0, manager: 100}
grades:
  - {grade: A, from: 90, coefficient: 1.2}
  - {grade: B, from: 75, coefficient: 1}
  - {grade: C, from: 0, coefficient: 0.8}
guideline: {mode: reason_required, quotas: {A: 20, B: 70, C: 10}, minimum: 2}
calibration: {facilitator: owner}
release: manual
process:
  - {key: open, kind: open, name: 启动, length: 1 second, early_close: true}
  - {key: self_review, kind: self_review, name: 自评, after: [open], length: 3 hours, early_close: true}
  - {key: data_entry, kind: data_entry, name: 完成值填报, after: [open], length: 3 hours, early_close: true}
  - key: manager_review
    kind: manager_review
    name: 上级评
    after: [self_review, data_entry]
    length: 3 hours
    early_close: true
  - {key: calibration, kind: calibration, name: 校准, after: [manager_review], length: 3 hours, early_close: true}
  - {key: release, kind: release, name: 结果开通, after: [calibration], length: 3 hours}
  - key: acknowledgement
    kind: acknowledgement
    name: 结果确认
    after: [release]
    length: 3 hours
    signature: click
    early_close: true
  - {key: appeals, kind: appeals, name: 申诉, after: [release], length: 3 hours}
"""
CYCLE = """\
name: 第三季度考核
period: {kind: quarter, start: 2026-07-01, end: 2026-09-30}
template: 销售季度考核
population: {everyone: true, exclude: [E001, ADMIN]}
appeal_owner: E006
"""
SALES = ("E003", "E004")


@pytest.fixture(scope="module")
async def cycle(attune: Attune, staff: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cycle that has been launched over the staff, by its name."""
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    (folder / "cycle.yaml").write_text(CYCLE, encoding="utf-8")
    assert (await attune("templates", "apply", folder / "template.yaml", "--publish")).code == 0
    made = (await attune("cycles", "create", folder / "cycle.yaml", "--json")).value
    checked = await attune("cycles", "validate", made["name"], "--json")
    assert checked.value["population"] == 5
    launched = await attune("cycles", "launch", made["name"], "--warnings-reason", "小团队")
    assert (launched.code, "launching" in launched.out) == (0, True), launched.err
    return str(made["name"])


@pytest.fixture(scope="module")
async def cycle_id(cycle: str, attune: Attune, clock: Clock) -> str:
    """The launched cycle's id, once its people are enrolled and its first stages are open."""
    found = (await attune("cycles", "show", cycle, "--json")).value
    await clock.enrol(found["id"])
    return str(found["id"])


async def owed(attune: Attune, who: str, stage: str) -> list[dict[str, Any]]:
    listed = await attune("tasks", "--stage", stage, "--json", as_=who)
    return list(listed.value["items"])


async def test_a_cycle_goes_its_way_by_commands(
    attune: Attune, cycle: str, cycle_id: str, clock: Clock, tmp_path: Path
) -> None:
    shown = await attune("cycles", "show", cycle)
    assert shown.code == 0, shown.err
    assert "5 participants" in shown.out
    assert "self_review" in shown.out
    await review_themselves(attune, cycle, tmp_path)
    await clock.turn(cycle_id)
    await enter_actuals(attune, cycle, tmp_path)
    await clock.turn(cycle_id)
    await review_staff(attune)
    await clock.turn(cycle_id)
    await calibrate(attune, cycle)
    await clock.turn(cycle_id)
    await release(attune, cycle, tmp_path)
    await clock.turn(cycle_id)
    await acknowledge_and_appeal(attune, clock, cycle, cycle_id)


async def review_themselves(attune: Attune, cycle: str, folder: Path) -> None:
    [task] = await owed(attune, "E003", "self_review")
    form = await attune("tasks", "show", task["id"], as_="E003")
    assert "客户第一" in form.out
    saved = await attune("tasks", "save", task["id"], "--answer", "conduct/service=4", as_="E003")
    assert saved.code == 0, saved.err
    sent = await attune("tasks", "submit", task["id"], "--comment", "按计划完成", as_="E003")
    assert (sent.code, "Submitted version" in sent.out) == (0, True), sent.err
    recalled = await attune("tasks", "recall", task["id"], "--reason", "补充", as_="E003")
    assert recalled.code == 0, recalled.err
    answers = folder / "answers.yaml"
    answers.write_text("answers:\n  - {item: conduct/service, value: '5'}\ncomment: 补充说明\n", encoding="utf-8")
    again = await attune("tasks", "submit", task["id"], "--file", answers, "--json", as_="E003")
    assert again.value["state"] in ("submitted", "accepted")
    later = await attune("cycles", "extend", cycle, "self_review", "--until", "2099-01-01T18:00", "--reason", "出差",
                         "--person", "E004", "--json")  # fmt: skip
    assert later.value["tasks"] == 1
    [other] = await owed(attune, "E004", "self_review")
    assert other["due_at"] == "2099-01-01T10:00:00Z", "a time without an offset is the company's"
    reminded = await attune("tasks", "remind", other["id"], "--reason", "请尽快", "--json")
    assert reminded.value["outcomes"][0]["code"] == "OK"
    for who in ("E002", "E004", "E005", "E006"):
        [own] = await owed(attune, who, "self_review")
        assert (await attune("tasks", "submit", own["id"], "--answer", "conduct/service=4", as_=who)).code == 0


async def enter_actuals(attune: Attune, cycle: str, folder: Path) -> None:
    missing = await attune("actuals", "list", "--cycle", cycle, "--missing", "--json")
    codes = sorted(row["employee_code"] for row in missing.value["items"])
    assert codes == ["E002", "E003", "E004", "E005", "E006"]
    sheet = folder / "actuals.csv"
    sheet.write_text(
        "工号,performance/revenue\n" + "".join(f"{code},{90 + n}\n" for n, code in enumerate(codes)), encoding="utf-8"
    )
    tried = await attune("actuals", "import", sheet, "--cycle", cycle, "--dry-run")
    assert "Checked only: 5 total, 5 stored" in tried.out, tried.out + tried.err
    bad = folder / "bad.csv"
    bad.write_text("工号,performance/revenue\nE003,many\n", encoding="utf-8")
    refused = await attune("actuals", "import", bad, "--cycle", cycle)
    assert (refused.code, "revenue" in refused.out) == (1, True), refused.out + refused.err
    assert (await attune("actuals", "import", sheet, "--cycle", cycle)).code == 0
    for task in await owed(attune, "ADMIN", "data_entry"):
        assert (await attune("tasks", "submit", task["id"])).code == 0


async def review_staff(attune: Attune) -> None:
    tasks = await owed(attune, "E002", "manager_review")
    assert len(tasks) == 4
    moved = await attune("tasks", "reassign", tasks[0]["id"], "--to", "E001", "--reason", "休假")
    assert "E001 周明 has the task now." in moved.out, moved.err
    sent = await attune("tasks", "submit", tasks[0]["id"], "--answer", "conduct/service=4", as_="E001")
    assert sent.code == 0, sent.err
    returned = await attune("tasks", "return", tasks[0]["id"], "--reason", "请补充", "--json")
    assert returned.value["state"] in ("open", "returned")
    for who in ("E001", "E002"):
        for task in await owed(attune, who, "manager_review"):
            assert (await attune("tasks", "submit", task["id"], "--answer", "conduct/service=4", as_=who)).code == 0


async def calibrate(attune: Attune, cycle: str) -> None:
    sessions = (await attune("calibration", "list", "--cycle", cycle, "--json")).value["items"]
    assert sum(session["size"] for session in sessions) == 5
    for session in sessions:
        shown = (await attune("calibration", "show", session["id"], "--json")).value
        people = await attune("participants", "list", cycle, "--json")
        codes = {each["id"]: each["code"] for each in people.value["items"]}
        code = codes[shown["members"][0]["participant_id"]]
        what_if = await attune("calibration", "move", session["id"], code, "--grade", "A", "--what-if")
        assert "Grades would be" in what_if.out, what_if.err
        moved = await attune("calibration", "move", session["id"], code, "--grade", "A", "--reason", "贡献突出")
        assert moved.code == 0, moved.err
        assert (await attune("calibration", "undo", session["id"], "--all")).code == 0
        done = await attune("calibration", "commit", session["id"], "--waiver-reason", "人数少", "--json")
        assert done.value["state"] == "committed"


async def release(attune: Attune, cycle: str, folder: Path) -> None:
    early = await attune("results", "--cycle", cycle, "--json", as_="E003")
    assert early.value["items"] == []
    given = await attune("cycles", "release", cycle, "--reason", "按期开通")
    assert given.code == 0, given.err
    out = folder / "results.csv"
    written = await attune("export", "results", "--cycle", cycle, "--out", out, "--json")
    assert written.value["total"] == 5
    assert len(list(csv.reader(out.read_text(encoding="utf-8-sig").splitlines()))) == 6


async def acknowledge_and_appeal(attune: Attune, clock: Clock, cycle: str, cycle_id: str) -> None:
    own = {who: (await attune("results", "--cycle", cycle, "--json", as_=who)).value["items"][0] for who in SALES}
    why = await attune("results", "show", own["E003"]["id"], as_="E003")
    assert "销售额" in why.out, why.err
    agreed = await attune("results", "ack", own["E003"]["id"], "--agree", as_="E003")
    assert "agree" in agreed.out, agreed.err
    disagreed = await attune("results", "ack", own["E004"]["id"], "--disagree", "--comment", "希望复核", as_="E004")
    assert disagreed.code == 0, disagreed.err
    filed = await attune("appeals", "file", own["E004"]["id"], "--grounds", "漏计一单", "--item", "performance/revenue",
                         "--evidence", "合同=https://a.example/1#" + "0" * 64, "--json", as_="E004")  # fmt: skip
    appeal = filed.value["id"]
    listed = await attune("appeals", "list", "--cycle", cycle, as_="E006")
    assert "漏计一单" in listed.out, listed.err
    assert (await attune("appeals", "accept", appeal, as_="E006")).code == 0
    decided = await attune("appeals", "decide", appeal, "--amend", "--score", "95", "--reason", "核实",
                           "--evidence", "回单=https://a.example/2#" + "1" * 64, as_="E006")  # fmt: skip
    assert decided.code == 0, decided.err
    await clock.turn(cycle_id)
    assert (await attune("appeals", "show", appeal, "--json", as_="E004")).value["state"] == "amended"
    amended = (await attune("results", "--cycle", cycle, "--json", as_="E004")).value["items"][0]
    assert (amended["final"], amended["amended"]) == ("95", True)


def is_route(app: FastAPI, call: str) -> bool:
    """Return whether a call such as `POST /v1/tasks/…:extend` is one of the API's own."""
    method, path, *_ = call.split(" ", 2)
    known = (each for each, verbs in app.openapi()["paths"].items() if method.lower() in verbs)
    return any(re.fullmatch(re.sub(r"\{\w+\}", "[^/:]+", each), path) for each in known)


async def test_a_running_cycle_is_paused_and_ended(
    attune: Attune, gateway: tuple[FastAPI, str], cycle_id: str, clock: Clock, tmp_path: Path
) -> None:
    definition = tmp_path / "cycle.yaml"
    definition.write_text(CYCLE.replace("第三季度", "第四季度"), encoding="utf-8")
    made = (await attune("cycles", "create", definition, "--json")).value["id"]
    assert (await attune("cycles", "launch", made, "--exclude", "--warnings-reason", "小团队")).code == 0
    await clock.enrol(made)
    stalled = await attune("stalled", "--cycle", made, "--waiting", "--json")
    held = [row for row in stalled.value["items"] if row["kind"] != "process"]
    assert {row["cycle_id"] for row in held} == {made}
    for call in {remedy["call"] for row in held for remedy in row["remedies"]}:
        assert is_route(gateway[0], call), f"{call} is told as a remedy and is not there"
    assert "self_review" in (await attune("stalled", "--cycle", made, "--waiting")).out
    assert "to come" in (await attune("cycles", "timeline", made)).out
    closed = await attune("cycles", "close-stage", made, "self_review", "--reason", "提前", "--json")
    assert closed.value["state"] == "closing"
    await clock.turn(made)
    opened = await attune("cycles", "reopen-stage", made, "self_review", "--until", "2099-01-01", "--reason", "补交")
    assert opened.code == 0, opened.err
    await clock.turn(made)
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "canceled")):
        assert (await attune("cycles", verb, made, "--reason", "调整", "--json")).value["state"] == state
    watched = await attune("cycles", "show", made, "--watch")
    assert "cycle: canceled" in watched.out, watched.err
    lines = (await attune("cycles", "show", made, "--watch", "--json")).out.splitlines()
    assert json.loads(lines[0])["state"] == "canceled"
