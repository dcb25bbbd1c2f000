"""Checks of the definition alone: templates, forms, process, and whom it names."""

from collections.abc import Iterator
from uuid import UUID

from services.reviews.domain.findings import Finding, error, warning
from services.reviews.domain.model import StageKind
from services.reviews.domain.preflight.facts import LaunchFacts
from services.reviews.domain.process_graph import graph_findings
from services.reviews.domain.template_checks import check_template

RUNNABLE = frozenset(
    {
        StageKind.OPEN,
        StageKind.DATA_ENTRY,
        StageKind.SELF_REVIEW,
        StageKind.MANAGER_REVIEW,
        StageKind.CALIBRATION,
        StageKind.RELEASE,
        StageKind.ACKNOWLEDGEMENT,
        StageKind.APPEALS,
        StageKind.INTERVIEW,
    }
)
"""Stage kinds whose tasks exist so far; the others can be written down but not launched."""

PROFESSIONAL = {StageKind.CALIBRATION, StageKind.INTERVIEW, StageKind.PEER_REVIEW}
"""Stage kinds that the basic edition does not have (product.md §2)."""


ASKED_IN = {
    "self": StageKind.SELF_REVIEW,
    "manager": StageKind.MANAGER_REVIEW,
    "skip": StageKind.MANAGER_REVIEW,
}
"""Relations in which one person answers, and where; all others answer in a peer review."""


def names_and_period(facts: LaunchFacts) -> Iterator[Finding]:
    period = facts.cycle.period
    if not facts.cycle.name.strip():
        yield error("NAME_MISSING", "/name")
    if period.end < period.start:
        yield error("PERIOD_INVALID", "/period", start=period.start, end=period.end)


def templates_keep_their_rules(facts: LaunchFacts) -> Iterator[Finding]:
    """Weights, grades, scales, targets and the rest, of the cycle's template and of every form's."""
    for finding in check_template(facts.template):
        if _is_the_forms_own(finding):
            yield finding.below("/template")
    for index, form in enumerate(facts.forms):
        if form.body.document != facts.template.document:
            findings = (finding for finding in check_template(form.body) if _is_the_forms_own(finding))
            yield from (finding.below(f"/forms/{index}/template") for finding in findings)


def _is_the_forms_own(finding: Finding) -> bool:
    """Not what depends on the process: that is the cycle's, with its overrides, and looked at below."""
    return not finding.pointer.startswith("/process") and finding.code != "RELATION_NOT_ASKED"


def weighted_relations_are_asked(facts: LaunchFacts) -> Iterator[Finding]:
    """A relation with weight in a form that answers in no stage of this process is renormalised for everybody."""
    kinds = {stage.kind for stage in facts.process}
    for index, form in enumerate(facts.forms):
        for relation, weight in form.body.raters.items():
            kind = ASKED_IN.get(relation, StageKind.PEER_REVIEW)
            if weight > 0 and kind not in kinds and facts.stages:
                pointer = f"/forms/{index}/template/raters/{relation}"
                yield warning("RELATION_NOT_ASKED", pointer, relation, relation=relation, kind=kind)


def anonymity_can_be_kept(facts: LaunchFacts) -> Iterator[Finding]:
    """A relation in which one person answers never reaches the k raters that anonymity asks for (product.md §2)."""
    for index, form in enumerate(facts.forms):
        for relation, rule in form.body.anonymity.items():
            if relation in ASKED_IN and rule["mode"] != "named" and rule["minimum"] > 1:
                pointer = f"/forms/{index}/template/anonymity/{relation}"
                yield warning("QUORUM_UNREACHABLE", pointer, relation, relation=relation, minimum=rule["minimum"])


def formulas_compile(facts: LaunchFacts) -> Iterator[Finding]:
    yield from facts.formula_faults


def forms_have_something_to_score(facts: LaunchFacts) -> Iterator[Finding]:
    for index, form in enumerate(facts.forms):
        if not any(section.counts == "score" and section.weighted for section in form.body.sections):
            yield error("FORM_EMPTY", f"/forms/{index}/template", form.body.name, name=form.body.name)


def process_can_finish(facts: LaunchFacts) -> Iterator[Finding]:
    if not facts.stages:
        yield error("PROCESS_MISSING", "/template")
    yield from (finding.below("/template") for finding in graph_findings(facts.process))
    for index, stage in enumerate(facts.process):
        if stage.kind not in RUNNABLE:
            pointer = f"/template/process/{index}/kind"
            yield error("STAGE_KIND_NOT_AVAILABLE", pointer, stage.key, stage=stage.key, kind=stage.kind.value)


def edition_has_the_stages(facts: LaunchFacts) -> Iterator[Finding]:
    if facts.edition != "basic":
        return
    for index, stage in enumerate(facts.process):
        if stage.kind in PROFESSIONAL:
            yield error(
                "EDITION_REQUIRED", f"/template/process/{index}", stage.key, stage=stage.key, kind=stage.kind.value
            )


def cycle_has_an_owner(facts: LaunchFacts) -> Iterator[Finding]:
    if not facts.employed.get(facts.cycle.owner_id, False):
        yield error("OWNER_NOT_EMPLOYED", "/owner", str(facts.cycle.owner_id))


def appeals_have_an_owner(facts: LaunchFacts) -> Iterator[Finding]:
    if not any(stage.kind is StageKind.APPEALS for stage in facts.process):
        return
    owner = facts.cycle.appeal_owner_id or facts.cycle.owner_id
    if not facts.employed.get(owner, False):
        yield error("NO_APPEAL_OWNER", "/appeal_owner", str(owner))


def calibration_has_a_facilitator(facts: LaunchFacts) -> Iterator[Finding]:
    for index, stage in enumerate(facts.process):
        if stage.kind is not StageKind.CALIBRATION or stage.facilitator in ("owner", "department_head"):
            continue
        if not _works_here(facts, stage.facilitator):
            pointer = f"/template/process/{index}"
            yield error("NO_FACILITATOR", pointer, stage.key, stage=stage.key, found=stage.facilitator)


def escalations_reach_somebody(facts: LaunchFacts) -> Iterator[Finding]:
    words = ("owner", "hr", "manager", "department_head")
    for index, stage in enumerate(facts.process):
        target = stage.escalation.to if stage.escalation else ""
        if target and target not in words and not _works_here(facts, target):
            pointer = f"/template/process/{index}/escalation/to"
            yield error("NO_ESCALATION_TARGET", pointer, stage.key, stage=stage.key, found=target)


def actuals_have_providers(facts: LaunchFacts) -> Iterator[Finding]:
    words = ("employee", "manager", "department_head", "hr")
    for index, form in enumerate(facts.forms):
        for item, provider in form.rule.providers.items():
            if provider not in words and not _works_here(facts, provider):
                yield error("NO_PROVIDER", f"/forms/{index}/template", item, name=item, found=provider)


def actuals_can_be_entered(facts: LaunchFacts) -> Iterator[Finding]:
    kinds = {stage.kind for stage in facts.process}
    count = sum(len(form.rule.providers) for form in facts.forms)
    if count and StageKind.DATA_ENTRY not in kinds:
        yield warning("ACTUALS_WITHOUT_STAGE", "/template/process", count=count)


def cycles_of_a_kind_do_not_overlap(facts: LaunchFacts) -> Iterator[Finding]:
    for other in facts.others:
        yield warning("SAME_KIND_OVERLAPS", "/period", str(other.id), name=other.name)


def _works_here(facts: LaunchFacts, written: str) -> bool:
    try:
        return facts.employed.get(UUID(written), False)
    except ValueError:
        return False
