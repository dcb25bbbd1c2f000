"""The columns of a staff file and what each cell must look like."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from services.people.domain.problems import Problem, problem

HEADERS: Mapping[str, tuple[str, ...]] = {
    "code": ("code", "employee_code", "employee code", "工号", "员工工号", "员工编号"),
    "name": ("name", "姓名", "员工姓名"),
    "email": ("email", "e-mail", "邮箱", "电子邮箱", "邮件"),
    "mobile": ("mobile", "phone", "手机", "手机号", "手机号码"),
    "department": ("department", "部门", "所属部门"),
    "manager_code": ("manager_code", "manager code", "manager", "上级工号", "直属上级工号", "上级"),
    "post": ("post", "岗位", "职位"),
    "level": ("level", "职级"),
    "hired_on": ("hired_on", "hired on", "入职日期", "入职时间"),
    "left_on": ("left_on", "left on", "离职日期", "离职时间"),
    "dotted_manager_codes": ("dotted_manager_codes", "dotted manager codes", "虚线上级工号", "虚线上级"),
    "language": ("language", "语言"),
}
COLUMN_OF_HEADER: Mapping[str, str] = {alias: column for column, aliases in HEADERS.items() for alias in aliases}
REQUIRED_COLUMNS = ("code", "name")
ATTRIBUTE = "attributes."

LIMITS: Mapping[str, int] = {
    "code": 64, "name": 100, "email": 254, "mobile": 32, "department": 500, "manager_code": 64, "post": 100,
    "level": 20, "hired_on": 32, "left_on": 32, "dotted_manager_codes": 700, "language": 20,
}  # fmt: skip
ATTRIBUTE_LIMIT = 500
HEADER_LIMIT = 64
MAX_DOTTED_MANAGERS = 10

LANGUAGES: Mapping[str, str] = {
    "zh-cn": "zh-CN", "zh": "zh-CN", "中文": "zh-CN", "简体中文": "zh-CN",
    "en": "en", "en-us": "en", "en-gb": "en", "english": "en", "英文": "en", "英语": "en",
}  # fmt: skip

CODE_FORM = re.compile(r"[0-9A-Za-z一-鿿][0-9A-Za-z一-鿿._\-]*")
EMAIL_FORM = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
MOBILE_FORM = re.compile(r"\+?[0-9](?:[ -]?[0-9]){5,14}")
LEVEL_FORM = re.compile(r"[0-9A-Za-z一-鿿]([0-9A-Za-z一-鿿 ._+/-]*[0-9A-Za-z一-鿿+])?")
_DATE_FORMS = (
    re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})"),
    re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})"),
    re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})"),
    re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日"),
    re.compile(r"(\d{4})(\d{2})(\d{2})"),
)
_CODE_SEPARATORS = re.compile(r"[;,，；、|\s]+")


class Line(Protocol):
    """A row of the file: its line number as an editor or spreadsheet shows it, and its cells."""

    @property
    def number(self) -> int: ...
    @property
    def cells(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class StaffSheet:
    """Header and rows as text, and what was wrong with the file itself; then there may be no rows."""

    header: tuple[str, ...]
    lines: Sequence[Line]
    problems: tuple[Problem, ...] = ()


class CellRefused(Exception):
    """A cell's text cannot be what its column holds."""

    def __init__(self, code: str, **parameters: object) -> None:
        super().__init__(code)
        self.code = code
        self.parameters = parameters


@dataclass(slots=True)
class StaffRow:
    """A row whose cells are all well formed; `None` in `values` means that the cell was empty."""

    line: int
    code: str
    values: dict[str, str | date | None]
    dotted_manager_codes: tuple[str, ...] | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    def text(self, column: str) -> str:
        """The text of a cell, empty when the file has none."""
        value = self.values.get(column)
        return value if isinstance(value, str) else ""

    def day(self, column: str) -> date | None:
        """The date of a cell, if there is one."""
        value = self.values.get(column)
        return value if isinstance(value, date) else None


@dataclass(frozen=True, slots=True)
class StaffFile:
    """What a file says: the columns it has (others stay as they are), the good rows, and every problem."""

    columns: tuple[str, ...]
    rows: tuple[StaffRow, ...]
    problems: tuple[Problem, ...]
    lines: int = 0
    refused_codes: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)


def parse_date(text: str) -> date:
    """A calendar date between 1900 and 2100; year first, so that day and month cannot be mistaken."""
    for form in _DATE_FORMS:
        if found := form.fullmatch(text):
            try:
                day = date(*(int(part) for part in found.groups()))
            except ValueError:
                break
            if 1900 <= day.year <= 2100:
                return day
    raise CellRefused("BAD_DATE")


def parse_code(text: str) -> str:
    """An employee code as written; letters, digits, and . _ - inside."""
    if not CODE_FORM.fullmatch(text):
        raise CellRefused("BAD_CODE")
    return text


def parse_email(text: str) -> str:
    """An address as written; compared without regard to case."""
    if not EMAIL_FORM.fullmatch(text) or len(text.split("@")[0]) > 64:
        raise CellRefused("BAD_EMAIL")
    return text


def parse_mobile(text: str) -> str:
    """A telephone number of 6 to 15 digits, blanks and hyphens removed."""
    if not MOBILE_FORM.fullmatch(text):
        raise CellRefused("BAD_MOBILE")
    return text.replace(" ", "").replace("-", "")


def parse_language(text: str) -> str:
    """One of the two languages of the product."""
    language = LANGUAGES.get(text.lower())
    if language is None:
        raise CellRefused("BAD_LANGUAGE")
    return language


def parse_level(text: str) -> str:
    """A short word of letters and digits such as P7, M3-2 or 高级."""
    if not LEVEL_FORM.fullmatch(text):
        raise CellRefused("BAD_LEVEL")
    return text


_PARSERS: Mapping[str, Callable[[str], str | date]] = {
    "code": parse_code,
    "manager_code": parse_code,
    "email": parse_email,
    "mobile": parse_mobile,
    "language": parse_language,
    "level": parse_level,
    "hired_on": parse_date,
    "left_on": parse_date,
}
_MISSING: Mapping[str, str] = {"code": "MISSING_CODE", "name": "MISSING_NAME"}


def read_staff(sheet: StaffSheet) -> StaffFile:
    """Every row is read; a row with any problem is left out, a fault of the header leaves all of them out."""
    columns, header_problems = _columns(sheet)
    fatal = (*(p for p in sheet.problems if p.code != "BAD_QUOTING"), *header_problems)
    if fatal or not columns:
        return StaffFile((), (), (*sheet.problems, *header_problems), len(sheet.lines))
    problems = list(sheet.problems)
    rows: list[StaffRow] = []
    refused: set[str] = set()
    for line in sheet.lines:
        row, faults = _read_row(line, columns)
        problems += faults
        if row is not None and faults:
            refused.add(row.code)
        elif row is not None:
            rows.append(row)
    written = {column: header for column, header in zip(columns, sheet.header, strict=True) if column in HEADERS}
    return StaffFile(tuple(columns), tuple(rows), tuple(problems), len(sheet.lines), frozenset(refused) - {""}, written)


def _columns(sheet: StaffSheet) -> tuple[list[str], list[Problem]]:
    """The column of each header: a known one, or `attributes.<header>`; "" for an empty column to be ignored."""
    problems: list[Problem] = []
    columns: list[str] = []
    for number, header in enumerate(sheet.header, start=1):
        if not header:
            if any(len(line.cells) >= number and line.cells[number - 1].strip() for line in sheet.lines):
                problems.append(problem(1, "", "EMPTY_HEADER", number=number))
            columns.append("")
            continue
        if len(header) > HEADER_LIMIT or _has_control(header):
            problems.append(problem(1, "", "BAD_HEADER", number=number))
            continue
        column = COLUMN_OF_HEADER.get(header.lower(), ATTRIBUTE + header)
        if column in columns:
            problems.append(problem(1, header, "DUPLICATE_HEADER", header=header))
        columns.append(column)
    if sheet.header:
        absent = [column for column in REQUIRED_COLUMNS if column not in columns]
        problems += [problem(1, column, "MISSING_HEADER", header=column) for column in absent]
    return columns, problems


def _read_row(line: Line, columns: Sequence[str]) -> tuple[StaffRow | None, list[Problem]]:
    if len(line.cells) != len(columns):
        counts = {"found": len(line.cells), "expected": len(columns)}
        return None, [problem(line.number, "", "WRONG_CELL_COUNT", **counts)]
    row = StaffRow(line.number, "", {})
    faults: list[Problem] = []
    for column, cell in zip(columns, line.cells, strict=True):
        if column:
            try:
                _read_cell(row, column, cell.strip())
            except CellRefused as refused:
                name = column.removeprefix(ATTRIBUTE)
                faults.append(problem(line.number, name, refused.code, **refused.parameters))
    row.code = row.text("code")
    hired_on, left_on = row.day("hired_on"), row.day("left_on")
    if hired_on and left_on and left_on < hired_on:
        faults.append(problem(line.number, "left_on", "LEFT_BEFORE_HIRED"))
    return row, faults


def _read_cell(row: StaffRow, column: str, text: str) -> None:
    _check_text(text, LIMITS.get(column, ATTRIBUTE_LIMIT))
    if column.startswith(ATTRIBUTE):
        row.attributes[column.removeprefix(ATTRIBUTE)] = text
    elif not text:
        if column in _MISSING:
            raise CellRefused(_MISSING[column])
        row.values[column] = None
        if column == "dotted_manager_codes":
            row.dotted_manager_codes = ()
    elif column == "dotted_manager_codes":
        row.dotted_manager_codes = _dotted(text)
    else:
        parser = _PARSERS.get(column)
        row.values[column] = parser(text) if parser else text


def _dotted(text: str) -> tuple[str, ...]:
    codes = tuple(dict.fromkeys(parse_code(code) for code in _CODE_SEPARATORS.split(text) if code))
    if len(codes) > MAX_DOTTED_MANAGERS:
        raise CellRefused("TOO_MANY_DOTTED_MANAGERS", limit=MAX_DOTTED_MANAGERS)
    return codes


def _check_text(text: str, limit: int) -> None:
    if not text.isprintable():
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise CellRefused("BAD_ENCODING")
        if _has_control(text):
            raise CellRefused("CONTROL_CHARACTER")
    if len(text) > limit:
        raise CellRefused("TOO_LONG", limit=limit)


def _has_control(text: str) -> bool:
    """Control, format (zero width, direction marks), line and private characters; blanks of any width are text."""
    return any(unicodedata.category(character) in _CONTROLS for character in text)


_CONTROLS = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
