"""The launch check: gathers the facts from its own rows, people and scoring, then runs the checks."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.cycle_definition import CalendarCopy, calendar_span
from services.reviews.domain.errors import CycleNotFound, CycleStateInvalid, TemplateNotFound, VersionConflict
from services.reviews.domain.findings import Finding
from services.reviews.domain.form_rules import Members, MembersBuilder
from services.reviews.domain.messages import ENGLISH
from services.reviews.domain.model import Cycle, CycleDay, CycleState, FormRule, Population, Stage
from services.reviews.domain.preflight import FormFacts, LaunchFacts, OtherCycle, Report, examine
from services.reviews.domain.process import plan_stages
from services.reviews.domain.process_graph import is_plannable
from services.reviews.domain.template import TemplateBody
from services.reviews.domain.template_reader import read_template
from services.reviews.policy.cycles import require_administrator
from services.reviews.usecases.ports import NeedsCycles
from services.reviews.usecases.telling import tell_of_cycle
from services.reviews.usecases.templates import Formulas, FormulaToCheck, Templates, formula_finding, formulas_of
from services.runtime.clock import new_id
from services.runtime.identity import Principal

CHECKABLE = frozenset({CycleState.DRAFT, CycleState.VALIDATED})


class People(Protocol):
    """People, as far as the launch check needs it."""

    async def calendar(self, tenant_id: UUID, first: date, last: date) -> CalendarCopy: ...

    async def freeze(
        self, tenant_id: UUID, freeze_id: UUID, population: Population, as_of: datetime, group_ids: Sequence[UUID]
    ) -> int: ...

    def members(self, tenant_id: UUID, freeze_id: UUID) -> AsyncIterator[Members]: ...

    async def employed(self, tenant_id: UUID, employee_ids: Iterable[UUID]) -> Mapping[UUID, bool]: ...

    async def edition(self, tenant_id: UUID) -> str: ...


class CycleOverlaps(Protocol):
    async def overlapping(self, cycle: Cycle) -> list[OtherCycle]: ...


class NeedsPreflight(NeedsCycles, Protocol):
    """The unit of work of the check: cycles, stages, templates."""

    @property
    def templates(self) -> Templates: ...
    @property
    def overlaps(self) -> CycleOverlaps: ...


Reading = Callable[[Principal], AbstractAsyncContextManager[NeedsPreflight]]


@dataclass(frozen=True, slots=True)
class Definition:
    """A cycle with all that its definition refers to, as read in one transaction."""

    cycle: Cycle
    stages: tuple[Stage, ...]
    template: TemplateBody
    forms: tuple[FormFacts, ...]
    others: tuple[OtherCycle, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Examination:
    """What the check found of one version of a definition, with the plan and the calendar that it was checked by."""

    cycle_version: int
    report: Report
    stages: tuple[Stage, ...]
    zone: str
    days: tuple[CycleDay, ...]

    def of(self, cycle: Cycle) -> Report:
        """The report, if it is of the definition as it stands; VersionConflict where that was changed since."""
        if cycle.version != self.cycle_version:
            raise VersionConflict("the cycle was changed while it was checked; check again")
        return self.report


@dataclass(frozen=True, slots=True)
class ValidateCycle:
    """`examination` is added by the step before the transaction."""

    cycle_id: UUID
    language: str = ENGLISH
    examination: Examination | None = None


@dataclass(frozen=True, slots=True)
class Validated:
    cycle: Cycle
    report: Report
    language: str


class Preflight:
    """Gathers facts and examines them; talks to people and scoring, so it runs outside of any transaction."""

    def __init__(self, people: People, formulas: Formulas, reading: Reading) -> None:
        self._people = people
        self._formulas = formulas
        self._reading = reading

    async def prepare(self, principal: Principal, command: ValidateCycle) -> ValidateCycle:
        """The step before ValidateCycle's transaction."""
        return replace(command, examination=await self.examine(principal, command.cycle_id))

    async def examine(self, principal: Principal, cycle_id: UUID) -> Examination:
        """Everything that is wrong with a cycle; CycleStateInvalid once it was launched."""
        require_administrator(principal)
        if principal.tenant_id is None:
            raise CycleNotFound("there is no such cycle")
        async with self._reading(principal) as work:
            definition = await _definition(work, cycle_id)
        facts, days = await self._gather(principal.tenant_id, definition)
        return Examination(definition.cycle.version, examine(facts), facts.stages, facts.calendar.zone, days)

    async def _gather(self, tenant_id: UUID, definition: Definition) -> tuple[LaunchFacts, tuple[CycleDay, ...]]:
        cycle = definition.cycle
        start = max(cycle.start_at or definition.now, definition.now)
        process = [stage.definition for stage in definition.stages]
        copied = await self._people.calendar(tenant_id, *calendar_span(start, process))
        calendar = Calendar(copied.zone, {day.day: day.business for day in copied.days})
        planned = definition.stages
        if is_plannable(process):
            planned = tuple(plan_stages(definition.stages, cycle.start_at or definition.now, calendar))
        facts = LaunchFacts(
            now=definition.now,
            cycle=cycle,
            template=definition.template,
            stages=planned,
            calendar=calendar,
            forms=definition.forms,
            members=await self._members(tenant_id, cycle, definition.now),
            formula_faults=tuple(await self._formula_faults(definition)),
            employed=await self._people.employed(tenant_id, _named(definition)),
            others=definition.others,
            edition=await self._people.edition(tenant_id),
        )
        return facts, copied.days

    async def _members(self, tenant_id: UUID, cycle: Cycle, as_of: datetime) -> Members:
        freeze_id = new_id()
        groups = [rule.group_id for rule in cycle.forms if rule.group_id]
        await self._people.freeze(tenant_id, freeze_id, cycle.population, as_of, groups)
        builder = MembersBuilder()
        async for page in self._people.members(tenant_id, freeze_id):
            builder.add(page)
        return builder.build()

    async def _formula_faults(self, definition: Definition) -> list[Finding]:
        bodies = {"/template": definition.template}
        for index, form in enumerate(definition.forms):
            if form.body.document != definition.template.document:
                bodies[f"/forms/{index}/template"] = form.body
        asked: list[FormulaToCheck] = []
        for prefix, body in bodies.items():
            asked += formulas_of(body, prefix)
        if not asked:
            return []
        faults = await self._formulas.check(asked)
        found = []
        for fault in faults:
            prefix = next(prefix for prefix in bodies if fault.key.startswith(f"{prefix}/sections"))
            found.append(formula_finding(fault, bodies[prefix], prefix))
        return found


async def validate_cycle(work: NeedsPreflight, command: ValidateCycle) -> Validated:
    """Records the outcome: without errors the cycle is validated, with them it is a draft again."""
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    _require_checkable(cycle)
    if command.examination is None:
        raise VersionConflict("the cycle was not checked")
    report = command.examination.of(cycle)
    state = CycleState.DRAFT if report.errors else CycleState.VALIDATED
    if state is not cycle.state:
        cycle = await work.cycles.save(replace(cycle, state=state))
        await tell_of_cycle(work, "cycle_validated", cycle, findings=report.counts, population=report.population)
    return Validated(cycle, report, command.language)


async def _definition(work: NeedsPreflight, cycle_id: UUID) -> Definition:
    cycle = await work.cycles.get(cycle_id)
    _require_checkable(cycle)
    template = await _body(work.templates, cycle.template_id, cycle.template_version)
    bodies: dict[tuple[UUID, int], TemplateBody] = {(cycle.template_id, cycle.template_version): template}
    forms = []
    for rule in cycle.forms:
        forms.append(FormFacts(rule, await _cached(work.templates, bodies, rule)))
    return Definition(
        cycle=cycle,
        stages=tuple(await work.stages.of_cycle(cycle.id)),
        template=template,
        forms=tuple(forms),
        others=tuple(await work.overlaps.overlapping(cycle)),
        now=await work.now() + cycle.clock_offset,
    )


async def _cached(templates: Templates, known: dict[tuple[UUID, int], TemplateBody], rule: FormRule) -> TemplateBody:
    key = (rule.template_id, rule.template_version)
    if key not in known:
        known[key] = await _body(templates, *key)
    return known[key]


async def _body(templates: Templates, template_id: UUID, number: int) -> TemplateBody:
    version = await templates.version(template_id, number)
    if version is None:
        raise TemplateNotFound("the cycle's template is gone")
    return read_template(version.body)


def _require_checkable(cycle: Cycle) -> None:
    if cycle.state not in CHECKABLE:
        raise CycleStateInvalid(f"the cycle is {cycle.state} and is not checked any more", meta={"state": cycle.state})


def _named(definition: Definition) -> set[UUID]:
    """Employees whom the definition names by id."""
    cycle = definition.cycle
    named = {cycle.owner_id, cycle.appeal_owner_id or cycle.owner_id}
    written = [provider for rule in cycle.forms for provider in rule.providers.values()]
    for stage in definition.stages:
        written.append(stage.definition.facilitator)
        written += [stage.definition.escalation.to] if stage.definition.escalation else []
    named |= {UUID(name) for name in written if _is_id(name)}
    return named


def _is_id(written: str) -> bool:
    try:
        UUID(written)
    except ValueError:
        return False
    return True
