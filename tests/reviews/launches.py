"""Launch facts of a cycle that has nothing wrong with it, and ways to put one fault into them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from services.reviews.convert.template_text import read_template_text
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.cycle_definition import UsedTemplate, effective_process, form_rule
from services.reviews.domain.form_rules import Members
from services.reviews.domain.model import Cycle, CycleKind, CycleState, Period, Population, Stage
from services.reviews.domain.preflight import FormFacts, LaunchFacts
from services.reviews.domain.process import plan_stages
from services.reviews.domain.process_graph import is_plannable
from services.reviews.domain.template import TemplateBody

SAMPLES = Path(__file__).parents[2] / "deploy" / "local" / "samples"
NOW = datetime(2026, 10, 8, 1, 0, tzinfo=UTC)
OWNER, KNOWN = UUID(int=1), UUID(int=2)
KPI = (SAMPLES / "template-business-kpi.yaml").read_text(encoding="utf-8")
QUARTER = (SAMPLES / "template-quarter-45-days.yaml").read_text(encoding="utf-8")
OKR = (SAMPLES / "template-rnd-okr.yaml").read_text(encoding="utf-8")
MBO = (SAMPLES / "template-support-mbo.yaml").read_text(encoding="utf-8")
SALES, RESEARCH, COMPANY = UUID(int=101), UUID(int=102), UUID(int=100)


def body_of(text: str) -> TemplateBody:
    body = read_template_text(text).body
    assert body is not None
    return body


def population(size: int = 30) -> Members:
    """`size` people in two departments of a company; the first is the root of the tree."""
    halves = [SALES if number % 2 else RESEARCH for number in range(size)]
    return Members(
        ids=[UUID(int=number + 1).bytes for number in range(size)],
        codes=[f"E{number:06}" for number in range(size)],
        posts=["sales" if number % 2 else "developer" for number in range(size)],
        department_paths=[COMPANY.bytes + unit.bytes for unit in halves],
        department_names=["Company/Sales" if unit is SALES else "Company/Research" for unit in halves],
        department_heads=[str(OWNER)] * size,
        group_ids=[b""] * size,
        problems=[0 if number else 3 for number in range(size)],
    )


def good(text: str = KPI, *forms: tuple[str, dict[str, Any]], **changes: Any) -> LaunchFacts:
    """Facts of a cycle by one template, with other templates' forms by rule."""
    body = body_of(text)
    overrides = changes.pop("overrides", {})
    used = [(UsedTemplate(UUID(int=900 + index), 1, body_of(form)), match) for index, (form, match) in enumerate(forms)]
    used = used or [(UsedTemplate(UUID(int=899), 1, body), {})]
    rules = [FormFacts(form_rule(template, {}, **match), template.body) for template, match in used]
    cycle = Cycle(
        id=UUID(int=5),
        name="2026 Q3",
        period=Period(CycleKind.QUARTER, date(2026, 7, 1), date(2026, 9, 30)),
        state=CycleState.DRAFT,
        owner_id=OWNER,
        zone="Asia/Shanghai",
        template_id=UUID(int=899),
        template_version=1,
        forms=tuple(each.rule for each in rules),
        population=Population(everyone=True),
        start_at=changes.pop("start_at", None),
    )
    facts = LaunchFacts(
        now=NOW,
        cycle=cycle,
        template=body,
        stages=planned(body, overrides, cycle.start_at),
        calendar=Calendar("Asia/Shanghai", {}),
        forms=tuple(rules),
        members=population(),
        employed={OWNER: True, KNOWN: True},
    )
    return replace(facts, **changes)


def planned(body: TemplateBody, overrides: dict[str, Any], start: datetime | None) -> tuple[Stage, ...]:
    process = effective_process(body, overrides)
    stages = [Stage(UUID(int=50 + index), UUID(int=5), stage, index) for index, stage in enumerate(process)]
    if not is_plannable(process):
        return tuple(stages)
    return tuple(plan_stages(stages, start or NOW, Calendar("Asia/Shanghai", {})))


def with_members(facts: LaunchFacts, change: Callable[[dict[str, list[Any]]], None]) -> LaunchFacts:
    """The facts with changed columns."""
    columns = {name: list(getattr(facts.members, name)) for name in Members.__dataclass_fields__}
    change(columns)
    return replace(facts, members=Members(**columns))
