"""Checks of the population, over its columns: one bad row is one finding and stops nobody else."""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from services.reviews.domain.enrolment import MANAGER_LOOP, NO_MANAGER
from services.reviews.domain.findings import Finding, error, person, warning
from services.reviews.domain.form_rules import NOBODY
from services.reviews.domain.model import StageKind
from services.reviews.domain.preflight.facts import LaunchFacts


def somebody_takes_part(facts: LaunchFacts) -> Iterator[Finding]:
    if not len(facts.members):
        yield error("POPULATION_EMPTY", "/population")
    elif not any(facts.able):
        yield error("NOBODY_CAN_TAKE_PART", "/population", count=len(facts.members))


def everybody_has_a_manager(facts: LaunchFacts) -> Iterator[Finding]:
    """The root of the reporting tree is exempt: it has nobody above (product.md §6)."""
    for position, problem in enumerate(facts.members.problems):
        if facts.manager_needed and problem == NO_MANAGER:
            yield _person("NO_MANAGER", facts, position)


def nobody_stands_in_a_loop(facts: LaunchFacts) -> Iterator[Finding]:
    for position, problem in enumerate(facts.members.problems):
        if facts.manager_needed and problem == MANAGER_LOOP:
            yield _person("MANAGER_LOOP", facts, position)


def nobody_occurs_twice(facts: LaunchFacts) -> Iterator[Finding]:
    """In the list as written, and in the population as frozen."""
    listed = Counter(facts.cycle.population.employee_ids)
    for employee_id, count in listed.items():
        if count > 1:
            yield person("PERSON_TWICE", str(employee_id), "/population/employees", person=str(employee_id))
    seen: set[bytes] = set()
    for position, identifier in enumerate(facts.members.ids):
        if identifier in seen:
            yield _person("PERSON_TWICE", facts, position)
        seen.add(identifier)


def everybody_has_a_form(facts: LaunchFacts) -> Iterator[Finding]:
    for position, index in enumerate(facts.assigned):
        if index == NOBODY:
            yield _person("NO_FORM_RULE", facts, position, post=facts.members.posts[position] or "-")


def every_rule_matches_somebody(facts: LaunchFacts) -> Iterator[Finding]:
    used = set(facts.assigned)
    for index in range(len(facts.cycle.forms)):
        if len(facts.members) and index not in used and not _is_fallback(facts, index):
            yield warning("RULE_NEVER_MATCHES", f"/forms/{index}", number=index + 1)


def calibration_groups_are_large_enough(facts: LaunchFacts) -> Iterator[Finding]:
    """One group a department; below the minimum it pools with its parent, which is worth knowing."""
    guideline = facts.template.guideline
    if guideline is None or not any(stage.kind is StageKind.CALIBRATION for stage in facts.process):
        return
    sizes = Counter(name for name, able in zip(facts.members.department_names, facts.able, strict=True) if able)
    for name, count in sizes.items():
        if count < guideline.minimum:
            yield warning(
                "GROUP_BELOW_MINIMUM",
                "/template/guideline/minimum",
                name,
                name=name,
                count=count,
                minimum=guideline.minimum,
            )


def calibration_groups_have_a_head(facts: LaunchFacts) -> Iterator[Finding]:
    """Only where department heads facilitate: a department none of whose members has a head over them."""
    by_head = any(
        stage.kind is StageKind.CALIBRATION and stage.facilitator == "department_head" for stage in facts.process
    )
    if not by_head:
        return
    heads: dict[str, bool] = {}
    members = facts.members
    for name, head, able in zip(members.department_names, members.department_heads, facts.able, strict=True):
        if able:
            heads[name] = heads.get(name, False) or bool(head)
    for name, headed in heads.items():
        if not headed:
            yield error("NO_FACILITATOR", "/template/calibration/facilitator", name, found=name)


def _is_fallback(facts: LaunchFacts, index: int) -> bool:
    rule = facts.cycle.forms[index]
    return not (rule.post or rule.employee_ids or rule.group_id or rule.department_id)


def _person(code: str, facts: LaunchFacts, position: int, *, post: str = "") -> Finding:
    identifier = str(UUID(bytes=facts.members.ids[position]))
    return person(code, identifier, person=facts.members.codes[position], post=post)
