"""The launch check: every fault of the product's list is named, and a good definition is passed in silence."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.reviews.domain.findings import Severity, error
from services.reviews.domain.messages import CATALOGUE, render
from services.reviews.domain.model import CycleKind, Period
from services.reviews.domain.preflight import LAUNCH_CHECKS, LaunchFacts, OtherCycle, examine
from tests.reviews.launches import (
    COMPANY,
    KPI,
    MBO,
    NOW,
    OKR,
    OWNER,
    QUARTER,
    RESEARCH,
    SALES,
    good,
    population,
    with_members,
)

Facts = Callable[[], LaunchFacts]
NOBODY_KNOWN = str(UUID(int=77))
RULES: tuple[tuple[str, dict[str, Any]], ...] = (
    (KPI, {"department_id": SALES}),
    (OKR, {"post": "developer"}),
    (MBO, {}),
)


def edited(written: str, instead: str, text: str = KPI, **changes: Any) -> Facts:
    assert written in text
    return lambda: good(text.replace(written, instead, 1), **changes)


def cycle_with(**changes: Any) -> Facts:
    def make() -> LaunchFacts:
        facts = good()
        return replace(facts, cycle=replace(facts.cycle, **changes))

    return make


def people_with(column: str, place: int, value: Any) -> Facts:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[column][place] = value

    return lambda: with_members(good(), change)


def later(**span: float) -> Any:
    return (NOW + timedelta(**span)).isoformat()


NO_DATA_ENTRY = KPI.replace("after: [self_review, data_entry]", "after: [self_review]")
NO_DATA_ENTRY = (
    NO_DATA_ENTRY[: NO_DATA_ENTRY.index("  - key: data_entry")]
    + NO_DATA_ENTRY[NO_DATA_ENTRY.index("  - key: manager_review") :]
)
QUOTAS = "quotas: {S: 10, A: 20, B: 50, C: 15, D: 5}"

FAULTS: dict[str, tuple[Facts, str, Severity]] = {
    "no name": (cycle_with(name=" "), "NAME_MISSING", Severity.ERROR),
    "period backwards": (
        cycle_with(period=Period(CycleKind.MONTH, date(2026, 9, 2), date(2026, 9, 1))),
        "PERIOD_INVALID",
        Severity.ERROR,
    ),
    "section weights": (edited("weight: 80", "weight: 70"), "SECTION_WEIGHTS_NOT_100", Severity.ERROR),
    "item weights": (edited("weight: 40", "weight: 30"), "ITEM_WEIGHTS_NOT_100", Severity.ERROR),
    "relation weights": (edited("manager: 100", "manager: 90"), "RELATION_WEIGHTS_NOT_100", Severity.ERROR),
    "weights of a form": (
        lambda: good(QUARTER, (KPI.replace("weight: 80", "weight: 70"), {})),
        "SECTION_WEIGHTS_NOT_100",
        Severity.ERROR,
    ),
    "ratio on zero": (edited("target: 1000", "target: 0"), "RATIO_ON_TARGET_ZERO", Severity.ERROR),
    "formula": (
        lambda: good(
            formula_faults=(error("FORMULA_INVALID", "/template/sections/0", "x", name="x", problem="?", position=1),)
        ),
        "FORMULA_INVALID",
        Severity.ERROR,
    ),
    "grades gap": (edited("{grade: D, from: 0,", "{grade: D, from: 10,"), "GRADES_GAP", Severity.ERROR),
    "grades overlap": (edited("from: 75", "from: 90"), "GRADES_OVERLAP", Severity.ERROR),
    "quotas": (edited(QUOTAS, QUOTAS.replace("S: 10", "S: 11")), "QUOTAS_NOT_100", Severity.ERROR),
    "nothing to score": (
        lambda: good(QUARTER, (QUARTER.replace("weight: 100\n", "counts: reference\n", 1), {})),
        "FORM_EMPTY",
        Severity.ERROR,
    ),
    "no process": (lambda: good(MBO), "PROCESS_MISSING", Severity.ERROR),
    "process cycle": (edited("kind: open\n", "kind: open\n    after: [interview]\n"), "PROCESS_CYCLE", Severity.ERROR),
    "unknown stage": (edited("after: [calibration]", "after: [calibrated]"), "UNKNOWN_STAGE", Severity.ERROR),
    "unreachable": (edited("after: [calibration]", "after: [calibrated]"), "STAGE_UNREACHABLE", Severity.ERROR),
    "endless": (edited("length: 40 seconds", "length: 0 seconds"), "STAGE_ENDLESS", Severity.ERROR),
    "without exit": (
        edited("length: 40 seconds", "length: 40 seconds\n    on_timeout: escalate"),
        "STAGE_WITHOUT_EXIT",
        Severity.ERROR,
    ),
    "without owner": (edited("kind: interview", "kind: approval"), "STAGE_WITHOUT_OWNER", Severity.ERROR),
    "kind not available": (edited("kind: interview", "kind: goal_setting"), "STAGE_KIND_NOT_AVAILABLE", Severity.ERROR),
    "barrier": (
        edited("kind: calibration\n", "kind: calibration\n    barrier: on_time\n"),
        "BARRIER_NEEDS_ALL",
        Severity.ERROR,
    ),
    "edition": (lambda: good(edition="basic"), "EDITION_REQUIRED", Severity.ERROR),
    "owner has left": (lambda: good(employed={OWNER: False}), "OWNER_NOT_EMPLOYED", Severity.ERROR),
    "no appeal owner": (cycle_with(appeal_owner_id=UUID(int=77)), "NO_APPEAL_OWNER", Severity.ERROR),
    "no facilitator": (edited("facilitator: owner", f"facilitator: {NOBODY_KNOWN}"), "NO_FACILITATOR", Severity.ERROR),
    "no head": (
        lambda: with_members(
            good(QUARTER), lambda columns: columns.update(department_heads=[""] * len(columns["ids"]))
        ),
        "NO_FACILITATOR",
        Severity.ERROR,
    ),
    "no escalation target": (
        edited("to: manager", f"to: {NOBODY_KNOWN}", QUARTER),
        "NO_ESCALATION_TARGET",
        Severity.ERROR,
    ),
    "no provider": (edited("data_provider: hr", f"data_provider: {NOBODY_KNOWN}"), "NO_PROVIDER", Severity.ERROR),
    "actuals without stage": (lambda: good(NO_DATA_ENTRY), "ACTUALS_WITHOUT_STAGE", Severity.WARNING),
    "start has passed": (lambda: good(start_at=NOW - timedelta(hours=1)), "START_IN_THE_PAST", Severity.ERROR),
    "window has passed": (lambda: good(start_at=NOW - timedelta(hours=1)), "WINDOW_IN_THE_PAST", Severity.ERROR),
    "window before predecessor": (
        lambda: good(overrides={"manager_review": {"opens_at": later(seconds=10), "closes_at": later(days=1)}}),
        "WINDOW_BEFORE_PREDECESSOR",
        Severity.ERROR,
    ),
    "window empty": (
        lambda: good(overrides={"interview": {"opens_at": later(days=3), "closes_at": later(days=2)}}),
        "WINDOW_EMPTY",
        Severity.ERROR,
    ),
    "reminder after close": (
        edited("before: 10 seconds", "after: 10 seconds"),
        "REMINDER_AFTER_CLOSE",
        Severity.WARNING,
    ),
    "reminder before open": (
        edited("before: 10 seconds", "before: 31 seconds"),
        "REMINDER_BEFORE_OPEN",
        Severity.WARNING,
    ),
    "nobody": (lambda: good(members=population(0)), "POPULATION_EMPTY", Severity.ERROR),
    "nobody able": (
        lambda: with_members(good(), lambda columns: columns.update(problems=[1] * len(columns["ids"]))),
        "NOBODY_CAN_TAKE_PART",
        Severity.ERROR,
    ),
    "without manager": (people_with("problems", 7, 1), "NO_MANAGER", Severity.PERSON),
    "manager loop": (people_with("problems", 7, 2), "MANAGER_LOOP", Severity.PERSON),
    "twice": (people_with("ids", 7, UUID(int=1).bytes), "PERSON_TWICE", Severity.PERSON),
    "no form rule": (lambda: good(QUARTER, (KPI, {"post": "sales"})), "NO_FORM_RULE", Severity.PERSON),
    "rule never matches": (
        lambda: good(QUARTER, (KPI, {"post": "astronaut"}), (MBO, {})),
        "RULE_NEVER_MATCHES",
        Severity.WARNING,
    ),
    "group too small": (lambda: good(members=population(12)), "GROUP_BELOW_MINIMUM", Severity.WARNING),
    "relation not asked": (
        lambda: good(QUARTER, (MBO.replace("manager: 100", "manager: 70\n  peer: 30"), {})),
        "RELATION_NOT_ASKED",
        Severity.WARNING,
    ),
    "quorum": (
        lambda: good(QUARTER, (MBO + "anonymity: {manager: anonymous_to_employee}\n", {})),
        "QUORUM_UNREACHABLE",
        Severity.WARNING,
    ),
    "overlap": (lambda: good(others=(OtherCycle(UUID(int=6), "Q3 again"),)), "SAME_KIND_OVERLAPS", Severity.WARNING),
}

GOOD: dict[str, Facts] = {
    **{
        f"kpi, {size} people": (lambda size=size: good(members=population(size)))  # type: ignore[misc]
        for size in (20, 21, 40, 99, 500, 1_000)
    },
    **{
        f"quarter, started {hours} h later": (lambda hours=hours: good(QUARTER, start_at=NOW + timedelta(hours=hours)))  # type: ignore[misc]
        for hours in (1, 24, 48, 72, 240, 2_400)
    },
    **{
        f"three forms by rule over {name}": (lambda text=text: good(text, *RULES))  # type: ignore[misc]
        for name, text in (("kpi", KPI), ("quarter", QUARTER))
    },
    **{
        f"length {length}": (lambda length=length: good(overrides={"manager_review": {"length": length}}))  # type: ignore[misc]
        for length in ("20 seconds", "3 minutes", "12 hours", "7 days", "2 weeks", "5 business days", "1个工作日")
    },
    "company as rule": lambda: good(KPI, (MBO, {"department_id": COMPANY})),
    "research as rule, then all": lambda: good(KPI, (OKR, {"department_id": RESEARCH}), (KPI, {})),
    "employees as rule, then all": lambda: good(KPI, (OKR, {"employee_ids": (UUID(int=3),)}), (KPI, {})),
    "two conditions": lambda: good(KPI, (OKR, {"post": "developer", "department_id": RESEARCH}), (KPI, {})),
    "without calibration": lambda: good(
        KPI.replace("  - key: calibration\n    kind: calibration", "  - key: calibration\n    kind: self_review", 1)
    ),
    "basic edition without its stages": lambda: good(
        KPI.replace("kind: calibration", "kind: self_review").replace("kind: interview", "kind: acknowledgement"),
        edition="basic",
    ),
    "anonymity of peers": lambda: good(KPI, (MBO + "anonymity: {peer: anonymous_to_employee}\n", {})),
    "own appeal owner": cycle_with(appeal_owner_id=UUID(int=2)),
    "named facilitator": edited("facilitator: owner", f"facilitator: {UUID(int=2)}"),
    "named provider": edited("data_provider: hr", f"data_provider: {UUID(int=2)}"),
    "individually before its predecessor": lambda: good(
        overrides={
            "manager_review": {
                "opens_at": later(seconds=10),
                "closes_at": later(days=1),
                "advance": "individually",
            }
        }
    ),
    "reminder after a release": edited(
        "length: 5 seconds\n  - key: ack", "length: 5 seconds\n    reminders: [{after: 1 day}]\n  - key: ack"
    ),
    "second chance and a reminder after": edited(
        "before: 10 seconds", "after: 10 seconds\n    on_timeout: extend_once"
    ),
    "fixed instants": lambda: good(overrides={"interview": {"opens_at": later(days=3), "closes_at": later(days=9)}}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name: str) -> None:
    make, code, severity = FAULTS[name]
    found = [finding for finding in examine(make()).findings if finding.code == code]
    assert found, [finding.code for finding in examine(make()).findings]
    assert {finding.severity for finding in found} == {severity}


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_said_of_a_good_definition(name: str) -> None:
    assert examine(GOOD[name]()).findings == ()


def test_thirty_of_each() -> None:
    assert len({code for _, code, _ in FAULTS.values()}) >= 30
    assert len(GOOD) >= 30


def test_every_message_is_complete_in_both_languages() -> None:
    for make, _, _ in FAULTS.values():
        for finding in examine(make()).findings:
            assert finding.code in CATALOGUE
            for language in ("en", "zh-CN"):
                words = render(finding, language)
                assert "…" not in words.message + words.remedy, (finding, words)


def test_the_root_of_the_tree_is_exempt_and_managers_matter_only_where_asked() -> None:
    assert not examine(people_with("problems", 0, 3)()).people
    self_only = KPI.replace("kind: manager_review", "kind: self_review").replace("kind: interview", "kind: open")
    facts = with_members(good(self_only), lambda columns: columns["problems"].__setitem__(7, 1))
    assert not examine(facts).people


def test_one_bad_person_does_not_hide_another() -> None:
    def change(columns: dict[str, list[Any]]) -> None:
        columns["problems"][3], columns["problems"][4] = 1, 2

    report = examine(with_members(good(QUARTER, (KPI, {"post": "sales"})), change))
    assert report.counts["NO_FORM_RULE"] == 15
    assert (report.counts["NO_MANAGER"], report.counts["MANAGER_LOOP"]) == (1, 1)


def test_errors_come_first_and_long_lists_are_cut_but_counted() -> None:
    def change(columns: dict[str, list[Any]]) -> None:
        columns["problems"] = [1] * len(columns["ids"])

    report = examine(with_members(good(members=population(5_000)), change))
    assert report.counts["NO_MANAGER"] == 5_000
    assert len(report.people) == 2_000
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=[Severity.ERROR, Severity.PERSON, Severity.WARNING].index)


def test_every_check_finds_something_in_these_tests() -> None:
    """A check that nothing here provokes could be deleted unnoticed."""
    everything = [make() for make, _, _ in FAULTS.values()]
    silent = [check.__name__ for check in LAUNCH_CHECKS if not any(list(check(facts)) for facts in everything)]
    assert silent == []
