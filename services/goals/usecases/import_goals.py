"""Loading goals from a file."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from services.goals import policy
from services.goals.domain import rules
from services.goals.domain.goal_file import GoalFile, GoalRows, MeasureRow, read_goals
from services.goals.domain.model import NOBODY, Goal, GoalState, Measure, Owner, RowError
from services.goals.usecases.ports import NeedsGoals
from services.runtime.clock import new_id
from services.runtime.sheets import SheetFault, read_sheet

MAX_ERRORS = 10_000  # more would not fit into an answer
_OF_MEASURE = re.compile(r"goal\.measures\[(\d+)\]\.(\w+)")
_COLUMN_OF_RULE = {
    "WEIGHTS_NOT_100": "measure_weight",
    "MEASURES_COUNT": "measure",
    "PERIOD_REVERSED": "period_end",
    "WEIGHT_OUT_OF_RANGE": "weight",
}
_FILE_FAULTS = {
    "FILE_EMPTY": "the file holds no rows",
    "FILE_TOO_LARGE": "the file is larger than {limit}",
    "TOO_MANY_ROWS": "more than {limit} rows; split the file",
    "NOT_XLSX": "not a readable XLSX workbook; save it as XLSX or CSV",
    "FILE_ENCODING": "the text is neither UTF-8 nor GB18030",
    "BAD_QUOTING": "a quotation mark is not closed; this row and those after it were not read",
}


@dataclass(frozen=True, slots=True)
class ImportGoals:
    """A file; what it says and its owners are filled in before the transaction."""

    content: bytes
    workbook: bool
    dry_run: bool
    confirm: bool
    file: GoalFile = field(default_factory=GoalFile)
    owners: Mapping[str, Owner] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file: rows read, goals created, rows not taken, every error up to 10 000."""

    total: int
    created: int
    rejected: int
    errors: tuple[RowError, ...]


def read_file(command: ImportGoals) -> GoalFile:
    """Read the file; takes seconds for the largest, so not on the event loop."""
    sheet = read_sheet(command.content, workbook=command.workbook)
    faults = tuple(_file_error(fault) for fault in sheet.faults)
    if not sheet.header:
        return GoalFile((), faults)
    file = read_goals(sheet.header, sheet.lines)
    return replace(file, errors=(*faults, *file.errors))


async def import_goals(work: NeedsGoals, command: ImportGoals) -> ImportReport:
    """Create the goals that are sound; every other row is reported."""
    await work.goals.lock_import()
    now = await work.now()
    taken = await work.goals.taken({owner.id for owner in command.owners.values()})
    goals: list[Goal] = []
    errors, rows_taken = list(command.file.errors), 0
    for rows in command.file.goals:
        goal = replace(
            _goal(rows, command.owners, confirmed_on=now.date() if command.confirm else None), create_time=now
        )
        faults = [*_owner_faults(work.principal, rows, goal, command.confirm, taken), *_rule_faults(rows, goal)]
        if faults:
            titles = command.file.titles
            errors += [replace(fault, column=titles.get(fault.column, fault.column)) for fault in faults]
        else:
            goals.append(goal)
            rows_taken += len(rows.measures)
    if goals and not command.dry_run:
        await work.goals.add(goals, work.principal.actor)
        import_id = new_id()
        await work.emit("goals.goals_imported", "import", import_id, 1, {"count": len(goals)})
        await work.audit("goal.import", "import", import_id, detail={"count": len(goals)})
    return ImportReport(command.file.total, len(goals), command.file.total - rows_taken, _reported(errors))


def _file_error(fault: SheetFault) -> RowError:
    return RowError(fault.line, "", fault.code, _FILE_FAULTS.get(fault.code, fault.code).format(limit=fault.limit))


def _goal(rows: GoalRows, owners: Mapping[str, Owner], confirmed_on: date | None) -> Goal:
    goal = Goal(
        id=new_id(),
        owner=owners.get(rows.owner_code, Owner(NOBODY)),
        name=rows.name,
        description="",
        mode=rows.mode,
        state=GoalState.DRAFT,
        weight=rows.weight,
        period_start=rows.period_start,
        period_end=rows.period_end,
        measures=rules.single_weight(tuple(_measure(each) for each in rows.measures)),
    )
    return replace(goal, state=rules.state_when_confirmed(goal, confirmed_on)) if confirmed_on else goal


def _measure(row: MeasureRow) -> Measure:
    return Measure(
        id=new_id(),
        name=row.name,
        weight=row.weight,
        baseline=row.baseline,
        target=row.target,
        unit=row.unit,
        direction=row.direction,
    )


def _owner_faults(
    caller: policy.Actor, rows: GoalRows, goal: Goal, confirm: bool, taken: set[tuple[UUID, str, date, date]]
) -> Iterator[RowError]:
    if goal.owner.id == NOBODY:
        yield RowError(rows.line, "owner_code", "OWNER_UNKNOWN", f"no employee has the code {rows.owner_code}")
    elif goal.owner.departed:
        yield RowError(rows.line, "owner_code", "OWNER_DEPARTED", f"employee {rows.owner_code} has left")
    elif not policy.can(caller, "create", goal):
        yield RowError(rows.line, "owner_code", "OUT_OF_SCOPE", f"employee {rows.owner_code} is outside of your scope")
    elif confirm and not policy.can(caller, "confirm", goal):
        yield RowError(
            rows.line, "owner_code", "OWN_GOAL", "nobody confirms a goal of their own; import it unconfirmed"
        )
    elif (goal.owner.id, goal.name, goal.period_start, goal.period_end) in taken:
        yield RowError(rows.line, "name", "GOAL_EXISTS", "the owner has a goal of this name and period")


def _rule_faults(rows: GoalRows, goal: Goal) -> Iterator[RowError]:
    for pointer, code, message in rules.faults_of(goal):
        of_measure = _OF_MEASURE.fullmatch(pointer)
        if of_measure is None:
            yield RowError(rows.line, _COLUMN_OF_RULE[code], code, message)
        else:
            column = "measure_weight" if of_measure[2] == "weight" else of_measure[2]
            yield RowError(rows.measures[int(of_measure[1])].line, column, code, message)


def _reported(errors: Iterable[RowError]) -> tuple[RowError, ...]:
    ordered = sorted(errors, key=lambda error: error.line)
    if len(ordered) <= MAX_ERRORS:
        return tuple(ordered)
    more = f"{len(ordered) - MAX_ERRORS} more errors; mend those above first"
    return (*ordered[:MAX_ERRORS], RowError(ordered[MAX_ERRORS].line, "", "MORE_ERRORS", more))
