"""Compares what the cycle ended with, as REST tells it, with what the script implies."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from deploy.local.demo.crowd import Crowd
from deploy.local.demo.expected import Outcome, expected_distribution, expected_outcomes

SUBMITTED = ("in_time", "extended")


@dataclass
class Comparison:
    """What came out, what was expected, and every difference."""

    stages: list[dict[str, Any]] = field(default_factory=list)
    expected_stages: dict[str, dict[str, int]] = field(default_factory=dict)
    distribution: dict[str, int] = field(default_factory=dict)
    expected_distribution: dict[str, int] = field(default_factory=dict)
    participants: dict[str, int] = field(default_factory=dict)
    exported: int = 0
    differences: list[str] = field(default_factory=list)

    def check(self, what: str, got: object, wanted: object) -> None:
        """Note a difference."""
        if got != wanted:
            self.differences.append(f"{what}: {got} instead of {wanted}")


async def compare(crowd: Crowd) -> Comparison:
    """Return the comparison of the whole cycle."""
    found = Comparison()
    outcomes = expected_outcomes(crowd.company, crowd.script)
    await _compare_results(crowd, outcomes, found)
    await _compare_stages(crowd, found)
    await _compare_distribution(crowd, outcomes, found)
    await _compare_export(crowd, outcomes, found)
    return found


async def _compare_results(crowd: Crowd, outcomes: Mapping[str, Outcome], found: Comparison) -> None:
    codes = {employee_id: code for code, employee_id in crowd.ids.items()}
    results = {codes[each["employee_id"]]: each async for each in crowd.admin.items("/results", cycle=crowd.cycle_id)}
    found.check("people with a result", len(results), len(outcomes))
    for code in sorted(results.keys() & outcomes.keys()):
        got, wanted = results[code], outcomes[code]
        for name in ("weighted", "scored_grade", "final", "grade"):
            found.check(f"{code} {name}", got.get(name), getattr(wanted, name))
        found.check(f"{code} released", got.get("released"), True)
    await crowd.each(sorted(results), lambda code: _compare_explanation(crowd, results[code], code, found))


async def _compare_explanation(crowd: Crowd, result: Mapping[str, Any], code: str, found: Comparison) -> None:
    explained = (await crowd.admin.get(f"/results/{result['id']}"))["explanation"]
    shown = sum((Decimal(line["contribution"]) for line in explained["lines"] if not line.get("depth")), Decimal(0))
    found.check(f"{code} sum of contributions", shown, Decimal(explained["total"]))


async def _compare_stages(crowd: Crowd, found: Comparison) -> None:
    progress = await crowd.admin.get(f"/cycles/{crowd.cycle_id}/progress")
    found.stages, found.participants = progress["stages"], progress["participants"]
    found.expected_stages = expected_stages(crowd)
    for stage in found.stages:
        for name, wanted in found.expected_stages.get(stage["key"], {}).items():
            found.check(f"{stage['key']} {name}", stage.get(name, 0), wanted)
    late = sum(r.when == "late" for r in crowd.script.self_reviews.values())
    late += sum(r.when == "late" for r in crowd.script.manager_reviews.values())
    found.check("refused because too late", sum(crowd.refused.values()), late)
    appeals = [each["state"] async for each in crowd.admin.items("/appeals", cycle=crowd.cycle_id)]
    found.check("appeals", appeals, ["amended"])


def expected_stages(crowd: Crowd) -> dict[str, dict[str, int]]:
    """Return the counts per stage that the script implies."""
    everybody = len(crowd.company.people)
    own = [review.when for review in crowd.script.self_reviews.values()]
    managers = [review.when for review in crowd.script.manager_reviews.values()]
    answered = sum(opinion != "none" for opinion in crowd.script.acknowledgements.values())
    return {
        "self_review": _counts(everybody, sum(when in SUBMITTED for when in own)) | {"extended": own.count("extended")},
        "manager_review": _counts(everybody, sum(when in SUBMITTED for when in managers)),
        "acknowledgement": _counts(everybody, answered),
        "interview": _counts(everybody, len(crowd.script.interviewed)),
    }


def _counts(owed: int, done: int) -> dict[str, int]:
    return {"owed": owed, "done": done, "expired": owed - done, "late": 0}


async def _compare_distribution(crowd: Crowd, outcomes: Mapping[str, Outcome], found: Comparison) -> None:
    report = await crowd.admin.get("/reports/distribution", cycle=crowd.cycle_id)
    found.distribution = {each["grade"]: each["count"] for each in report["counts"]}
    found.expected_distribution = expected_distribution(outcomes)
    found.check("distribution", found.distribution, found.expected_distribution)
    found.check("amended after release", report.get("amended"), 1)


async def _compare_export(crowd: Crowd, outcomes: Mapping[str, Outcome], found: Comparison) -> None:
    export = await crowd.admin.post("/exports", {"kind": "results", "cycle": crowd.cycle_id})
    content = await crowd.admin.download(f"/exports/{export['id']}/file")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    found.exported = len(rows)
    found.check("exported rows", found.exported, len(outcomes))
