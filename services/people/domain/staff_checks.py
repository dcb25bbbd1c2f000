"""What only the whole file and the company's present staff can tell about a row."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from services.people.domain.departments import DepartmentTree, department_problem
from services.people.domain.problems import Problem, problem
from services.people.domain.reporting import on_a_loop
from services.people.domain.staff_file import StaffFile, StaffRow


@dataclass(frozen=True, slots=True)
class KnownStaff:
    """Everyone the tenant has, by code: manager's code, and whose each address is (lower case)."""

    manager_of: Mapping[str, str | None]
    code_of_email: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """The rows that load, and every problem of the file ordered by line."""

    rows: tuple[StaffRow, ...]
    problems: tuple[Problem, ...]
    refused_lines: int


def check_staff(file: StaffFile, known: KnownStaff, tree: DepartmentTree) -> CheckedFile:
    """All checks over the well-formed rows; a row with any problem is left out together with new rows that need it."""
    problems = list(file.problems)
    refused: set[int] = set()
    for check in ROW_CHECKS:
        for fault in check(file.rows, known):
            problems.append(fault)
            refused.add(fault.line)
    rows = _with_departments([row for row in file.rows if row.line not in refused], tree, problems)
    rows = _with_managers(rows, file, known, problems)
    written = [replace(fault, column=file.headers.get(fault.column, fault.column)) for fault in problems]
    ordered = tuple(sorted(written, key=lambda fault: (fault.line, fault.column, fault.code)))
    return CheckedFile(tuple(rows), ordered, file.lines - len(rows))


def codes_are_unique(rows: Iterable[StaffRow], known: KnownStaff) -> Iterable[Problem]:
    """Of rows with one code none is taken: which of them is meant nobody can say."""
    return _repeated(rows, lambda row: row.code, "code", "DUPLICATE_CODE")


def emails_are_unique(rows: Iterable[StaffRow], known: KnownStaff) -> Iterable[Problem]:
    """Of rows with one address none is taken."""
    return _repeated(rows, lambda row: row.text("email").lower(), "email", "DUPLICATE_EMAIL")


def managers_are_others(rows: Iterable[StaffRow], known: KnownStaff) -> Iterable[Problem]:
    """Nobody is their own manager, solid or dotted."""
    for row in rows:
        if row.text("manager_code") == row.code:
            yield problem(row.line, "manager_code", "SELF_MANAGER")
        if row.code in (row.dotted_manager_codes or ()):
            yield problem(row.line, "dotted_manager_codes", "SELF_DOTTED_MANAGER")


ROW_CHECKS: tuple[Callable[[Iterable[StaffRow], KnownStaff], Iterable[Problem]], ...] = (
    codes_are_unique,
    emails_are_unique,
    managers_are_others,
)


def _repeated(rows: Iterable[StaffRow], key: Callable[[StaffRow], str], column: str, code: str) -> Iterable[Problem]:
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        if key(row):
            lines[key(row)].append(row.line)
    for numbers in lines.values():
        for number in numbers if len(numbers) > 1 else ():
            yield problem(number, column, code, line=numbers[0] if number != numbers[0] else numbers[1])


def _with_departments(rows: list[StaffRow], tree: DepartmentTree, problems: list[Problem]) -> list[StaffRow]:
    good: list[StaffRow] = []
    for row in rows:
        text = row.text("department")
        fault = department_problem(tree, row.line, text)[1] if text else None
        if fault is not None:
            problems.append(fault)
        else:
            good.append(row)
    return good


def _with_managers(rows: list[StaffRow], file: StaffFile, known: KnownStaff, problems: list[Problem]) -> list[StaffRow]:
    """Repeats until nothing falls out: a refused row may take rows below it along, or leave an old line that loops."""
    codes_in_file = file.refused_codes | {row.code for row in file.rows}
    while True:
        faults = [
            *_taken_emails(rows, known),
            *_unknown_managers(rows, codes_in_file, known),
            *_looping_rows(rows, known),
        ]
        if not faults:
            return rows
        problems += faults
        refused = {fault.line for fault in faults}
        rows = [row for row in rows if row.line not in refused]


def _taken_emails(rows: list[StaffRow], known: KnownStaff) -> Iterable[Problem]:
    """An address of somebody else is refused, unless a row that loads gives that person another one."""
    moved = {row.code for row in rows if "email" in row.values}
    for row in rows:
        owner = known.code_of_email.get(row.text("email").lower())
        if owner is not None and owner != row.code and owner not in moved:
            yield problem(row.line, "email", "EMAIL_TAKEN", code=owner)


def _unknown_managers(rows: list[StaffRow], codes_in_file: frozenset[str], known: KnownStaff) -> Iterable[Problem]:
    present = {row.code for row in rows} | known.manager_of.keys()
    for row in rows:
        manager = row.text("manager_code")
        if manager and manager not in present:
            code = "MANAGER_NOT_LOADED" if manager in codes_in_file else "UNKNOWN_MANAGER"
            yield problem(row.line, "manager_code", code, code=manager)
        for dotted in row.dotted_manager_codes or ():
            if dotted not in present:
                code = "MANAGER_NOT_LOADED" if dotted in codes_in_file else "UNKNOWN_DOTTED_MANAGER"
                yield problem(row.line, "dotted_manager_codes", code, code=dotted)


def _looping_rows(rows: list[StaffRow], known: KnownStaff) -> Iterable[Problem]:
    manager_of: dict[str, str | None] = dict(known.manager_of)
    manager_of.update({row.code: row.text("manager_code") or None for row in rows if "manager_code" in row.values})
    looped = on_a_loop(manager_of)
    for row in rows:
        if row.code in looped and "manager_code" in row.values:
            yield problem(row.line, "manager_code", "MANAGEMENT_LOOP")
