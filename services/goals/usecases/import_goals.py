"""Loading goals from a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.goals.domain import rules
from services.goals.domain.goal_file import GoalRows, read_rows
from services.goals.domain.model import NOBODY, Goal, GoalState, Measure, Owner, RowError
from services.goals.usecases.ports import NeedsGoals
from services.runtime.clock import new_id
from services.runtime.sheets import read_sheet


@dataclass(frozen=True, slots=True)
class ImportGoals:
    """A file; `owners` is filled in before the transaction."""

    content: bytes
    workbook: bool
    dry_run: bool
    confirm: bool
    owners: Mapping[str, Owner] | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    total: int
    created: int
    rejected: int
    errors: tuple[RowError, ...]


def codes_of(command: ImportGoals) -> list[str]:
    """Return the owners' codes that a file names."""
    return sorted({rows.owner_code for rows in _read(command)[0]})


async def import_goals(work: NeedsGoals, command: ImportGoals) -> ImportReport:
    """Create the goals that are sound; every other row is reported."""
    rows, errors, total = _read(command)
    today = (await work.now()).date()
    goals: list[Goal] = []
    for each in rows:
        goal, faults = _goal(each, command.owners or {}, command.confirm, today)
        errors = [*errors, *faults]
        if not faults:
            goals.append(goal)
    if goals and not command.dry_run:
        await work.goals.add(goals, work.principal.actor)
        import_id = new_id()
        await work.emit("goals.goals_imported", "import", import_id, 1, {"count": len(goals)})
        await work.audit("goal.import", "import", import_id, detail={"count": len(goals)})
    return ImportReport(total, len(goals), len({error.line for error in errors}), tuple(errors))


def _read(command: ImportGoals) -> tuple[list[GoalRows], list[RowError], int]:
    sheet = read_sheet(command.content, workbook=command.workbook)
    faults = [
        RowError(f.line, "", f.code, f"the file cannot be read: {f.code} {f.limit}".strip()) for f in sheet.faults
    ]
    if not sheet.header:
        return [], faults, 0
    rows, errors, total = read_rows(sheet.header, ((line.number, line.cells) for line in sheet.lines))
    return rows, [*faults, *errors], total


def _goal(rows: GoalRows, owners: Mapping[str, Owner], confirm: bool, today: date) -> tuple[Goal, Sequence[RowError]]:
    owner = owners.get(rows.owner_code, Owner(NOBODY))
    goal = Goal(
        id=new_id(),
        owner=owner,
        name=rows.name,
        description="",
        mode=rows.mode,
        state=GoalState.DRAFT,
        weight=rows.weight,
        period_start=rows.period_start,
        period_end=rows.period_end,
        measures=rules.single_weight(tuple(_measure(new_id(), each) for each in rows.measures)),
    )
    if confirm:
        goal = replace(goal, state=rules.state_when_confirmed(goal, today))
    faults = [RowError(rows.line, field, code, message) for field, code, message in rules.faults_of(goal)]
    if owner.id == NOBODY:
        faults.append(RowError(rows.line, "owner_code", "OWNER_UNKNOWN", f"no employee has the code {rows.owner_code}"))
    return goal, faults


def _measure(measure_id: UUID, row: object) -> Measure:
    names = ("name", "weight", "baseline", "target", "unit", "direction")
    return Measure(id=measure_id, **{name: getattr(row, name) for name in names})
