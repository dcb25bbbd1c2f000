"""How commands end that cannot be done: the exit code says whose fault, standard error says what and where."""

import json
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cli.conftest import Attune, run

NOBODY = str(uuid4())


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("cycles", "show"),
        ("cycles", "pause", NOBODY),
        ("people", "import", "/no/such/file.csv"),
        ("results", "ack", NOBODY),
        ("cycles", "extend", NOBODY, "self_review", "--until", "tomorrow", "--reason", "x"),
        ("cycles", "show", "没有这个周期"),
        ("tasks", "--overdue", "show", NOBODY),
        ("appeals", "file", NOBODY, "--grounds", "x", "--evidence", "a=https://a.example"),
        ("tasks", "submit", NOBODY, "--answer", "five"),
    ],
)
async def test_wrong_usage_is_2(attune: Attune, arguments: Sequence[str]) -> None:
    told = await attune(*arguments)
    if "submit" in arguments:  # the task is read first, so that it is the server that refuses
        assert told.code == 3
        return
    assert (told.code, told.out) == (2, "")
    assert told.err
    assert (await attune(*arguments, "--json")).problem["code"] == "USAGE"


async def test_a_refusal_of_the_server_is_3_and_told_in_full(attune: Attune, tmp_path: Path) -> None:
    cycle = tmp_path / "cycle.yaml"
    cycle.write_text("name: A\nperiod:\n  start: 2026-07-01\n  end: soon\ntemplate: 没有\n", encoding="utf-8")
    told = await attune("cycles", "create", cycle)
    assert (told.code, told.out) == (3, "")
    first, place, request = told.err.splitlines()
    assert first.startswith("✗ Bad Request: ")
    assert first.endswith("(INVALID_REQUEST)")
    assert place.split()[:2] == [f"{cycle}:4", "/period/end"]
    assert request.startswith("  request ")
    problem = (await attune("cycles", "create", cycle, "--json")).problem
    assert (problem["status"], problem["code"]) == (400, "INVALID_REQUEST")
    assert problem["errors"][0]["pointer"] == "/period/end"


async def test_what_only_the_service_knows_has_its_line_too(attune: Attune, tmp_path: Path) -> None:
    cycle = tmp_path / "cycle.yaml"
    period = "period: {kind: quarter, start: 2026-07-01, end: 2026-09-30}"
    cycle.write_text(f"name: A\n{period}\n\ntemplate: 没有\n", encoding="utf-8")
    told = await attune("cycles", "create", cycle)
    assert (told.code, f"{cycle}:4  /template" in told.err) == (3, True), told.err


async def test_a_file_that_is_not_yaml_names_its_line(attune: Attune, tmp_path: Path) -> None:
    file = tmp_path / "cycle.yaml"
    file.write_text("name: A\nperiod: {start: [\n", encoding="utf-8")
    told = await attune("cycles", "create", file)
    assert (told.code, told.err.startswith(f"✗ {file}:")) == (2, True)
    file.write_text("name: A\nkind: month\nname: B\n", encoding="utf-8")
    assert f"{file}:3: name is written twice" in (await attune("cycles", "create", file)).err
    file.write_text("- A\n", encoding="utf-8")
    assert (await attune("cycles", "create", file)).code == 2


async def test_what_is_not_allowed_is_refused(attune: Attune, staff: Path) -> None:
    told = await attune("people", "import", staff, "--json", as_="E003")
    assert (told.code, told.problem["status"]) == (3, 403)
    unknown = await attune("tasks", as_="NOBODY")
    assert (unknown.code, "IDENTITY_UNKNOWN" in unknown.err) == (3, True)
    stale = await attune("tasks", as_="", ATTUNE_TOKEN="nonsense")
    assert stale.code == 3
    assert "ATTUNE_TOKEN" in stale.err, "it says how to sign in"
    assert (await attune("tasks", as_="")).code == 2


async def test_a_gateway_that_is_not_there_is_1_and_says_what_to_do(attune: Attune, tmp_path: Path) -> None:
    nobody = {"ATTUNE_DATA_DIR": str(tmp_path), "ATTUNE_AS": "ADMIN"}
    stopped = await run("tasks", **nobody)
    assert (stopped.code, "./attune up" in stopped.err) == (1, True)
    refused = await run("tasks", "--url", "http://127.0.0.1:9", "--json", **nobody)
    assert (refused.code, refused.problem["code"]) == (1, "UNREACHABLE")
    assert "./attune up" in refused.problem["detail"]


async def test_a_service_that_is_not_there_is_1(attune: Attune) -> None:
    told = await attune("ops", "restart-workflow", NOBODY, "--reason", "x", "--json")
    assert (told.code, told.problem["status"]) == (1, 503)
    assert "engine" in (await attune("ops", "lag")).out, "what is behind is told, and that the engine is silent"


async def test_the_stack_complains_as_json_too(tmp_path: Path) -> None:
    told = await run("status", "--json", ATTUNE_DATA_DIR=str(tmp_path))
    assert (told.code, json.loads(told.err)["code"]) == (1, "FAILED")
