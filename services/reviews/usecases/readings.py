"""What scoring and notify read of a cycle, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from services.reviews.domain.bulk import CHUNK, NOBODY
from services.reviews.domain.errors import TemplateNotFound
from services.reviews.domain.model import Cycle, Form, Stage, StageKind, TemplateVersion
from services.reviews.domain.reading import Recipient, ScoringInput, ScoringRules, scoring_rules
from services.reviews.domain.template_reader import read_template
from services.reviews.usecases.ports import NeedsCycles

LAST_ID = UUID(int=2**128 - 1)


class Readings(Protocol):
    async def scoring_inputs(self, cycle_id: UUID, after: UUID | None, size: int) -> list[ScoringInput]: ...
    async def recipients(
        self, stage: Stage, ends: tuple[UUID, UUID], reminder: str, size: int
    ) -> Sequence[Recipient]: ...


class Templates(Protocol):
    async def version(self, template_id: UUID, number: int) -> TemplateVersion | None: ...
    async def forms(self, ids: set[UUID]) -> Sequence[Form]: ...


class NeedsReadings(NeedsCycles, Protocol):
    @property
    def readings(self) -> Readings: ...


class NeedsTemplates(NeedsCycles, Protocol):
    @property
    def templates(self) -> Templates: ...


@dataclass(frozen=True, slots=True)
class PageInputs:
    cycle_id: UUID
    after: UUID | None
    size: int = CHUNK


@dataclass(frozen=True, slots=True)
class PageRecipients:
    """The ends of a bulk event's range of task ids, both included."""

    stage_id: UUID
    first: UUID | None
    last: UUID | None
    reminder: str = ""
    size: int = CHUNK


@dataclass(frozen=True, slots=True)
class InputsPage:
    inputs: Sequence[ScoringInput]
    last: bool


@dataclass(frozen=True, slots=True)
class RecipientsPage:
    recipients: Sequence[Recipient]
    last: bool
    cycle: Cycle
    stage: Stage


async def list_scoring_inputs(work: NeedsReadings, command: PageInputs) -> InputsPage:
    inputs = await work.readings.scoring_inputs(command.cycle_id, command.after, command.size)
    return InputsPage(inputs, last=len(inputs) < command.size)


async def get_scoring_rules(work: NeedsTemplates, cycle_id: UUID) -> ScoringRules:
    """TemplateNotFound when the cycle names a version that is gone."""
    cycle = await work.cycles.get(cycle_id)
    version = await work.templates.version(cycle.template_id, cycle.template_version)
    if version is None:
        raise TemplateNotFound("the cycle's template is gone")
    forms = await work.templates.forms({rule.form_id for rule in cycle.forms})
    body = read_template(version.body)
    stages = await work.stages.of_cycle(cycle_id)
    calibrations = (stage.definition for stage in stages if stage.kind is StageKind.CALIBRATION)
    # The stage has the employee's id where the template has a code.
    facilitator = next((calibration.facilitator for calibration in calibrations), body.facilitator)
    return ScoringRules(cycle, scoring_rules(replace(body, facilitator=facilitator)), forms)


async def list_recipients(work: NeedsReadings, command: PageRecipients) -> RecipientsPage:
    stage = await work.stages.get(command.stage_id)
    cycle = await work.cycles.get(stage.cycle_id)
    ends = (command.first or NOBODY, command.last or LAST_ID)
    found = await work.readings.recipients(stage, ends, command.reminder, command.size)
    return RecipientsPage(found, len(found) < command.size, cycle, stage)
