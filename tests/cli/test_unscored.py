"""A formula without a result: one call names who has no score and what to do, and doing it gives them one."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.clock import Clock
from tests.cli.conftest import Attune

TEMPLATE = """\
name: 单位成本考核
sections:
  - key: cost
    name: 成本
    weight: 100
    indicators:
      - {key: unit, name: 单位成本, kind: quantitative, weight: 100, method: formula, formula: 9000 / 完成值, data_provider: hr}
raters: {manager: 100}
grades:
  - {grade: A, from: 90, coefficient: 1.2}
  - {grade: B, from: 0, coefficient: 1}
calibration: {facilitator: owner}
release: manual
process:
  - {key: open, kind: open, name: 启动, length: 1 second, early_close: true}
  - {key: data_entry, kind: data_entry, name: 完成值填报, after: [open], length: 3 hours, early_close: true}
  - {key: manager_review, kind: manager_review, name: 上级评, after: [data_entry], length: 3 hours, early_close: true}
  - {key: calibration, kind: calibration, name: 校准, after: [manager_review], length: 3 hours}
  - {key: release, kind: release, name: 结果开通, after: [calibration], length: 3 hours}
"""  # noqa: E501 - an indicator a line
CYCLE = """\
name: 成本考核
period: {kind: quarter, start: 2026-07-01, end: 2026-09-30}
template: 单位成本考核
population: {everyone: true, exclude: [E001, ADMIN]}
"""


@pytest.fixture
async def cycle_id(attune: Attune, staff: Path, clock: Clock, tmp_path: Path) -> str:
    """A launched cycle whose values are to be entered."""
    (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    (tmp_path / "cycle.yaml").write_text(CYCLE, encoding="utf-8")
    applied = await attune("templates", "apply", tmp_path / "template.yaml", "--publish")
    assert applied.code == 0, applied.err
    made = (await attune("cycles", "create", tmp_path / "cycle.yaml", "--json")).value
    launched = await attune("cycles", "launch", made["name"], "--warnings-reason", "小团队")
    assert launched.code == 0, launched.err
    await clock.enrol(made["id"])
    return str(made["id"])


def sheet(file: Path, **values: str) -> Path:
    rows = "".join(f"{code},{value}\n" for code, value in values.items())
    file.write_text(f"工号,cost/unit\n{rows}", encoding="utf-8")
    return file


async def unscored(attune: Attune, cycle_id: str) -> list[dict[str, Any]]:
    rows = (await attune("stalled", "--cycle", cycle_id, "--json")).value["items"]
    return [row for row in rows if row["cause"] == "FORMULA_ERROR"]


async def test_a_formula_that_fails_is_named_and_a_corrected_value_clears_it(
    attune: Attune, clock: Clock, cycle_id: str, tmp_path: Path
) -> None:
    values = sheet(tmp_path / "actuals.csv", E002="90", E003="0", E004="100", E005="90", E006="120")
    entered = await attune("actuals", "import", values, "--cycle", cycle_id)
    assert entered.code == 0, entered.out + entered.err
    for stage in ("data_entry", "manager_review"):
        for who in ("ADMIN", "E001", "E002"):
            for task in (await attune("tasks", "--stage", stage, "--json", as_=who)).value["items"]:
                assert (await attune("tasks", "submit", task["id"], as_=who)).code == 0
        await clock.turn(cycle_id)

    [row] = await unscored(attune, cycle_id)
    people = (await attune("participants", "list", cycle_id, "--json")).value["items"]
    assert [each["code"] for each in people if each["id"] == row["participant_id"]] == ["E003"]
    assert [each["action"] for each in row["remedies"]] == ["enter_actuals", "reopen_stage"]
    told = await attune("explain", row["participant_id"], "--do", "enter_actuals")
    assert "actuals import FILE --cycle CYCLE --reason" in told.err

    corrected = sheet(tmp_path / "corrected.csv", E003="100")
    unreasoned = await attune("actuals", "import", corrected, "--cycle", cycle_id)
    assert (unreasoned.code, "REASON_REQUIRED" in unreasoned.out) == (1, True), unreasoned.out + unreasoned.err
    done = await attune("actuals", "import", corrected, "--cycle", cycle_id, "--reason", "更正")
    assert done.code == 0, done.out + done.err
    await clock.turn(cycle_id)
    assert await unscored(attune, cycle_id) == []
