"""`stalled` and `explain`: why something waits, and doing what is offered, each in its role; nobody sees an answer."""

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.local.layout import REPOSITORY
from tests.cli.clock import Clock
from tests.cli.conftest import Attune
from tests.cli.test_cycle import CYCLE, TEMPLATE

RUNBOOK = REPOSITORY / "docs" / "operations" / "stalled.md"
SECRET = "只有考核人可以看到"
ELSEWHERE = ("status", "logs")  # of the local stack, not of the gateway
OF_THE_ENGINE = "restart-workflow"  # there is no engine here; a test with a real one runs it


@pytest.fixture(scope="module")
async def cycle_id(attune: Attune, staff: Path, clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A cycle in which self reviews and a sheet of actuals are owed; E006 is the operator."""
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    (folder / "cycle.yaml").write_text(CYCLE, encoding="utf-8")
    assert (await attune("templates", "apply", folder / "template.yaml", "--publish")).code == 0
    made = (await attune("cycles", "create", folder / "cycle.yaml", "--json")).value["id"]
    assert (await attune("cycles", "launch", made, "--warnings-reason", "小团队")).code == 0
    await clock.enrol(made)
    return str(made)


@pytest.fixture(scope="module")
async def operator(attune: Attune, staff: Path, clock: Clock) -> str:
    """Somebody who is an operator and nothing else."""
    await clock.grant("E006", "operator")
    return "E006"


async def waiting(attune: Attune, cycle_id: str, **about: str) -> list[dict[str, Any]]:
    listed = await attune("stalled", "--cycle", cycle_id, "--waiting", "--json")
    return [row for row in listed.value["items"] if row["kind"] == "task" and about.items() <= row.items()]


async def test_an_operator_learns_why_and_a_remedy_says_whose_it_is(
    attune: Attune, cycle_id: str, operator: str
) -> None:
    [row, *_] = await waiting(attune, cycle_id, stage="self_review")
    told = await attune("explain", row["task_id"], as_=operator)
    assert (told.code, "WAITING" in told.out, "remind (hr_partner)" in told.out) == (0, True, True), told.err
    assert "SERVICE_DOWN: engine does not answer" in told.out, "no engine runs here, and the call still answers"
    refused = await attune("explain", row["task_id"], "--do", "remind", "--reason", "x", as_=operator)
    assert refused.code == 3
    for arguments in (
        ("--do", "reassign", "--to", "E002"),
        ("--do", "extend", "--reason", "x"),
        ("--do", "start-process"),
    ):
        assert (await attune("explain", row["task_id"], *arguments)).code == 2, arguments
    nothing = await attune("explain", str(uuid4()))
    assert (nothing.code, nothing.err) == (0, "")


async def test_what_is_offered_is_done(attune: Attune, cycle_id: str) -> None:
    [sheet] = await waiting(attune, cycle_id, stage="data_entry")
    task = sheet["task_id"]
    reminded = await attune("explain", task, "--do", "remind", "--reason", "请尽快", "--json")
    assert [each["code"] for each in reminded.value["outcomes"]] == ["OK"]
    longer = await attune("explain", task, "--do", "extend", "--until", "2099-01-01", "--reason", "请假", "--json")
    assert longer.value["due_at"].startswith("2098-12-31T16:00")
    given = await attune("explain", task, "--do", "reassign", "--to", "E002", "--reason", "请假", "--json")
    [now] = await waiting(attune, cycle_id, stage="data_entry")
    assert now["assignee_id"] == given.value["assignee_id"] != sheet["assignee_id"]
    person = (await waiting(attune, cycle_id, stage="self_review"))[0]["participant_id"]
    about = await attune("explain", person, "--json")
    assert {row["participant_id"] for row in about.value["items"] if row["kind"] == "task"} == {person}


async def test_an_operator_sees_no_answers_and_no_scores(attune: Attune, cycle_id: str, operator: str) -> None:
    [task] = (await attune("tasks", "--stage", "self_review", "--json", as_="E003")).value["items"]
    saved = await attune("tasks", "save", task["id"], "--answer", "conduct/service=4", "--comment", SECRET, as_="E003")
    assert saved.code == 0, saved.err
    for asked in (
        ("stalled", "--cycle", cycle_id, "--waiting"),
        ("explain", task["id"]),
        ("explain", cycle_id),
        ("ops", "cycle", cycle_id),
        ("ops", "lag"),
        ("tasks", "show", task["id"]),
        ("results", "--cycle", cycle_id),
    ):
        shown = await attune(*asked, "--json", as_=operator)
        assert SECRET not in shown.out, asked
        assert "answers" not in re.findall(r'"(answers|score|final|draft)": [^\[{]*[\[{"]\S', shown.out), asked
    assert SECRET in (await attune("tasks", "show", task["id"], "--json", as_="E003")).out


def commands() -> list[str]:
    """Every command of the runbook."""
    blocks = re.findall(r"```sh\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


async def test_every_command_of_the_runbook_runs(attune: Attune, cycle_id: str) -> None:
    sheets = await waiting(attune, cycle_id, stage="data_entry")
    names = {"CYCLE": cycle_id, "TASK": sheets[0]["task_id"], "CODE": "E004"}
    ran = 0
    for line in commands():
        program, *arguments = shlex.split(line)
        assert program == "./attune"
        if arguments[0] in ELSEWHERE or OF_THE_ENGINE in line:
            arguments = [arguments[0], "--help"]
        done = await attune(*(names.get(each, each) for each in arguments))
        limited = "REMINDED_RECENTLY" in done.out or "remind" in line
        later = "NOT_LATER" in done.err  # extended as far by the test before
        assert done.code == 0 or limited or later, f"{line}: {done.err}"
        ran += 1
    assert ran >= 10


def test_every_cause_and_every_place_that_a_row_names_stands_in_the_runbook() -> None:
    text = RUNBOOK.read_text(encoding="utf-8")
    paper = (REPOSITORY / "services" / "reviews" / "domain" / "stalls").glob("*.py")
    sources = [*paper, REPOSITORY / "workflows" / "stalls.py", REPOSITORY / "services" / "gateway" / "operations.py"]
    told = {
        code for source in sources for code in re.findall(r'"([A-Z]+_[A-Z_]+)"', source.read_text(encoding="utf-8"))
    }
    assert {code for code in told if f"`{code}`" not in text} == set()
    for process in ("people", "goals", "reviews", "scoring", "notify", "engine", "bridge", "worker", "temporal"):
        assert f'<a id="start-{process}"></a>' in text
