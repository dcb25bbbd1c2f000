"""What reviews does when people change: a leaver's tasks find another, a changed calendar moves what is to come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from services.reviews.domain.appeals import choose_owner
from services.reviews.domain.calendar import Calendar
from services.reviews.domain.model import CycleDay, TaskKind, TaskState
from services.reviews.domain.replanning import replan
from services.reviews.domain.task_rules import OWN_KINDS
from services.reviews.usecases.clock import cycle_now
from services.reviews.usecases.outcome_ports import NeedsAppeals
from services.reviews.usecases.ports import NeedsCycles
from services.reviews.usecases.task_ports import tell_of_task
from services.reviews.usecases.task_view import TaskView
from services.reviews.usecases.telling import tell_of_stage


@dataclass(frozen=True, slots=True)
class Departed:
    """Somebody's last day, and whose report they were."""

    employee_id: UUID
    left_on: date
    manager_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class LiveCycle:
    """A cycle under way, and the manager that somebody has in its snapshot."""

    cycle_id: UUID
    owner_id: UUID
    zone: str
    manager_id: UUID | None = None


class Underway(Protocol):
    async def with_manager_of(self, employee_id: UUID) -> Sequence[LiveCycle]: ...
    async def change_days(self, days: Sequence[CycleDay]) -> Mapping[UUID, Sequence[CycleDay]]: ...


class NeedsHandOver(NeedsAppeals, Protocol):
    @property
    def underway(self) -> Underway: ...


class NeedsCalendars(NeedsCycles, Protocol):
    @property
    def underway(self) -> Underway: ...


async def hand_over_tasks(work: NeedsHandOver, command: Departed) -> int:
    """Give what a leaver owes, with the drafts, to their manager; return how many tasks were moved.

    Nobody comes to judge themselves: such a task stays without an assignee and shows as a stall. What only the leaver
    could do is withdrawn. Somebody who leaves later keeps their tasks until then.
    """
    now = await work.now()
    underway = await work.underway.with_manager_of(command.employee_id)
    cycles = {live.cycle_id: live for live in underway if command.left_on <= now.astimezone(ZoneInfo(live.zone)).date()}
    owed = [view for view in await work.tasks.owed_by(command.employee_id) if view.task.cycle_id in cycles]
    given = [view for view in owed if view.task.kind not in OWN_KINDS]
    moves = {view.id: await _successor(work, view, cycles[view.task.cycle_id], command) for view in given}
    if moves:
        await work.tasks.hand_over(moves)
    for view in given:
        await _tell_of_move(work, view, moves[view.id], command.employee_id)
    for view in owed:
        if view.task.kind in OWN_KINDS:
            await _withdraw(work, view)
    for live in cycles.values():
        successor = command.manager_id or live.manager_id
        if successor is not None and successor != command.employee_id:
            await work.tasks.hand_over_raters([live.cycle_id], command.employee_id, successor)
            await work.tasks.hand_over_sheets([live.cycle_id], command.employee_id, successor)
    return len(moves)


async def change_calendar(work: NeedsCalendars, days: Sequence[CycleDay]) -> int:
    """Copy changed days into cycles under way and move the dates that have not passed; return how many stages moved."""
    moved = 0
    for cycle_id, changed_days in (await work.underway.change_days(days)).items():
        cycle = await work.cycles.get(cycle_id)
        after = await work.cycles.calendar(cycle)
        before = Calendar(after.zone, {**after.days, **{each.day: not each.business for each in changed_days}})
        stages = await work.stages.of_cycle(cycle_id)
        stages = await work.stages.lock_all(cycle_id, [stage.id for stage in stages])
        now = await cycle_now(work, cycle)
        changed = replan(stages, before, after, cycle.start_at or cycle.launched_at or now, now)
        await work.stages.save(*changed)
        for stage in changed:
            await tell_of_stage(work, "stage_rescheduled", stage, cause="calendar")
        moved += len(changed)
    return moved


async def _successor(work: NeedsHandOver, view: TaskView, live: LiveCycle, command: Departed) -> UUID | None:
    manager = command.manager_id or live.manager_id
    wanted = None if manager == command.employee_id else manager
    if view.task.kind is TaskKind.APPEAL and view.task.participant_id is not None:
        judged = await work.participants.find(view.task.participant_id)
        barred = judged.conflicted | {command.employee_id}
        return choose_owner(wanted, live.owner_id, barred)
    return None if wanted == view.task.subject_id else wanted


async def _tell_of_move(work: NeedsHandOver, view: TaskView, to: UUID | None, leaver: UUID) -> None:
    moved = replace(view.task, assignee_id=to, version=view.task.version + 1)
    await tell_of_task(work, "reassigned", moved, from_id=str(leaver), cause="departed")
    if view.task.kind is TaskKind.APPEAL and view.task.reference_id is not None and to is not None:
        appeal = (await work.appeals.lock(view.task.reference_id)).appeal
        await work.appeals.save(replace(appeal, owner_id=to))


async def _withdraw(work: NeedsHandOver, view: TaskView) -> None:
    withdrawn = replace(view.task, state=TaskState.WITHDRAWN, ended_at=view.at)
    await tell_of_task(work, "withdrawn", await work.tasks.save(withdrawn, view.task), cause="departed")
