"""Entering, importing and listing actual values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from services.reviews.domain.actuals import (
    Accepted,
    Entry,
    Failure,
    Rules,
    Target,
    items_needing_actuals,
    judge,
)
from services.reviews.domain.errors import CyclePaused, CycleReleased, CycleStateInvalid, StageNotOpen
from services.reviews.domain.model import Actual, Cycle, CycleState, Form, Stage, StageKind, StageState
from services.reviews.usecases.ports import NeedsCycles
from services.reviews.usecases.templates import Templates
from services.runtime.identity import Principal

NOT_LOCKED = frozenset({StageState.PLANNED, StageState.OPENING, StageState.OPEN})


class Actuals(Protocol):
    async def lock(self, cycle_id: UUID) -> None: ...
    async def targets(
        self, actor: Principal, cycle_id: UUID, ids: Sequence[UUID], codes: Sequence[str]
    ) -> list[Target]: ...
    async def write(self, cycle_id: UUID, accepted: Sequence[Accepted], **entered: Any) -> None: ...
    async def extended_providers(self, stage_id: UUID, now: Any) -> set[UUID]: ...
    async def page(
        self, actor: Principal, cycle_id: UUID, participant_id: UUID | None, missing: bool, after: Any, size: int
    ) -> list[tuple[Actual, str]]: ...


class Forms(Templates, Protocol):
    async def forms(self, ids: Iterable[UUID]) -> Sequence[Form]: ...


class NeedsActuals(NeedsCycles, Protocol):
    """The unit of work, as far as actual values go."""

    @property
    def actuals(self) -> Actuals: ...
    @property
    def templates(self) -> Forms: ...


@dataclass(frozen=True, slots=True)
class PutActuals:
    cycle_id: UUID
    entries: tuple[Entry, ...]
    reason: str = ""
    source: str = "provider"


@dataclass(frozen=True, slots=True)
class SheetOfActuals:
    """A file as read: cells by header, and what was wrong with it so far."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class ImportActuals:
    cycle_id: UUID
    sheet: SheetOfActuals
    dry_run: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ListActuals:
    cycle_id: UUID
    participant_id: UUID | None
    missing: bool
    after: tuple[UUID, str] | None
    size: int


@dataclass(frozen=True, slots=True)
class PutOutcome:
    stored: int
    failed: tuple[Failure, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ActualsPage:
    """Values with their participant's code, and whether they can no longer be changed."""

    values: tuple[tuple[Actual, str], ...]
    locked: bool


async def put_actuals(work: NeedsActuals, command: PutActuals) -> PutOutcome:
    """Stores what is right, refuses what is wrong with its reason; equal values are not stored again."""
    return await _put(work, command, dry_run=False)


async def import_actuals(work: NeedsActuals, command: ImportActuals) -> PutOutcome:
    """The same from a file: one column an indicator, or code, item, value."""
    cycle = await work.cycles.get(command.cycle_id)
    forms = await _forms(work, cycle)
    entries, failures, total = entries_of(command.sheet, forms)
    put = PutActuals(cycle.id, tuple(entries), command.reason, source="import")
    outcome = await _put(work, put, dry_run=command.dry_run)
    failed = sorted((*failures, *outcome.failed), key=lambda failure: failure.index)
    return PutOutcome(outcome.stored, tuple(failed), total)


async def list_actuals(work: NeedsActuals, command: ListActuals) -> ActualsPage:
    cycle = await work.cycles.get(command.cycle_id)
    stages = await work.stages.of_cycle(cycle.id)
    locked = any(stage.state not in NOT_LOCKED for stage in stages if stage.kind is StageKind.DATA_ENTRY)
    values = await work.actuals.page(
        work.principal, cycle.id, command.participant_id, command.missing, command.after, command.size
    )
    return ActualsPage(tuple(values), locked)


async def _put(work: NeedsActuals, command: PutActuals, *, dry_run: bool) -> PutOutcome:
    cycle = await work.cycles.get(command.cycle_id)
    _require_running(cycle)
    stage = await _shared_stage(work, cycle)
    now = await work.now() + cycle.clock_offset
    await work.actuals.lock(cycle.id)
    ids = [entry.participant_id for entry in command.entries if entry.participant_id]
    codes = [entry.code for entry in command.entries if entry.code and "\x00" not in entry.code]
    targets = await work.actuals.targets(work.principal, cycle.id, ids, codes)
    rules = await _rules(work, cycle, stage, now, command.reason)
    accepted, failures, unchanged = judge(command.entries, targets, rules)
    if accepted and not dry_run:
        entered = {"source": command.source, "note": command.reason, "entered_by": work.principal.employee_id}
        await work.actuals.write(cycle.id, accepted, **entered)
        await _tell(work, cycle, accepted, command)
    return PutOutcome(len(accepted) + unchanged, tuple(failures), len(command.entries))


async def _shared_stage(work: NeedsActuals, cycle: Cycle) -> Stage | None:
    """The stage in which values are entered, kept from closing until commit; none where the process has none."""
    stages = await work.stages.of_cycle(cycle.id)
    entering = next((stage for stage in stages if stage.kind is StageKind.DATA_ENTRY), None)
    return await work.stages.share(entering.id) if entering else None


async def _rules(work: NeedsActuals, cycle: Cycle, stage: Stage | None, now: datetime, reason: str) -> Rules:
    if stage is not None and stage.state is StageState.PLANNED:
        raise StageNotOpen("values are entered once their stage is open", meta={"stage": stage.key})
    forms = await _forms(work, cycle)
    items = {form.id: {item: method for item, method, _ in items_needing_actuals(form.body)} for form in forms}
    locked = stage is not None and stage.state not in NOT_LOCKED
    closing = stage is not None and stage.state is StageState.CLOSING
    extended = await work.actuals.extended_providers(stage.id, now) if stage and closing else set()
    return Rules(work.principal.employee_id, items, locked, extended, reason)


async def _forms(work: NeedsActuals, cycle: Cycle) -> Sequence[Form]:
    return await work.templates.forms({rule.form_id for rule in cycle.forms})


async def _tell(work: NeedsActuals, cycle: Cycle, accepted: Sequence[Accepted], command: PutActuals) -> None:
    """One entry and event a batch; a correction after the close is told with whom it concerns, to be scored again."""
    corrected = sorted({str(each.target.participant_id) for each in accepted if each.correction})
    kind = "actual_corrected" if corrected else "actuals_entered"
    detail: dict[str, Any] = {"cycle_id": str(cycle.id), "count": len(accepted), "source": command.source}
    if corrected:
        detail["participant_ids"] = corrected
    await work.audit(f"actual.{kind.split('_')[1]}", "cycle", cycle.id, detail=detail, note=command.reason)
    await work.emit(f"reviews.{kind}", "cycle", cycle.id, cycle.version, detail)


def _require_running(cycle: Cycle) -> None:
    if cycle.state is CycleState.PAUSED:
        raise CyclePaused("the cycle is paused")
    if cycle.state is CycleState.RELEASED:
        raise CycleReleased("after release only an appeal or an amendment changes a score")
    if cycle.state is not CycleState.RUNNING:
        raise CycleStateInvalid(f"the cycle is {cycle.state}; values are entered while it runs")


# --- files

CODE_HEADERS = frozenset({"code", "employee_code", "employee", "工号", "员工工号", "员工编号"})
ITEM_HEADERS = frozenset({"item", "indicator", "指标"})
VALUE_HEADERS = frozenset({"value", "actual", "完成值", "实际值"})
IGNORED_HEADERS = frozenset({"name", "姓名", "department", "部门", "post", "岗位", "level", "职级", ""})


def entries_of(sheet: SheetOfActuals, forms: Sequence[Form]) -> tuple[list[Entry], list[Failure], int]:
    """The values of a sheet, every cell that cannot be one, and how many rows were read."""
    header = [cell.strip() for cell in sheet.header]
    known = _known_items(forms)
    places = {_role(cell): place for place, cell in reversed(list(enumerate(header)))}
    if "code" not in places:
        return [], [Failure(1, "", "CODE_COLUMN_MISSING", "code")], len(sheet.rows)
    if "item" in places and "value" in places:
        return _long(sheet, header, places, known)
    return _wide(sheet, header, places["code"], known)


def _long(
    sheet: SheetOfActuals, header: Sequence[str], places: Mapping[str, int], known: Mapping[str, str]
) -> tuple[list[Entry], list[Failure], int]:
    entries = []
    for line, cells in sheet.rows:
        item = _cell(cells, places["item"])
        value = _cell(cells, places["value"])
        code = _cell(cells, places["code"])
        entries.append(Entry(line, known.get(item, item), value, code=code, column=header[places["value"]]))
    return entries, [], len(sheet.rows)


def _wide(
    sheet: SheetOfActuals, header: Sequence[str], code_place: int, known: Mapping[str, str]
) -> tuple[list[Entry], list[Failure], int]:
    failures = [
        Failure(1, "", "COLUMN_UNKNOWN", cell)
        for place, cell in enumerate(header)
        if place != code_place and cell not in known and cell.lower() not in IGNORED_HEADERS
    ]
    columns = [(place, known[cell], cell) for place, cell in enumerate(header) if cell in known]
    entries = [
        Entry(line, item, _cell(cells, place), code=_cell(cells, code_place), column=cell)
        for line, cells in sheet.rows
        for place, item, cell in columns
        if _cell(cells, place)
    ]
    return entries, failures, len(sheet.rows)


def _known_items(forms: Sequence[Form]) -> dict[str, str]:
    """Item by item, by key and by name; a key or name that stands for two items is left out."""
    known: dict[str, str] = {}
    twice: set[str] = set()
    for form in forms:
        for item, _, name in items_needing_actuals(form.body):
            for written in (item, item.partition("/")[2], name):
                if known.setdefault(written, item) != item:
                    twice.add(written)
    return {written: item for written, item in known.items() if written not in twice}


def _role(cell: str) -> str:
    lowered = cell.lower()
    for role, headers in (("code", CODE_HEADERS), ("item", ITEM_HEADERS), ("value", VALUE_HEADERS)):
        if lowered in headers:
            return role
    return cell


def _cell(cells: Sequence[str], place: int) -> str:
    return cells[place].strip() if place < len(cells) else ""
