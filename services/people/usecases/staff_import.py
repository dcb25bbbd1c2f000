"""Loading a staff file."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from services.people.domain.departments import DepartmentTree
from services.people.domain.model import ImportOutcome, Loaded
from services.people.domain.problems import MORE_PROBLEMS, Problem, problem
from services.people.domain.staff_checks import CheckedFile, check_staff
from services.people.domain.staff_file import StaffFile, StaffRow, StaffSheet, read_staff
from services.people.policy import require_tenant_wide
from services.people.usecases.days import day_in, own_tenant
from services.people.usecases.needs import HasDepartments, HasStaff, HasTenants
from services.runtime.clock import new_id
from services.runtime.sheets import SheetFault, read_sheet

MAX_REPORTED = 10_000  # more would not fit into an answer


class NeedsStaff(HasTenants, HasDepartments, HasStaff, Protocol):
    """A transaction that changes the staff list."""


@dataclass(frozen=True, slots=True)
class ImportEmployees:
    """A file to load or only to check; `file` is what reading it, before the transaction, came to."""

    content: bytes
    workbook: bool
    dry_run: bool
    file: StaffFile = field(default_factory=lambda: StaffFile((), (), ()))


def read_file(command: ImportEmployees) -> StaffFile:
    """Read the file; takes seconds for the largest, so not on the event loop."""
    sheet = read_sheet(command.content, workbook=command.workbook)
    return read_staff(StaffSheet(sheet.header, sheet.lines, tuple(_problem(fault) for fault in sheet.faults)))


async def import_employees(work: NeedsStaff, command: ImportEmployees) -> ImportOutcome:
    """Load the good rows and report every bad one; a dry run does all but the loading."""
    require_tenant_wide(work.principal, "tenant.change")
    tenant = await own_tenant(work)
    await work.staff.lock()
    day = day_in(tenant, await work.now())
    tree = DepartmentTree(await work.departments.all(), new_id)
    known = await work.staff.known(day)
    # Seconds of computing for the largest files: other calls go on meanwhile.
    checked = await asyncio.to_thread(check_staff, command.file, known, tree)
    records = await asyncio.to_thread(_records, checked, tree)
    async with work.staff.attempt(keep=not command.dry_run):
        await work.departments.add(tree.grown_for(_departments(checked)))
        loaded = await work.staff.load(records, command.file.columns, day)
        await _tell(work, loaded, checked)
    return ImportOutcome(
        total=command.file.lines,
        created=loaded.created,
        updated=loaded.updated,
        unchanged=loaded.unchanged,
        refused=checked.refused_lines,
        problems=_reported(checked.problems),
        language=tenant.language,
    )


def _reported(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    if len(problems) <= MAX_REPORTED:
        return tuple(problems)
    more = problem(problems[MAX_REPORTED].line, "", MORE_PROBLEMS, more=len(problems) - MAX_REPORTED)
    return (*problems[:MAX_REPORTED], more)


def _problem(fault: SheetFault) -> Problem:
    return problem(fault.line, "", fault.code, **({"limit": fault.limit} if fault.limit else {}))


def _departments(checked: CheckedFile) -> Iterator[str]:
    return (text for row in checked.rows if (text := row.text("department")))


def _records(checked: CheckedFile, tree: DepartmentTree) -> list[tuple[Any, ...]]:
    return [_record(row, tree) for row in checked.rows]


def _record(row: StaffRow, tree: DepartmentTree) -> tuple[Any, ...]:
    """A row in the order of INCOMING_COLUMNS."""
    department = row.text("department")
    return (
        new_id(),
        row.code,
        row.text("name"),
        row.text("email") or None,
        row.text("mobile"),
        row.text("language"),
        row.day("hired_on"),
        row.day("left_on"),
        json.dumps({name: value or None for name, value in row.attributes.items()}, ensure_ascii=False),
        tree.resolve(department).id if department else None,
        row.text("manager_code") or None,
        list(row.dotted_manager_codes or ()),
        row.text("post"),
        row.text("level"),
    )


async def _tell(work: NeedsStaff, loaded: Loaded, checked: CheckedFile) -> None:
    import_id: UUID = new_id()
    for number, chunk in enumerate(loaded.chunks, start=1):
        await work.emit("people.employees_imported", "import", import_id, number, chunk)
    counts = {"created": loaded.created, "updated": loaded.updated, "unchanged": loaded.unchanged}
    await work.audit("employees.import", "import", import_id, detail={**counts, "refused": checked.refused_lines})
