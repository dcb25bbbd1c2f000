"""A template's text: good ones pass in silence, each kind of fault is named with its line and what is right."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.reviews.convert.template_text import read_template_text
from services.reviews.domain.findings import Finding, Severity
from services.reviews.domain.messages import CATALOGUE, render

SAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "local" / "samples").glob("template-*.yaml"))
GOOD = """\
name: Sales
sections:
  - key: results
    name: Results
    weight: 70
    indicators:
      - {key: revenue, name: Revenue, kind: quantitative, weight: 60, method: ratio, target: 100, data_provider: hr}
      - {key: margin, name: M, kind: quantitative, weight: 40, method: formula, formula: =actual, data_provider: hr}
      - {key: gift, name: Gift, kind: bonus, method: occurrence, per_occurrence: 2, cap: 6, data_provider: hr}
  - key: conduct
    name: Conduct
    weight: 30
    indicators:
      - key: care
        name: Care
        kind: qualitative
        weight: 100
        scale:
          points:
            - {value: 2, label: good}
            - {value: 1, label: poor}
raters: {self: 0, manager: 100}
grades:
  - {grade: A, from: 90}
  - {grade: B, from: 60}
  - {grade: C, from: 0}
guideline: {mode: inform, quotas: {A: 20, B: 70, C: 10}}
process:
  - {key: open, kind: open, length: 1 day}
  - {key: self, kind: self_review, after: open, length: 3 days, reminders: [{before: 1 day}]}
  - {key: review, kind: manager_review, after: [self], length: 5 business days}
  - {key: calibrate, kind: calibration, after: [review], length: 2 days}
  - {key: release, kind: release, after: [calibrate], length: 12 hours}
  - {key: appeals, kind: appeals, after: [release], length: 3 days}
"""

FAULTS: dict[str, tuple[str, str, str, str]] = {
    # name: (what stands in the good one, what is written instead, code, line of the fault by its text)
    "syntax": ("name: Sales", "name: [Sales", "YAML_SYNTAX", "sections:"),
    "key twice in a mapping": ("name: Sales", "name: Sales\nname: Sold", "KEY_WRITTEN_TWICE", "name: Sold"),
    "wrong type": ("    weight: 70", "    weight: many", "WRONG_FORMAT", "weight: many"),
    "list for a text": ("name: Sales", "name: [Sales]", "WRONG_TYPE", "name: [Sales]"),
    "unknown key": ("  - key: conduct", "  - wieght: 1\n    key: conduct", "UNKNOWN_KEY", "wieght"),
    "missing key": ("    name: Conduct\n", "", "MISSING_KEY", "- key: conduct"),
    "unknown kind": ("kind: qualitative", "kind: qualitatve", "UNKNOWN_VALUE", "qualitatve"),
    "unknown stage kind": ("kind: manager_review", "kind: boss_review", "UNKNOWN_VALUE", "boss_review"),
    "bad length": ("length: 12 hours", "length: half a day", "WRONG_FORMAT", "half a day"),
    "bad time of day": ("{before: 1 day}", "{before: 1 day, at: 9 am}", "WRONG_FORMAT", "9 am"),
    "section weights": ("    weight: 70", "    weight: 60", "SECTION_WEIGHTS_NOT_100", "sections:"),
    "item weights": ("weight: 60, method: ratio", "weight: 50, method: ratio", "ITEM_WEIGHTS_NOT_100", "indicators:"),
    "relation weights": ("manager: 100", "manager: 90", "RELATION_WEIGHTS_NOT_100", "raters:"),
    "weight out of range": ("self: 0, manager: 100", "self: -10, manager: 110", "OUT_OF_RANGE", "raters:"),
    "indicator key twice": ("{key: margin", "{key: revenue", "KEY_NOT_UNIQUE", "name: M,"),
    "section key twice": ("key: conduct", "key: results", "KEY_NOT_UNIQUE", "  - key: results\n    name: Conduct"),
    "stage key twice": ("key: calibrate, ", "key: review, ", "KEY_NOT_UNIQUE", "kind: calibration"),
    "process cycle": (
        "{key: open, kind: open,",
        "{key: open, kind: open, after: [review],",
        "PROCESS_CYCLE",
        "kind: open",
    ),
    "unknown stage": ("after: [self]", "after: [selv]", "UNKNOWN_STAGE", "[selv]"),
    "unreachable": ("after: [self]", "after: [selv]", "STAGE_UNREACHABLE", "[selv]"),
    "endless": ("length: 12 hours", "length: 0 hours", "STAGE_ENDLESS", "0 hours"),
    "without exit": ("length: 12 hours", "length: 12 hours, on_timeout: escalate", "STAGE_WITHOUT_EXIT", "escalate"),
    "without owner": ("{key: open, kind: open,", "{key: open, kind: custom,", "STAGE_WITHOUT_OWNER", "kind: custom"),
    "out of order": ("after: [release]", "after: [self]", "STAGE_OUT_OF_ORDER", "kind: appeals"),
    "kind twice": ("kind: self_review", "kind: manager_review", "STAGE_KIND_TWICE", "key: review"),
    "barrier": ("kind: calibration", "kind: calibration, barrier: on_time", "BARRIER_NEEDS_ALL", "on_time"),
    "advance": ("kind: release", "kind: release, advance: individually", "BARRIER_NEEDS_ALL", "individually"),
    "no method": ("method: ratio, ", "", "METHOD_MISSING", "key: revenue"),
    "no target": ("method: ratio, target: 100", "method: ratio", "MISSING_FOR_METHOD", "key: revenue"),
    "ratio on zero": ("target: 100", "target: 0", "RATIO_ON_TARGET_ZERO", "target: 0"),
    "linear": ("method: ratio", "method: linear, threshold: 150, stretch: 120", "LINEAR_NOT_ORDERED", "method: linear"),
    "interval gap": (
        "method: ratio",
        "method: interval, intervals: [{from: 9, points: 1}, {from: 1, below: 8, points: 2}]",
        "INTERVAL_GAP",
        "method: interval",
    ),
    "interval overlap": (
        "method: ratio",
        "method: interval, intervals: [{from: 9, points: 1}, {below: 10, points: 2}]",
        "INTERVAL_OVERLAP",
        "method: interval",
    ),
    "formula unused": ("method: formula", "method: ratio", "FORMULA_NOT_USED", "key: margin"),
    "points unused": ("method: ratio", "method: ratio, basis: points", "POINTS_WITHOUT_FORMULA", "basis: points"),
    "no scale": (
        "kind: qualitative",
        "kind: qualitative\n      - key: next\n        name: Next\n        kind: qualitative",
        "SCALE_MISSING",
        "key: care",
    ),
    "short scale": ("            - {value: 1, label: poor}\n", "", "SCALE_TOO_SHORT", "points:"),
    "scale value twice": ("{value: 1, label: poor}", "{value: 2, label: poor}", "SCALE_VALUE_TWICE", "label: poor"),
    "bonus with weight": ("kind: bonus", "kind: bonus, weight: 5", "WEIGHT_NOT_ALLOWED", "kind: bonus"),
    "no provider": (", cap: 6, data_provider: hr", "", "PROVIDER_MISSING", "key: gift"),
    "unknown relation": ("manager: 100", "manger: 100", "UNKNOWN_RELATION", "raters:"),
    "unknown grade": ("quotas: {A: 20", "quotas: {S: 20", "UNKNOWN_GRADE", "guideline:"),
    "quotas": ("quotas: {A: 20", "quotas: {A: 25", "QUOTAS_NOT_100", "guideline:"),
    "grade twice": ("{grade: B,", "{grade: A,", "GRADE_TWICE", "from: 60"),
    "grades overlap": ("from: 60", "from: 90", "GRADES_OVERLAP", "grade: B"),
    "grades not ordered": ("from: 60", "from: 95", "GRADES_NOT_ORDERED", "grade: B"),
    "grades gap": ("from: 0}", "from: 10}", "GRADES_GAP", "grades:"),
    "grade out of reach": ("{grade: A, from: 90}", "{grade: A, from: 130}", "GRADE_OUT_OF_REACH", "grades:"),
    "no such day": (
        "length: 12 hours",
        "opens_at: 2026-02-31T09:00:00Z",
        "UNREADABLE_VALUE",
        "name: Sales",
    ),
    "reminder after close": ("{before: 1 day}", "{after: 1 day}", "REMINDER_AFTER_CLOSE", "key: self"),
    "reminder before open": ("{before: 1 day}", "{before: 3 days}", "REMINDER_BEFORE_OPEN", "key: self"),
    "relation not asked": ("self: 0, manager: 100", "peer: 30, manager: 70", "RELATION_NOT_ASKED", "raters:"),
}


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_samples_have_nothing_wrong(sample: Path) -> None:
    read = read_template_text(sample.read_text(encoding="utf-8"))
    assert read.findings == ()
    assert read.usable


def test_the_good_one_has_nothing_wrong() -> None:
    assert read_template_text(GOOD).findings == ()


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_its_line(name: str) -> None:
    written, instead, code, place = FAULTS[name]
    assert GOOD.count(written) >= 1, "the fault must change something"
    text = GOOD.replace(written, instead, 1)
    found = [finding for finding in read_template_text(text).findings if finding.code == code]
    assert found, [finding.code for finding in read_template_text(text).findings]
    assert line_of(text, place) in [finding.line for finding in found]


def all_findings() -> Iterator[Finding]:
    for written, instead, _, _ in FAULTS.values():
        yield from read_template_text(GOOD.replace(written, instead, 1)).findings


def test_every_message_is_complete_in_both_languages() -> None:
    for finding in all_findings():
        assert finding.code in CATALOGUE, finding.code
        for language in ("en", "zh-CN"):
            words = render(finding, language)
            assert words.message, finding
            assert words.remedy, finding
            assert "…" not in words.message + words.remedy, finding


def test_warnings_do_not_block_and_errors_do() -> None:
    warned = read_template_text(GOOD.replace("{before: 1 day}", "{after: 1 day}"))
    assert [finding.severity for finding in warned.findings] == [Severity.WARNING]
    assert warned.usable
    assert not read_template_text(GOOD.replace("target: 100", "target: 0")).usable


@pytest.mark.parametrize(
    "text",
    ["", "[]", "just words", "a: &a [*a]", "\t", "{", "name: 1", "null", "name: x\nsections: {}", "- - - -", "%YAML 9"],
)
def test_nonsense_is_a_finding_and_never_an_exception(text: str) -> None:
    read = read_template_text(text)
    assert not read.usable
    assert read.findings


def test_a_bomb_of_aliases_is_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 9):
        bomb += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert [finding.code for finding in read_template_text(bomb).findings] == ["TOO_LARGE"]


def test_did_you_mean() -> None:
    read = read_template_text(GOOD.replace("kind: qualitative", "kind: qualitatve"))
    assert "did you mean qualitative?" in render(read.findings[0]).remedy
    assert "是否指 qualitative" in render(read.findings[0], "zh-CN").remedy
