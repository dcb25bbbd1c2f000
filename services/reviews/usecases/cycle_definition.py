"""Creating a cycle: what HR wrote is read, resolved and planned before the transaction, and written in it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.cycle_definition import (
    CalendarCopy,
    References,
    UsedTemplate,
    WrittenPopulation,
    WrittenRule,
    calendar_span,
    effective_process,
    form_rule,
    named_people,
    override_findings,
    resolved_population,
    resolved_rules,
    unknown_references,
    with_ids,
)
from services.reviews.domain.errors import CycleDefinitionInvalid
from services.reviews.domain.findings import Finding, error
from services.reviews.domain.form_body import form_body
from services.reviews.domain.messages import render
from services.reviews.domain.model import Cycle, CycleDay, CycleState, Period, Stage, StageDefinition
from services.reviews.domain.process import plan_stages
from services.reviews.domain.template_reader import read_template
from services.reviews.policy.cycles import require_administrator
from services.reviews.usecases.ports import NeedsCycles
from services.reviews.usecases.telling import tell_of_cycle
from services.reviews.usecases.templates import GetTemplate, Templates
from services.runtime.clock import new_id, utc_now
from services.runtime.identity import Principal


class People(Protocol):
    """People, as far as a definition needs it."""

    async def resolve(
        self, tenant_id: UUID, employees: Sequence[str], departments: Sequence[str], groups: Sequence[str]
    ) -> References: ...

    async def calendar(self, tenant_id: UUID, first: date, last: date) -> CalendarCopy: ...


class NeedsTemplates(Protocol):
    @property
    def templates(self) -> Templates: ...


class NeedsDefinition(NeedsCycles, Protocol):
    """The unit of work of a definition: cycles and templates."""

    @property
    def templates(self) -> Templates: ...


Reading = Callable[[Principal], AbstractAsyncContextManager[NeedsTemplates]]
"""Opens a transaction that only reads, for a step before the command's own."""


@dataclass(frozen=True, slots=True)
class DefinedCycle:
    """A cycle ready to be written: ids in place of names, stages with their planned windows, the days they count."""

    cycle: Cycle
    stages: tuple[Stage, ...]
    days: tuple[CycleDay, ...]
    forms: tuple[UsedTemplate, ...]


@dataclass(frozen=True, slots=True)
class CreateCycle:
    """A cycle as written; `defined` is added by the step before the transaction."""

    name: str
    period: Period
    template: str
    rules: tuple[WrittenRule, ...] = ()
    population: WrittenPopulation = field(default_factory=WrittenPopulation)
    start_at: datetime | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    appeal_owner: str = ""
    schedule_id: UUID | None = None
    nominal_at: datetime | None = None
    defined: DefinedCycle | None = None


class CycleDefiner:
    """Turns what HR wrote into a cycle; talks to people, so it runs outside of any transaction."""

    def __init__(self, people: People, reading: Reading) -> None:
        self._people = people
        self._reading = reading

    async def prepare(self, principal: Principal, command: CreateCycle) -> CreateCycle:
        """The command with its cycle; CycleDefinitionInvalid names everything that cannot be understood."""
        require_administrator(principal)
        if principal.tenant_id is None:
            return command
        templates = await self._templates(principal, command)
        main = templates[command.template]
        found = list(override_findings(main.body, command.overrides))
        if not main.body.process:
            found.append(error("PROCESS_MISSING", "/template", main.body.name))
        _refuse(found)
        process = _process(main, command.overrides)
        references = await self._references(principal, command, process, templates)
        start = command.start_at or utc_now()
        calendar = await self._people.calendar(principal.tenant_id, *calendar_span(start, process))
        cycle = _cycle(principal, command, main, templates, references, calendar.zone)
        stages = _stages(cycle.id, [with_ids(stage, references.employees) for stage in process])
        planned = plan_stages(stages, start, Calendar(calendar.zone, {day.day: day.business for day in calendar.days}))
        defined = DefinedCycle(cycle, tuple(planned), calendar.days, tuple(templates.values()))
        return replace(command, defined=defined)

    async def _templates(self, principal: Principal, command: CreateCycle) -> dict[str, UsedTemplate]:
        """The published versions by the name they were written with."""
        pointers = {command.template: "/template"}
        for index, rule in enumerate(command.rules):
            pointers.setdefault(rule.template, f"/forms/{index}/template")
        used: dict[str, UsedTemplate] = {}
        missing: list[Finding] = []
        async with self._reading(principal) as work:
            for written, pointer in pointers.items():
                found = await _published(work.templates, written)
                if isinstance(found, UsedTemplate):
                    used[written] = found
                else:
                    missing.append(replace(found, pointer=pointer))
        _refuse(missing)
        return used

    async def _references(
        self,
        principal: Principal,
        command: CreateCycle,
        process: Sequence[StageDefinition],
        templates: Mapping[str, UsedTemplate],
    ) -> References:
        people = {"/owner": command.owner, "/appeal_owner": command.appeal_owner}
        named = sorted(named_people(process, [used.body for used in templates.values()]))
        employees = [*command.population.employees, *command.population.exclude, *people.values(), *named]
        departments, groups = list(command.population.departments), list(command.population.groups)
        for rule in command.rules:
            employees += rule.employees
            departments.append(rule.department)
            groups.append(rule.group)
        asked = (sorted({name for name in names if name}) for names in (employees, departments, groups))
        assert principal.tenant_id is not None  # noqa: S101 - prepare() saw to it
        references = await self._people.resolve(principal.tenant_id, *asked)
        by_templates = {f"/template/people/{name}": name for name in named}
        _refuse(list(unknown_references(command.rules, command.population, {**people, **by_templates}, references)))
        return references


async def create_cycle(work: NeedsDefinition, command: CreateCycle) -> DefinedCycle:
    """The cycle in draft, with its stages, its forms and the days it counts."""
    defined = command.defined
    if defined is None:
        raise CycleDefinitionInvalid("the definition was not read")
    for used in defined.forms:
        await work.templates.keep_form(form_body(used.body), used.template_id, used.version)
    await work.cycles.add(defined.cycle, defined.stages)
    await work.cycles.copy_days(defined.cycle.id, defined.days)
    await tell_of_cycle(work, "cycle_created", defined.cycle, stages=len(defined.stages))
    return defined


async def _published(templates: Templates, written: str) -> UsedTemplate | Finding:
    wanted = _by_id_or_name(written)
    found = await templates.find(wanted.id) if wanted.id else None
    found = found or await templates.find_by_name(wanted.name)
    if found is None:
        return error("REFERENCE_UNKNOWN", "", written, what="template", what_zh="模板", found=written or "-")
    version = await templates.version(found.id, found.published_version) if found.published_version else None
    if version is None:
        return error("NOT_PUBLISHED", "", found.name, name=found.name)
    return UsedTemplate(found.id, version.version, read_template(version.body))


def _by_id_or_name(written: str) -> GetTemplate:
    try:
        return GetTemplate(UUID(written), written)
    except ValueError:
        return GetTemplate(None, written)


def _cycle(
    principal: Principal,
    command: CreateCycle,
    main: UsedTemplate,
    templates: Mapping[str, UsedTemplate],
    references: References,
    zone: str,
) -> Cycle:
    owner = references.employees[command.owner] if command.owner else principal.employee_id
    if owner is None:
        raise CycleDefinitionInvalid("name the employee who owns the cycle", field="/owner")
    rules = resolved_rules(command.rules, templates, references)
    return Cycle(
        id=new_id(),
        name=command.name,
        period=command.period,
        state=CycleState.DRAFT,
        owner_id=owner,
        zone=zone,
        template_id=main.template_id,
        template_version=main.version,
        start_at=command.start_at,
        appeal_owner_id=references.employees[command.appeal_owner] if command.appeal_owner else None,
        forms=rules or (form_rule(main, references.employees),),
        population=resolved_population(command.population, references),
        overrides=dict(command.overrides),
        release_mode=main.body.release,
        schedule_id=command.schedule_id,
        nominal_at=command.nominal_at,
    )


def _process(main: UsedTemplate, overrides: Mapping[str, Any]) -> tuple[StageDefinition, ...]:
    try:
        return effective_process(main.body, overrides)
    except ValueError as problem:  # a date such as 31 February fits the schema's pattern
        _refuse([error("OVERRIDE_INVALID", "/overrides", stage="a stage", problem=problem)])
        raise


def _stages(cycle_id: UUID, process: Sequence[StageDefinition]) -> list[Stage]:
    return [
        Stage(id=new_id(), cycle_id=cycle_id, definition=stage, position=index, early_close=stage.early_close)
        for index, stage in enumerate(process)
    ]


def _refuse(findings: Sequence[Finding]) -> None:
    if findings:
        violations = []
        for finding in findings:
            words = render(finding)
            violations.append((finding.pointer, finding.code, f"{words.message}; {words.remedy}"))
        raise CycleDefinitionInvalid("the cycle cannot be understood: " + violations[0][2], violations=violations)
