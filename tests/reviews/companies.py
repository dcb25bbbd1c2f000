"""People and scoring as reviews sees them, without their processes: a company in memory, formulas compiled here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from services.reviews.domain.cycle_definition import CalendarCopy, References
from services.reviews.domain.form_rules import Members
from services.reviews.domain.model import CycleDay, Population
from services.reviews.usecases.templates import FormulaFault, FormulaToCheck
from services.scoring.domain.formula import Formula, compile_formula
from tests.reviews.launches import RESEARCH, SALES, population


@dataclass
class Company:
    """Thirty people in two departments; codes E000000 to E000029, the first is the root."""

    members_now: Members = field(default_factory=population)
    frozen: dict[UUID, Population] = field(default_factory=dict)
    edition_now: str = "professional"
    departments: Mapping[str, UUID] = field(default_factory=lambda: {"Sales": SALES, "Research": RESEARCH})
    meanwhile: Callable[[], Awaitable[None]] | None = None  # happens while the calendar is asked for, once

    def id_of(self, code: str) -> UUID:
        return UUID(bytes=self.members_now.ids[list(self.members_now.codes).index(code)])

    async def resolve(
        self, tenant_id: UUID, employees: Sequence[str], departments: Sequence[str], groups: Sequence[str]
    ) -> References:
        known = {code: self.id_of(code) for code in employees if code in self.members_now.codes}
        ids = {str(UUID(bytes=each)) for each in self.members_now.ids}
        known |= {written: UUID(written) for written in employees if written in ids}
        units = {name: self.departments[name] for name in departments if name in self.departments}
        return References(known, units, {})

    async def calendar(self, tenant_id: UUID, first: date, last: date) -> CalendarCopy:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            await meanwhile()
        days = [first + timedelta(days=place) for place in range((last - first).days + 1)]
        return CalendarCopy("Asia/Shanghai", tuple(CycleDay(day, day.weekday() < 5) for day in days))

    async def freeze(
        self, tenant_id: UUID, freeze_id: UUID, population: Population, as_of: datetime, group_ids: Sequence[UUID]
    ) -> int:
        self.frozen[freeze_id] = population
        return len(self.members_now)

    async def members(self, tenant_id: UUID, freeze_id: UUID) -> AsyncIterator[Members]:
        assert freeze_id in self.frozen
        yield self.members_now

    async def employed(self, tenant_id: UUID, employee_ids: Iterable[UUID]) -> Mapping[UUID, bool]:
        return {each: each.bytes in self.members_now.ids for each in employee_ids}

    async def edition(self, tenant_id: UUID) -> str:
        return self.edition_now


class CompiledHere:
    """Scoring's own compiler, called without gRPC."""

    async def check(self, formulas: Sequence[FormulaToCheck]) -> Sequence[FormulaFault]:
        faults = []
        for each in formulas:
            compiled = compile_formula(each.text, basis=each.basis)
            if not isinstance(compiled, Formula):
                first = compiled[0]
                faults.append(FormulaFault(each.key, first.code, first.message_en, first.message_zh, first.position))
        return faults
