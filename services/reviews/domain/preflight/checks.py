"""The ordered list of what a cycle must fulfil to start; the tuple is the specification (product.md §6)."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.reviews.domain.findings import Finding, Severity, blocking
from services.reviews.domain.preflight import definition_checks as definition
from services.reviews.domain.preflight import people_checks as people
from services.reviews.domain.preflight import window_checks as windows
from services.reviews.domain.preflight.facts import LaunchFacts

Check = Callable[[LaunchFacts], Iterable[Finding]]
MOST_OF_A_CODE = 2_000
"""More findings of one code than anybody reads are counted, not listed: a reply has a size limit."""

LAUNCH_CHECKS: tuple[Check, ...] = (
    definition.names_and_period,
    definition.templates_keep_their_rules,
    definition.formulas_compile,
    definition.forms_have_something_to_score,
    definition.weighted_relations_are_asked,
    definition.anonymity_can_be_kept,
    definition.process_can_finish,
    definition.edition_has_the_stages,
    definition.cycle_has_an_owner,
    definition.appeals_have_an_owner,
    definition.calibration_has_a_facilitator,
    definition.escalations_reach_somebody,
    definition.actuals_have_providers,
    definition.actuals_can_be_entered,
    windows.start_is_not_past,
    windows.windows_follow_one_another,
    windows.windows_have_a_length,
    windows.windows_are_not_past,
    windows.reminders_reach_somebody,
    people.somebody_takes_part,
    people.everybody_has_a_manager,
    people.nobody_stands_in_a_loop,
    people.nobody_occurs_twice,
    people.everybody_has_a_form,
    people.every_rule_matches_somebody,
    people.calibration_groups_are_large_enough,
    people.calibration_groups_have_a_head,
    definition.cycles_of_a_kind_do_not_overlap,
)

ORDER = {Severity.ERROR: 0, Severity.PERSON: 1, Severity.WARNING: 2}


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, errors first, and how many people were looked at."""

    findings: tuple[Finding, ...]
    population: int
    counts: dict[str, int]

    @property
    def errors(self) -> tuple[Finding, ...]:
        return blocking(self.findings)

    @property
    def people(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.PERSON)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)


def examine(facts: LaunchFacts, checks: Iterable[Check] = LAUNCH_CHECKS) -> Report:
    """Runs every check; `counts` says how many findings each code has, also beyond those listed."""
    counts: Counter[str] = Counter()
    kept: list[Finding] = []
    for check in checks:
        for finding in check(facts):
            counts[finding.code] += 1
            if counts[finding.code] <= MOST_OF_A_CODE:
                kept.append(finding)
    ordered = sorted(kept, key=lambda finding: ORDER[finding.severity])
    return Report(tuple(ordered), len(facts.members), dict(counts))
