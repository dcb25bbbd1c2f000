"""What HR does with a cycle as a whole: launch, pause, resume, cancel, release."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.reviews.domain import stages as step
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.errors import (
    CycleHasErrors,
    CycleReleased,
    CycleStateInvalid,
    EtagMismatch,
    ReasonRequired,
    SelfDealing,
    StageNotOpen,
)
from services.reviews.domain.model import (
    ENDED_STAGE_STATES,
    Cycle,
    CycleState,
    OnPersonFindings,
    Stage,
    StageKind,
    StageState,
)
from services.reviews.domain.process import plan_stages
from services.reviews.policy import require_administrator
from services.reviews.usecases.ports import NeedsExtensions
from services.reviews.usecases.preflight import Examination, NeedsPreflight
from services.reviews.usecases.telling import tell_of_cycle
from services.runtime.identity import Principal

LAUNCHABLE = frozenset({CycleState.DRAFT, CycleState.VALIDATED})
RUNNING = frozenset({CycleState.RUNNING, CycleState.RELEASED})
OPEN_STATES = LAUNCHABLE | {CycleState.LAUNCHING, CycleState.RUNNING, CycleState.PAUSED}


@dataclass(frozen=True, slots=True)
class LaunchCycle:
    """`examination` is added by the step before the transaction."""

    cycle_id: UUID
    on_person_findings: OnPersonFindings = OnPersonFindings.REFUSE
    warnings_reason: str = ""
    etag: str = ""
    examination: Examination | None = None


@dataclass(frozen=True, slots=True)
class ChangeCycle:
    """Pause, resume, cancel, release: all with a reason and the version that was seen."""

    cycle_id: UUID
    reason: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class ChangedCycle:
    cycle: Cycle
    stages: tuple[Stage, ...]


class Examiner(Protocol):
    async def examine(self, principal: Principal, cycle_id: UUID) -> Examination: ...


def examine_before_launch(examiner: Examiner) -> Callable[[Principal, LaunchCycle], Awaitable[LaunchCycle]]:
    """The step before LaunchCycle's transaction: the whole launch check."""

    async def prepare(principal: Principal, command: LaunchCycle) -> LaunchCycle:
        require_administrator(principal)
        return replace(command, examination=await examiner.examine(principal, command.cycle_id))

    return prepare


async def launch_cycle(work: NeedsPreflight, command: LaunchCycle) -> ChangedCycle:
    """draft | validated → launching, with every stage planned; enrolment goes on behind.

    CycleHasErrors when the check found errors, or person findings with `refuse`; warnings want a reason.
    """
    require_administrator(work.principal)
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    _require(cycle, LAUNCHABLE, command.etag, "launched")
    if command.examination is None:
        raise CycleHasErrors("the cycle was not checked")
    _require_launchable(command, command.examination, cycle)
    now = await work.now() + cycle.clock_offset
    start = max(now, cycle.start_at or now)
    await work.cycles.copy_days(cycle.id, command.examination.days)
    launching = await work.cycles.save(
        replace(
            cycle,
            state=CycleState.LAUNCHING,
            zone=command.examination.zone,
            launched_at=now,
            on_person_findings=command.on_person_findings,
            warnings_reason=command.warnings_reason,
            trace_id=work.trace_id,
        )
    )
    calendar = await work.cycles.calendar(launching)
    stages = plan_stages(await work.stages.of_cycle(cycle.id), start, calendar)
    await work.stages.save(*stages)
    await tell_of_cycle(work, "cycle_launched", launching, note=command.warnings_reason)
    return ChangedCycle(launching, tuple(stages))


def _require_launchable(command: LaunchCycle, examination: Examination, cycle: Cycle) -> None:
    report = examination.of(cycle)
    blocking = list(report.errors)
    if command.on_person_findings is OnPersonFindings.REFUSE:
        blocking += report.people
    if blocking:
        violations = [(found.pointer, found.code, found.subject or found.code) for found in blocking]
        raise CycleHasErrors("the launch check found what must be put right first", violations=violations)
    if report.warnings and not command.warnings_reason.strip():
        violations = [(found.pointer, found.code, found.subject or found.code) for found in report.warnings]
        raise ReasonRequired("accepting warnings takes a reason", violations=violations)


async def pause_cycle(work: NeedsExtensions, command: ChangeCycle) -> ChangedCycle:
    """Stop the clock of all stages at once; drafts may still be saved."""
    cycle, stages = await _locked(work, command, RUNNING, "paused")
    now = await work.now() + cycle.clock_offset
    paused = [step.pause(stage) for stage in stages]
    await work.stages.save(*_changed(stages, paused))
    saved = await work.cycles.save(replace(cycle, state=CycleState.PAUSED, paused_at=now))
    await tell_of_cycle(work, "cycle_paused", saved, note=command.reason)
    return ChangedCycle(saved, tuple(paused))


async def resume_cycle(work: NeedsExtensions, command: ChangeCycle) -> ChangedCycle:
    """Start the clock again; what had not passed moves by the paused time, extensions too."""
    cycle, stages = await _locked(work, command, {CycleState.PAUSED}, "resumed")
    now = await work.now() + cycle.clock_offset
    paused_at = cycle.paused_at or now
    calendar = await work.cycles.calendar(cycle)
    resumed = [step.resume(stage, paused_at, now, calendar) for stage in stages]
    await work.stages.save(*_changed(stages, resumed))
    for stage in resumed:
        await work.extensions.shift(stage, paused_at, _mover(stage, paused_at, now, calendar))
    state = CycleState.RELEASED if cycle.released_at else CycleState.RUNNING
    saved = await work.cycles.save(replace(cycle, state=state, paused_at=None))
    await tell_of_cycle(work, "cycle_resumed", saved, note=command.reason, paused_at=paused_at.isoformat())
    return ChangedCycle(saved, tuple(resumed))


def _mover(stage: Stage, paused_at: datetime, now: datetime, calendar: Calendar) -> Callable[[datetime], datetime]:
    unit = step.counted_in(stage)
    return lambda at: calendar.shift(at, paused_at=paused_at, resumed_at=now, unit=unit)


async def cancel_cycle(work: NeedsExtensions, command: ChangeCycle) -> ChangedCycle:
    """End without results; what people have in their lists is withdrawn behind. CycleReleased after the release."""
    if not command.reason.strip():
        raise ReasonRequired("canceling takes a reason", field="reason")
    cycle, stages = await _locked(work, command, OPEN_STATES, "canceled")
    if cycle.released_at is not None:
        raise CycleReleased("results were released; a cycle is canceled only before that")
    now = await work.now() + cycle.clock_offset
    skipped = [step.skip(stage, now) for stage in stages]
    await work.stages.save(*_changed(stages, skipped))
    ended_at = None if cycle.launched_at else now
    saved = await work.cycles.save(replace(cycle, state=CycleState.CANCELED, paused_at=None, ended_at=ended_at))
    await tell_of_cycle(work, "cycle_canceled", saved, note=command.reason)
    return ChangedCycle(saved, tuple(skipped))


async def release_cycle(work: NeedsExtensions, command: ChangeCycle) -> ChangedCycle:
    """Give the release: its task ends, the stage closes, and scoring makes results visible."""
    cycle, stages = await _locked(work, command, {CycleState.RUNNING}, "released")
    if cycle.confidential and await work.extensions.takes_part(cycle.id, work.principal.employee_id):
        raise SelfDealing("a confidential cycle is released by somebody who takes no part in it")
    stage = next((each for each in stages if each.kind is StageKind.RELEASE and each.state is StageState.OPEN), None)
    if stage is None:
        raise StageNotOpen("the release stage is not open")
    if not await work.extensions.give_release(stage, await work.now() + cycle.clock_offset):
        raise StageNotOpen("the release has been given")
    saved = await work.cycles.save(cycle)
    await tell_of_cycle(work, "release_given", saved, note=command.reason, stage_id=str(stage.id))
    return ChangedCycle(saved, tuple(stages))


async def _locked(
    work: NeedsExtensions, command: ChangeCycle, allowed: frozenset[CycleState] | set[CycleState], verb: str
) -> tuple[Cycle, list[Stage]]:
    """All stages that have not ended, in key order, then the cycle; so no submission sees half of the change."""
    require_administrator(work.principal)
    seen = await work.cycles.get(command.cycle_id)
    _require(seen, allowed, command.etag, verb)
    known = await work.stages.of_cycle(command.cycle_id)
    live = [stage.id for stage in known if stage.state not in ENDED_STAGE_STATES]
    stages = await work.stages.lock_all(command.cycle_id, live)
    cycle = await work.cycles.get(command.cycle_id, lock=True)
    _require(cycle, allowed, command.etag, verb)
    return cycle, stages


def _changed(before: list[Stage], after: list[Stage]) -> list[Stage]:
    return [new for old, new in zip(before, after, strict=True) if new is not old]


def _require(cycle: Cycle, allowed: frozenset[CycleState] | set[CycleState], etag: str, verb: str) -> None:
    if etag and etag.strip('"') != str(cycle.version):
        raise EtagMismatch("the cycle was changed meanwhile; load it again")
    if cycle.state not in allowed:
        raise CycleStateInvalid(f"the cycle is {cycle.state} and cannot be {verb}", meta={"state": cycle.state.value})
