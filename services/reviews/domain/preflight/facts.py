"""Everything that the launch check looks at; gathered once, outside any transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from uuid import UUID

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.enrolment import OBSTACLES, needs_manager
from services.reviews.domain.findings import Finding
from services.reviews.domain.form_rules import NOBODY, Members, assign_rules
from services.reviews.domain.model import Cycle, FormRule, Stage, StageDefinition
from services.reviews.domain.template import TemplateBody


@dataclass(frozen=True, slots=True)
class FormFacts:
    """A form rule with the template that it gives."""

    rule: FormRule
    body: TemplateBody


@dataclass(frozen=True, slots=True)
class OtherCycle:
    """A cycle of the same kind whose period overlaps."""

    id: UUID
    name: str


@dataclass(frozen=True)
class LaunchFacts:
    """A cycle's definition and the people that it is about, at one instant."""

    now: datetime
    cycle: Cycle
    template: TemplateBody
    stages: tuple[Stage, ...]  # as planned from the start, or from now
    calendar: Calendar
    forms: tuple[FormFacts, ...]
    members: Members
    formula_faults: tuple[Finding, ...] = ()
    employed: Mapping[UUID, bool] = field(default_factory=dict)  # of everybody whom the definition names
    others: tuple[OtherCycle, ...] = ()
    edition: str = "professional"

    @property
    def process(self) -> tuple[StageDefinition, ...]:
        return tuple(stage.definition for stage in self.stages)

    @cached_property
    def assigned(self) -> list[int]:
        """For each member the index of its form rule, or -1."""
        return assign_rules(self.cycle.forms, self.members)

    @cached_property
    def manager_needed(self) -> bool:
        return needs_manager(self.process)

    @cached_property
    def able(self) -> list[bool]:
        """Whether each member can take part, by the same rule as enrolment."""
        pairs = zip(self.assigned, self.members.problems, strict=True)
        return [index != NOBODY and not (self.manager_needed and problem in OBSTACLES) for index, problem in pairs]
