"""Enrol the population of a launching cycle, page by page; whoever cannot be enrolled is a row with the reasons."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from services.reviews.domain.bulk import Enrolling, FrozenMember
from services.reviews.domain.enrolment import enrol, needs_manager, relations_of
from services.reviews.domain.errors import CycleStateInvalid, EnrolmentIncomplete
from services.reviews.domain.model import Cycle, CycleState, Form
from services.reviews.usecases.ports import NeedsEnrolments
from services.reviews.usecases.telling import tell_of_cycle

DONE = frozenset({CycleState.RUNNING, CycleState.PAUSED, CycleState.RELEASED, CycleState.CLOSED})


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Whom to freeze as of when, and after whom to go on."""

    cycle: Cycle
    after: UUID | None


@dataclass(frozen=True, slots=True)
class EnrolPage:
    cycle_id: UUID
    members: Sequence[FrozenMember]


@dataclass(frozen=True, slots=True)
class FinishEnrolment:
    cycle_id: UUID
    frozen: int


@dataclass(frozen=True, slots=True)
class Counts:
    enrolled: int
    excluded: int


async def get_enrolment(work: NeedsEnrolments, cycle_id: UUID) -> Enrolment:
    """The cycle's id is the freeze's; the launch is its instant."""
    cycle = await work.cycles.get(cycle_id)
    _require_launching(cycle)
    return Enrolment(cycle, await work.enrolments.last_employee(cycle_id))


async def enrol_page(work: NeedsEnrolments, command: EnrolPage) -> Counts:
    """Repeating a page changes nothing; a page that comes late, for a cycle that runs, neither."""
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    members = []
    if cycle.state not in DONE:
        _require_launching(cycle)
        stages = await work.stages.of_cycle(cycle.id)
        manager_needed = needs_manager([stage.definition for stage in stages])
        members = [enrol(member, cycle.forms, manager_needed=manager_needed) for member in command.members]
        forms = await work.templates.forms({rule.form_id for rule in cycle.forms})
        known = await _known(work, cycle, command.members)
        news = [member for member in members if member.frozen.employee_id not in known]
        await work.enrolments.enrol(_enrolling(cycle, forms), news)
    excluded = sum(1 for member in members if member.state == "excluded")
    return Counts(len(members) - excluded, excluded)


async def _known(work: NeedsEnrolments, cycle: Cycle, members: Sequence[FrozenMember]) -> set[UUID]:
    """Who is a row already, and stays as first frozen, with the raters of then. Pages come by ascending id."""
    last = await work.enrolments.last_employee(cycle.id)
    if last is None or all(member.employee_id > last for member in members):
        return set()
    return await work.enrolments.known(cycle.id, [member.employee_id for member in members])


async def finish_enrolment(work: NeedsEnrolments, command: FinishEnrolment) -> Counts:
    """launching → running, once every frozen person is a row; EnrolmentIncomplete otherwise."""
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    enrolled, excluded = await work.enrolments.count(cycle.id)
    if cycle.state in DONE:
        return Counts(enrolled, excluded)
    _require_launching(cycle)
    if enrolled + excluded < command.frozen:
        facts = {"frozen": str(command.frozen), "rows": str(enrolled + excluded)}
        raise EnrolmentIncomplete("not everybody who was frozen is a row yet", meta=facts)
    now = await work.now() + cycle.clock_offset
    running = replace(
        cycle,
        state=CycleState.RUNNING,
        enrolled_at=now,
        frozen_total=command.frozen,
        blocked_reason="",
        blocked_since=None,
    )
    saved = await work.cycles.save(running)
    await tell_of_cycle(work, "cycle_enrolled", saved, enrolled=enrolled, excluded=excluded)
    return Counts(enrolled, excluded)


def _enrolling(cycle: Cycle, forms: Iterable[Form]) -> Enrolling:
    if cycle.launched_at is None:
        raise CycleStateInvalid("the cycle was not launched")
    providers = {(rule.form_id, item, who) for rule in cycle.forms for item, who in rule.providers.items()}
    return Enrolling(cycle.id, cycle.owner_id, cycle.launched_at, relations_of(forms), sorted(providers, key=str))


def _require_launching(cycle: Cycle) -> None:
    if cycle.state is not CycleState.LAUNCHING:
        raise CycleStateInvalid(f"the cycle is {cycle.state}, not launching", meta={"state": cycle.state.value})
