"""Reads a CSV or XLSX file into lines of text cells, with every fault of the file itself."""

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import python_calamine

MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 200_000
# A workbook is a zip archive: what it claims to unpack to is limited before anything is unpacked.
MAX_UNPACKED_BYTES = 1024 * 1024 * 1024
MAX_CELL_CHARACTERS = 32_767

_ZIP = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class SheetFault:
    """What is wrong with the file itself: the line (0: the whole file), a stable code, and the limit it broke."""

    line: int
    code: str
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the file: its line number as an editor or spreadsheet shows it, and its cells."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Header, rows and what was wrong with the file; with faults of its own there may be no rows."""

    header: tuple[str, ...]
    lines: tuple[Line, ...]
    faults: tuple[SheetFault, ...] = ()


def read_sheet(content: bytes, *, workbook: bool = False) -> Sheet:
    """The first sheet of a workbook, or a CSV text; what looks like a workbook is read as one whatever was said."""
    if len(content) > MAX_BYTES:
        return _refused("FILE_TOO_LARGE", f"{MAX_BYTES // (1024 * 1024)} MiB")
    if workbook or content.startswith((_ZIP, _OLD_EXCEL)):
        return _read_workbook(content)
    return _read_csv(content)


def _refused(code: str, limit: str = "") -> Sheet:
    return Sheet((), (), (SheetFault(0, code, limit),))


def _read_workbook(content: bytes) -> Sheet:
    if not content:
        return _refused("FILE_EMPTY")
    if not content.startswith(_ZIP):
        return _refused("NOT_XLSX")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED_BYTES:
            return _refused("FILE_TOO_LARGE", f"{MAX_UNPACKED_BYTES // (1024 * 1024)} MiB")
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (
        python_calamine.CalamineError,
        zipfile.BadZipFile,
        ValueError,
        IndexError,
        NotImplementedError,
        OSError,
    ):
        return _refused("NOT_XLSX")
    numbered = ((number, [_cell_text(cell) for cell in row]) for number, row in enumerate(rows, start=1))
    return _sheet(numbered, ())


def _cell_text(cell: object) -> str:
    """A workbook cell as a user reads it: whole numbers without a point, dates as YYYY-MM-DD."""
    match cell:
        case str():
            return cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer():
            return str(int(cell))
        case datetime() if cell.time() == time():
            return cell.date().isoformat()
        case date() | time():
            return cell.isoformat()
        case timedelta() | float() | int():
            return str(cell)
    return "" if cell is None else str(cell)


def _read_csv(content: bytes) -> Sheet:
    text = _decode(content)
    if text is None:
        return _refused("FILE_ENCODING")
    faults: list[SheetFault] = []
    return _sheet(_csv_rows(text, faults), faults)


def _decode(content: bytes) -> str | None:
    """UTF-8, else GB18030; UTF-8 with some damaged bytes stays UTF-8, and the damage is found cell by cell."""
    if content.startswith(_UTF16):
        return None
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        lenient = content.decode("utf-8", errors="surrogateescape")
    damaged = sum("\udc80" <= character <= "\udcff" for character in lenient)
    proper = sum(character > "\x7f" for character in lenient) - damaged
    if proper >= damaged:
        return lenient
    try:
        return content.decode("gb18030")
    except UnicodeDecodeError:
        return lenient if damaged * 100 <= len(lenient) else None


def _csv_rows(text: str, faults: list[SheetFault]) -> Iterator[tuple[int, list[str]]]:
    # 131 072 is the csv module's own limit for a field; longer cells are refused as too long by the rows' checks.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    started = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            faults.append(SheetFault(started, "BAD_QUOTING"))
            return
        yield started, row
        started = reader.line_num + 1


def _delimiter(text: str) -> str:
    """A tab or semicolon where the header line has one and no comma, as some spreadsheets save; else the comma."""
    header = text.split("\n", 1)[0]
    if "," in header:
        return ","
    return next((mark for mark in ("\t", ";") if mark in header), ",")


def _sheet(rows: Iterable[tuple[int, Sequence[str]]], faults: Sequence[SheetFault]) -> Sheet:
    header: tuple[str, ...] | None = None
    lines: list[Line] = []
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if header is None:
            header = tuple(cell.strip() for cell in row)
            continue
        lines.append(Line(number, tuple(row)))
        if len(lines) > MAX_ROWS:
            return _refused("TOO_MANY_ROWS", str(MAX_ROWS))
    if not lines and not faults:
        return _refused("FILE_EMPTY")
    return Sheet(header or (), tuple(lines), tuple(faults))
