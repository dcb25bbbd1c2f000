"""Recurring cycles: define, pause, resume, and make the cycle of a nominal time, once."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.calendar import Calendar
from services.reviews.domain.cycle_definition import CalendarCopy, WrittenPopulation, WrittenRule
from services.reviews.domain.errors import CycleHasErrors, CycleStateInvalid, ScheduleNotFound
from services.reviews.domain.model import Cycle, CycleSchedule, CycleState, ScheduleState
from services.reviews.domain.schedules import KNOWN_LAUNCHES, judged_period, launch_times, name_of
from services.reviews.policy import require_administrator
from services.reviews.usecases.cycle_definition import CreateCycle, CycleDefiner, create_cycle
from services.reviews.usecases.ports import Unit
from services.reviews.usecases.preflight import Examination, NeedsPreflight, Preflight
from services.reviews.usecases.run_cycle import LAUNCHABLE, LaunchCycle, launch_cycle
from services.runtime.identity import Principal

CALENDAR_DAYS = 700
REASON = "launched by its schedule"


class Schedules(Protocol):
    async def get(self, schedule_id: UUID, *, lock: bool = False) -> CycleSchedule: ...
    async def page(self, after: UUID | None, size: int) -> Sequence[CycleSchedule]: ...
    async def add(self, schedule: CycleSchedule) -> None: ...
    async def save(self, schedule: CycleSchedule) -> CycleSchedule: ...
    async def live(self, after: tuple[UUID, UUID] | None, size: int) -> Sequence[tuple[UUID, CycleSchedule]]: ...


class ScheduledCycles(Protocol):
    async def scheduled(self, schedule_id: UUID, nominal_at: datetime) -> Cycle | None: ...


class NeedsSchedules(Unit, Protocol):
    @property
    def schedules(self) -> Schedules: ...


class NeedsScheduledLaunch(NeedsPreflight, Protocol):
    @property
    def schedules(self) -> Schedules: ...
    @property
    def scheduled(self) -> ScheduledCycles: ...


class People(Protocol):
    async def calendar(self, tenant_id: UUID, first: date, last: date) -> CalendarCopy: ...


Opening = Callable[[Principal], AbstractAsyncContextManager[Any]]
"""Opens a transaction of its own for a step before the command's."""


@dataclass(frozen=True, slots=True)
class CreateSchedule:
    schedule: CycleSchedule


@dataclass(frozen=True, slots=True)
class ChangeSchedule:
    schedule_id: UUID
    state: ScheduleState


@dataclass(frozen=True, slots=True)
class PageSchedules:
    after: UUID | None
    size: int


@dataclass(frozen=True, slots=True)
class PageLiveSchedules:
    after: tuple[UUID, UUID] | None
    size: int


@dataclass(frozen=True, slots=True)
class LiveSchedules:
    rows: Sequence[tuple[UUID, CycleSchedule]]
    size: int


@dataclass(frozen=True, slots=True)
class CreateScheduledCycle:
    """`cycle_id`, `examination` and the next launches are added by the steps before the transaction."""

    schedule_id: UUID
    nominal_at: datetime
    cycle_id: UUID | None = None
    examination: Examination | None = None
    next_times: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduledCycle:
    cycle_id: UUID
    launched: bool


class Scheduler:
    """What schedules need of people and of the launch check; runs outside of any transaction."""

    def __init__(self, people: People, definer: CycleDefiner, preflight: Preflight, opening: Opening) -> None:
        self._people = people
        self._definer = definer
        self._preflight = preflight
        self._opening = opening

    async def plan(self, principal: Principal, command: CreateSchedule) -> CreateSchedule:
        """The step before CreateSchedule: the tenant's zone and the next launches."""
        require_administrator(principal)
        async with self._opening(principal) as work:
            now = await work.now()
        owner = principal.employee_id or command.schedule.owner_id
        schedule = replace(command.schedule, owner_id=owner)
        return CreateSchedule(await self._planned(principal, schedule, now))

    async def prepare(self, principal: Principal, command: CreateScheduledCycle) -> CreateScheduledCycle:
        """The steps before CreateScheduledCycle: the cycle in draft, made once, and its launch check."""
        async with self._opening(principal) as work:
            schedule: CycleSchedule = await work.schedules.get(command.schedule_id)
            made: Cycle | None = await work.scheduled.scheduled(schedule.id, command.nominal_at)
        planned = await self._planned(principal, schedule, command.nominal_at)
        if made is None:
            made = await self._make(principal, schedule, command.nominal_at)
        examination = None
        if made.state in LAUNCHABLE:
            # Another launcher, or HR, may launch it meanwhile; the command then finds it launched.
            with suppress(CycleStateInvalid):
                examination = await self._preflight.examine(principal, made.id)
        return replace(command, cycle_id=made.id, examination=examination, next_times=planned.launch_times)

    async def _make(self, principal: Principal, schedule: CycleSchedule, nominal_at: datetime) -> Cycle:
        written = await self._definer.prepare(principal, written_cycle(schedule, nominal_at))
        async with self._opening(principal) as work:
            await work.schedules.get(schedule.id, lock=True)  # two launchers of one nominal time wait for each other
            made: Cycle | None = await work.scheduled.scheduled(schedule.id, nominal_at)
            if made is None:
                made = (await create_cycle(work, written)).cycle
            return made

    async def _planned(self, principal: Principal, schedule: CycleSchedule, after: datetime) -> CycleSchedule:
        if principal.tenant_id is None:
            raise ScheduleNotFound("there is no such schedule")
        first = after.date() - timedelta(days=CALENDAR_DAYS // 10)
        copied = await self._people.calendar(principal.tenant_id, first, first + timedelta(days=CALENDAR_DAYS))
        calendar = Calendar(copied.zone, {day.day: day.business for day in copied.days})
        times = tuple(islice(launch_times(schedule, after, calendar), KNOWN_LAUNCHES))
        return replace(schedule, zone=copied.zone, launch_times=times)


def written_cycle(schedule: CycleSchedule, nominal_at: datetime) -> CreateCycle:
    """The cycle of a nominal time, as HR would have written it."""
    period = judged_period(schedule, nominal_at)
    definition = schedule.definition
    whom = {name: tuple(names) for name, names in definition["population"].items() if name != "everyone"}
    return CreateCycle(
        name=name_of(schedule, period),
        period=period,
        template=definition["template"],
        rules=tuple(WrittenRule(**{**rule, "employees": tuple(rule["employees"])}) for rule in definition["forms"]),
        population=WrittenPopulation(everyone=definition["population"]["everyone"], **whom),
        owner=str(schedule.owner_id),
        schedule_id=schedule.id,
        nominal_at=nominal_at,
    )


async def create_schedule(work: NeedsSchedules, command: CreateSchedule) -> CycleSchedule:
    await work.schedules.add(command.schedule)
    await _tell(work, "schedule_created", command.schedule)
    return command.schedule


async def change_schedule(work: NeedsSchedules, command: ChangeSchedule) -> CycleSchedule:
    """Pause or resume; the same again changes nothing."""
    require_administrator(work.principal)
    schedule = await work.schedules.get(command.schedule_id, lock=True)
    if schedule.state is command.state:
        return schedule
    saved = await work.schedules.save(replace(schedule, state=command.state))
    kind = "schedule_paused" if command.state is ScheduleState.PAUSED else "schedule_resumed"
    await _tell(work, kind, saved)
    return saved


async def list_schedules(work: NeedsSchedules, command: PageSchedules) -> Sequence[CycleSchedule]:
    return await work.schedules.page(command.after, command.size)


async def list_live_schedules(work: NeedsSchedules, command: PageLiveSchedules) -> LiveSchedules:
    """Of all tenants, for the engine."""
    return LiveSchedules(await work.schedules.live(command.after, command.size), command.size)


async def create_scheduled_cycle(work: NeedsScheduledLaunch, command: CreateScheduledCycle) -> ScheduledCycle:
    """Launch the cycle of the nominal time; with errors it stays a draft and HR is told. Repeatable."""
    schedule = await work.schedules.get(command.schedule_id, lock=True)
    if command.cycle_id is None:
        raise ScheduleNotFound("the cycle was not made")
    cycle = await work.cycles.get(command.cycle_id, lock=True)  # HR may be launching it just now
    launched = cycle.state not in (*LAUNCHABLE, CycleState.CANCELED)
    if cycle.state in LAUNCHABLE and command.examination is not None:
        launched = await _launch(work, schedule, command, command.examination)
    if schedule.last_nominal_at is None or schedule.last_nominal_at < command.nominal_at:
        moved = replace(
            schedule,
            last_nominal_at=command.nominal_at,
            launched=schedule.launched + 1,
            launch_times=command.next_times,
        )
        await work.schedules.save(moved)
    return ScheduledCycle(cycle.id, launched)


async def _launch(
    work: NeedsScheduledLaunch, schedule: CycleSchedule, command: CreateScheduledCycle, examination: Examination
) -> bool:
    order = LaunchCycle(
        cycle_id=command.cycle_id or schedule.id,
        on_person_findings=schedule.on_person_findings,
        warnings_reason=REASON,
        examination=examination,
    )
    try:
        await launch_cycle(work, order)
    except CycleHasErrors as refused:
        codes = sorted({code for _, code, _ in refused.violations})
        await _tell(work, "schedule_refused", schedule, cycle_id=str(command.cycle_id), codes=codes)
        return False
    return True


async def _tell(work: Unit, kind: str, schedule: CycleSchedule, **facts: Any) -> None:
    detail = {"schedule_id": str(schedule.id), "owner_id": str(schedule.owner_id), **facts}
    await work.audit(kind, "schedule", schedule.id, detail=detail)
    await work.emit(f"reviews.{kind}", "schedule", schedule.id, schedule.version, detail)
