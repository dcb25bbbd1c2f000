"""A cycle as HR writes it, and as it is kept: names become ids, the template's process becomes stages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.reviews.domain.findings import Finding, error
from services.reviews.domain.form_body import content_hash, form_body, form_id
from services.reviews.domain.model import CycleDay, FormRule, Population, Span, StageDefinition, Unit
from services.reviews.domain.nearest import nearest
from services.reviews.domain.template import TemplateBody
from services.reviews.domain.template_reader import read_process

ROLES = frozenset({"owner", "hr", "manager", "department_head", "employee"})
"""Words that stand for somebody found when needed; anything else is an employee code or id."""

LARGEST_SPAN_DAYS = 700
DAYS_AROUND = 60


@dataclass(frozen=True, slots=True)
class WrittenRule:
    """A form rule with codes, names and paths."""

    template: str
    group: str = ""
    post: str = ""
    department: str = ""
    employees: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WrittenPopulation:
    """A population with codes, names and paths."""

    everyone: bool = False
    departments: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    employees: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """What was written → the id it stands for; what is unknown is absent."""

    employees: Mapping[str, UUID] = field(default_factory=dict)
    departments: Mapping[str, UUID] = field(default_factory=dict)
    groups: Mapping[str, UUID] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UsedTemplate:
    """A published version that a cycle uses."""

    template_id: UUID
    version: int
    body: TemplateBody


@dataclass(frozen=True, slots=True)
class CalendarCopy:
    """The tenant's zone and the days around a cycle."""

    zone: str
    days: tuple[CycleDay, ...]


def effective_process(body: TemplateBody, overrides: Mapping[str, Any]) -> tuple[StageDefinition, ...]:
    """The template's stages with the cycle's overrides laid over them, field by field."""
    document = dict(body.document)
    stages = [{**stage, **overrides.get(stage["key"], {})} for stage in document.get("process", ())]
    return read_process({**document, "process": stages})


def override_findings(body: TemplateBody, overrides: Mapping[str, Any]) -> Iterator[Finding]:
    """Overrides of stages that do not exist."""
    known = [stage.key for stage in body.process]
    for key in overrides:
        if key not in known:
            hint = nearest(key, known)
            yield error(
                "OVERRIDE_UNKNOWN_STAGE",
                f"/overrides/{key}",
                key,
                found=key,
                known=", ".join(known),
                hint=f"did you mean {hint}? " if hint else "",
                hint_zh=f"是否指 {hint}？" if hint else "",
            )


def named_people(process: Iterable[StageDefinition], bodies: Iterable[TemplateBody]) -> set[str]:
    """Employee codes that templates name: facilitator, escalation, owners, levels, data providers."""
    found: set[str] = set()
    for stage in process:
        found.add(stage.facilitator)
        found.update([stage.escalation.to] if stage.escalation else [])
        found.update([stage.options["owner"]] if "owner" in stage.options else [])
        found.update(stage.options.get("levels", ()))
    for body in bodies:
        found.update(item.data_provider for item in body.indicators() if item.needs_actual)
    return {name for name in found if name and name not in ROLES}


def with_ids(stage: StageDefinition, employees: Mapping[str, UUID]) -> StageDefinition:
    """The stage with ids in place of employee codes; unknown codes stay, for the check to name them."""

    def known(name: str) -> str:
        return str(employees.get(name, name))

    escalation = replace(stage.escalation, to=known(stage.escalation.to)) if stage.escalation else None
    return replace(stage, facilitator=known(stage.facilitator), escalation=escalation)


def form_rule(used: UsedTemplate, employees: Mapping[str, UUID], **conditions: Any) -> FormRule:
    """A rule that gives the template's form; who provides each actual is settled here."""
    providers = {
        f"{section.key}/{item.key}": str(employees.get(item.data_provider, item.data_provider))
        for section in used.body.sections
        for item in section.indicators
        if item.needs_actual
    }
    body = form_body(used.body)
    return FormRule(
        form_id=form_id(content_hash(body)),
        template_id=used.template_id,
        template_version=used.version,
        providers=providers,
        **conditions,
    )


def resolved_rules(
    written: Sequence[WrittenRule], templates: Mapping[str, UsedTemplate], references: References
) -> tuple[FormRule, ...]:
    """Rules with ids; what is unknown was refused before."""
    return tuple(
        form_rule(
            templates[rule.template],
            references.employees,
            group_id=references.groups.get(rule.group),
            department_id=references.departments.get(rule.department),
            post=rule.post,
            employee_ids=tuple(references.employees[name] for name in rule.employees),
        )
        for rule in written
    )


def resolved_population(written: WrittenPopulation, references: References) -> Population:
    return Population(
        everyone=written.everyone,
        department_ids=tuple(references.departments[name] for name in written.departments),
        group_ids=tuple(references.groups[name] for name in written.groups),
        employee_ids=tuple(references.employees[name] for name in written.employees),
        exclude_employee_ids=tuple(references.employees[name] for name in written.exclude),
    )


def unknown_references(
    rules: Sequence[WrittenRule], population: WrittenPopulation, people: Mapping[str, str], references: References
) -> Iterator[Finding]:
    """Everything written that nobody knows; `people` are further employees by pointer."""
    for index, rule in enumerate(rules):
        at = f"/forms/{index}/match"
        yield from _unknown([rule.group], references.groups, f"{at}/group", ("group", "用户组"))
        yield from _unknown([rule.department], references.departments, f"{at}/department", ("department", "部门"))
        yield from _unknown(rule.employees, references.employees, f"{at}/employees", ("employee", "员工"))
    yield from _unknown(population.groups, references.groups, "/population/groups", ("group", "用户组"))
    yield from _unknown(
        population.departments, references.departments, "/population/departments", ("department", "部门")
    )
    for field_name in ("employees", "exclude"):
        names = getattr(population, field_name)
        yield from _unknown(names, references.employees, f"/population/{field_name}", ("employee", "员工"))
    for pointer, name in people.items():
        yield from _unknown([name], references.employees, pointer, ("employee", "员工"))


def _unknown(names: Iterable[str], known: Mapping[str, UUID], pointer: str, what: tuple[str, str]) -> Iterator[Finding]:
    for name in names:
        if name and name not in known:
            yield error("REFERENCE_UNKNOWN", pointer, name, what=what[0], what_zh=what[1], found=name)


def calendar_span(start: datetime, process: Iterable[StageDefinition]) -> tuple[date, date]:
    """The days that a process beginning at `start` can touch, generously: reminders before, extensions after."""
    days = sum(_days(stage.offset) + _days(stage.length) for stage in process)
    ends = [stage.closes_at for stage in process if stage.closes_at]
    last = max([start + timedelta(days=days), *ends])
    first_day = start.date() - timedelta(days=DAYS_AROUND)
    last_day = last.date() + timedelta(days=DAYS_AROUND)
    return first_day, min(last_day, first_day + timedelta(days=LARGEST_SPAN_DAYS))


def _days(span: Span) -> int:
    match span.unit:
        case Unit.SECONDS:
            return span.amount // 86_400 + 1
        case Unit.HOURS:
            return span.amount // 24 + 1
        case Unit.CALENDAR_DAYS:
            return span.amount
        case Unit.BUSINESS_DAYS:
            return span.amount * 2 + 10  # weekends, and a week of holidays
