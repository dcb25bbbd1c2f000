"""Which form a frozen person gets, and who cannot take part: the first matching rule, a finding for each obstacle."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from uuid import UUID

from services.reviews.domain.bulk import FrozenMember, Member
from services.reviews.domain.model import Form, FormRule, ParticipantState, StageDefinition, StageKind

NO_MANAGER, MANAGER_LOOP, ROOT = 1, 2, 3
ASKS_MANAGERS = frozenset({StageKind.MANAGER_REVIEW, StageKind.APPROVAL, StageKind.INTERVIEW})
BY_REPORTING_LINE = ("manager", "skip")
OBSTACLES = {NO_MANAGER: "NO_MANAGER", MANAGER_LOOP: "MANAGER_LOOP"}


def needs_manager(process: Sequence[StageDefinition]) -> bool:
    """Whether anybody is judged by a manager in this process."""
    return any(stage.kind in ASKS_MANAGERS for stage in process)


def form_of(member: FrozenMember, rules: Sequence[FormRule]) -> UUID | None:
    """The form of the first rule whose conditions all hold; None where no rule matches."""
    return next((rule.form_id for rule in rules if _matches(rule, member)), None)


def enrol(member: FrozenMember, rules: Sequence[FormRule], *, manager_needed: bool) -> Member:
    """The person with form and state: enrolled; excluded with every reason; the root of the tree is exempt."""
    form_id = form_of(member, rules)
    findings = [] if form_id else ["NO_FORM_RULE"]
    if manager_needed and member.problem in OBSTACLES:
        findings.append(OBSTACLES[member.problem])
    state = ParticipantState.EXCLUDED if findings else ParticipantState.ENROLLED
    if not findings and manager_needed and member.problem == ROOT:
        state, findings = ParticipantState.EXEMPT, ["ROOT_OF_REPORTING_TREE"]
    return Member(member, form_id, state.value, findings)


def relations_of(forms: Iterable[Form]) -> list[tuple[UUID, str]]:
    """(form, relation) for the relations that the reporting line names; those of weight 0 are not asked."""
    return [
        (form.id, relation)
        for form in forms
        for relation in BY_REPORTING_LINE
        if Decimal(form.body.get("raters", {}).get(relation, 0)) > 0
    ]


def _matches(rule: FormRule, member: FrozenMember) -> bool:
    return (
        (not rule.post or rule.post == member.post)
        and (rule.group_id is None or rule.group_id in member.group_ids)
        and (rule.department_id is None or rule.department_id in member.department_path)
        and (not rule.employee_ids or member.employee_id in rule.employee_ids)
    )
