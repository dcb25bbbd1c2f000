"""What HR does with one stage: extend it for all, a person or a department; close it now; open it again."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.reviews.domain import stages as step
from services.reviews.domain.errors import (
    CyclePaused,
    CycleReleased,
    CycleStateInvalid,
    EtagMismatch,
    ReasonRequired,
    StageStateInvalid,
    TaskNotFound,
)
from services.reviews.domain.model import Cycle, CycleState, ReleaseMode, Stage, StageKind, StageState
from services.reviews.policy import require_administrator, require_extender
from services.reviews.usecases.ports import NeedsExtensions
from services.reviews.usecases.telling import tell_of_stage

LIVE = frozenset({CycleState.LAUNCHING, CycleState.RUNNING, CycleState.RELEASED})
HAS_TASKS = frozenset({StageState.OPENING, StageState.OPEN, StageState.CLOSING})
AFTER_RELEASE = frozenset({StageKind.RELEASE, StageKind.ACKNOWLEDGEMENT, StageKind.APPEALS, StageKind.INTERVIEW})


@dataclass(frozen=True, slots=True)
class ExtendStage:
    """`participant` is a participant id, an employee id or a code; `department` an id or a path of names."""

    cycle_id: UUID
    stage: str
    until: datetime
    reason: str
    participant: str = ""
    department: str = ""
    etag: str = ""


@dataclass(frozen=True, slots=True)
class CloseStage:
    cycle_id: UUID
    stage: str
    reason: str
    etag: str = ""
    end_extensions: bool = False


@dataclass(frozen=True, slots=True)
class ReopenStage:
    cycle_id: UUID
    stage: str
    until: datetime
    reason: str
    etag: str = ""


@dataclass(frozen=True, slots=True)
class ExtendedStage:
    """`tasks` were extended one by one, where a person or a department was named."""

    stage: Stage
    tasks: int = 0


async def extend_stage(work: NeedsExtensions, command: ExtendStage) -> ExtendedStage:
    """A stage's deadline is one row; an extension for some is written on their tasks.

    A close that raced with this is settled by the order of commits: whoever has the stage's lock first.
    """
    require_extender(work.principal)
    cycle, stage = await _locked(work, command.cycle_id, command.stage, command.etag, command.reason)
    now = await work.now() + cycle.clock_offset
    if not command.participant and not command.department:
        extended = replace(step.extend(stage, command.until, now), trace_id=work.trace_id)
        await work.stages.save(extended)
        await tell_of_stage(work, "stage_extended", extended, note=command.reason, **_owner(cycle))
        return ExtendedStage(extended)
    step.require_state(stage, HAS_TASKS, "extended for a person")
    step.require_later(stage.due_at, command.until, now)
    count = await work.extensions.extend(stage, command.until, command.participant, command.department)
    if not count:
        raise TaskNotFound("nobody of that name owes a task in this stage")
    touched = replace(stage, version=stage.version + 1, trace_id=work.trace_id)
    await work.stages.save(touched)
    until = command.until.isoformat()
    facts = {"tasks": count, "until": until, **_owner(cycle)}
    await tell_of_stage(work, "stage_extended", touched, note=command.reason, **facts)
    return ExtendedStage(touched, count)


def _owner(cycle: Cycle) -> dict[str, str]:
    """Who is told of an extension."""
    return {"owner_id": str(cycle.owner_id)}


async def close_stage(work: NeedsExtensions, command: CloseStage) -> ExtendedStage:
    """Close an open stage now; its tasks end by its policy, as they would at the due instant.

    Those who were given longer keep it, and a stage that is closing waits for them: `end_extensions` ends that, of
    either. An appeal is no extension: it waits for its decision, however long.
    """
    require_administrator(work.principal)
    cycle, stage = await _locked(work, command.cycle_id, command.stage, command.etag, command.reason)
    if stage.kind is StageKind.RELEASE and cycle.release_mode is ReleaseMode.MANUAL:
        raise StageStateInvalid("a release is given, not closed", meta={"state": stage.state.value})
    now = await work.now() + cycle.clock_offset
    waiting = command.end_extensions and stage.state is StageState.CLOSING
    if not waiting:
        early = stage.due_at is not None and now < stage.due_at
        stage = replace(step.close(stage, now, early=early), trace_id=work.trace_id)
        await work.stages.save(stage)
        await tell_of_stage(work, "stage_closing", stage, note=command.reason, by_hand=True)
    if not command.end_extensions:
        return ExtendedStage(stage)
    ended = 0 if stage.kind is StageKind.APPEALS else await work.extensions.end(stage, now)
    if ended:
        stage = replace(stage, version=stage.version + 1, trace_id=work.trace_id)
        await work.stages.save(stage)
        await tell_of_stage(work, "stage_extensions_ended", stage, note=command.reason, tasks=ended)
    elif waiting:
        raise StageStateInvalid(f"stage {stage.key} waits for no extension", meta={"state": stage.state.value})
    return ExtendedStage(stage, ended)


async def reopen_stage(work: NeedsExtensions, command: ReopenStage) -> ExtendedStage:
    """closed → opening with a new deadline, until the release; later tasks stay, marked as resting on changed input."""
    require_administrator(work.principal)
    cycle, stage = await _locked(work, command.cycle_id, command.stage, command.etag, command.reason)
    if cycle.released_at is not None or stage.kind in AFTER_RELEASE:
        raise CycleReleased("after the release only an appeal or an amendment changes a score")
    now = await work.now() + cycle.clock_offset
    reopened = replace(step.reopen(stage, command.until, now), trace_id=work.trace_id)
    await work.stages.save(reopened)
    await tell_of_stage(work, "stage_reopened", reopened, note=command.reason)
    return ExtendedStage(reopened)


async def _locked(work: NeedsExtensions, cycle_id: UUID, key: str, etag: str, reason: str) -> tuple[Cycle, Stage]:
    if not reason.strip():
        raise ReasonRequired("this takes a reason", field="reason")
    seen = await work.stages.by_key(cycle_id, key)
    stage = await work.stages.lock(seen.id)
    cycle = await work.cycles.get(cycle_id)
    if etag and etag.strip('"') != str(cycle.version):
        raise EtagMismatch("the cycle was changed meanwhile; load it again")
    if cycle.state is CycleState.PAUSED:
        raise CyclePaused("the cycle is paused; resume it first")
    if cycle.state not in LIVE:
        raise CycleStateInvalid(f"the cycle is {cycle.state}", meta={"state": cycle.state.value})
    return cycle, stage
