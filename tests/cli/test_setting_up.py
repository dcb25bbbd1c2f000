"""What is set up before a cycle: companies, tokens, staff, groups, templates, goals, schedules."""

import json
from pathlib import Path

import pytest

from deploy.local.layout import REPOSITORY
from tests.cli.conftest import Attune

SAMPLES = REPOSITORY / "deploy" / "local" / "samples"
RULE = json.dumps({"attribute": "department", "operator": "within", "value": "同频/销售"})
GOALS = (
    "owner_code,name,mode,weight,period_start,period_end,measure,measure_weight,baseline,target,unit,direction\n"
    "E003,提升回款,kpi,100,2026-07-01,2026-09-30,回款额,100,0,200,万元,higher\n"
)


async def test_a_company_is_created_and_its_administrator_signs_in(attune: Attune) -> None:
    made = await attune("tenant", "create", "第二家", "--admin", "hr@b.example", as_="", ATTUNE_TENANT="")
    assert (made.code, made.err) == (0, "")
    assert "ATTUNE_AS=ADMIN ATTUNE_TENANT=" in made.out
    listed = await attune("tenant", "list", "--json")
    assert "第二家" in [each["name"] for each in listed.value["items"]]
    issued = await attune("token", "--as", "ADMIN", "--tenant", "第二家", "--json", ATTUNE_TENANT="")
    assert issued.value["tenant_id"] in made.out
    people = await attune("people", "list", "--json", as_="", ATTUNE_TOKEN=issued.value["token"])
    assert [each["code"] for each in people.value["items"]] == ["ADMIN"]
    root = await attune("token", "--installation")
    assert (await attune("tenant", "list", "--token", root.out.strip(), as_="")).code == 0


async def test_staff_is_imported_and_bad_rows_are_told(attune: Attune, staff: Path, tmp_path: Path) -> None:
    again = await attune("people", "import", staff, "--dry-run")
    assert (again.code, again.out.strip()) == (
        0,
        "Checked only: 6 total, 0 created, 0 updated, 6 unchanged, 0 rejected.",
    )
    bad = tmp_path / "bad.csv"
    bad.write_text("工号,姓名,邮箱,入职日期\nE009,吴刚,not an address,2021-01-01\n", encoding="utf-8")
    told = await attune("people", "import", bad)
    assert told.code == 1
    assert told.out.splitlines()[1].startswith("2 ")
    listed = await attune("people", "list", "--query", "E003")
    assert "E003" in listed.out
    assert "E002 王芳" in listed.out, "a manager is shown by code and name"


async def test_a_list_says_that_there_is_more(attune: Attune, staff: Path) -> None:
    cut = await attune("people", "list", "--limit", "2")
    assert cut.out.splitlines()[-1] == "There are more than these 2; --limit 0 shows all."
    assert (await attune("people", "list", "--limit", "2", "--json")).value["more"] is True
    whole = await attune("people", "list", "--limit", "0", "--json")
    assert (len(whole.value["items"]), whole.value["more"]) == (7, False)


async def test_groups_are_tried_before_they_are_kept(attune: Attune, staff: Path, tmp_path: Path) -> None:
    shown = await attune("groups", "preview", RULE)
    assert "3 people match" in shown.out, shown.err
    file = tmp_path / "rule.json"
    file.write_text(RULE, encoding="utf-8")
    assert (await attune("groups", "preview", file, "--on", "2021-01-01", "--json")).value["count"] == 1
    assert (await attune("groups", "create", "销售", file)).code == 0
    assert "within" in (await attune("groups", "list")).out
    unreadable = await attune("groups", "preview", "{")
    assert (unreadable.code, "neither JSON nor a file" in unreadable.err) == (2, True)


async def test_templates_are_applied_shown_and_published(attune: Attune, tmp_path: Path) -> None:
    sample = SAMPLES / "template-quarter-45-days.yaml"
    draft = await attune("templates", "apply", sample)
    assert "季度考核: version 1 (draft)" in draft.out, draft.err
    published = await attune("templates", "publish", "季度考核", "--json")
    assert published.value["version"]["published"] is True
    listed = await attune("templates", "list", "--json")
    assert "季度考核" in [each["name"] for each in listed.value["items"]]
    shown = await attune("templates", "show", "季度考核")
    assert '"name": "自评"' in shown.out
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(sample.read_text(encoding="utf-8").replace("weight: 70", "weight: 60"), encoding="utf-8")
    refused = await attune("templates", "apply", wrong)
    line = wrong.read_text(encoding="utf-8").splitlines().index("sections:") + 1
    assert refused.code == 3
    assert "WEIGHTS_NOT_100" in refused.err
    assert f"{wrong}:" in refused.err
    assert int(refused.err.split(f"{wrong}:")[1].split()[0]) > line


async def test_goals_are_imported_confirmed_and_checked_in(attune: Attune, staff: Path, tmp_path: Path) -> None:
    file = tmp_path / "goals.csv"
    file.write_text(GOALS, encoding="utf-8")
    assert (await attune("goals", "import", file, "--dry-run", "--json")).value["created"] == 1
    assert (await attune("goals", "import", file)).code == 0
    [goal] = (await attune("goals", "list", "--json", as_="E003")).value["items"]
    assert goal["state"] == "draft"
    proposed = await attune("goals", "propose", goal["id"], as_="E003")
    assert (proposed.code, "proposed" in proposed.out) == (0, True), proposed.err
    sent_back = await attune("goals", "reject", goal["id"], "--reason", "目标偏低", "--json", as_="E002")
    assert sent_back.value["state"] == "rejected"
    assert (await attune("goals", "propose", goal["id"], as_="E003")).code == 0
    confirmed = await attune("goals", "confirm", goal["id"], "--json", as_="E002")
    assert confirmed.value["state"] in ("confirmed", "active")
    reached = await attune("goals", "check-in", goal["id"], "--value", "50", "--confidence", "7", as_="E003")
    assert "25 %" in reached.out, reached.err
    assert "回款额" in (await attune("goals", "show", goal["id"], as_="E003")).out
    assert "E003 李雷" in (await attune("goals", "list", "--everybody")).out


@pytest.fixture
def schedule(tmp_path: Path) -> Path:
    file = tmp_path / "schedule.yaml"
    file.write_text("name: 月度考核\nkind: month\nbusiness_day: 3\ntemplate: 月度模板\n", encoding="utf-8")
    return file


async def test_schedules_are_created_paused_and_resumed(attune: Attune, schedule: Path, tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    sample = (SAMPLES / "template-quarter-45-days.yaml").read_text(encoding="utf-8")
    template.write_text(sample.replace("name: 季度考核", "name: 月度模板"), encoding="utf-8")
    assert (await attune("templates", "apply", template, "--publish")).code == 0
    made = await attune("schedules", "create", schedule, "--json")
    assert made.value["next_time"]
    paused = await attune("schedules", "pause", made.value["id"])
    assert paused.out == "月度考核 is paused.\n"
    assert "paused" in (await attune("schedules", "list")).out
    resumed = await attune("schedules", "resume", made.value["id"], "--json")
    assert "paused" not in resumed.value or resumed.value["paused"] is False
