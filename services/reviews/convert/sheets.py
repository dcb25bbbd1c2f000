"""An uploaded CSV or XLSX file as rows of text cells."""

import csv
import io
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal

import python_calamine

from services.reviews.domain.errors import ActualsFileInvalid
from services.reviews.usecases.actuals import SheetOfActuals

LARGEST_FILE = 64 * 1024 * 1024
LARGEST_UNPACKED = 512 * 1024 * 1024
MOST_ROWS = 200_000
MOST_COLUMNS = 1_000
ENCODINGS = ("utf-8-sig", "gb18030")
UNREADABLE = (
    python_calamine.CalamineError,
    zipfile.BadZipFile,
    ValueError,
    IndexError,
    NotImplementedError,
    OSError,
)


def read_sheet(content: bytes, file_format: str) -> SheetOfActuals:
    """Header and rows with their line numbers, the header being 1; ActualsFileInvalid says why a file is none."""
    if file_format not in ("csv", "xlsx"):
        raise ActualsFileInvalid("format is csv or xlsx", field="format")
    if not content or len(content) > LARGEST_FILE:
        raise ActualsFileInvalid("the file is empty or larger than 64 MiB", field="content")
    rows = _workbook_rows(content) if file_format == "xlsx" else _csv_rows(content)
    if not rows:
        raise ActualsFileInvalid("the file has no header", field="content")
    if len(rows) > MOST_ROWS or len(rows[0]) > MOST_COLUMNS:
        raise ActualsFileInvalid(f"at most {MOST_ROWS} rows and {MOST_COLUMNS} columns", field="content")
    numbered = ((number, tuple(cells)) for number, cells in enumerate(rows[1:], start=2))
    return SheetOfActuals(tuple(rows[0]), tuple((number, cells) for number, cells in numbered if any(cells)))


def _workbook_rows(content: bytes) -> list[Sequence[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_UNPACKED:
                raise ActualsFileInvalid("the workbook unpacks to more than 512 MiB", field="content")
        workbook = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        rows: Iterable[Sequence[object]] = workbook.get_sheet_by_index(0).to_python(skip_empty_area=False)
    except UNREADABLE as problem:
        raise ActualsFileInvalid("the file is not an XLSX workbook", field="content") from problem
    return [[_cell(cell) for cell in row] for row in rows]


def _csv_rows(content: bytes) -> list[Sequence[str]]:
    for encoding in ENCODINGS:
        try:
            text = content.decode(encoding)
            return [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
        except UnicodeDecodeError:
            continue
        except csv.Error as problem:
            raise ActualsFileInvalid(f"the file is not CSV: {problem}", field="content") from problem
    raise ActualsFileInvalid("the file is neither UTF-8 nor GB18030", field="content")


def _cell(cell: object) -> str:
    """A cell as its writer saw it: a whole number without a decimal point, a fraction in its shortest form."""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() else format(Decimal(repr(cell)), "f")
    if isinstance(cell, datetime | date):
        return cell.isoformat()
    return str(cell).strip()
