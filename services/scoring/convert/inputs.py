"""What reviews and goals answer, as scoring's own nouns."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any
from uuid import UUID

from protos.goals.v1 import goals_pb2
from protos.reviews.v1 import clockwork_pb2
from services.scoring.convert.fields import optional_uuid, uuid_of
from services.scoring.domain.form import Answer, Inputs
from services.scoring.domain.goals import Goal, GoalMeasure, Mode
from services.scoring.domain.model import CycleRules, GoalsByEmployee, Page, Subject

MODES = {
    goals_pb2.MODE_UNSPECIFIED: Mode.KPI,
    goals_pb2.MODE_KPI: Mode.KPI,
    goals_pb2.MODE_OKR: Mode.OKR,
    goals_pb2.MODE_MBO: Mode.MBO,
}


def page(
    cycle_id: UUID,
    rules: clockwork_pb2.GetScoringRulesResponse,
    inputs: clockwork_pb2.ListScoringInputsResponse,
) -> Page:
    """A page of participants with what was answered about them."""
    forms = {form.form_id: json.loads(form.definition_json) for form in rules.forms}
    return Page(cycle_rules(cycle_id, rules), forms, tuple(_subject(each) for each in inputs.inputs), inputs.last)


def cycle_rules(cycle_id: UUID, reply: clockwork_pb2.GetScoringRulesResponse) -> CycleRules:
    """The rules of a cycle's process template."""
    template: Mapping[str, Any] = json.loads(reply.template_json or "{}")
    return CycleRules(
        cycle_id=cycle_id,
        cycle_name=reply.cycle_name,
        grades=tuple(template.get("grades") or ()),
        guideline=template.get("guideline"),
        facilitator=_facilitator(template.get("calibration")),
        owner_id=optional_uuid(reply.owner_id, "owner_id"),
        period_start=_day(reply.period_start),
        period_end=_day(reply.period_end),
    )


def goals_by_employee(attainments: Iterable[goals_pb2.Attainment]) -> GoalsByEmployee:
    """Frozen goals by their owner."""
    found: dict[UUID, list[Goal]] = {}
    for each in attainments:
        found.setdefault(uuid_of(each.employee_id, "employee_id"), []).append(_goal(each))
    return {employee: tuple(goals) for employee, goals in found.items()}


def _facilitator(calibration: Mapping[str, Any] | None) -> str:
    return str((calibration or {}).get("facilitator") or "owner")


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _subject(each: clockwork_pb2.ScoringInput) -> Subject:
    return Subject(
        participant_id=uuid_of(each.participant_id, "participant_id"),
        employee_id=uuid_of(each.employee_id, "employee_id"),
        form_id=each.form_id,
        inputs=Inputs(
            answers=tuple(_answers(each.answers)),
            actuals={actual.item: value for actual in each.actuals if (value := _fraction(actual.value)) is not None},
        ),
        department_path=tuple(UUID(part) for part in each.department_path.split("/") if part),
        department_name=each.department_name,
        department_head=optional_uuid(each.department_head, "department_head"),
        manager_chain=tuple(uuid_of(manager, "manager_chain") for manager in each.manager_chain),
    )


def _answers(raters: Iterable[clockwork_pb2.RaterAnswers]) -> Iterable[Answer]:
    for rater in raters:
        for answer in rater.answers:
            value = _fraction(answer.value)
            if value is not None or answer.choices:
                yield Answer(answer.item, rater.relation, rater.rater_id, value, tuple(answer.choices))


def _fraction(text: str) -> Fraction | None:
    """A decimal as an exact rational; None for an empty or unreadable one."""
    try:
        number = Decimal(text) if text else None
    except InvalidOperation:
        return None
    return Fraction(number) if number is not None and number.is_finite() else None


def _goal(each: goals_pb2.Attainment) -> Goal:
    return Goal(
        id=each.goal_id,
        mode=MODES[each.mode],
        weight=_fraction(each.weight) or Fraction(0),
        measures=tuple(_measure(measure) for measure in each.measures),
        cancelled=each.canceled,
    )


def _measure(each: goals_pb2.MeasureAttainment) -> GoalMeasure:
    return GoalMeasure(
        weight=_fraction(each.weight) or Fraction(0),
        value=_fraction(each.value),
        baseline=_fraction(each.baseline) or Fraction(0),
        target=_fraction(each.target),
        lower_is_better=each.direction == goals_pb2.DIRECTION_LOWER,
        done=each.done,
    )
